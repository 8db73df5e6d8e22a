"""The wheel carries structures and campaigns, and works away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_holds_all_data_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    cifs = [n for n in names if n.startswith("nawf/_data/structures/") and n.endswith(".cif")]
    assert len(cifs) == len(list((ROOT / "structures").rglob("*.cif")))
    assert "nawf/_data/workflows/ji2024.yaml" in names
    assert not [n for n in names if n.startswith("tests/")]


def test_it_works_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    code = (
        "import nawf, sys; assert nawf.__file__.startswith(sys.argv[1]), nawf.__file__\n"
        "from nawf.phases.library import load_library\n"
        "from nawf.campaigns.schema import load_campaign\n"
        "print(len(load_library()), load_campaign('ji2024').name)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(site)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["94", "ji2024"]
