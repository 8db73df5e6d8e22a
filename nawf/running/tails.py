"""The end of the file that says most about a job, read by commands of the machine where the job ran."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence

from nawf.engines.word_left import WORD
from nawf.running.backend import Cause, JobState, Stage, Tail

Execute = Callable[[str], str]
"""Runs a shell command where the job ran; gives what it printed."""

_PROGRAM_FAILED = ("std_err.txt", "vasp.out", "OUTCAR", "gpaw.txt")
_PROGRAM_RUNS = ("vasp.out", "OSZICAR", "OUTCAR", "gpaw.txt")
_PRINTED = ("queue.out", "FW_job.out", "*-{number}.out")
_ERRORS = ("queue.err", "FW_job.error", "*-{number}.error")
"""What a job of the queue printed; FireWorks names it after the job and its number."""
_NOT_OF_THE_PROGRAM = frozenset({Cause.CODE, Cause.QUEUE, Cause.SETTINGS, Cause.STORE, Cause.POTCAR})
"""Causes that a program has nothing to say about."""
_NAMED = re.compile(r"\bsee (/\S+?)[;,)\s]")
"""A folder of a VASP run in the words of an error of nawf's."""


def tail_of(job: JobState, execute: Execute, lines: int = 20) -> Tail | None:
    """Last lines of the most telling file that has any.

    What the program of a step wrote goes first, in the folder that the error names or that the job has gone to
    (:mod:`nawf.engines.word_left`); of an error that is none of the program's, what the job of the queue printed.

    Parameters
    ----------
    job : JobState
    execute : callable
    lines : int

    Returns
    -------
    Tail or None
        None when there is no file with content: the job has not started, or its folder is gone.
    """
    runs = job.stage is Stage.RUNNING
    named = [match[1] for match in _NAMED.finditer(job.error + " ")]
    folders = [*named, *_gone_to(job, execute), job.run_dir]
    of_program = _paths(folders, _PROGRAM_RUNS if runs else _PROGRAM_FAILED)
    of_queue = _paths([job.run_dir], [*_PRINTED, *_ERRORS] if runs else [*_ERRORS, *_PRINTED], job.place.queue_id)
    queue_first = not named and job.cause in _NOT_OF_THE_PROGRAM
    candidates = [*of_queue, *of_program] if queue_first else [*of_program, *of_queue]
    if not candidates:
        return None
    tests = " ".join(candidates)
    found = execute(f'for f in {tests}; do if [ -s "$f" ]; then printf "%s\\n" "$f"; exit; fi; done').strip()
    if not found:
        return None
    return Tail(found, execute(f"tail -n {int(lines)} {shlex.quote(found)}").rstrip("\n"))


def _paths(folders: Sequence[str], names: Sequence[str], number: str = "") -> list[str]:
    """Files in folders as words of a shell; those with a number only where there is one."""
    return [
        f"{shlex.quote(folder)}/{name.format(number=number)}"
        for folder in dict.fromkeys(folders)
        for name in names
        if folder and (number.isdigit() or "{" not in name)
    ]


def _gone_to(job: JobState, execute: Execute) -> list[str]:
    """Folder of the program that a job started last."""
    if not job.run_dir:
        return []
    folder = execute(f"cat {shlex.quote(f'{job.run_dir}/{WORD}')} 2>/dev/null").strip()
    return [folder] if folder.startswith("/") else []
