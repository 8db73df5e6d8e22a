"""Telling rehearsals from VASP."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nawf.rehearsal.version import VERSION, is_rehearsal


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (VERSION, True),
        ("6.4.2", False),
        ("6.4.3 ", False),
        (SimpleNamespace(vasp_version="6.4.2-rehearsal"), True),
        (SimpleNamespace(vasp_version="5.4.4"), False),
    ],
)
def test_by_version(source: object, expected: bool) -> None:
    assert is_rehearsal(source) is expected


@pytest.mark.parametrize("source", [None, SimpleNamespace(), SimpleNamespace(vasp_version=None), 6.4])
def test_an_unknown_origin_is_no_answer(source: object) -> None:
    with pytest.raises(TypeError, match="no VASP version"):
        is_rehearsal(source)


def test_the_materials_projects_validator_does_not_take_it_for_vasp() -> None:
    common = pytest.importorskip("pymatgen.io.validation.common")
    vasprun = SimpleNamespace(vasp_version=VERSION)
    with pytest.raises(ValueError, match="rehearsal"):
        common.VaspFiles.vasp_version.fget(SimpleNamespace(vasprun=vasprun))
