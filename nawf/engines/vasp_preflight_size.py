"""How large the runs of VASP will be: memory of the wavefunctions, and bands for the ranks. Rough, and said so."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
import spglib
from atomate2 import SETTINGS as ATOMATE2

from nawf.engines.preflight import Finding
from nawf.engines.vasp_protocols import Step, input_set, k_rule
from nawf.results.crystal import Crystal
from nawf.results.symmetry import primitive_cell, supercell_rows
from nawf.results.tasks import PhaseTask

WAVE_VECTOR_PER_A = 0.512316723
"""Of an electron of 1 eV: sqrt(2 m E) / ħ, in 1/Å."""

_BYTES = 16
_GB = 1e9
_STEP = {"relax": Step.RELAX, "static": Step.STATIC, "phonon": Step.DISPLACED, "elastic": Step.STRAINED}


@dataclass(frozen=True)
class RunSize:
    """What is known of a run before it: atoms, k-points and bands, and bytes of its wavefunctions with spin."""

    phase: str
    property: str
    n_atoms: int
    n_k_points: int
    n_bands: int
    wavefunction_bytes: float


def plane_waves(volume_a3: float, cutoff_ev: float) -> float:
    """Plane waves below a cutoff: states in a sphere of radius G, V G³ / 6π²."""
    return volume_a3 * (WAVE_VECTOR_PER_A * math.sqrt(cutoff_ev)) ** 3 / (6 * math.pi**2)


def bands(n_electrons: float, n_atoms: int) -> int:
    """VASP's NBANDS by default, for a run without spin-orbit coupling, before ranks are shared out."""
    occupied = int((n_electrons + 2) / 2)
    return max(occupied + max(n_atoms // 2, 3), int(0.6 * n_electrons))


def run_sizes(protocol: str, task: PhaseTask, valence: Mapping[str, float]) -> Iterator[RunSize]:
    """Sizes of the runs of a task.

    k-points of cells at rest are those that symmetry leaves; in displaced and strained cells it is taken to leave
    none out but the half of them that mirrors the other.
    """
    for prop in task.properties:
        crystal = _cell(task, prop)
        structure = crystal.to_structure()
        divisions = k_rule(protocol, structure).mesh.divisions
        at_rest = prop in ("relax", "static")
        n_k = _irreducible(divisions, crystal) if at_rest else math.prod(divisions) // 2 + 1
        generator = input_set(protocol, _STEP[prop])
        generator.structure = structure.get_sorted_structure()
        n_bands = bands(sum(valence[element] for element in crystal.species), len(crystal))
        waves = plane_waves(crystal.volume_a3, float(generator.incar["ENCUT"]))
        size = _BYTES * waves * n_bands * n_k * int(generator.incar.get("ISPIN", 1))
        yield RunSize(task.phase, prop, len(crystal), n_k, n_bands, size)


def _cell(task: PhaseTask, prop: str) -> Crystal:
    """Cell of the runs of a property; the displaced atom does not matter here."""
    symprec_a = task.methods.relax.symprec_a
    primitive = task.relaxed or primitive_cell(task.start, symprec_a)
    if prop != "phonon":
        return primitive
    structure = primitive.to_structure()
    structure.make_supercell(np.array(supercell_rows(primitive, task.methods.phonon.min_length_a, symprec_a)))
    return Crystal.from_structure(structure)


def _irreducible(divisions: Sequence[int], crystal: Crystal) -> int:
    mapping, _ = spglib.get_ir_reciprocal_mesh(divisions, crystal.to_spglib(), is_shift=[0, 0, 0])
    return len(np.unique(mapping))


def size_findings(
    protocol: str, tasks: Sequence[PhaseTask], valence: Mapping[str, float], ranks: int | None
) -> Iterator[Finding]:
    """Notes on the largest run and the smallest; none of elements without a usable potential.

    Parameters
    ----------
    protocol : str
    tasks : sequence of PhaseTask
    valence : mapping of str to float
        Valence electrons by element.
    ranks : int or None
        Processes of one run, where that is known.
    """
    sizes = [
        size
        for task in tasks
        if set(task.start.species) <= set(valence)
        for size in run_sizes(protocol, task, valence)
    ]
    if not sizes:
        return
    yield _memory(max(sizes, key=lambda size: size.wavefunction_bytes))
    if ranks:
        yield from _ranks(min(sizes, key=lambda size: size.n_bands), ranks, ATOMATE2.VASP_INCAR_UPDATES)


def _memory(largest: RunSize) -> Finding:
    here_gb = psutil.virtual_memory().total / _GB
    needs_gb = largest.wavefunction_bytes / _GB
    what = (
        f"the largest run, {largest.property} of {largest.phase} with {largest.n_atoms} atoms, up to "
        f"{largest.n_k_points} k-points and {largest.n_bands} bands, holds about {_rounded(needs_gb)} GB of "
        "wavefunctions over all its ranks, and more besides"
    )
    return Finding(what, f"this machine has {_rounded(here_gb)} GB" if needs_gb > here_gb / 2 else "")


def _ranks(smallest: RunSize, ranks: int, updates: Mapping[str, Any]) -> Iterator[Finding]:
    k_groups, cores = int(updates.get("KPAR", 1)), int(updates.get("NCORE", 1))
    where = "in VASP_INCAR_UPDATES of atomate2"
    if ranks % k_groups:
        yield Finding(f"KPAR = {k_groups} {where} does not divide {ranks} ranks", "choose one that does")
        return
    groups = ranks // k_groups // max(cores, 1)
    if groups > smallest.n_bands:
        yield Finding(
            f"{ranks} ranks are many for {smallest.phase}: VASP would raise its {smallest.n_bands} bands to {groups}",
            f"set KPAR or NCORE {where}, or take fewer ranks",
        )


def _rounded(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"
