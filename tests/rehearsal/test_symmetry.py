"""Symmetry operations on forces and stresses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nawf.rehearsal.symmetry import find_operations, no_symmetry
from nawf.results.crystal import Crystal


@pytest.mark.parametrize(("cell", "n"), [("na2s", 48), ("cubic_na2s", 192)])
def test_numbers_of_operations(kit: Any, cell: str, n: int) -> None:
    """Fm-3m has 48 operations, and four centrings in the conventional cell."""
    operations = find_operations(getattr(kit, cell)(), 1e-5)
    assert len(operations.rotations) == n
    assert len(operations.point_group) == 48


def test_images_are_where_the_operations_carry_the_atoms(kit: Any) -> None:
    crystal = kit.cubic_na2s()
    operations = find_operations(crystal, 1e-5)
    species = np.array(crystal.species)
    for image in operations.images:
        assert sorted(image) == list(range(12))
        assert (species[image] == species).all()


def test_cubic_sites_have_no_force_and_an_isotropic_stress(kit: Any) -> None:
    crystal = kit.cubic_na2s()
    operations = find_operations(crystal, 1e-5)
    random = np.random.default_rng(0)
    forces = random.normal(size=(12, 3))
    assert operations.forces(forces, crystal.matrix_a) == pytest.approx(np.zeros((12, 3)), abs=1e-12)
    stress = random.normal(size=(3, 3))
    stress += stress.T
    expected = np.eye(3) * np.trace(stress) / 3
    assert operations.tensor(stress, crystal.matrix_a) == pytest.approx(expected, abs=1e-12)


def test_what_has_the_symmetry_stays_as_it_is(kit: Any) -> None:
    """Forces of springs on a crystal with one displaced atom, in a cell with slanting axes."""
    home = kit.na2s()
    positions = np.array(home.frac_coords)
    positions[2] += [0.02, 0.02, -0.01]
    crystal = home.from_arrays(home.lattice_a, home.species, positions)
    operations = find_operations(crystal, 1e-5)
    assert 1 < len(operations.rotations) < 48
    _, forces, stress = kit.Springs(home)(crystal)
    # Springs hold an atom to a place, which symmetry moves along with the whole crystal: compare relative forces.
    forces = forces - forces.mean(axis=0)
    assert operations.forces(forces, crystal.matrix_a) == pytest.approx(forces, abs=1e-12)
    assert operations.tensor(stress, crystal.matrix_a) == pytest.approx(stress, abs=1e-12)
    kicked = forces + np.random.default_rng(1).normal(size=forces.shape)
    once = operations.forces(kicked, crystal.matrix_a)
    assert operations.forces(once, crystal.matrix_a) == pytest.approx(once, abs=1e-12)
    assert not np.allclose(once, kicked)


def test_forces_are_carried_along_a_screw_axis() -> None:
    """P4_1: (x, y, z) → (-y, x, z + 1/4), so a force (a, b, c) becomes (-b, a, c) on the next atom."""
    x, y, z = 0.11, 0.27, 0.05
    places = [[x, y, z], [-y, x, z + 0.25], [-x, -y, z + 0.5], [y, -x, z + 0.75]]
    crystal = Crystal.from_arrays(np.diag([5.0, 5.0, 7.0]), ["Na"] * 4, places)
    operations = find_operations(crystal, 1e-5)
    assert len(operations.rotations) == 4
    a, b, c = 1.0, 0.4, -0.3
    along = np.array([[a, b, c], [-b, a, c], [-a, -b, c], [b, -a, c]])
    assert operations.forces(along, crystal.matrix_a) == pytest.approx(along)
    single = np.zeros((4, 3))
    single[0] = [a, b, c]
    assert operations.forces(single, crystal.matrix_a) == pytest.approx(along / 4)


def test_unlike_moments_are_not_equivalent(kit: Any) -> None:
    equal = find_operations(kit.na2s(), 1e-5, [0.6, 0.6, 0.6])
    unlike = find_operations(kit.na2s(), 1e-5, [1.0, -1.0, 0.6])
    assert len(equal.rotations) == 48
    assert len(unlike.rotations) == 24  # without those that change the two sodium atoms
    assert set(unlike.images[:, 0]) == {0}


def test_without_symmetry_nothing_changes(kit: Any) -> None:
    forces = np.random.default_rng(0).normal(size=(3, 3))
    operations = no_symmetry(3)
    assert operations.forces(forces, kit.na2s().matrix_a) == pytest.approx(forces)
    assert operations.tensor(forces, kit.na2s().matrix_a) == pytest.approx(forces)
