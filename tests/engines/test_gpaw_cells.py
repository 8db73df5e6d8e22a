"""Reduced cells: the same lattice, the same crystal, and the same physics in the same axes."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nawf.engines.ase_relax import atoms_of, crystal_of
from nawf.engines.gpaw_cells import Reduction
from nawf.results.crystal import Crystal

UNIMODULAR = [np.array(m) for m in ([[1, 0, 0], [3, 1, 0], [0, 0, 1]], [[0, 0, 1], [1, 0, 2], [0, 1, -3]])]


@settings(deadline=None, max_examples=60)
@given(arrays(float, (3, 3), elements=st.floats(-6, 6)).filter(lambda m: abs(np.linalg.det(m)) > 5.0))
def test_the_lattice_stays_and_edges_do_not_grow(matrix):
    rows = np.array(Reduction.of(matrix).rows)
    reduced = rows @ matrix
    assert abs(round(np.linalg.det(rows))) == 1
    assert np.linalg.det(reduced) > 0
    assert np.linalg.norm(reduced, axis=1).prod() <= np.linalg.norm(matrix, axis=1).prod() * (1 + 1e-6)


def test_a_needle_becomes_a_cube():
    sheared = np.array([[1, 0, 0], [4, 1, 0], [-3, 2, 1]]) @ (3.0 * np.eye(3))
    reduced = np.array(Reduction.of(sheared).rows) @ sheared
    assert np.linalg.norm(reduced, axis=1) == pytest.approx([3.0, 3.0, 3.0])


@pytest.mark.parametrize("change", UNIMODULAR)
def test_energy_forces_and_stress_are_those_of_the_cell_that_was_asked_for(change):
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell(atoms.cell.array @ [[1.01, 0.02, 0], [0.01, 0.99, 0.03], [0, 0.01, 1.02]], scale_atoms=True)
    atoms.positions += np.random.default_rng(5).normal(scale=0.1, size=(4, 3))
    given_cell = crystal_of(atoms)
    skewed = Crystal.from_arrays(
        change @ given_cell.matrix_a, given_cell.species, np.array(given_cell.frac_coords) @ np.linalg.inv(change)
    )
    results = []
    for crystal in (skewed, Reduction.of(skewed.matrix_a).applied(skewed)):
        atoms = atoms_of(crystal)
        atoms.calc = EMT()
        results.append((atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(), atoms.positions))
    for one, other in zip(*results, strict=True):
        assert one == pytest.approx(other, abs=1e-8)
