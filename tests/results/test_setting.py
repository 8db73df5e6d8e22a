import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice

from nawf.phases.library import load_library
from nawf.results.crystal import Crystal
from nawf.results.setting import cell_in_setting, lengths_and_angles, matrix_of
from nawf.results.symmetry import primitive_cell

PHASES = {phase.id: phase for phase in load_library()}


def stretched(crystal, factors):
    """The crystal with each edge of its cell longer by a factor, angles as they were."""
    return crystal.model_copy(update={"lattice_a": tuple(map(tuple, crystal.matrix_a * np.array(factors)[:, None]))})


def shipped(phase_id):
    return Crystal.from_structure(PHASES[phase_id].structure())


def relaxed_as_stored(crystal):
    """What a store has of a crystal: its standard primitive cell."""
    return primitive_cell(crystal, 0.01)


def assert_cell(matrix, lengths, angles):
    found_lengths, found_angles = lengths_and_angles(matrix)
    assert found_lengths == pytest.approx(np.array(lengths), rel=1e-6)
    assert found_angles == pytest.approx(np.array(angles), abs=1e-4)


def rotation(seed):
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


@given(
    st.tuples(*[st.floats(2, 40)] * 3),
    st.tuples(*[st.floats(65, 115)] * 3),
)
def test_cells_as_vectors_and_back(lengths, angles):
    matrix = matrix_of(lengths, angles)
    assert matrix[0, 1:] == pytest.approx([0, 0])
    assert np.linalg.det(matrix) == pytest.approx(Lattice.from_parameters(*lengths, *angles).volume)
    assert_cell(matrix, lengths, angles)


@pytest.mark.parametrize("phase_id", PHASES)
def test_every_shipped_phase_comes_back_to_the_setting_of_its_file(phase_id):
    reference = shipped(phase_id)
    found = cell_in_setting(relaxed_as_stored(reference), reference)
    assert_cell(found, *lengths_and_angles(reference.matrix_a))
    assert np.linalg.det(found) > 0


@pytest.mark.parametrize("factor", [0.98, 1.02])
@pytest.mark.parametrize("phase_id", PHASES)
def test_two_percent_along_c_come_out_as_such(phase_id, factor):
    """Where symmetry makes the three axes alike, the odd one out is named c."""
    reference = shipped(phase_id)
    found = cell_in_setting(relaxed_as_stored(stretched(reference, (1, 1, factor))), reference)
    lengths, angles = lengths_and_angles(reference.matrix_a)
    assert_cell(found, lengths * [1, 1, factor], angles)


@pytest.mark.parametrize("phase_id", [p.id for p in PHASES.values() if p.card.space_group.number < 75])
@pytest.mark.parametrize("factors", [(1.05, 0.97, 1.01), (0.96, 1.01, 1.07), (0.98, 1.12, 0.95)])
def test_edges_keep_their_names_when_their_order_changes(phase_id, factors):
    reference = shipped(phase_id)
    found = cell_in_setting(relaxed_as_stored(stretched(reference, factors)), reference)
    lengths, angles = lengths_and_angles(reference.matrix_a)
    assert_cell(found, lengths * factors, angles)


def test_atoms_decide_where_the_shape_of_the_cell_points_the_wrong_way():
    """Sb2S3 has a = 11.33 and c = 11.25 Å; with a shorter and c longer, swapping them would look like less strain."""
    reference = shipped("sb2s3")
    lengths, angles = lengths_and_angles(reference.matrix_a)
    assert lengths == pytest.approx([11.33, 3.83, 11.25])
    factors = np.array([0.97, 1.0, 1.03])
    swapped = (lengths * factors)[[2, 1, 0]] / lengths - 1
    assert np.abs(swapped).max() < 0.03
    found = cell_in_setting(relaxed_as_stored(stretched(reference, factors)), reference)
    assert_cell(found, lengths * factors, angles)


@pytest.mark.parametrize("phase_id", ["sb", "p-black", "p4s10", "lip", "na3ps4-alpha", "nap15"])
def test_it_does_not_matter_in_which_cell_and_orientation_the_crystal_is_given(phase_id):
    reference = shipped(phase_id)
    primitive = relaxed_as_stored(reference)
    other_basis = np.array([[1, 1, 0], [0, 1, -1], [1, 1, 1]])
    assert round(np.linalg.det(other_basis)) == 1
    for basis in (other_basis, -other_basis):
        turned = Crystal.from_arrays(
            basis @ primitive.matrix_a @ rotation(7),
            primitive.species,
            (np.array(primitive.frac_coords) + [0.13, -0.4, 0.77]) @ np.linalg.inv(basis),
        )
        found = cell_in_setting(turned, reference)
        assert_cell(found, *lengths_and_angles(reference.matrix_a))
        assert np.linalg.det(found) > 0
        assert np.linalg.solve(turned.matrix_a.T, found.T) == pytest.approx(
            np.round(np.linalg.solve(turned.matrix_a.T, found.T)), abs=1e-9
        )


def test_atoms_that_moved_on_relaxation_are_recognised():
    reference = shipped("sb2s3")
    moved = np.array(reference.frac_coords) + np.random.default_rng(1).normal(scale=0.01, size=(len(reference), 3))
    relaxed = Crystal.from_arrays(stretched(reference, (0.97, 1, 1.03)).matrix_a, reference.species, moved)
    lengths, angles = lengths_and_angles(reference.matrix_a)
    assert_cell(cell_in_setting(relaxed, reference), lengths * [0.97, 1, 1.03], angles)


@pytest.mark.parametrize("factors", [(1.35, 1.35, 1.35), (1, 1, 0.6)])
def test_what_is_too_far_off_is_not_compared(factors):
    reference = shipped("na3ps4-alpha")
    assert cell_in_setting(stretched(reference, factors), reference) is None


def test_another_angle_is_another_cell():
    reference = shipped("na-bcc")
    sheared = Crystal.from_arrays(matrix_of((4.29,) * 3, (90, 90, 70)), reference.species, reference.frac_coords)
    assert cell_in_setting(sheared, reference) is None


def test_other_contents_are_not_compared():
    reference = shipped("na2s")
    primitive = relaxed_as_stored(reference)
    assert cell_in_setting(primitive.model_copy(update={"species": ("Li", "Li", "S")}), reference) is None
    assert cell_in_setting(primitive.model_copy(update={"species": ("Na", "S", "S")}), reference) is None
    assert cell_in_setting(reference, primitive) is None
