"""Failures on demand, as VASP fails.

Faults are asked for in the variable NAWF_REHEARSAL_FAULT or in a file REHEARSAL in the folder of the run, one on a
line or separated by semicolons; ``#`` starts a comment::

    NAME[@STEP] [once | N times] [when TAG=VALUE ...] [until TAG=VALUE ...]

    zbrent@2 once                       # in the second ionic step, the first time it is reached
    edddav until ALGO=All               # in every run, until ALGO has been changed
    kill@3 once when FORMULA=Na2S NSW=99

STEP is the ionic step, 1 by default. Without a number of times a fault comes in every run, once. TAG is a tag of
INCAR, or FORMULA, the reduced formula in the order of POSCAR; ``TAG=*`` asks for any value. Times are counted by
files REHEARSAL.NAME-*.n in the folder of the run, so that a restart there knows them; with NAWF_REHEARSAL_COUNTS they
are in that folder and hold for all runs that share it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from nawf.rehearsal.stop import StopError
from nawf.rehearsal.tags import Value

VARIABLE: Final = "NAWF_REHEARSAL_FAULT"
COUNTS_VARIABLE: Final = "NAWF_REHEARSAL_COUNTS"
FILE_NAME: Final = "REHEARSAL"

Moment = Literal["start", "electronic", "ionic"]


@dataclass(frozen=True)
class Message:
    """What VASP says, when, and whether it stops there. The words are those that custodian looks for."""

    moment: Moment
    stops: bool
    lines: tuple[str, ...]


MESSAGES: Final[dict[str, Message]] = {
    "posmap": Message("start", True, ("POSMAP internal error: symmetry equivalent atom not found,",)),
    "bravais": Message("start", True, ("Inconsistent Bravais lattice types found for crystalline and reciprocal",)),
    "rhosyg": Message("start", True, ("RHOSYG internal error: stars are not distinct",)),
    "real_optlay": Message("start", True, ("REAL_OPTLAY: internal error (1)",)),
    "brmix": Message(
        "electronic", False, ("BRMIX: very serious problems", " the old and the new charge density differ")
    ),
    "subspacematrix": Message("electronic", False, ("WARNING: Sub-Space-Matrix is not hermitian in DAV  1",)),
    "eddrmm": Message("electronic", False, ("WARNING in EDDRMM: call to ZHEGV failed, returncode = 6 3",)),
    "edddav": Message("electronic", True, ("Error EDDDAV: Call to ZHEGV failed. Returncode = 12 1 16",)),
    "pssyevx": Message("electronic", True, ("ERROR in subspace rotation PSSYEVX: not enough eigenvalues found",)),
    "zheev": Message("electronic", True, ("ERROR EDDIAG: Call to routine ZHEEV failed! 6 1 10",)),
    "zpotrf": Message("electronic", True, ("LAPACK: Routine ZPOTRF failed! 5 1 1",)),
    "brions": Message("ionic", True, ("BRIONS problems: POTIM should be increased",)),
    "zbrent": Message(
        "ionic",
        True,
        (
            "ZBRENT: fatal error in bracketing",
            "     please rerun with smaller EDIFF, or copy CONTCAR",
            "     to POSCAR and continue",
        ),
    ),
}
"""Faults that are a message."""

DEEDS: Final = {
    "potcar": "the elements of POTCAR are taken for others than those of POSCAR",
    "nelm": "from the step on, electronic loops do not converge within NELM steps",
    "hang": "the run goes on for ever without writing",
    "kill": "the process kills itself in the electronic loop",
    "walltime": "a STOPCAR asks to stop after the step",
    "disk-full": "the results of the step cannot be written for want of space",
    "truncated": "vasprun.xml loses its end",
    "empty-contcar": "CONTCAR is empty at the end",
}
"""Faults that are something else."""

_GRAMMAR = re.compile(r"(?P<name>[\w-]+)(@(?P<step>\d+))?(\s+|:|$)(?P<rest>.*)")


@dataclass(frozen=True)
class Fault:
    """One fault that was asked for; ``times`` is None when it comes in every run."""

    name: str
    step: int = 1
    times: int | None = None
    when: tuple[tuple[str, str], ...] = ()
    until: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """Name of its counter, which differs between faults of one kind."""
        digest = hashlib.sha256(repr((self.step, self.when, self.until)).encode()).hexdigest()[:6]
        return f"{FILE_NAME}.{self.name}-{digest}"

    def applies(self, tags: Mapping[str, Value | str]) -> bool:
        """Whether the tags of a run ask for it."""
        ended = bool(self.until) and all(_agrees(tags, *condition) for condition in self.until)
        return not ended and all(_agrees(tags, *condition) for condition in self.when)


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Faults of a control text.

    Raises
    ------
    StopError
        When it does not follow the grammar above.
    """
    lines = [line.split("#", 1)[0] for line in text.splitlines()]
    parts = [part.strip() for line in lines for part in line.split(";")]
    return tuple(_parse_fault(part) for part in parts if part)


def _parse_fault(text: str) -> Fault:
    match = _GRAMMAR.fullmatch(text)
    name = match["name"].lower() if match else text
    if match is None or name not in MESSAGES | DEEDS:
        choices = ", ".join(sorted(MESSAGES | DEEDS))
        raise StopError(f"nawf rehearsal: {text!r} is no fault; choose from {choices}")
    words = match["rest"].replace(":", " ").split()
    times: int | None = None
    conditions: dict[str, list[tuple[str, str]]] = {"when": [], "until": []}
    where = ""
    while words:
        word = words.pop(0)
        if word in conditions and words and "=" in words[0]:
            where = word
        elif where and "=" in word:
            tag, value = word.split("=", 1)
            conditions[where].append((tag.upper(), value))
        elif word == "once":
            times = 1
        elif word.isdigit() and words[:1] in (["times"], ["time"]):
            times = int(word)
            words.pop(0)
        else:
            raise StopError(f"nawf rehearsal: {word!r} makes no sense in the fault {text!r}")
    step = int(match["step"] or 1)
    return Fault(name, step, times, tuple(conditions["when"]), tuple(conditions["until"]))


def _agrees(tags: Mapping[str, Value | str], tag: str, wanted: str) -> bool:
    if tag not in tags:
        return False
    found = tags[tag]
    if wanted == "*":
        return True
    if isinstance(found, bool):
        return found == wanted.strip(".").upper().startswith("T")
    try:
        return float(str(found)) == float(wanted)
    except ValueError:
        return str(found).upper() == wanted.upper()


@dataclass
class Faults:
    """The faults of one run.

    Each comes at most once in a run, when :meth:`due` first finds that its step is reached.
    """

    faults: tuple[Fault, ...] = ()
    tags: Mapping[str, Value | str] = field(default_factory=dict)
    counts: Path = Path()
    _done: set[Fault] = field(default_factory=set)

    def due(self, names: Iterable[str], step: int = 1) -> str | None:
        """The first of ``names`` that is to happen now, counted; or None."""
        for fault in self.faults:
            if fault.name in names and step >= fault.step and fault not in self._done and fault.applies(self.tags):
                self._done.add(fault)
                if fault.times is None or self._claimed(fault.key, fault.times):
                    return fault.name
        return None

    def message(self, moment: Moment, step: int = 1) -> Message | None:
        """The message that is to be said now, or None."""
        name = self.due([n for n, message in MESSAGES.items() if message.moment == moment], step)
        return MESSAGES[name] if name else None

    def _claimed(self, key: str, times: int) -> bool:
        """Whether one of the times is left. Files that only one process can make count them."""
        self.counts.mkdir(parents=True, exist_ok=True)
        for n in range(1, times + 1):
            try:
                os.close(os.open(self.counts / f"{key}.{n}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            except FileExistsError:
                continue
            return True
        return False


def read_faults(folder: Path, tags: Mapping[str, Value | str], environ: Mapping[str, str]) -> Faults:
    """Faults asked for in the environment and in the folder of the run.

    Raises
    ------
    StopError
        When they are misspelt.
    """
    file = folder / FILE_NAME
    text = environ.get(VARIABLE, "") + "\n" + (file.read_text(encoding="utf-8") if file.is_file() else "")
    counts = Path(environ[COUNTS_VARIABLE]) if environ.get(COUNTS_VARIABLE) else folder
    return Faults(parse_faults(text), tags, counts)
