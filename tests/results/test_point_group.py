"""Point groups against pymatgen, and the numbers of elastic constants against the tables of physics."""

import numpy as np
import pytest
from pymatgen.analysis.elasticity import ElasticTensor
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from pymatgen.symmetry.groups import SpaceGroup
from scipy.spatial.transform import Rotation

from nawf.errors import CalculationError
from nawf.results.crystal import Crystal
from nawf.results.mandel import mandel_rotation, mandel_stiffness, mandel_strain, voigt_stiffness
from nawf.results.point_group import cartesian_operations, invariant_tensors, mandel_operations, maps
from nawf.results.symmetry import primitive_cell

SYMPREC_A = 0.01

# Constants of second order by J. F. Nye, Physical Properties of Crystals; of third order by K. Brugger,
# J. Appl. Phys. 36, 759 (1965), 10.1063/1.1714215; of a stress by hand. Space groups of all 32 classes.
TABLES = [
    ((1, 2), (6, 21, 56)),
    ((4, 7, 14), (4, 13, 32)),
    ((19, 33, 62), (3, 9, 20)),
    ((79, 81, 88), (2, 7, 16)),
    ((92, 102, 114, 136), (2, 6, 12)),
    ((146, 148), (2, 7, 20)),
    ((149, 150, 157, 160, 162, 167), (2, 6, 14)),
    ((173, 174, 176), (2, 5, 12)),
    ((178, 186, 187, 189, 194), (2, 5, 10)),
    ((198, 205), (1, 3, 8)),
    ((212, 217, 225), (1, 3, 6)),
]
NUMBERS = [(group, numbers) for groups, numbers in TABLES for group in groups]


def lattice_of(group):
    if group <= 2:
        return Lattice.from_parameters(5, 6.1, 7.3, 81, 97, 103)
    if group <= 15:
        return Lattice.monoclinic(5, 6.1, 7.3, 107)
    if group <= 74:
        return Lattice.orthorhombic(5, 6.1, 7.3)
    if group <= 142:
        return Lattice.tetragonal(5.5, 7.3)
    return Lattice.hexagonal(5.5, 7.3) if group <= 194 else Lattice.cubic(7)


def crystal_of(group):
    """Atoms on general positions of a space group, turned out of any special orientation."""
    structure = Structure.from_spacegroup(
        group, lattice_of(group), ["Na", "S"], [[0.11, 0.23, 0.37], [0.41, 0.07, 0.19]]
    )
    crystal = primitive_cell(Crystal.from_structure(structure), SYMPREC_A)
    turned = crystal.matrix_a @ Rotation.from_euler("xyz", [0.3, 1.1, -0.7]).as_matrix().T
    return Crystal.from_arrays(turned, crystal.species, crystal.frac_coords)


@pytest.mark.parametrize(("group", "numbers"), NUMBERS)
def test_numbers_of_constants_of_all_classes(group, numbers):
    operations = mandel_operations(crystal_of(group), SYMPREC_A)
    assert tuple(len(invariant_tensors(operations, rank)) for rank in (1, 2, 3)) == numbers


def test_the_classes_are_all_there():
    classes = {SpaceGroup.from_int_number(group).point_group for group, _ in NUMBERS}
    assert len(classes) == 32


@pytest.mark.parametrize("group", [14, 62, 88, 148, 167, 194, 225])
def test_operations_are_those_of_pymatgen(group):
    crystal = crystal_of(group)
    ours = cartesian_operations(crystal, SYMPREC_A)
    theirs = SpacegroupAnalyzer(crystal.to_structure(), SYMPREC_A).get_point_group_operations(cartesian=True)
    assert len(ours) == len(theirs)
    assert ours @ np.swapaxes(ours, 1, 2) == pytest.approx(np.broadcast_to(np.eye(3), ours.shape), abs=1e-12)
    for operation in theirs:
        assert min(np.abs(ours - operation.rotation_matrix).max(axis=(1, 2))) < 1e-6


@pytest.mark.parametrize("group", [2, 14, 88, 148, 167, 194, 225])
def test_symmetrised_stiffness_is_that_of_pymatgen(group):
    crystal = crystal_of(group)
    random = np.random.default_rng(group).normal(size=(6, 6))
    basis = invariant_tensors(mandel_operations(crystal, SYMPREC_A), 2)
    mandel = mandel_stiffness(random + random.T)
    ours = voigt_stiffness(np.tensordot(np.tensordot(basis, mandel, axes=2), basis, axes=1))
    theirs = ElasticTensor.from_voigt(random + random.T).fit_to_structure(crystal.to_structure(), SYMPREC_A)
    assert ours == pytest.approx(np.array(theirs.voigt), abs=1e-6)


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_bases_are_orthonormal_symmetric_and_kept(rank):
    operations = mandel_operations(crystal_of(167), SYMPREC_A)
    basis = invariant_tensors(operations, rank)
    flat = basis.reshape(len(basis), -1)
    assert flat @ flat.T == pytest.approx(np.eye(len(basis)), abs=1e-9)
    for first in range(1, rank):
        assert np.swapaxes(basis, first, first + 1) == pytest.approx(basis, abs=1e-12)
    for operation in operations:
        turned = basis
        for axis in range(1, rank + 1):
            turned = np.moveaxis(np.tensordot(operation, turned, axes=(1, axis)), 0, axis)
        assert turned == pytest.approx(basis, abs=1e-9)


def test_which_operations_map_a_strain_onto_another():
    """Of the 24 of a cubic group that differ on strains, 8 keep one along x and 8 make one along y of it."""
    turns = Rotation.create_group("O").as_matrix()
    operations = mandel_rotation(turns)
    xx, yy, yz = (mandel_strain(np.eye(6)[i] * 0.01) for i in (0, 1, 3))
    assert [maps(operations, xx, image).sum() for image in (xx, yy, -xx, xx / 2)] == [8, 8, 0, 0]
    assert [maps(operations, yz, image).sum() for image in (yz, -yz)] == [4, 4]


def test_atoms_on_top_of_each_other_are_an_error():
    crystal = Crystal.from_arrays(np.eye(3) * 3, ["Na", "Na"], [[0, 0, 0], [0, 0, 0.001]])
    for attempt in (cartesian_operations, mandel_operations):
        with pytest.raises(CalculationError, match=r"symprec 0\.01 Å"):
            attempt(crystal, SYMPREC_A)
