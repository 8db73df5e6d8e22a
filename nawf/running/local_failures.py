"""Failures of local runs, from the job log beside the store: the last word on each step."""

from __future__ import annotations

import re
from pathlib import Path

from nawf.running.backend import JobState, Stage
from nawf.running.causes import classify

_LINE = re.compile(r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2},\d{3} \d+ ")
_FAILED = re.compile(r"^(?P<name>\S.*) (?P<phase>\S+) failed with exception:$")
_FINISHED = re.compile(r"^Finished job - (?P<name>\S.*) (?P<phase>\S+) \(")


def local_failures(log: Path, phases: set[str]) -> tuple[JobState, ...]:
    """Steps that failed and have not ended well since.

    Parameters
    ----------
    log : Path
        May be missing.
    phases : set of str
        Those of the campaign.
    """
    if not log.is_file():
        return ()
    found: dict[tuple[str, str], str] = {}
    key: tuple[str, str] | None = None
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        head = _LINE.match(line)
        if head is None:
            if key is not None:
                found[key] += line + "\n"
            continue
        key = None
        text = line[head.end() :]
        if (failed := _FAILED.match(text)) is not None:
            key = failed["phase"], failed["name"]
            found[key] = ""
        elif (finished := _FINISHED.match(text)) is not None:
            found.pop((finished["phase"], finished["name"]), None)
    return tuple(_failure(phase, name, text) for (phase, name), text in found.items() if phase in phases)


def _failure(phase: str, name: str, text: str) -> JobState:
    cause, reason = classify(text)
    return JobState(
        id=f"{phase} {name}",
        flow="",
        phase=phase,
        property="",
        step=name,
        stage=Stage.FAILED,
        backend_state="failed",
        error=text,
        cause=cause,
        reason=reason,
    )
