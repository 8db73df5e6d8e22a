"""Settings of the protocols of the engine ``gpaw``: what each step is calculated with.

A protocol has one set of settings for each kind of step. Geometries are relaxed, and forces of displaced cells
calculated, with a smaller basis than energies deserve: an error of the geometry counts in the energy to second order
only, and force constants are differences of forces. All of it is part of the fingerprint of every result of a
protocol, so results of two protocols never meet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from ase.data import atomic_numbers

from nawf.results.crystal import Crystal
from nawf.results.methods import ElasticMethod, Methods, PhononMethod, RelaxMethod
from nawf.results.symmetry import face_heights_a, primitive_cell

XC = "MGGA_X_R2SCAN+MGGA_C_R2SCAN"
SMEARING_EV = 0.05
DENSITY = 1e-5
"""Change of the density, electrons per valence electron, at which electrons are converged."""
EIGENSTATES = 1e-8
"""Residual of the wave functions, eV² per valence electron, at which they are."""

NONMETALS = frozenset({"H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Ge", "As", "Se", "Br", "Te", "I"})
"""A phase without any of these may be a metal."""

_EXACT = 1e-6


class Step(StrEnum):
    """What GPAW is run for."""

    RELAX = "relax"
    STATIC = "static"
    DISPLACED = "displaced"
    STRAINED = "strained"


@dataclass(frozen=True)
class KLengths:
    """Densities of k-meshes as lengths (Å): ``length / h`` points, rounded up, for a height h of the cell.

    Attributes
    ----------
    metals : float
        For phases that may have a Fermi surface, which asks for many points: those without :data:`NONMETALS`, and
        those with an odd number of electrons in a primitive cell, which without spin cannot have a gap.
    molecules : float
        For phases of sulfur, or of phosphorus and sulfur: molecules, whose bands are flat.
    others : float
        For all the rest.
    """

    metals: float
    molecules: float
    others: float

    def of(self, phase: Crystal) -> float:
        """Length for a phase, whichever cell it is given in."""
        elements = set(phase.species)
        if not elements & NONMETALS or _has_odd_electrons(phase):
            return self.metals
        return self.molecules if "S" in elements and elements <= {"P", "S"} else self.others

    def mesh(self, cell: Crystal) -> tuple[int, int, int]:
        """Divisions of the mesh for a cell of a phase."""
        length = self.of(cell)
        a, b, c = (max(1, math.ceil(length / height - _EXACT)) for height in face_heights_a(cell.matrix_a))
        return a, b, c

    def __str__(self) -> str:
        return f"{self.others:g} Å, metals {self.metals:g} Å, molecules {self.molecules:g} Å"


def _has_odd_electrons(phase: Crystal) -> bool:
    """Whether a primitive cell has an odd number of electrons; those of cores come in pairs."""
    primitive = primitive_cell(phase, RelaxMethod().symprec_a)
    return sum(atomic_numbers[element] for element in primitive.species) % 2 == 1


@dataclass(frozen=True)
class Level:
    """Numerical settings of one kind of step.

    Attributes
    ----------
    cutoff_ev : float
        Kinetic energy of the plane waves.
    k : KLengths
    grid_a : float or None
        Largest spacing of the real-space grid on which the functional is worked out; None leaves it to the cut-off.
    """

    cutoff_ev: float
    k: KLengths
    grid_a: float | None = None

    def __str__(self) -> str:
        grid = "" if self.grid_a is None else f", grid {self.grid_a:g} Å"
        return f"{self.cutoff_ev:g} eV{grid}, k {self.k}"


@dataclass(frozen=True)
class GpawProtocol:
    """Levels of all steps, and the methods of all properties."""

    levels: dict[Step, Level]
    methods: Methods


# α-Na2S2 sets those of the others: its S2 pairs are chains, and the energy goes up and down with the mesh along them.
# One point along the 8 Å of α-S8 is too few, flat as the bands of molecules are: a crystal at rest with it has forces
# of 0.4 eV/Å with two points, and lies 29 meV/atom above the one relaxed with two.
_SPARSE = KLengths(metals=24.0, molecules=9.0, others=9.0)
_USUAL = KLengths(metals=42.0, molecules=12.0, others=19.5)
_DENSE = KLengths(metals=48.0, molecules=12.0, others=26.0)
_OF_SUPERCELLS = replace(_USUAL, others=13.0)

_GEOMETRY = Level(450.0, _USUAL)
_FORCES = Level(450.0, _OF_SUPERCELLS, grid_a=0.12)
_STRESSES = Level(600.0, replace(_USUAL, metals=48.0))
_ENERGY = Level(600.0, _DENSE)
_FIRST_LOOK = Level(340.0, _SPARSE)

_METHODS = Methods(
    # Forces carry noise of the grid; a stress of 0.03 GPa is a change of 0.05 % of the lattice of Na2S.
    relax=RelaxMethod(force_ev_per_a=0.003, stress_gpa=0.03, polish_steps=0, max_steps=200),
    # Just above the cube of antifluorite, 6.52 Å and 12 atoms, so that Na2S has 24, which moves its F(300 K) by 0.4
    # meV/atom. α-Na2S2 has 24 atoms too, and would have 96 from 6.6 Å on.
    phonon=PhononMethod(min_length_a=6.55, displacement_a=0.04, mesh_length_a=60.0),
    elastic=ElasticMethod(strains=(0.005, 0.01), force_ev_per_a=0.003, polish_steps=0, max_steps=60),
)

PROTOCOLS: dict[str, GpawProtocol] = {
    "fast": GpawProtocol(
        {Step.RELAX: _GEOMETRY, Step.STATIC: _GEOMETRY, Step.DISPLACED: _FORCES, Step.STRAINED: _GEOMETRY}, _METHODS
    ),
    "accurate": GpawProtocol(
        {Step.RELAX: _GEOMETRY, Step.STATIC: _ENERGY, Step.DISPLACED: _FORCES, Step.STRAINED: _STRESSES}, _METHODS
    ),
    "coarse": GpawProtocol(
        dict.fromkeys(Step, _FIRST_LOOK),
        Methods(
            relax=RelaxMethod(force_ev_per_a=0.01, stress_gpa=0.1, polish_steps=0, max_steps=100),
            phonon=PhononMethod(min_length_a=4.0, displacement_a=0.05, mesh_length_a=40.0),
            elastic=ElasticMethod(strains=(0.01,), force_ev_per_a=0.01, polish_steps=0, max_steps=40),
        ),
    ),
}


def protocol_settings(protocol: str) -> dict[str, str | float]:
    """Settings of all steps of a protocol, each named for what it is of, as fingerprints hold them."""
    levels = PROTOCOLS[protocol].levels
    energy = levels[Step.STATIC]
    return {
        "functional": "r2SCAN",
        "xc": XC,
        "spin": "none",
        "cutoff_ev": energy.cutoff_ev,
        "k_rule": f"Γ-centred, {energy.k} over height",
        "grid_a": "of the cut-off" if energy.grid_a is None else energy.grid_a,
        "geometry": str(levels[Step.RELAX]),
        "forces": str(levels[Step.DISPLACED]),
        "stresses": str(levels[Step.STRAINED]),
        "scf": f"density {DENSITY:g}, eigenstates {EIGENSTATES:g} eV²",
        "energy": "without smearing, by extrapolation",
    }


def smearing_text(width_ev: float) -> str:
    """Smearing of the occupations as fingerprints hold it."""
    return f"Fermi-Dirac {width_ev:g} eV"
