"""First Hessians of relaxations, from a cheap potential.

A minimiser that begins with one stiffness for all directions has to find out, step by step, that the lattice of a
molecular crystal is a thousand times softer than its bonds. A potential that is wrong by a third about both tells it
at once, and has no say in where the relaxation ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nawf.engines.ase_relax import atoms_of, calculator_of
from nawf.results.crystal import Crystal
from nawf.units import GPA_PER_EV_PER_A3

if TYPE_CHECKING:
    from nawf.engines.ase_relax import Evaluate

_SHIFT_A = 0.01
"""Of the finite differences, central ones. Strains are scaled so that the largest rows of the filter move so far."""

_SOFTEST_ION_EV_PER_A2 = 1.0
_SOFTEST_CELL_GPA = 5.0
"""Curvatures below are raised to these: a potential's soft and imaginary modes are its least certain ones."""


def first_hessian(crystal: Crystal, evaluate: Evaluate) -> np.ndarray:
    """Hessian of the energy in the coordinates of ASE's ``FrechetCellFilter``, positive definite.

    Parameters
    ----------
    crystal : Crystal
    evaluate : callable
        The potential: energy (eV), forces (eV/Å) and stress (eV/Å³) of a crystal.

    Returns
    -------
    array, shape (3 n + 9, 3 n + 9)
        eV/Å². It has the symmetry of the crystal, so that steps along it keep that.
    """
    from ase.filters import FrechetCellFilter

    atoms = atoms_of(crystal)
    atoms.calc = calculator_of(evaluate)
    target = FrechetCellFilter(atoms)
    rest = target.get_positions()
    columns = []
    for index in range(rest.size):
        gradients = [-_forces_at(target, rest, index, shift_a) for shift_a in (_SHIFT_A, -_SHIFT_A)]
        columns.append((gradients[0] - gradients[1]) / (2.0 * _SHIFT_A))
    target.set_positions(rest)
    hessian = np.array(columns)
    return _stiffened((hessian + hessian.T) / 2.0, softest(crystal))


def softest(crystal: Crystal) -> np.ndarray:
    """Smallest curvature that is believed, for each coordinate of the filter (eV/Å²), shape (3 n + 9,).

    The filter multiplies logarithms of the cell's deformation by the number of atoms n, so that a modulus C becomes a
    curvature V C / n².
    """
    n_atoms = len(crystal)
    cell = crystal.volume_a3 * _SOFTEST_CELL_GPA / GPA_PER_EV_PER_A3 / n_atoms**2
    return np.concatenate([np.full(3 * n_atoms, _SOFTEST_ION_EV_PER_A2), np.full(9, cell)])


def _forces_at(target: Any, rest: np.ndarray, index: int, shift_a: float) -> np.ndarray:
    moved = rest.copy()
    moved.flat[index] += shift_a
    target.set_positions(moved)
    forces: np.ndarray = target.get_forces().ravel()
    return forces


def _stiffened(hessian: np.ndarray, smallest: np.ndarray) -> np.ndarray:
    """The Hessian with curvatures made positive, and raised to the smallest ones, in units of which they are told."""
    scale = np.sqrt(smallest)
    values, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
    raised: np.ndarray = (vectors * np.maximum(np.abs(values), 1.0)) @ vectors.T * np.outer(scale, scale)
    return raised
