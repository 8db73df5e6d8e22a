"""The end of the file that says most about a job, read by commands of the machine where the job ran."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

from nawf.running.backend import JobState, Stage, Tail

Execute = Callable[[str], str]
"""Runs a shell command where the job ran; gives what it printed."""

_OF_FAILED = ("std_err.txt", "vasp.out", "OUTCAR", "queue.err", "queue.out", "FW_job.error", "FW_job.out")
_OF_RUNNING = ("vasp.out", "OSZICAR", "OUTCAR", "queue.out", "queue.err", "FW_job.out")
_NAMED = re.compile(r"\bsee (/\S+?)[;,)\s]")
"""A folder of a VASP run in the words of an error of nawf's."""


def tail_of(job: JobState, execute: Execute, lines: int = 20) -> Tail | None:
    """Last lines of the newest telling file.

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
    folders = [*(match[1] for match in _NAMED.finditer(job.error + " ")), job.run_dir]
    names = _OF_RUNNING if job.stage is Stage.RUNNING else _OF_FAILED
    candidates = [f"{folder}/{name}" for folder in dict.fromkeys(folders) if folder for name in names]
    if job.stage is Stage.RUNNING:
        candidates = [*_attempt_files(job, execute), *candidates]
    tests = " ".join(shlex.quote(path) for path in candidates)
    found = execute(f'for f in {tests}; do if [ -s "$f" ]; then printf "%s\\n" "$f"; exit; fi; done').strip()
    if not found:
        return None
    return Tail(found, execute(f"tail -n {int(lines)} {shlex.quote(found)}").rstrip("\n"))


def _attempt_files(job: JobState, execute: Execute) -> list[str]:
    """Files of the VASP run that a running job has gone into: the folder that a process of its own stands in."""
    # The run folder is written into the input of the job.
    command = f'grep -o \'"run_folder": *"[^"]*"\' {shlex.quote(job.run_dir)}/jfremote_in.json | head -n 1'
    match = re.search(r': *"(.*)"', execute(command))
    if match is None:
        return []
    place = f"{shlex.quote(match[1])}/{shlex.quote(job.phase)}"
    newest = execute(f"ls -td {place}/*/attempt-*/ 2>/dev/null | head -n 1").strip()
    return [f"{newest.rstrip('/')}/{name}" for name in ("vasp.out", "OSZICAR")] if newest else []
