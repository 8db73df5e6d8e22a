"""Pre-flight of the engine ``gpaw``: what a campaign needs of this machine. GPAW is not loaded for it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence

from nawf.engines.gpaw_cells import Reduction
from nawf.engines.gpaw_check import launcher_findings, missing_packages
from nawf.engines.gpaw_options import GpawOptions
from nawf.engines.gpaw_protocols import PROTOCOLS, Level, Step
from nawf.engines.gpaw_versions import potential_file
from nawf.engines.preflight import Finding, run_folder_findings
from nawf.engines.preflight_size import (
    BYTES_OF_NUMBER,
    GB,
    WAVE_VECTOR_PER_A,
    RunSize,
    cell_of,
    k_points,
    plane_waves,
)
from nawf.results.crystal import Crystal
from nawf.results.tasks import PhaseTask

MAGNETIC = frozenset({"Cr", "Mn", "Fe", "Co", "Ni"})
"""Elements whose compounds may have moments, which this engine does not look for."""

VALENCE = {"Li": 3, "N": 5, "Na": 7, "O": 6, "P": 5, "S": 6, "Sb": 15, "Sn": 14}
"""Electrons of the PAW sets; an element that is not among them counts as 16."""

_BASE_GB = 0.4
_GRID_ARRAYS = 20
_STEP = {"relax": Step.RELAX, "static": Step.STATIC, "phonon": Step.DISPLACED, "elastic": Step.STRAINED}


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
    found = [*missing_packages(), *_elements(tasks), *run_folder_findings(options.root)]
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
                everywhere=True,
            )


def run_sizes(protocol: str, task: PhaseTask) -> Iterator[RunSize]:
    """Sizes of the calculations of a task."""
    for prop in task.properties:
        level = PROTOCOLS[protocol].levels[_STEP[prop]]
        cell = cell_of(task, prop)
        crystal = Reduction.of(cell.matrix_a).applied(cell)
        n_k = k_points(level.k.mesh(crystal.species, crystal.matrix_a), crystal, prop)
        electrons = sum(VALENCE.get(element, 16) for element in crystal.species)
        bands = int(0.6 * electrons) + 4
        size = estimated_bytes(crystal, level, n_k, bands)
        yield RunSize(task.phase, prop, len(crystal), n_k, bands, size)


def estimated_bytes(crystal: Crystal, level: Level, n_k: int, n_bands: int) -> float:
    """Memory of one calculation: wave functions, three more sets of one k-point, and arrays on the fine grid.

    Rough: within a factor of two of what runs of 1 to 32 atoms took.
    """
    waves = plane_waves(crystal.volume_a3, level.cutoff_ev) * n_bands * BYTES_OF_NUMBER
    spacing = min(level.grid_a or math.inf, 1.75 / (WAVE_VECTOR_PER_A * math.sqrt(level.cutoff_ev)))
    points = 8 * crystal.volume_a3 / spacing**3
    return waves * (n_k + 3) + points * 8 * _GRID_ARRAYS + _BASE_GB * GB


def _memory(protocol: str, tasks: Sequence[PhaseTask]) -> Iterator[Finding]:
    largest = max((size for task in tasks for size in run_sizes(protocol, task)), key=lambda size: size.bytes)
    needs_gb, here_gb = largest.bytes / GB, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GB
    what = f"the largest calculation, {largest.words}, takes about {needs_gb:.1f} GB"
    if needs_gb > here_gb:
        yield Finding(
            what, f"this machine has {here_gb:.0f} GB: run it on a larger one, or with more nodes", stops=True
        )
    else:
        yield Finding(what, f"this machine has {here_gb:.0f} GB" if needs_gb > here_gb / 2 else "")
