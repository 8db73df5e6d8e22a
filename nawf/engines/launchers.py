"""Programs that start others in many processes, such as ``mpirun`` and ``srun``: what their commands ask for."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

LAUNCHERS = frozenset({"srun", "mpirun", "mpiexec", "mpiexec.hydra", "orterun", "prun", "aprun", "ibrun", "jsrun"})
MOST_WORKERS = 4
"""Default upper limit: every worker holds a model and its graphs in memory, 1 to 2 GB."""

_RANK_OPTIONS = ("-n", "-np", "--np", "--ntasks")


@runtime_checkable
class Launching(Protocol):
    """An engine whose calculations are processes of their own."""

    def command(self) -> str:
        """What starts them, as this machine has it set; empty where it is this process that calculates."""
        ...


def ranks_of(command: str) -> int | None:
    """Number of ranks that a launcher is asked for; None where the command does not tell.

    ``srun`` without a number starts as many as the batch job has.
    """
    words = shlex.split(command)
    if Path(words[0]).name not in LAUNCHERS:
        return None
    for word, following in zip(words[1:], [*words[2:], ""], strict=True):
        name, _, value = word.partition("=")
        text = value or following if name in _RANK_OPTIONS else word.removeprefix("-n") if word[:2] == "-n" else ""
        if text.isdigit():
            return int(text)
    tasks = os.environ.get("SLURM_NTASKS", "")
    return int(tasks) if Path(words[0]).name == "srun" and tasks.isdigit() else None


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usual_workers(processes: int | None) -> int:
    """How many calculations are done at a time when nobody says.

    Parameters
    ----------
    processes : int or None
        Of one calculation, which share the cores; None, where that is not known, leaves them all to one.
    """
    return 1 if processes is None else max(1, min(available_cores() // processes, MOST_WORKERS))


def processes_of(engine: Any) -> int | None:
    """Processes of one calculation of an engine; None where only the command that starts them knows."""
    command = engine.command() if isinstance(engine, Launching) else ""
    return ranks_of(command) if command else 1
