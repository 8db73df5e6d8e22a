"""What a finished step hands on: the raw outputs that jobs write to the raw store.

They are engine-neutral, carry the settings as the calculation ended (``calculation``), and where and when it
ran (``run``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import hypot
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from nawf.results.crystal import Crystal
from nawf.results.fingerprint import Scalar
from nawf.results.methods import Methods, PhononMethod, RelaxMethod

Matrix = tuple[tuple[float, float, float], ...]
Voigt = tuple[float, float, float, float, float, float]
Calculation = dict[str, Scalar]


class Record(BaseModel):
    """Strict, immutable record."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Correction(Record):
    """Something an error handler changed on the way: which handler, what it found, and what it changed."""

    handler: str
    errors: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()


class RunRecord(Record):
    """Where, when and with what a step ran. Times are UTC; those without a zone, as some stores return them, too.

    ``electronic_converged`` is None for an engine without electrons; ``corrections`` are those of error handlers, in
    order.
    """

    host: str
    started_at: datetime
    finished_at: datetime
    versions: dict[str, str]
    electronic_converged: bool | None = None
    corrections: tuple[Correction, ...] = ()

    @field_validator("started_at", "finished_at")
    @classmethod
    def _time_is_utc(cls, value: datetime) -> datetime:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)

    @property
    def seconds(self) -> float:
        return (self.finished_at - self.started_at).total_seconds()


class ForcesAndStress:
    """The largest force and stress of what has ``forces_ev_per_a`` and ``stress_gpa``, in Voigt's order."""

    if TYPE_CHECKING:
        forces_ev_per_a: Matrix
        stress_gpa: Voigt

    @property
    def max_force_ev_per_a(self) -> float:
        """Largest force on an atom."""
        return max(hypot(*force) for force in self.forces_ev_per_a)

    @property
    def max_stress_gpa(self) -> float:
        """Largest absolute component of the stress."""
        return max(map(abs, self.stress_gpa))


class RelaxOutput(Record):
    """An engine's relaxation, before symmetrisation.

    ``max_force_ev_per_a`` and ``max_stress_gpa`` are the largest force on an atom and the largest absolute
    component of the stress in the last step.
    """

    crystal: Crystal
    energy_ev_per_atom: float
    max_force_ev_per_a: float
    max_stress_gpa: float
    n_steps: int
    converged: bool
    calculation: Calculation
    run: RunRecord


class SpaceGroup(Record):
    """International number and symbol, as found by spglib with a stated tolerance."""

    number: int
    symbol: str


class RelaxResult(Record):
    """A relaxed phase: the crystal it started from, the symmetrised primitive cell it became, and how it ended."""

    initial: Crystal
    crystal: Crystal
    initial_space_group: SpaceGroup
    space_group: SpaceGroup
    volume_change: float
    """Relative change of the volume per atom, (relaxed - initial) / initial."""
    symmetrisation_shift_a: float
    """Largest move of an atom when the relaxed crystal was symmetrised, Å."""
    energy_ev_per_atom: float
    max_force_ev_per_a: float
    max_stress_gpa: float
    n_steps: int
    converged: bool
    calculation: Calculation
    method: RelaxMethod
    run: RunRecord

    @property
    def methods(self) -> Methods:
        return Methods(relax=self.method)


class StaticResult(Record):
    """Energy, forces and stress of the relaxed crystal.

    ``stress_gpa`` is the Voigt vector xx, yy, zz, yz, xz, xy; positive under tension.
    """

    crystal: Crystal
    energy_ev_per_atom: float
    max_force_ev_per_a: float
    stress_gpa: Voigt
    calculation: Calculation
    method: RelaxMethod
    run: RunRecord

    @property
    def methods(self) -> Methods:
        return Methods(relax=self.method)


class Displacement(Record):
    """One atom of the supercell moved by a vector (Å)."""

    atom: int
    vector_a: tuple[float, float, float]


class DisplacedCells(Record):
    """A supercell and the displacements to calculate, one cell each; phonopy makes the same from ``unitcell``."""

    unitcell: Crystal
    supercell_matrix: tuple[tuple[int, int, int], ...]
    supercell: Crystal
    displacements: tuple[Displacement, ...]
    method: PhononMethod

    def crystals(self) -> list[Crystal]:
        """Supercells with one atom moved, in the order of the displacements."""
        matrix_a = self.supercell.matrix_a
        inverse = np.linalg.inv(matrix_a)
        found = []
        for displacement in self.displacements:
            positions = np.array(self.supercell.frac_coords)
            positions[displacement.atom] += np.array(displacement.vector_a) @ inverse
            found.append(Crystal.from_arrays(matrix_a, self.supercell.species, positions))
        return found


class ForcesOutput(Record):
    """Forces of all displaced cells, shape (cells, atoms, 3), eV/Å, in the order of the displacements."""

    forces_ev_per_a: tuple[Matrix, ...]
    calculation: Calculation
    run: RunRecord


class BornCharges(Record):
    """Born charges and dielectric tensor of a crystal, ions clamped; a crystal without a band gap has none.

    Attributes
    ----------
    gap_ev : float
        Band gap with the functional of ``calculation``.
    dielectric : 3 x 3 or None
        Relative to vacuum.
    charges_e : 3 x 3 for each atom of ``crystal``, in its order, or None
        First index: direction of the field; second: of the displacement.
    calculation : dict
        Settings of the run; its functional may be another than that of the forces.
    """

    crystal: Crystal
    gap_ev: float
    dielectric: Matrix | None = None
    charges_e: tuple[Matrix, ...] | None = None
    calculation: Calculation
    run: RunRecord

    @model_validator(mode="after")
    def _is_whole(self) -> BornCharges:
        expected = len(self.crystal) if self.gap_ev > 0 else None
        found = None if self.charges_e is None else len(self.charges_e)
        if found != expected or (self.dielectric is None) != (expected is None):
            raise ValueError("Born charges and a dielectric tensor go with a band gap, one charge for each atom")
        return self

    @property
    def has_gap(self) -> bool:
        """Whether there are charges."""
        return self.gap_ev > 0


class PhononResult(Record):
    """Harmonic phonons on a mesh and what follows from them, per atom.

    ``imaginary_fraction`` is the share of mesh modes (weighted) below ``-method.imaginary_limit_thz``; these,
    and the three acoustic modes at Γ, are not in the free energy. ``soft_mode_shift_ev_per_atom`` is by how much
    F would change if imaginary modes counted as real ones of the same size: the scale of the error of leaving
    them out, on the same temperature grid. ``net_force_ev_per_a`` is the largest
    total force on a displaced cell (zero for an exact translation-invariant engine). ``sum_rule_violation`` is the
    largest sum of force constants over the atoms that a translation leaves without a force, relative to the largest
    force constant of an atom on itself, before symmetrisation; None in results of versions that did not look.
    ``born`` has the symmetrised charges of the non-analytical term; None where they were not asked for. That of a
    crystal without a band gap says so, and the phonons are without the term.
    """

    crystal: Crystal
    supercell_matrix: tuple[tuple[int, int, int], ...]
    n_supercell_atoms: int
    n_displacements: int
    mesh: tuple[int, int, int]
    temperatures_k: tuple[float, ...]
    free_energy_ev_per_atom: tuple[float, ...]
    entropy_ev_per_k_per_atom: tuple[float, ...]
    heat_capacity_ev_per_k_per_atom: tuple[float, ...]
    soft_mode_shift_ev_per_atom: tuple[float, ...]
    lowest_frequency_thz: float
    highest_frequency_thz: float
    imaginary_fraction: float
    net_force_ev_per_a: float
    sum_rule_violation: float | None = None
    born: BornCharges | None = None
    calculation: Calculation
    method: PhononMethod
    relax_method: RelaxMethod
    run: RunRecord

    @property
    def methods(self) -> Methods:
        return Methods(relax=self.relax_method, phonon=self.method)
