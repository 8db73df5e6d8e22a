"""How large plane-wave calculations will be, from cells and k-meshes alone. Rough, and said so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import spglib

from nawf.results.crystal import Crystal
from nawf.results.symmetry import primitive_cell, supercell, supercell_rows
from nawf.results.tasks import PhaseTask

WAVE_VECTOR_PER_A = 0.512316723
"""Of an electron of 1 eV: sqrt(2 m E) / ħ, in 1/Å."""

GB = 1e9
BYTES_OF_NUMBER = 16
"""Of a complex number."""

_NO_MOVE = 1e-5


@dataclass(frozen=True)
class RunSize:
    """What is known of a calculation before it; ``bytes`` are those of its wave functions, or more."""

    phase: str
    step: str
    n_atoms: int
    n_k_points: int
    n_bands: int
    bytes: float

    @property
    def words(self) -> str:
        """For a sentence."""
        return (
            f"{self.step} of {self.phase} with {self.n_atoms} atoms, up to {self.n_k_points} k-points and "
            f"{self.n_bands} bands"
        )


def plane_waves(volume_a3: float, cutoff_ev: float) -> float:
    """Plane waves below a cutoff: states in a sphere of radius G, V G³ / 6π²."""
    return volume_a3 * (WAVE_VECTOR_PER_A * math.sqrt(cutoff_ev)) ** 3 / (6 * math.pi**2)


def cell_of(task: PhaseTask, prop: str) -> Crystal:
    """Cell of the calculations of a property; the displaced atom does not matter here."""
    symprec_a = task.methods.relax.symprec_a
    primitive = task.relaxed or primitive_cell(task.start, symprec_a)
    if prop != "phonon":
        return primitive
    return supercell(primitive, supercell_rows(primitive, task.methods.phonon.min_length_a, symprec_a))


def k_points(divisions: Sequence[int], crystal: Crystal, prop: str, *, symmorphic: bool = False) -> int:
    """At most as many k-points as the calculations of a property have, with all symmetries of the crystal.

    In displaced and strained cells symmetry is taken to leave none out but the half of them that mirrors the other.
    """
    if prop not in ("relax", "static"):
        return math.prod(divisions) // 2 + 1
    return irreducible_points(divisions, crystal, symmorphic=symmorphic)


def irreducible_points(divisions: Sequence[int], crystal: Crystal, *, symmorphic: bool = False) -> int:
    """k-points that the symmetry of a crystal leaves of a Γ-centred mesh.

    Parameters
    ----------
    divisions : sequence of int
    crystal : Crystal
    symmorphic : bool
        Whether a program uses only the operations that have no translation of their own.
    """
    operations = spglib.get_symmetry(crystal.to_spglib())
    if operations is None:
        return math.prod(divisions)
    rotations = operations["rotations"]
    if symmorphic:
        moves = operations["translations"]
        rotations = rotations[np.abs(moves - np.rint(moves)).max(axis=1) < _NO_MOVE]
    mapping, _ = spglib.get_stabilized_reciprocal_mesh(divisions, rotations, is_shift=[0, 0, 0])
    return len(np.unique(mapping))
