"""Every shipped phase, rebuilt from its CIF without nawf's own reader, and compared with its card."""

from __future__ import annotations

import math
import re
import warnings
from functools import cache
from pathlib import Path

import ase.io
import numpy as np
import pytest
import spglib
import yaml
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list
from pymatgen.core import Composition, Structure, SymmOp
from pymatgen.symmetry.groups import SpaceGroup

from nawf.phases.card import Origin
from nawf.phases.check import check_phase
from nawf.phases.library import load_library
from nawf.phases.tags import TAGS

LIBRARY = load_library()
ALL_IDS = [phase.id for phase in LIBRARY]
LI_IDS = {"li-bcc", "li2s", "li3p", "lip", "lip7", "li3p7", "li3ps4-gamma", "li3ps4-beta"}
ADDITIVE_IDS = {"na3n", "na2o", "na2o2", "nacro2"}


@cache
def atoms_of(phase_id: str) -> Atoms:
    return ase.io.read(LIBRARY.get(phase_id).cif_path, format="cif")


def bonds(phase_id: str, first: str, second: str, below_a: float) -> list[list[float]]:
    """Distances (Å) from each ``first`` atom to the ``second`` atoms nearer than ``below_a``, sorted."""
    atoms = atoms_of(phase_id)
    i, j, d = neighbor_list("ijd", atoms, below_a)
    symbols = np.array(atoms.get_chemical_symbols())
    return [sorted(d[(i == index) & (symbols[j] == second)]) for index in np.flatnonzero(symbols == first)]


def molecule_sizes(phase_id: str, elements: set[str], below_a: float) -> set[int]:
    """Atoms in the connected groups of some elements, bonds being shorter than ``below_a`` (Å)."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    atoms = atoms_of(phase_id)
    kept = atoms[[atom.index for atom in atoms if atom.symbol in elements]]
    i, j = neighbor_list("ij", kept, below_a)
    graph = coo_matrix((np.ones(len(i)), (i, j)), shape=(len(kept), len(kept)))
    return set(np.bincount(connected_components(graph, directed=False)[1]).tolist())


@pytest.mark.parametrize("phase_id", ALL_IDS)
def test_structure_agrees_with_its_card(phase_id: str) -> None:
    card, atoms = LIBRARY.get(phase_id).card, atoms_of(phase_id)
    formula = Composition(card.formula)
    assert len(atoms) == card.z * formula.num_atoms == card.n_atoms
    assert Composition(atoms.get_chemical_formula()) == formula * card.z
    cell = (atoms.cell[:], atoms.get_scaled_positions(), atoms.numbers)
    dataset = spglib.get_symmetry_dataset(cell, symprec=0.01)
    assert (dataset.number, dataset.international) == (card.space_group.number, card.space_group.symbol)
    assert SpaceGroup(card.space_group.symbol).int_number == card.space_group.number
    # 12 to 45 Å3 per atom, down to 9 for the small anions of oxides and nitrides.
    low = 9 if card.elements & {"O", "N"} else 12
    assert low < atoms.get_volume() / len(atoms) < 45
    radii = covalent_radii[atoms.numbers]
    i, j, d = neighbor_list("ijd", atoms, 4.5)
    assert (d / (radii[i] + radii[j])).min() > 0.8
    assert d.min() > (1.4 if card.elements >= {"O"} else 1.6)


@pytest.mark.parametrize("phase_id", ALL_IDS)
def test_pymatgen_and_ase_read_the_same_crystal(phase_id: str) -> None:
    structure, atoms = Structure.from_file(LIBRARY.get(phase_id).cif_path), atoms_of(phase_id)
    assert structure == LIBRARY.get(phase_id).structure()
    assert structure.lattice.parameters == pytest.approx(atoms.cell.cellpar(), abs=1e-8)
    assert len(structure) == len(atoms)
    differences = structure.frac_coords[:, None, :] - atoms.get_scaled_positions()[None, :, :]
    offset = np.abs(differences - np.rint(differences)).max(axis=2)
    partner = offset.argmin(axis=1)
    assert sorted(partner) == list(range(len(atoms)))
    assert offset.min(axis=1).max() < 1e-7
    assert [site.specie.symbol for site in structure] == [atoms[int(k)].symbol for k in partner]


def operation_key(operation: SymmOp) -> tuple[int, ...]:
    """Comparable form of an operation; every translation is a multiple of 1/24."""
    translation = np.rint(24 * operation.translation_vector).astype(int) % 24
    return (*np.rint(operation.rotation_matrix).astype(int).ravel().tolist(), *translation.tolist())


@cache
def default_operation_keys(number: int) -> list[tuple[int, ...]]:
    return sorted(map(operation_key, SpaceGroup.from_int_number(number).symmetry_ops))


@pytest.mark.parametrize("phase_id", ALL_IDS)
def test_cif_has_symmetry_and_an_asymmetric_unit(phase_id: str) -> None:
    card = LIBRARY.get(phase_id).card
    text = LIBRARY.get(phase_id).cif_path.read_text(encoding="ascii")
    written = [SymmOp.from_xyz_str(line.strip("'")) for line in text.splitlines() if line.startswith("'")]
    assert sorted(map(operation_key, written)) == default_operation_keys(card.space_group.number)
    rows = re.findall(r"^([A-Z][a-z]?)\d+ \1 (\d+) [a-zA-Z] [\d. ]+ 1$", text, re.MULTILINE)
    assert sum(int(multiplicity) for _, multiplicity in rows) == card.n_atoms
    assert len(rows) < card.n_atoms or len(written) == 1
    assert f"_space_group_IT_number              {card.space_group.number}\n" in text
    assert ("not measured" in text) == (card.origin is not Origin.EXPERIMENTAL)


def test_no_warning_is_raised_when_reading() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*rounded to ideal values.*")
        for phase in LIBRARY:
            Structure.from_file(phase.cif_path)


def test_the_checker_passes_them_all() -> None:
    reports = [check_phase(phase) for phase in LIBRARY]
    assert [(r.source, [f.message for f in r.findings]) for r in reports if r.findings] == []


def test_content_is_unchanged() -> None:
    """Finished calculations refer to these hashes, on every machine; renew the file only with a reason."""
    stored = yaml.safe_load(Path(__file__).with_name("card_hashes.yaml").read_text())
    assert {phase.id: phase.card_hash for phase in LIBRARY} == stored


def test_folders() -> None:
    for phase in LIBRARY:
        expected = "li" if phase.id in LI_IDS else "additives" if phase.id in ADDITIVE_IDS else "na-s-sb-p-sn"
        assert phase.cif_path.parent.name == expected
        assert phase.cif_path.name == f"{phase.id}.cif"


def test_tags_are_documented_used_and_consistent() -> None:
    used = {tag for phase in LIBRARY for tag in phase.card.tags}
    assert used == set(TAGS)
    for phase in LIBRARY:
        card, tags = phase.card, set(phase.card.tags)
        assert ("element" in tags) == (len(card.elements) == 1), card.id
        assert ("li-reference" in tags) == ("Li" in card.elements) == (card.id in LI_IDS), card.id
        assert ("additive" in tags) == (card.id in ADDITIVE_IDS), card.id
        assert ("oxide" in tags) == ("O" in card.elements), card.id
        if tags & {"hypothetical", "quoted-cell", "estimated-cell"}:
            assert card.origin is not Origin.EXPERIMENTAL, card.id
        if card.origin is Origin.PROTOTYPE:
            assert tags & {"quoted-cell", "estimated-cell", "low-trust"}, card.id
            assert card.notes, card.id
        if tags & {"polysulfide", "sulfide", "thiophosphate", "thiostannate", "thioantimonate"}:
            assert "S" in card.elements, card.id


def test_measured_cells_are_near_the_relaxed_ones() -> None:
    cards = [phase.card for phase in LIBRARY if phase.card.measured_cell]
    assert {card.id for card in cards} == {"nasn", "na2s2-alpha", "na2o2"}
    for card in cards:
        assert card.measured_cell is not None
        lattice = LIBRARY.get(card.id).structure().lattice
        assert lattice.abc == pytest.approx(card.measured_cell.lengths_angstrom, rel=0.02)
        assert lattice.angles == pytest.approx(card.measured_cell.angles_deg, abs=1e-6)


# Densities from handbooks (g/cm3), room temperature.
@pytest.mark.parametrize(
    ("phase_id", "density_g_per_cm3", "tolerance"),
    [
        ("na-bcc", 0.97, 0.01),
        ("li-bcc", 0.534, 0.005),
        ("s-alpha", 2.07, 0.01),
        ("p-black", 2.69, 0.03),
        ("sb", 6.69, 0.02),
        ("sn-alpha", 5.77, 0.02),
        ("sn-beta", 7.29, 0.05),
        ("na2s", 1.86, 0.04),
        ("li2s", 1.64, 0.03),
        ("sb2s3", 4.63, 0.05),
        ("sns", 5.20, 0.05),
        ("p4s10", 2.09, 0.03),
    ],
)
def test_density(phase_id: str, density_g_per_cm3: float, tolerance: float) -> None:
    atoms = atoms_of(phase_id)
    grams_per_cm3 = atoms.get_masses().sum() / atoms.get_volume() * 1.66053907
    assert grams_per_cm3 == pytest.approx(density_g_per_cm3, abs=tolerance)


def test_antifluorites() -> None:
    assert 6.50 <= atoms_of("na2s").cell.lengths()[0] <= 6.55
    for phase_id, bond_a in (("na2s", 2.82), ("li2s", 2.48), ("na2o", 2.40)):
        a = atoms_of(phase_id).cell.lengths()[0]
        metal, anion = ("Li" if "li" in phase_id else "Na"), ("O" if "o" in phase_id else "S")
        for distances in bonds(phase_id, metal, anion, 3.0):
            assert distances == pytest.approx([a * math.sqrt(3) / 4] * 4)
            assert distances[0] == pytest.approx(bond_a, abs=0.01)
        assert {len(distances) for distances in bonds(phase_id, anion, metal, 3.0)} == {8}


def test_sulfur_is_rings_of_eight() -> None:
    assert molecule_sizes("s-alpha", {"S"}, 2.3) == {8}
    for distances in bonds("s-alpha", "S", "S", 2.3):
        assert distances == pytest.approx([2.05, 2.05], abs=0.02)


@pytest.mark.parametrize(
    ("phase_id", "length"),
    [
        ("na2s2-alpha", 2),
        ("na2s2-beta", 2),
        ("na2s3", 3),
        ("na2s4", 4),
        ("na2s5-alpha", 5),
        ("na2s5-epsilon", 5),
    ],
)
def test_polysulfides_are_chains_of_the_right_length(phase_id: str, length: int) -> None:
    assert molecule_sizes(phase_id, {"S"}, 2.3) == {length}
    # 1.98 Å in the model of Na2S3 comes from its scaled cell, as its card says.
    low = 1.95 if phase_id == "na2s3" else 2.0
    assert all(low < d < 2.2 for distances in bonds(phase_id, "S", "S", 2.6) for d in distances)
    ends = sum(len(distances) == 1 for distances in bonds(phase_id, "S", "S", 2.3))
    assert ends == 2 * LIBRARY.get(phase_id).card.z


@pytest.mark.parametrize(
    ("phase_id", "size"),
    [("p4s3-alpha", 7), ("p4s3-gamma", 7), ("p4s4-alpha", 8), ("p4s5-beta", 9), ("p4s6-gamma", 10)]
    + [("p4s7", 11), ("p4s9-p21c", 13), ("p4s9-ia3", 13), ("p4s10", 14)],
)
def test_phosphorus_sulfides_are_cages(phase_id: str, size: int) -> None:
    assert molecule_sizes(phase_id, {"P", "S"}, 2.5) == {size}
    assert "molecular" in LIBRARY.get(phase_id).card.tags


@pytest.mark.parametrize(
    ("phase_id", "centre", "bond_a"),
    [
        ("na3ps4-alpha", "P", 2.05),
        ("na3ps4-beta", "P", 2.06),
        ("li3ps4-gamma", "P", 2.04),
        ("li3ps4-beta", "P", 2.05),
        ("na3sbs4-cubic", "Sb", 2.32),
        ("na3sbs4-tetragonal", "Sb", 2.32),
        ("na4sns4", "Sn", 2.40),
    ],
)
def test_tetrahedral_anions(phase_id: str, centre: str, bond_a: float) -> None:
    for distances in bonds(phase_id, centre, "S", 2.9):
        assert len(distances) == 4
        assert np.mean(distances) == pytest.approx(bond_a, abs=0.03)


@pytest.mark.parametrize(
    ("phase_id", "element", "shells_a"),
    [
        ("na-bcc", "Na", [(8, 3.716)]),
        ("sb", "Sb", [(3, 2.91), (3, 3.35)]),
        ("p-black", "P", [(3, 2.23)]),
        ("sn-alpha", "Sn", [(4, 2.81)]),
        ("sn-beta", "Sn", [(4, 3.02), (2, 3.18)]),
    ],
)
def test_coordination_of_the_elements(phase_id: str, element: str, shells_a: list[tuple[int, float]]) -> None:
    expected = [bond for count, bond in shells_a for _ in range(count)]
    for distances in bonds(phase_id, element, element, max(expected) + 0.1):
        assert distances == pytest.approx(expected, abs=0.03)
