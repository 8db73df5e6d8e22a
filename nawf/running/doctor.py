"""A checklist of what nawf needs: each check is a small function that returns one or more :class:`Check`.

Optional things that nobody has set up are grey, what will work but is worth a look is yellow, and what will fail is
red. A check never raises and never shows a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from nawf.errors import NawfError
from nawf.settings import Settings

# All before the last @ of a word: a password may hold what should have been escaped.
_PASSWORD_IN_URI = re.compile(r"(?<=://)([^\s:/@]*):\S*@")
_PASSWORD_FIELD = re.compile(
    r"(?i)((?:password|passphrase|secret|token|api_?key)['\"]?\s*[:=]\s*)('[^']*'|\"[^\"]*\"|[^\s,}&]+)"
)


class Mark(StrEnum):
    """How a check came out."""

    GOOD = "good"
    LOOK = "look"
    BAD = "bad"
    UNUSED = "unused"


@dataclass(frozen=True)
class Check:
    """One line of the checklist.

    Attributes
    ----------
    area : str
        What it belongs to, such as ``machine`` or ``jobflow-remote``.
    name : str
    mark : Mark
    found : str
        What was found, in one line.
    advice : str
        What to do about it; empty where there is nothing to do.
    """

    area: str
    name: str
    mark: Mark
    found: str
    advice: str = ""


Checker = Callable[[], Iterable[Check]]


def without_secrets(text: str) -> str:
    """One line of text, without passwords in addresses and in fields that are called so."""
    text = _PASSWORD_IN_URI.sub(r"\1:***@", text)
    return re.sub(r"\s+", " ", _PASSWORD_FIELD.sub(r"\1***", text)).strip()


def safely(area: str, name: str, checker: Checker) -> Iterator[Check]:
    """Checks of a checker; one that fails is itself a red check."""
    try:
        for check in checker():
            yield Check(
                check.area, check.name, check.mark, without_secrets(check.found), without_secrets(check.advice)
            )
    except NawfError as error:
        head = f"{error.where}: " if error.where else ""
        yield Check(area, name, Mark.BAD, without_secrets(head + error.what), without_secrets(error.hint or ""))
    except Exception as error:  # noqa: BLE001 - shown as what it is: any library may fail in any way here
        found = without_secrets(f"{type(error).__name__}: {error}")[:400]
        yield Check(area, name, Mark.BAD, found, "")


def examine(settings: Settings, *, deep: bool = False, engine: str = "", patience_s: float = 60) -> Iterator[Check]:
    """All checks, one after the other as they are done.

    Parameters
    ----------
    settings : Settings
    deep : bool
        Whether to send a calculation of two atoms through what is configured, and read it back.
    engine : str
        What calculates it; the embedded engine, if not given.
    patience_s : float
        How long a job of the doctor may wait in a queue.
    """
    from nawf.running import (
        doctor_deep,
        doctor_engines,
        doctor_fireworks,
        doctor_machine,
        doctor_queue,
        doctor_slurm,
        doctor_store,
    )

    checkers: list[tuple[str, str, Checker]] = [
        ("machine", "Python", doctor_machine.python),
        ("machine", "packages", doctor_machine.packages),
        ("machine", "disk space", lambda: doctor_machine.disk_space(settings)),
        ("store", "store", lambda: doctor_store.store(settings)),
        *(
            ("engines", name, lambda name=name: doctor_engines.engine(name, settings))
            for name in doctor_engines.names()
        ),
        ("SLURM", "SLURM", doctor_slurm.slurm),
        ("jobflow-remote", "project", lambda: doctor_queue.jobflow_remote(settings)),
        ("FireWorks", "files", lambda: doctor_fireworks.fireworks(settings)),
    ]
    if deep:
        checkers.append(("whole path", "two atoms", lambda: doctor_deep.two_atoms(settings, engine, patience_s)))
    for area, name, checker in checkers:
        yield from safely(area, name, checker)
