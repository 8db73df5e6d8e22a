"""Noise that symmetry forbids is averaged out of forces and stresses, and what it allows stays."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from nawf.engines.ase_relax import averaged_over_symmetry, crystal_of

SYMPREC_A = 1e-3
NOISE = np.random.default_rng(8)


def symmetric(matrix):
    return matrix + matrix.T


def test_ions_of_rock_salt_have_no_forces_and_its_stress_is_a_pressure():
    crystal = crystal_of(bulk("NaCl", "rocksalt", a=5.64, cubic=True))
    stress = symmetric(NOISE.normal(size=(3, 3)))
    forces, averaged = averaged_over_symmetry(crystal, NOISE.normal(size=(8, 3)), stress, SYMPREC_A)
    assert forces == pytest.approx(np.zeros((8, 3)), abs=1e-12)
    assert averaged == pytest.approx(np.trace(stress) / 3 * np.eye(3))


def test_a_crystal_without_symmetry_keeps_all():
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    atoms.rattle(0.2, seed=3)
    given = NOISE.normal(size=(8, 3)), symmetric(NOISE.normal(size=(3, 3)))
    for before, after in zip(given, averaged_over_symmetry(crystal_of(atoms), *given, SYMPREC_A), strict=True):
        assert after == pytest.approx(before)


def test_true_forces_of_a_symmetric_crystal_come_through_noise():
    atoms = bulk("Cu", cubic=True)
    # Along x two atoms move towards each other: a tetragonal crystal with forces along x.
    atoms.positions[2:, 0] += 0.1
    atoms.calc = EMT()
    forces, stress = atoms.get_forces(), atoms.get_stress(voigt=False)
    unmoved = averaged_over_symmetry(crystal_of(atoms), forces, stress, SYMPREC_A)
    for before, after in zip((forces, stress), unmoved, strict=True):
        assert after == pytest.approx(before, abs=1e-10)
    noisy = forces + NOISE.normal(scale=0.01, size=(4, 3)), stress + symmetric(NOISE.normal(scale=1e-3, size=(3, 3)))
    calmed = averaged_over_symmetry(crystal_of(atoms), *noisy, SYMPREC_A)
    for true, before, after in zip((forces, stress), noisy, calmed, strict=True):
        assert np.linalg.norm(after - true) < 0.7 * np.linalg.norm(before - true)
