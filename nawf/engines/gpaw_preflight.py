"""Pre-flight of the engine ``gpaw``: what a campaign needs of this machine. GPAW is not loaded for it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from nawf.engines.gpaw_check import launcher_findings, missing_packages
from nawf.engines.gpaw_options import GpawOptions
from nawf.engines.gpaw_size import run_sizes
from nawf.engines.gpaw_versions import potential_file
from nawf.engines.preflight import Finding, run_folder_findings
from nawf.engines.preflight_size import GB
from nawf.results.tasks import PhaseTask

MAGNETIC = frozenset({"Cr", "Mn", "Fe", "Co", "Ni"})
"""Elements whose compounds may have moments, which this engine does not look for."""


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
