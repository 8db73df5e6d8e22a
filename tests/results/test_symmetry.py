import numpy as np
import pytest
import spglib
from hypothesis import given, settings
from hypothesis import strategies as st

from nawf.errors import CalculationError
from nawf.flows.phonon import displaced_cells
from nawf.phases.library import load_library
from nawf.results.crystal import Crystal
from nawf.results.methods import PhononMethod
from nawf.results.symmetry import (
    conventional_cell,
    face_heights_a,
    primitive_cell,
    space_group,
    supercell,
    supercell_rows,
    symmetrise,
)

SYMPREC_A = 0.01

# Space group number, atoms in the primitive and in the conventional cell: by hand from structure type and centring.
KNOWN = {
    "na-bcc": (229, 1, 2),
    "na-hcp": (194, 2, 2),
    "sn-alpha": (227, 2, 8),
    "na2s": (225, 3, 12),
    "s-alpha": (70, 32, 128),
    "sn-beta": (141, 2, 4),
    "sb": (166, 2, 6),
    "na5sn2": (166, 7, 21),
    "na2s2-alpha": (189, 12, 12),
    "na2s4": (122, 24, 48),
    "na2s3": (36, 10, 20),
    "na4p2s6": (12, 12, 24),
    "lip": (14, 16, 16),
    "nap15": (2, 32, 32),
}

# One or more of every crystal system and centring.
PHASES = (*KNOWN, "na2s5-alpha", "na2s5-epsilon", "nasbs2-c2m", "p4s4-alpha", "na15sn4", "na3ps4-alpha", "nap5")


def rattled(crystal, size_a, seed=3):
    """The crystal with every atom moved by up to ``size_a`` in each direction, and the largest move (Å)."""
    moves_a = np.random.default_rng(seed).uniform(-size_a, size_a, (len(crystal), 3))
    moved = np.array(crystal.frac_coords) + moves_a @ np.linalg.inv(crystal.matrix_a)
    return Crystal.from_arrays(crystal.lattice_a, crystal.species, moved), np.linalg.norm(moves_a, axis=1).max()


@pytest.mark.parametrize("phase", KNOWN)
def test_cells_of_known_structures(shipped_crystal, phase):
    number, n_primitive, n_conventional = KNOWN[phase]
    crystal = shipped_crystal(phase)
    primitive = primitive_cell(crystal, SYMPREC_A)
    conventional = conventional_cell(primitive, SYMPREC_A)
    assert (len(primitive), len(conventional)) == (n_primitive, n_conventional)
    for cell in (crystal, primitive, conventional):
        group = space_group(cell, SYMPREC_A)
        assert group.number == number
        assert spglib.get_spacegroup(cell.to_spglib(), symprec=SYMPREC_A) == f"{group.symbol} ({number})"
        assert cell.volume_a3_per_atom == pytest.approx(crystal.volume_a3_per_atom, rel=1e-6)
    multiple = conventional.matrix_a @ np.linalg.inv(primitive.matrix_a)
    assert multiple == pytest.approx(np.rint(multiple), abs=1e-9)


def test_a_standard_cell_is_its_own_standard_cell(shipped_crystal):
    for phase in PHASES:
        once = primitive_cell(shipped_crystal(phase), SYMPREC_A)
        twice = primitive_cell(once, SYMPREC_A)
        assert np.array(twice.lattice_a) == pytest.approx(np.array(once.lattice_a), abs=1e-9), phase


@pytest.mark.parametrize("phase", PHASES)
def test_symmetrising_gives_back_exact_symmetry(shipped_crystal, phase):
    crystal = primitive_cell(shipped_crystal(phase), SYMPREC_A)
    bent, _ = rattled(crystal, 5e-4)
    ideal, _ = symmetrise(bent, SYMPREC_A)
    assert space_group(ideal, 1e-6).number == space_group(crystal, SYMPREC_A).number
    assert sorted(ideal.species) == sorted(crystal.species)
    assert ideal.volume_a3_per_atom == pytest.approx(crystal.volume_a3_per_atom, rel=1e-6)
    if len(crystal) > 1:
        assert space_group(bent, 1e-6).number < space_group(ideal, 1e-6).number


@pytest.mark.parametrize("phase", PHASES)
def test_an_exact_crystal_needs_no_shift(shipped_crystal, phase):
    crystal = shipped_crystal(phase)
    ideal = primitive_cell(crystal, SYMPREC_A)
    assert symmetrise(ideal, SYMPREC_A)[1] == pytest.approx(0, abs=1e-9)
    # As printed in the CIF, coordinates are rounded to four or five digits.
    assert symmetrise(crystal, SYMPREC_A)[1] < 2e-3


@pytest.mark.parametrize("phase", PHASES)
def test_the_shift_is_as_large_as_what_it_undoes(shipped_crystal, phase):
    bent, largest_a = rattled(primitive_cell(shipped_crystal(phase), SYMPREC_A), 5e-4)
    _, shift_a = symmetrise(bent, SYMPREC_A)
    assert shift_a < 3 * largest_a
    if len(bent) > 2:
        assert shift_a > 0.1 * largest_a


def test_a_single_moved_atom_is_seen(shipped_crystal):
    """In β-Na2S2 (12 operations on a sulfur site) one sulfur, moved by 2 mÅ, goes back by most of it."""
    crystal = primitive_cell(shipped_crystal("na2s2-beta"), SYMPREC_A)
    coordinates = np.array(crystal.frac_coords)
    sulfur = crystal.species.index("S")
    coordinates[sulfur] += np.array([0.002, 0, 0]) @ np.linalg.inv(crystal.matrix_a)
    bent = Crystal.from_arrays(crystal.lattice_a, crystal.species, coordinates)
    assert 0.001 < symmetrise(bent, SYMPREC_A)[1] < 0.0025


def test_atoms_on_top_of_each_other_give_a_clear_error():
    crystal = Crystal.from_arrays(np.eye(3) * 3, ["Na", "Na"], [[0, 0, 0], [0, 0, 0.001]])
    for attempt in (space_group, primitive_cell, conventional_cell, symmetrise):
        with pytest.raises(CalculationError, match=r"symprec 0\.01 Å"):
            attempt(crystal, SYMPREC_A)


def test_heights_of_a_hexagonal_cell():
    matrix = np.array([[2.0, 0, 0], [-1.0, np.sqrt(3), 0], [0, 0, 5.0]])
    assert face_heights_a(matrix) == pytest.approx([np.sqrt(3), np.sqrt(3), 5.0])
    assert face_heights_a(-matrix) == pytest.approx([np.sqrt(3), np.sqrt(3), 5.0])


def heights_from_reciprocal(matrix):
    """Distance between lattice planes: one over the length of the reciprocal vector."""
    return 1 / np.linalg.norm(np.linalg.inv(matrix), axis=0)


def breaks_symmetry(rows, primitive):
    """Rotations of the crystal that do not map the supercell's lattice onto itself."""
    rotations = {r.tobytes(): r for r in spglib.get_symmetry(primitive.to_spglib(), symprec=SYMPREC_A)["rotations"]}
    columns = rows.T
    turned = [np.linalg.inv(columns) @ r @ columns for r in rotations.values()]
    return sum(not np.allclose(t, np.rint(t), atol=1e-6) for t in turned)


def fewest_cells(primitive, min_length_a):
    """Primitive cells in the smallest of the documented candidates, by counting up."""

    def factors(matrix):
        wanted = []
        for height in heights_from_reciprocal(matrix):
            n = 1
            while n * height < min_length_a - 1e-5:
                n += 1
            wanted.append(n)
        return wanted

    conventional = conventional_cell(primitive, SYMPREC_A)
    centring = len(conventional) // len(primitive)
    return min(centring * np.prod(factors(conventional.matrix_a)), max(factors(primitive.matrix_a)) ** 3)


def check_supercell(primitive, min_length_a):
    rows = supercell_rows(primitive, min_length_a, SYMPREC_A)
    assert rows.shape == (3, 3)
    assert np.issubdtype(rows.dtype, np.integer)
    edges = rows @ primitive.matrix_a
    assert heights_from_reciprocal(edges).min() >= min_length_a - 1e-4
    assert breaks_symmetry(rows, primitive) == 0
    assert round(abs(np.linalg.det(rows))) == fewest_cells(primitive, min_length_a)


def test_supercells_of_the_library(library, shipped_crystal):
    small = [p.id for p in library if p.n_atoms <= 64]
    assert len(small) > 60
    for phase in small[::2]:
        check_supercell(primitive_cell(shipped_crystal(phase), SYMPREC_A), 12.0)


_HYPOTHESIS_CELLS = {
    phase: primitive_cell(Crystal.from_structure(load_library().get(phase).structure()), SYMPREC_A)
    for phase in ("na-bcc", "na2s", "sb", "na2s2-beta", "na2s4", "nasbs2-c2m")
}


@settings(max_examples=60, deadline=None)
@given(phase=st.sampled_from(sorted(_HYPOTHESIS_CELLS)), min_length_a=st.floats(4.0, 40.0))
def test_supercells_of_any_length(phase, min_length_a):
    check_supercell(_HYPOTHESIS_CELLS[phase], min_length_a)


@pytest.mark.parametrize("phase", sorted(_HYPOTHESIS_CELLS))
def test_a_supercell_is_that_of_phonopy(phase):
    primitive = _HYPOTHESIS_CELLS[phase]
    expected = displaced_cells(primitive, PhononMethod(min_length_a=9.0), SYMPREC_A).supercell.to_structure()
    found = supercell(primitive, supercell_rows(primitive, 9.0, SYMPREC_A)).to_structure()
    assert np.allclose(found.lattice.matrix, expected.lattice.matrix)
    assert len(found) == len(expected) > len(primitive)
    for site in found:
        (match,) = [s for s in expected if s.distance(site) < 1e-6]
        assert match.specie == site.specie


def test_a_supercell_as_long_as_wanted_is_not_enlarged():
    """Three cells of 4 Å are 12 Å, though 12 / 4 may come out a little above 3."""
    cell = Crystal.from_arrays(np.eye(3) * 4.0, ["Na"], [[0, 0, 0]])
    for stretch in (1 - 1e-9, 1.0, 1 + 1e-9):
        assert (supercell_rows(cell, 12.0 * stretch, SYMPREC_A) == 3 * np.eye(3)).all()
    assert (supercell_rows(cell, 12.1, SYMPREC_A) == 4 * np.eye(3)).all()
