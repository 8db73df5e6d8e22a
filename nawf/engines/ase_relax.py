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
    filter takes a third of the steps of FIRE for these phases.

    Notes
    -----
    Convergence is judged on physical quantities, the largest force on an atom and the largest stress
    component, not on the filter's combined gradient.
    """
    from ase.constraints import FixSymmetry
    from ase.filters import FrechetCellFilter
    from ase.optimize import BFGS

    atoms = atoms_of(crystal)
    atoms.calc = calculator
    atoms.set_constraint(FixSymmetry(atoms, symprec=method.symprec_a))
    # The filter's cell gradient is V * stress (eV) over a factor that is the number of atoms by default: this
    # target bounds the stress by method.stress_gpa for any cell.
    volume_a3_per_atom = atoms.get_volume() / len(atoms)
    target = min(method.force_ev_per_a, method.stress_gpa / GPA_PER_EV_PER_A3 * volume_a3_per_atom)
    optimizer = BFGS(FrechetCellFilter(atoms), logfile=None)
    converged = False
    # The filter and BFGS solve many tiny systems: several BLAS threads only wait for each other there, which
    # was measured to take five times as long in all as one thread on a busy machine.
    with threadpool_limits(limits=1, user_api="blas"):
        for _ in optimizer.irun(fmax=target, steps=method.max_steps):
            emit(State.ADVANCED, done=optimizer.nsteps)
            if _within(atoms, method):
                converged = True
                break
    force, stress_gpa = _residuals(atoms)
    return Relaxation(
        crystal=Crystal.from_arrays(
            atoms.cell.array, atoms.get_chemical_symbols(), atoms.get_scaled_positions(wrap=False)
        ),
        energy_ev_per_atom=float(atoms.get_potential_energy()) / len(atoms),
        max_force_ev_per_a=force,
        max_stress_gpa=stress_gpa,
        n_steps=optimizer.nsteps,
        converged=converged,
    )


def _within(atoms: Atoms, method: RelaxMethod) -> bool:
    force, stress_gpa = _residuals(atoms)
    return force <= method.force_ev_per_a and stress_gpa <= method.stress_gpa


def _residuals(atoms: Atoms) -> tuple[float, float]:
    """Largest force (eV/Å) and largest stress component (GPa)."""
    force = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
    return force, float(np.abs(atoms.get_stress()).max()) * GPA_PER_EV_PER_A3
