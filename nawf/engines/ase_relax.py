"""Relaxation through ASE, shared by the engines that are ASE calculators."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from nawf.errors import CalculationError
from nawf.progress import State, emit
from nawf.results.crystal import Crystal
from nawf.results.elastic import StrainedState
from nawf.results.methods import ElasticMethod, RelaxMethod
from nawf.units import GPA_PER_EV_PER_A3

if TYPE_CHECKING:
    from ase import Atoms


Evaluate = Callable[[Crystal], tuple[float, np.ndarray, np.ndarray]]

_START_CURVATURE_EV_PER_A2 = 20.0
"""Of BFGS's first Hessian. ASE's default, 70, is that of a stiff bond, and costs these crystals more steps."""

_STEPS_BEFORE_RESTART = 200
"""When BFGS starts anew: jumps in the forces can spoil its Hessian, after which it hardly moves."""

_STRAINED_SYMPREC_A = 1e-4
"""For finding the symmetry of a strained cell: strains of half a percent must not pass for none."""

_CLIMB_EV_PER_ATOM = 0.001
"""Above the lowest step so far; more than what cut-offs and meshes make of an energy that ought to fall."""

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


def crystal_of(atoms: Atoms) -> Crystal:
    """Crystal of ASE atoms; atoms stay in the cell they are in."""
    positions = atoms.get_scaled_positions(wrap=False)
    return Crystal.from_arrays(atoms.cell.array, atoms.get_chemical_symbols(), positions)


def calculator_of(evaluate: Evaluate) -> Any:
    """ASE calculator of a function that takes a crystal and gives energy (eV), forces (eV/Å) and stress (eV/Å³)."""
    from ase.calculators.calculator import Calculator, all_changes
    from ase.stress import full_3x3_to_voigt_6_stress

    class FunctionCalculator(Calculator):
        implemented_properties = ("energy", "free_energy", "forces", "stress")

        def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
            super().calculate(atoms, properties, system_changes)
            energy, forces, stress = evaluate(crystal_of(self.atoms))
            stress = full_3x3_to_voigt_6_stress(stress)
            self.results = {"energy": energy, "free_energy": energy, "forces": forces, "stress": stress}

    return FunctionCalculator()


def relax_with_ase(
    crystal: Crystal, calculator: Any, method: RelaxMethod, hessian: np.ndarray | None = None
) -> Relaxation:
    """Relax cell and ions with BFGS, forces and stress projected on the space group of the start.

    Projection keeps the symmetry exactly and averages numerical noise out of the gradient. BFGS on the cell
    filter takes a third of the steps of FIRE for these phases. The step with the smallest residuals is the
    result. ``hessian`` is what BFGS begins with, of :func:`nawf.engines.ase_hessian.first_hessian`.

    Notes
    -----
    Convergence is judged on physical quantities, the largest force on an atom and the largest stress
    component. The filter's own gradient is not used for that: it is scaled with the deformation of the cell.
    """
    atoms = _symmetric_atoms(crystal, calculator, method.symprec_a)
    best = _Best(method.force_ev_per_a, method.stress_gpa, method.polish_steps)
    n_steps, _ = _minimise(atoms, _remembering_filter, best, method.max_steps, announce=True, hessian=hessian)
    return Relaxation(
        crystal=best.crystal,
        energy_ev_per_atom=best.energy_ev / len(atoms),
        max_force_ev_per_a=best.force_ev_per_a,
        max_stress_gpa=float(np.abs(best.stress_gpa).max()),
        n_steps=n_steps,
        converged=best.excess <= 1.0,
    )


@dataclass(frozen=True)
class RelaxedIons:
    """Relaxed ions of a strained cell, and BFGS's Hessian (eV/Å²) at the end, to start the next cell with."""

    state: StrainedState
    crystal: Crystal
    hessian: np.ndarray | None


def relax_ions_with_ase(
    crystal: Crystal, calculator: Any, method: ElasticMethod, hessian: np.ndarray | None = None
) -> RelaxedIons:
    """Relax the ions of a strained cell with BFGS at fixed cell, forces projected on the cell's own space group.

    The step with the smallest force is the result; its stress is in the axes of the given cell. ``hessian`` is that
    of a cell like it.
    """
    atoms = _symmetric_atoms(crystal, calculator, _STRAINED_SYMPREC_A)
    best = _Best(method.force_ev_per_a, None, method.polish_steps)
    n_steps, hessian = _minimise(
        atoms, lambda unfiltered: unfiltered, best, method.max_steps, announce=False, hessian=hessian
    )
    xx, yy, zz, yz, xz, xy = best.stress_gpa.tolist()
    state = StrainedState(
        stress_gpa=(xx, yy, zz, yz, xz, xy),
        max_force_ev_per_a=best.force_ev_per_a,
        n_steps=n_steps,
        converged=best.excess <= 1.0,
    )
    return RelaxedIons(state, best.crystal, hessian)


def _symmetric_atoms(crystal: Crystal, calculator: Any, symprec_a: float) -> Atoms:
    from ase.constraints import FixSymmetry

    atoms = atoms_of(crystal)
    atoms.calc = calculator
    atoms.set_constraint(FixSymmetry(atoms, symprec=symprec_a))
    return atoms


def averaged_over_symmetry(
    crystal: Crystal, forces: np.ndarray, stress: np.ndarray, symprec_a: float
) -> tuple[np.ndarray, np.ndarray]:
    """Forces, shape (atoms, 3), and stress, shape (3, 3), as the symmetry of a crystal wants them to be.

    What symmetry forbids is noise of grids and of meshes that are less symmetric than the crystal.
    """
    from ase.constraints import FixSymmetry
    from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress

    atoms = atoms_of(crystal)
    symmetry = FixSymmetry(atoms, symprec=symprec_a)
    forces, voigt = forces.copy(), full_3x3_to_voigt_6_stress(stress)
    symmetry.adjust_forces(atoms, forces)
    symmetry.adjust_stress(atoms, voigt)
    return forces, voigt_6_to_full_3x3_stress(voigt)


def _minimise(
    atoms: Atoms,
    target: Callable[[Atoms], Any],
    best: _Best,
    max_steps: int,
    *,
    announce: bool,
    hessian: np.ndarray | None = None,
) -> tuple[int, np.ndarray | None]:
    """Run BFGS on ``target(atoms)`` until ``best`` has seen enough; the number of steps, and the last Hessian.

    BFGS goes to where forces vanish, uphill too, and a Hessian that is not its own may lead it there. A relaxation
    that climbs with one goes back to its lowest step, and on without.
    """
    from ase.optimize import BFGS

    n_steps, enough, lowest = 0, False, _Lowest()
    # The filter and BFGS solve many tiny systems: several BLAS threads only wait for each other there, which
    # was measured to take five times as long in all as one thread on a busy machine.
    with threadpool_limits(limits=1, user_api="blas"):
        while not enough and n_steps < max_steps:
            optimizer = BFGS(target(atoms), logfile=None, alpha=_START_CURVATURE_EV_PER_A2)
            guide = hessian if n_steps == 0 else None
            if guide is not None:
                # BFGS updates it in place; the caller's stays as it is.
                optimizer.H0 = guide.copy()
            # A target of zero: when to stop is decided here.
            for _ in optimizer.irun(fmax=0.0, steps=min(_STEPS_BEFORE_RESTART, max_steps - n_steps)):
                step = n_steps + optimizer.nsteps
                if announce:
                    emit(State.ADVANCED, done=step)
                if guide is not None and lowest.is_left(atoms):
                    lowest.restore(atoms)
                    break
                enough = best.is_enough(atoms, step)
                if enough:
                    break
            n_steps += optimizer.nsteps
    return n_steps, hessian if optimizer.state is None else optimizer.H


class _Lowest:
    """The step with the lowest energy so far."""

    def __init__(self) -> None:
        self._energy_ev = math.inf

    def is_left(self, atoms: Atoms) -> bool:
        """Look at a step; whether it lies above the lowest one."""
        energy_ev = float(atoms.get_potential_energy())
        if energy_ev < self._energy_ev:
            self._energy_ev, self._cell, self._positions = energy_ev, atoms.cell.array.copy(), atoms.positions.copy()
        return energy_ev > self._energy_ev + _CLIMB_EV_PER_ATOM * len(atoms)

    def restore(self, atoms: Atoms) -> None:
        """Go back to the lowest step."""
        atoms.set_cell(self._cell, apply_constraint=False)
        atoms.set_positions(self._positions, apply_constraint=False)


class _Best:
    """The step with the smallest residuals so far.

    ``excess`` is the larger of force and stress in units of their tolerances: converged at 1 or less. Without a
    tolerance for the stress, the force alone counts.
    """

    def __init__(self, force_ev_per_a: float, stress_gpa: float | None, polish_steps: int) -> None:
        self._force, self._stress, self._polish_steps = force_ev_per_a, stress_gpa, polish_steps
        self._converged_at: int | None = None
        self.excess = float("inf")

    def is_enough(self, atoms: Atoms, step: int) -> bool:
        """Look at a step, keep it if it is the best; whether there is no need to go on."""
        force = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
        stress_gpa = atoms.get_stress() * GPA_PER_EV_PER_A3
        of_stress = 0.0 if self._stress is None else float(np.abs(stress_gpa).max()) / self._stress
        excess = max(force / self._force, of_stress)
        if not math.isfinite(force + of_stress):
            raise CalculationError("a force or a component of the stress is not a finite number")
        if excess < self.excess:
            self.excess, self.force_ev_per_a, self.stress_gpa = excess, force, stress_gpa
            self.energy_ev = float(atoms.get_potential_energy())
            self.crystal = crystal_of(atoms)
        if self.excess > 1.0:
            return False
        if self._converged_at is None:
            self._converged_at = step
        return self.excess <= _GOAL or step - self._converged_at >= self._polish_steps


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
