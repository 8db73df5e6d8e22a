"""Relaxation of ions and cell: the optimisers of IBRION 1, 2 and 3, and what ISIF lets move.

A state of motion is a vector of n + 3 rows: forces on the ions (eV/Å), and the strain derivative of the energy,
-Vσ, divided by a length that makes both equally stiff. Optimisers turn such vectors into displacements of the same
shape (Å); they know nothing of crystals.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from nawf.rehearsal.controls import Controls
from nawf.results.crystal import Crystal

Optimiser = Generator[np.ndarray, np.ndarray, None]

_STEP_A2_PER_EV_PER_POTIM = 0.1
"""Displacement for a force with POTIM = 1. With the default, 0.5, it suits bonds of 20 eV/Å²."""
_LONGEST_STEP_A = 0.2
_GOOD_LINE = 0.3
"""A line search is good enough when the slope has fallen to this share."""
_MOST_LINE_STEPS = 6
_DAMPED_SHARE = 0.5
"""Share of the step that damped motion takes: it overshoots with more."""


@dataclass(frozen=True)
class Motion:
    """What of a crystal may move.

    Attributes
    ----------
    ions, shape, volume : bool
    free : array of bool, shape (atoms, 3), optional
        Selective dynamics, along the lattice vectors.
    """

    ions: bool
    shape: bool
    volume: bool
    free: np.ndarray | None = None

    @classmethod
    def of(cls, isif: int, free: np.ndarray | None) -> Motion:
        """Motion that ISIF allows."""
        return cls(
            ions=isif in (0, 1, 2, 3, 4, 8), shape=isif in (3, 4, 5, 6), volume=isif in (3, 6, 7, 8), free=free
        )

    def allowed_forces(self, forces: np.ndarray, matrix_a: np.ndarray) -> np.ndarray:
        """Forces without the components that must not move, shape (atoms, 3)."""
        if not self.ions:
            return np.zeros_like(forces)
        if self.free is None or bool(self.free.all()):
            return forces
        along = forces @ np.linalg.inv(matrix_a)
        allowed: np.ndarray = np.where(self.free, along, 0.0) @ matrix_a
        return allowed

    def allowed_strain(self, derivative: np.ndarray) -> np.ndarray:
        """Strain derivative without the parts that must not change, shape (3, 3)."""
        isotropic = np.eye(3) * np.trace(derivative) / 3
        allowed: np.ndarray = self.volume * isotropic + self.shape * (derivative - isotropic)
        return allowed


def driving_force(crystal: Crystal, forces: np.ndarray, stress_ev_per_a3: np.ndarray, motion: Motion) -> np.ndarray:
    """Vector for the optimiser, shape (n + 3, 3)."""
    allowed = motion.allowed_strain(-crystal.volume_a3 * stress_ev_per_a3)
    return np.concatenate([motion.allowed_forces(forces, crystal.matrix_a), allowed / _strain_length_a(crystal)])


def moved(crystal: Crystal, step: np.ndarray) -> Crystal:
    """Crystal after a displacement of shape (n + 3, 3). Strains add up as logarithms, so that det stays exact."""
    deformation = _exponential(step[-3:] / _strain_length_a(crystal))
    frac_coords = np.array(crystal.frac_coords) + step[:-3] @ np.linalg.inv(crystal.matrix_a)
    return Crystal.from_arrays(crystal.matrix_a @ deformation, crystal.species, frac_coords)


def _exponential(symmetric: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(symmetric)
    result: np.ndarray = vectors * np.exp(values) @ vectors.T
    return result


def _strain_length_a(crystal: Crystal) -> float:
    return math.sqrt(len(crystal))


def is_relaxed(force: np.ndarray, change_ev: float | None, ediffg: float, n_atoms: int) -> bool:
    """Whether EDIFFG is reached.

    Parameters
    ----------
    force : array, shape (n + 3, 3)
        Driving force.
    change_ev : float or None
        Change of the energy since the last step; None in the first.
    ediffg : float
        Positive: largest change of the energy, eV. Negative: largest force, eV/Å, also applied to the strain
        derivative per atom (eV). Zero: never.
    n_atoms : int
    """
    if ediffg > 0:
        return change_ev is not None and abs(change_ev) < ediffg
    if ediffg == 0:
        return False
    strain_ev_per_atom = force[-3:] / math.sqrt(n_atoms)
    rows = np.concatenate([force[:-3], strain_ev_per_atom])
    return bool(np.linalg.norm(rows, axis=1).max() < -ediffg)


def make_optimiser(controls: Controls) -> Optimiser:
    """Started optimiser of IBRION: ``send`` it the driving force and it gives the next displacement."""
    step = _STEP_A2_PER_EV_PER_POTIM * controls.potim
    damping = controls.smass if 0 < controls.smass <= 2 else None
    optimiser = {1: _quasi_newton, 2: _conjugate_gradient}.get(controls.ibrion, _damped)(step, damping)
    next(optimiser)
    return optimiser


def _limited(step: np.ndarray) -> np.ndarray:
    return step * _limited_shift(1.0, step)


def _quasi_newton(step_a2_per_ev: float, damping: float | None) -> Optimiser:
    """BFGS on the inverse Hessian."""
    force = yield np.empty(0)
    shape, n = force.shape, force.size
    inverse = step_a2_per_ev * np.eye(n)
    while True:
        step = _limited((inverse @ force.ravel()).reshape(shape))
        new_force = yield step
        s, y = step.ravel(), (force - new_force).ravel()
        curvature = s @ y
        if curvature > 1e-12:
            left = np.eye(n) - np.outer(s, y) / curvature
            inverse = left @ inverse @ left.T + np.outer(s, s) / curvature
        force = new_force


def _conjugate_gradient(step_a2_per_ev: float, damping: float | None) -> Optimiser:
    """Conjugate gradients (Polak-Ribière), each line with a trial step and corrector steps by the secant rule."""
    force = yield np.empty(0)
    direction = force
    while True:
        first = slope = float((force * direction).sum())
        if slope <= 0:
            direction = force
            first = slope = float((force * force).sum())
        shift = _limited_shift(step_a2_per_ev, direction)
        for _ in range(_MOST_LINE_STEPS):
            new_force = yield shift * direction
            new_slope = float((new_force * direction).sum())
            if abs(new_slope) <= _GOOD_LINE * first:
                break
            curvature = (slope - new_slope) / shift if shift else 0.0
            # Where the energy curves down, the minimum is further on, the way the force points.
            wanted = new_slope / curvature if curvature > 0 else math.copysign(2 * shift, new_slope)
            shift, slope = _limited_shift(wanted, direction), new_slope
        old = float((force * force).sum())
        mixing = max(0.0, float((new_force * (new_force - force)).sum()) / old) if old > 0 else 0.0
        direction, force = new_force + mixing * direction, new_force


def _limited_shift(shift_a2_per_ev: float, direction: np.ndarray) -> float:
    longest = abs(shift_a2_per_ev) * float(np.linalg.norm(direction, axis=1).max())
    return shift_a2_per_ev * min(1.0, _LONGEST_STEP_A / longest) if longest > 0 else shift_a2_per_ev


def _damped(step_a2_per_ev: float, damping: float | None) -> Optimiser:
    """Damped motion by the rule of VASP's wiki for IBRION = 3: friction SMASS, or else a quench."""
    force = yield np.empty(0)
    velocity = np.zeros_like(force)
    while True:
        push = _DAMPED_SHARE * step_a2_per_ev * force
        if damping is not None:
            velocity = ((1 - damping / 2) * velocity + push) / (1 + damping / 2)
        else:
            along = float((velocity * force).sum())
            square = float((force * force).sum())
            velocity = push + (force * along / square if along > 0 and square > 0 else 0.0)
        velocity = _limited(velocity)
        force = yield velocity
