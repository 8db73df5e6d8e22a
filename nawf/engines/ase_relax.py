"""Relaxation through ASE, shared by the engines that are ASE calculators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from nawf.progress import State, emit
from nawf.results.crystal import Crystal
from nawf.results.methods import RelaxMethod
from nawf.units import GPA_PER_EV_PER_A3

if TYPE_CHECKING:
    from ase import Atoms


_GOAL = 0.2
"""Residuals in units of the tolerances at which a converged relaxation has no need to go on."""


@dataclass(frozen=True)
class Relaxation:
    """How an ASE relaxation ended."""

    crystal: Crystal
    energy_ev_per_atom: float
    max_force_ev_per_a: float
    max_stress_gpa: float
    n_steps: int
    converged: bool


def atoms_of(crystal: Crystal) -> Atoms:
    """ASE atoms of a crystal."""
    from ase import Atoms

    return Atoms(
        symbols=list(crystal.species),
        cell=crystal.matrix_a,
        scaled_positions=np.array(crystal.frac_coords),
        pbc=True,
    )


def relax_with_ase(crystal: Crystal, calculator: Any, method: RelaxMethod) -> Relaxation:
    """Relax cell and ions with BFGS, forces and stress projected on the space group of the start.

    Projection keeps the symmetry exactly and averages numerical noise out of the gradient. BFGS on the cell
    filter takes a third of the steps of FIRE for these phases. The step with the smallest residuals is the
    result.

    Notes
    -----
    Convergence is judged on physical quantities, the largest force on an atom and the largest stress
    component. The filter's own gradient is not used for that: it is scaled with the deformation of the cell.
    """
    from ase.constraints import FixSymmetry
    from ase.optimize import BFGS

    atoms = atoms_of(crystal)
    atoms.calc = calculator
    atoms.set_constraint(FixSymmetry(atoms, symprec=method.symprec_a))
    optimizer = BFGS(_remembering_filter(atoms), logfile=None)
    best = _Best(method)
    # The filter and BFGS solve many tiny systems: several BLAS threads only wait for each other there, which
    # was measured to take five times as long in all as one thread on a busy machine.
    with threadpool_limits(limits=1, user_api="blas"):
        for _ in optimizer.irun(fmax=0.0, steps=method.max_steps):
            emit(State.ADVANCED, done=optimizer.nsteps)
            if best.is_enough(atoms, optimizer.nsteps):
                break
    return Relaxation(
        crystal=Crystal.from_arrays(best.cell, atoms.get_chemical_symbols(), best.frac_coords),
        energy_ev_per_atom=best.energy_ev / len(atoms),
        max_force_ev_per_a=best.force_ev_per_a,
        max_stress_gpa=best.stress_gpa,
        n_steps=optimizer.nsteps,
        converged=best.excess <= 1.0,
    )


class _Best:
    """The step with the smallest residuals so far.

    ``excess`` is the larger of force and stress in units of their tolerances: converged at 1 or less.
    """

    def __init__(self, method: RelaxMethod) -> None:
        self._method = method
        self._converged_at: int | None = None
        self.excess = float("inf")

    def is_enough(self, atoms: Atoms, step: int) -> bool:
        """Look at a step, keep it if it is the best; whether there is no need to go on."""
        force = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
        stress_gpa = float(np.abs(atoms.get_stress()).max()) * GPA_PER_EV_PER_A3
        excess = max(force / self._method.force_ev_per_a, stress_gpa / self._method.stress_gpa)
        if excess < self.excess:
            self.excess, self.force_ev_per_a, self.stress_gpa = excess, force, stress_gpa
            self.energy_ev = float(atoms.get_potential_energy())
            self.cell, self.frac_coords = atoms.cell.array.copy(), atoms.get_scaled_positions(wrap=False)
        if self.excess > 1.0:
            return False
        if self._converged_at is None:
            self._converged_at = step
        return self.excess <= _GOAL or step - self._converged_at >= self._method.polish_steps


def _remembering_filter(atoms: Atoms) -> Any:
    """ASE's cell filter, which would work out the same gradient three times for every step."""
    from ase.filters import FrechetCellFilter

    class Remembering(FrechetCellFilter):
        _seen: tuple[bytes, np.ndarray] | None = None

        def get_forces(self, **kwargs: Any) -> np.ndarray:
            state = self.atoms.positions.tobytes() + self.atoms.cell.array.tobytes()
            if self._seen is None or self._seen[0] != state:
                self._seen = state, super().get_forces(**kwargs)
            return self._seen[1].copy()

    return Remembering(atoms)
