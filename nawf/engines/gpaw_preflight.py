"""Pre-flight of the engine ``gpaw``: what a campaign needs of this machine. GPAW is not loaded for it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from nawf.engines.gpaw_check import launcher_findings, missing_packages
from nawf.engines.gpaw_options import GpawOptions
from nawf.engines.gpaw_size import run_sizes
from nawf.engines.gpaw_versions import potential_file
from nawf.engines.launchers import ranks_of, usual_workers
from nawf.engines.preflight import Finding, run_folder_findings
from nawf.engines.preflight_size import GB
from nawf.results.tasks import PhaseTask
from nawf.settings import load_settings

MAGNETIC = frozenset({"Cr", "Mn", "Fe", "Co", "Ni"})
"""Elements whose compounds may have moments, which this engine does not look for."""


def gpaw_findings(protocol: str, options: GpawOptions, tasks: Sequence[PhaseTask]) -> tuple[Finding, ...]:
    """Findings on the installation, the launcher, the run folder, elements, and the memory of the largest runs.

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
    return (*found, *_memory(protocol, options, tasks))


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


def _memory(protocol: str, options: GpawOptions, tasks: Sequence[PhaseTask]) -> Iterator[Finding]:
    """Memory of the largest calculation, and of those that workers do at a time."""
    largest = sorted(
        (max(run_sizes(protocol, task), key=lambda size: size.bytes) for task in tasks), key=lambda size: -size.bytes
    )
    needs_gb, here_gb = largest[0].bytes / GB, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GB
    what = f"the largest calculation, {largest[0].words}, takes about {needs_gb:.1f} GB"
    if needs_gb > here_gb:
        hint = f"this machine has {here_gb:.0f} GB: run it on a larger one, or with more nodes"
        yield Finding(what, hint, stops=True)
        return
    yield Finding(what, f"this machine has {here_gb:.0f} GB" if needs_gb > here_gb / 2 else "")
    n_workers = load_settings().workers or usual_workers(ranks_of(options.command) if options.command else 1)
    together_gb = sum(size.bytes for size in largest[:n_workers]) / GB
    if n_workers > 1 and together_gb > here_gb:
        yield Finding(
            f"{min(n_workers, len(largest))} calculations at a time take up to {together_gb:.0f} GB",
            f"this machine has {here_gb:.0f} GB: run them with --workers 1",
        )
