from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from nawf.level import Level
from nawf.phases.card import MeasuredCell
from nawf.phases.check import (
    Expectation,
    StructureLimits,
    check_file,
    check_library,
    check_phase,
    check_structure,
    shortest_distance,
)
from nawf.phases.library import Phase, load_library, read_phase

CifWriter = Callable[..., Path]


def antifluorite(a: float = 6.54) -> Structure:
    return Structure.from_spacegroup(225, Lattice.cubic(a), ["Na", "S"], [[0.25] * 3, [0, 0, 0]])


def rules(structure: Structure, expected: Expectation | None = None) -> dict[str, Level]:
    return {f.rule: f.level for f in check_structure(structure, expected=expected)}


def test_sound_structure_has_no_findings() -> None:
    expected = Expectation("Na2S", 4, 225)
    assert check_structure(antifluorite(), expected=expected) == ()
    assert check_structure(antifluorite().get_primitive_structure(), expected=Expectation("Na2S", 1, 225)) == ()


def test_oxidation_states_do_not_matter() -> None:
    decorated = antifluorite().add_oxidation_state_by_element({"Na": 1, "S": -2})
    assert check_structure(decorated, expected=Expectation("Na2S", 4, 225)) == ()


@pytest.mark.parametrize(
    ("expected", "rule"),
    [
        (Expectation(formula="NaS"), "composition"),
        (Expectation(formula="Na2Se"), "composition"),
        (Expectation(formula="Na2S", z=2), "z"),
        (Expectation(space_group_number=216), "space_group"),
    ],
)
def test_what_the_card_states_must_hold(expected: Expectation, rule: str) -> None:
    assert rules(antifluorite(), expected) == {rule: Level.FAIL}


def test_formula_may_be_a_multiple_of_the_reduced_one() -> None:
    structure = Structure(Lattice.cubic(8), ["P", "P", "S"], [[0, 0, 0], [0.3, 0, 0], [0.6, 0.3, 0]])
    structure.append("S", [0.1, 0.6, 0.3])
    assert "composition" not in rules(structure, Expectation("P2S2", 1))
    assert "composition" not in rules(structure, Expectation("PS", 2))
    assert "z" in rules(structure, Expectation("P2S2", 2))


# Covalent radii: S 1.05, Na 1.66 Å; limits 0.65 and 0.75 of the sum.
@pytest.mark.parametrize(
    ("pair", "distance_a", "level"),
    [
        (("S", "S"), 1.30, Level.FAIL),
        (("S", "S"), 1.50, Level.WARN),
        (("S", "S"), 1.89, None),
        (("Na", "S"), 1.70, Level.FAIL),
        (("Na", "S"), 2.60, None),
    ],
)
def test_overlap_is_told_by_covalent_radii(pair: tuple[str, str], distance_a: float, level: Level | None) -> None:
    structure = Structure(Lattice.cubic(5), pair, [[0, 0, 0], [distance_a / 5, 0, 0]])
    assert rules(structure).get("overlap") == level


def test_overlap_across_the_cell_boundary_is_seen() -> None:
    structure = Structure(Lattice.orthorhombic(5, 5, 6), ["S", "S"], [[0.5, 0.5, 0.02], [0.5, 0.5, 0.92]])
    findings = [f for f in check_structure(structure) if f.rule == "overlap"]
    assert findings[0].message == "atoms overlap: S1 and S2 are 0.600 Å apart"


def test_atoms_on_one_place_overlap_and_no_symmetry_is_sought() -> None:
    structure = Structure(Lattice.cubic(5), ["S", "S"], [[0, 0, 0], [0, 0, 0]])
    found = rules(structure)
    assert found["overlap"] is Level.FAIL
    assert "space_group" not in found


def test_isolated_atoms() -> None:
    lonely = Structure(Lattice.cubic(9), ["Na", "S", "S"], [[0.5, 0.5, 0.5], [0, 0, 0], [0.23, 0, 0]])
    assert rules(lonely)["isolated"] is Level.FAIL
    assert rules(Structure(Lattice.cubic(3.6), ["S"], [[0, 0, 0]]))["isolated"] is Level.WARN
    assert "isolated" not in rules(antifluorite())


def test_partial_occupancy_and_mixed_sites() -> None:
    for species in ({"Na": 0.5}, {"Sn": 0.5, "Sb": 0.5}):
        structure = Structure(Lattice.cubic(4), [species], [[0, 0, 0]])
        assert rules(structure) == {"occupancy": Level.FAIL}


def test_numbers_must_be_finite() -> None:
    structure = antifluorite()
    broken = Structure(structure.lattice, structure.species, structure.frac_coords)
    broken[0].frac_coords = np.array([np.nan, 0, 0])
    assert rules(broken) == {"finite": Level.FAIL}


def test_absurd_cells() -> None:
    assert rules(Structure(Lattice.cubic(1.2), ["Na"], [[0, 0, 0]]))["cell"] is Level.FAIL
    assert rules(Structure(Lattice.tetragonal(4, 250), ["Na"], [[0, 0, 0]]))["cell"] is Level.FAIL
    narrow = Lattice.from_parameters(10, 10, 10, 10, 90, 90)
    assert rules(Structure(narrow, ["Na"], [[0, 0, 0]]))["cell"] is Level.FAIL
    assert rules(Structure(Lattice.cubic(8), ["Na"], [[0, 0, 0]]))["volume"] is Level.FAIL
    assert rules(antifluorite(8.6))["volume"] is Level.WARN


def test_atom_counts() -> None:
    assert rules(Structure(Lattice.cubic(4), [], [])) == {"atoms": Level.FAIL}
    limits = StructureLimits(atoms_warn=10, atoms_fail=11)
    assert [f.rule for f in check_structure(antifluorite(), limits=limits)] == ["atoms"]
    limits = StructureLimits(atoms_warn=11, atoms_fail=12)
    assert [f.level for f in check_structure(antifluorite(), limits=limits)] == [Level.WARN]


def test_shortest_distance_counts_periodic_images() -> None:
    assert shortest_distance(antifluorite()) == (pytest.approx(6.54 * np.sqrt(3) / 4), "Na-S")
    assert shortest_distance(Structure(Lattice.tetragonal(30, 3), ["Na"], [[0, 0, 0]])) == (pytest.approx(3), "Na-Na")


def test_check_file_compares_the_stated_space_group(cif_file: CifWriter) -> None:
    good = check_file(cif_file({"data_test": "data_test\n_space_group_IT_number 221"}))
    assert good.verdict == "pass"
    wrong = check_file(cif_file({"data_test": "data_test\n_space_group_IT_number 225"}))
    assert any("spglib finds space group Pm-3m (221)" in message for message in wrong.warnings)


def test_check_file_reports_what_cannot_be_read(tmp_path: Path) -> None:
    report = check_file(tmp_path / "none.cif")
    assert report.verdict == "fail"
    assert report.structure is None
    assert report.failures == ("cannot be read: no such file or directory",)


def copy_phase(phase_id: str, folder: Path, changes: dict[str, str] | None = None) -> Phase:
    """Copy a shipped phase, with texts of its card replaced."""
    source = load_library().get(phase_id).cif_path
    card = source.with_suffix(".yaml").read_text(encoding="utf-8")
    for old, new in (changes or {}).items():
        assert old in card
        card = card.replace(old, new)
    (folder / source.name).write_text(source.read_text())
    (folder / source.name).with_suffix(".yaml").write_text(card, encoding="utf-8")
    return read_phase((folder / source.name).with_suffix(".yaml"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"formula: Na2S5": "formula: Na2S4"}, "the structure is Na2S5, not Na2S4"),
        ({"z: 4": "z: 2"}, "4 formula units of Na2S5, not 2"),
        (
            {"symbol: Pnma, number: 62": "symbol: Pbca, number: 61"},
            "spglib finds space group Pnma (62), not number 61",
        ),
        ({"symbol: Pnma, number: 62": "symbol: Pbca, number: 62"}, "space group 62 is Pnma, not Pbca"),
    ],
)
def test_a_card_that_contradicts_its_structure_fails(tmp_path: Path, changes: dict[str, str], words: str) -> None:
    phase = copy_phase("na2s5-alpha", tmp_path, changes)
    assert any(words in message for message in check_phase(phase).failures)
    assert any(words in message for message in check_file(phase.cif_path).failures)


def test_far_measured_cell_is_a_warning(tmp_path: Path) -> None:
    phase = copy_phase("nasn", tmp_path)
    cell = MeasuredCell(a_angstrom=10.5, b_angstrom=10.5, c_angstrom=10.5, reference="x")
    wrong = Phase(phase.card.model_copy(update={"measured_cell": cell}), phase.cif_path)
    assert check_phase(phase).verdict == "pass"
    assert check_phase(wrong).warnings == ("cell edge c = 17.53 Å is far from the measured 10.5 Å",)


def test_library_check_reports_faulty_cards_and_goes_on(tmp_path: Path) -> None:
    copy_phase("na2s", tmp_path)
    (tmp_path / "zz.yaml").write_text("id: zz\ncolour: red\n")
    (tmp_path / "na2s.cif").write_text("data_x\n")
    reports = check_library(tmp_path)
    failed = {report.source: report for report in reports if report.verdict == "fail"}
    assert len(reports) == len(load_library()) + 2
    assert set(failed) == {"na2s", "zz"}
    assert any("the id is taken by" in message for message in failed["na2s"].failures)
    assert any("colour: unknown key" in message for message in failed["zz"].failures)
