from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

import nawf
from nawf.errors import NawfError
from nawf.shipped import shipped_folder


@pytest.mark.parametrize("name", ["structures", "workflows", "deploy"])
def test_the_installed_package_finds_its_data(name: Literal["structures", "workflows", "deploy"]) -> None:
    folder = shipped_folder(name)
    assert folder.is_dir()
    assert folder.is_relative_to(Path(nawf.__file__).resolve().parent.parent)


def make(root: Path, *folders: str) -> Path:
    for folder in folders:
        (root / folder).mkdir(parents=True)
    return root / "nawf"


def test_an_installed_wheel_has_its_data_inside(tmp_path: Path) -> None:
    package = make(tmp_path, "nawf/_data/structures", "structures")
    assert shipped_folder("structures", package_folder=package) == package / "_data" / "structures"


def test_a_checkout_has_its_data_beside_the_package(tmp_path: Path) -> None:
    package = make(tmp_path, "nawf", "workflows")
    (tmp_path / "pyproject.toml").write_text("")
    assert shipped_folder("workflows", package_folder=package) == tmp_path / "workflows"


def test_a_stray_folder_in_site_packages_is_not_taken(tmp_path: Path) -> None:
    package = make(tmp_path, "nawf", "structures")
    with pytest.raises(NawfError, match=r"shipped structures are missing .* \(install it again\)"):
        shipped_folder("structures", package_folder=package)
