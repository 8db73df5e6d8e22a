"""How large the runs of VASP will be: memory of the wavefunctions, and bands for the ranks. Rough, and said so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psutil
from atomate2 import SETTINGS as ATOMATE2

from nawf.engines.preflight import Finding
from nawf.engines.preflight_size import BYTES_OF_NUMBER, GB, RunSize, cell_of, k_points, plane_waves
from nawf.engines.vasp_protocols import Step, input_set, k_rule
from nawf.results.tasks import PhaseTask

_STEP = {"relax": Step.RELAX, "static": Step.STATIC, "phonon": Step.DISPLACED, "elastic": Step.STRAINED}


def bands(n_electrons: float, n_atoms: int) -> int:
    """VASP's NBANDS by default, for a run without spin-orbit coupling, before ranks are shared out."""
    occupied = int((n_electrons + 2) / 2)
    return max(occupied + max(n_atoms // 2, 3), int(0.6 * n_electrons))


def run_sizes(protocol: str, task: PhaseTask, valence: Mapping[str, float]) -> Iterator[RunSize]:
    """Sizes of the runs of a task, in bytes of wavefunctions with spin."""
    for prop in task.properties:
        crystal = cell_of(task, prop)
        structure = crystal.to_structure()
        n_k = k_points(k_rule(protocol, structure).mesh.divisions, crystal, prop)
        generator = input_set(protocol, _STEP[prop])
        generator.structure = structure.get_sorted_structure()
        n_bands = bands(sum(valence[element] for element in crystal.species), len(crystal))
        waves = plane_waves(crystal.volume_a3, float(generator.incar["ENCUT"]))
        size = BYTES_OF_NUMBER * waves * n_bands * n_k * int(generator.incar.get("ISPIN", 1))
        yield RunSize(task.phase, prop, len(crystal), n_k, n_bands, size)


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
    yield _memory(max(sizes, key=lambda size: size.bytes))
    if ranks:
        yield from _ranks(min(sizes, key=lambda size: size.n_bands), ranks, ATOMATE2.VASP_INCAR_UPDATES)


def _memory(largest: RunSize) -> Finding:
    here_gb = psutil.virtual_memory().total / GB
    needs_gb = largest.bytes / GB
    what = (
        f"the largest run, {largest.words}, holds about {_rounded(needs_gb)} GB of "
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
