"""POSCAR files, against pymatgen's reader."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nawf.rehearsal.poscar import Cell, read_poscar
from nawf.rehearsal.stop import StopError

HEAD = "a  comment\n1.0\n4 0 0\n0 5 0\n0 0 6\n"
ATOMS = "Na S\n2 1\nDirect\n0 0 0\n0.5 0.5 0.5\n.25 0.25D0 0.25 and more\n"


@given(
    st.sampled_from(["1.0", "0.9", "-100.0"]),
    st.lists(st.tuples(*[st.floats(-2, 2)] * 3), min_size=3, max_size=3),
    st.booleans(),
    st.sampled_from(["", "Selective dynamics\n", "selective\n"]),
)
@settings(max_examples=50, deadline=None)
def test_reads_what_pymatgen_reads(scale: str, places: Any, cartesian: bool, selective: str) -> None:
    from pymatgen.io.vasp.inputs import Poscar

    # pymatgen does not turn a volume into a factor for cartesian coordinates, which VASP does.
    assume(not (cartesian and scale.startswith("-")))
    flags = ["T T F", "F T T", "T T T"] if selective else ["", "", ""]
    rows = "\n".join(f"{x} {y} {z} {f}" for (x, y, z), f in zip(places, flags, strict=True))
    mode = "Cartesian" if cartesian else "Direct"
    text = f"test\n{scale}\n4 0 0\n0.5 5 0\n0.2 0.1 6\nNa S\n2 1\n{selective}{mode}\n{rows}\n"
    ours, theirs = read_poscar(text, ["Na", "S"]), Poscar.from_str(text).structure
    assert ours.crystal.matrix_a == pytest.approx(theirs.lattice.matrix)
    assert np.array(ours.crystal.frac_coords) == pytest.approx(theirs.frac_coords, abs=1e-12)
    assert list(ours.crystal.species) == [s.specie.symbol for s in theirs]
    if selective:
        assert ours.free is not None
        assert ours.free.tolist() == [[True, True, False], [False, True, True], [True, True, True]]


def test_a_negative_scale_is_the_volume() -> None:
    cell = read_poscar("x\n-960\n4 0 0\n0 5 0\n0 0 6\nNa\n1\nCartesian\n4 0 0\n", [])
    assert cell.crystal.volume_a3 == pytest.approx(960)
    assert cell.crystal.matrix_a == pytest.approx(np.diag([8.0, 10.0, 12.0]))
    assert cell.crystal.frac_coords[0] == pytest.approx((1.0, 0.0, 0.0))


def test_three_scales_are_for_the_cartesian_axes() -> None:
    cell = read_poscar("x\n2.0 1.0 0.5\n4 1 0\n0 5 0\n0 0 6\nNa\n1\nSel\nCart\n4 1 3 .TRUE. .F. T\n", [])
    assert cell.crystal.matrix_a == pytest.approx(np.array([[8.0, 1.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 3.0]]))
    assert cell.crystal.frac_coords[0] == pytest.approx((1.0, 0.0, 0.5))
    assert cell.free is not None
    assert cell.free.tolist() == [[True, False, True]]


def test_names_groups_and_comment() -> None:
    cell = read_poscar(HEAD + ATOMS.replace("Na S\n2 1", "Na_pv S/abc Na\n1 1 1"), [])
    assert cell.comment == "a comment"
    assert cell.groups == (("Na", 1), ("S", 1), ("Na", 1))
    assert (cell.counts, cell.formula) == ((1, 1, 1), "Na2S")
    assert cell.free is None
    assert cell.crystal.frac_coords[2] == (0.25, 0.25, 0.25)


def test_names_can_come_from_the_potentials() -> None:
    cell = read_poscar(HEAD + ATOMS.replace("Na S\n", ""), ["Sb", "P"])
    assert cell.crystal.species == ("Sb", "Sb", "P")


@pytest.mark.parametrize(("groups", "formula"), [([("S", 8)], "S"), ([("Na", 6), ("P", 2), ("S", 8)], "Na3PS4")])
def test_formulas(groups: Any, formula: str) -> None:
    assert Cell("", None, tuple(groups), None).formula == formula  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "something wrong"),
        (HEAD, "something wrong"),
        (HEAD + "Na S\n2\n", "something wrong"),
        (HEAD + ATOMS.replace("2 1", "2 2"), "something wrong"),
        (HEAD + ATOMS.replace("2 1", "0 0"), "something wrong"),
        (HEAD + ATOMS.replace("2 1", "2 1 1"), "something wrong"),
        (HEAD + ATOMS.replace("0.5 0.5 0.5", "0.5 0.5"), "something wrong"),
        (HEAD + ATOMS.replace("0.5 0.5 0.5", "0.5 x 0.5"), "something wrong"),
        (HEAD + ATOMS.replace("0.5 0.5 0.5", "0.5 nan 0.5"), "something wrong"),
        (HEAD + ATOMS.replace("Direct", "Selective\nDirect"), "something wrong"),
        (HEAD.replace("0 5 0", "0 5") + ATOMS, "something wrong"),
        (HEAD.replace("1.0", "") + ATOMS, "something wrong"),
        (HEAD.replace("0 5 0", "4 0 0") + ATOMS, "no volume"),
        (HEAD.replace("0 5 0", "0 -5 0") + ATOMS, "triple product"),
    ],
)
def test_what_cannot_be_read_ends_the_run(text: str, words: str) -> None:
    with pytest.raises(StopError, match=words):
        read_poscar(text, ["Na", "S"])
