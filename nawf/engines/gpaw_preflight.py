"""Pre-flight of the engine ``gpaw``: what a campaign needs of this machine. GPAW is not loaded for it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import spglib

from nawf.engines.gpaw_cells import Reduction
from nawf.engines.gpaw_check import launcher_findings, missing_packages
from nawf.engines.gpaw_options import GpawOptions
from nawf.engines.gpaw_protocols import PROTOCOLS, Level, Step
from nawf.engines.gpaw_versions import potential_file
from nawf.engines.preflight import Finding
from nawf.results.crystal import Crystal
from nawf.results.symmetry import primitive_cell, supercell_rows
from nawf.results.tasks import PhaseTask

WAVE_VECTOR_PER_A = 0.512316723
"""Of an electron of 1 eV: sqrt(2 m E) / ħ, in 1/Å."""

MAGNETIC = frozenset({"Cr", "Mn", "Fe", "Co", "Ni"})
"""Elements whose compounds may have moments, which this engine does not look for."""

VALENCE = {"Li": 3, "N": 5, "Na": 7, "O": 6, "P": 5, "S": 6, "Sb": 15, "Sn": 14}
"""Electrons of the PAW sets; an unknown element counts as many as it has."""

_GB = 1e9
_BASE_GB = 0.4
_GRID_ARRAYS = 20
_STEP = {"relax": Step.RELAX, "static": Step.STATIC, "phonon": Step.DISPLACED, "elastic": Step.STRAINED}


@dataclass(frozen=True)
class RunSize:
    """What is known of a calculation before it."""

    phase: str
    property: str
    n_atoms: int
    n_k_points: int
    n_bands: int
    bytes: float


def gpaw_findings(protocol: str, options: GpawOptions, tasks: Sequence[PhaseTask]) -> tuple[Finding, ...]:
    """Findings on the installation, the launcher, the run folder, elements, and the memory of the largest run.

    Parameters
    ----------
    protocol : str
    options : GpawOptions
        Those of this machine.
    tasks : sequence of PhaseTask
        What is missing; without any there is nothing to find.
    """
    if not tasks:
        return ()
    options = options.here()
    found = [*missing_packages(), *_elements(tasks), *_run_folder(options)]
    if options.command:
        found += launcher_findings(options.command)
    return (*found, *_memory(protocol, tasks))


def _elements(tasks: Sequence[PhaseTask]) -> Iterator[Finding]:
    phases: dict[str, list[str]] = {}
    for task in tasks:
        for element in sorted(set(task.start.species)):
            phases.setdefault(element, []).append(task.phase)
    for element, who in phases.items():
        if potential_file(element) is None:
            yield Finding(f"GPAW has no PAW set for {element} (in {who[0]})", "leave the phase out", stops=True)
        if element in MAGNETIC:
            yield Finding(
                f"{who[0]} has {element}: this engine calculates without spin, and would miss its moments",
                "leave the phase out, or use engine vasp",
                stops=True,
            )


def _run_folder(options: GpawOptions) -> Iterator[Finding]:
    place = options.root
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        what = f"nothing can be written to the run folder {options.root}"
        yield Finding(what, "set run_folder in nawf.yaml, or NAWF_RUN_FOLDER", stops=True)


def run_sizes(protocol: str, task: PhaseTask) -> Iterator[RunSize]:
    """Sizes of the calculations of a task. Displaced and strained cells count as if nothing of symmetry were left."""
    for prop in task.properties:
        level = PROTOCOLS[protocol].levels[_STEP[prop]]
        crystal = _cell(task, prop)
        mesh = level.k.mesh(crystal.species, crystal.matrix_a)
        n_k = _irreducible(mesh, crystal) if prop in ("relax", "static") else math.prod(mesh) // 2 + 1
        electrons = sum(VALENCE.get(element, 16) for element in crystal.species)
        bands = int(0.6 * electrons) + 4
        size = estimated_bytes(crystal, level, n_k, bands)
        yield RunSize(task.phase, prop, len(crystal), n_k, bands, size)


def estimated_bytes(crystal: Crystal, level: Level, n_k: int, n_bands: int) -> float:
    """Memory of one calculation: wave functions, three more sets of one k-point, and arrays on the fine grid.

    Rough: within a factor of two of what runs of 1 to 32 atoms took.
    """
    longest = WAVE_VECTOR_PER_A * math.sqrt(level.cutoff_ev)
    waves = crystal.volume_a3 * longest**3 / (6 * math.pi**2) * n_bands * 16
    spacing = min(level.grid_a or math.inf, 1.75 / longest)
    points = 8 * crystal.volume_a3 / spacing**3
    return waves * (n_k + 3) + points * 8 * _GRID_ARRAYS + _BASE_GB * _GB


def _cell(task: PhaseTask, prop: str) -> Crystal:
    """Reduced cell of the calculations of a property; the displaced atom does not matter here."""
    symprec_a = task.methods.relax.symprec_a
    cell = task.relaxed or primitive_cell(task.start, symprec_a)
    if prop == "phonon":
        structure = cell.to_structure()
        structure.make_supercell(np.array(supercell_rows(cell, task.methods.phonon.min_length_a, symprec_a)))
        cell = Crystal.from_structure(structure)
    return Reduction.of(cell.matrix_a).applied(cell)


def _irreducible(mesh: Sequence[int], crystal: Crystal) -> int:
    mapping, _ = spglib.get_ir_reciprocal_mesh(mesh, crystal.to_spglib(), is_shift=[0, 0, 0])
    return len(np.unique(mapping))


def _memory(protocol: str, tasks: Sequence[PhaseTask]) -> Iterator[Finding]:
    largest = max((size for task in tasks for size in run_sizes(protocol, task)), key=lambda size: size.bytes)
    needs_gb, here_gb = largest.bytes / _GB, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GB
    what = (
        f"the largest calculation, {largest.property} of {largest.phase} with {largest.n_atoms} atoms, up to "
        f"{largest.n_k_points} k-points and {largest.n_bands} bands, takes about {needs_gb:.1f} GB"
    )
    if needs_gb > here_gb:
        yield Finding(
            what, f"this machine has {here_gb:.0f} GB: run it on a larger one, or with more nodes", stops=True
        )
    else:
        yield Finding(what, f"this machine has {here_gb:.0f} GB" if needs_gb > here_gb / 2 else "")
