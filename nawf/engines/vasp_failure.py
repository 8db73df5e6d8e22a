"""Why a VASP run ended without a result: what custodian met, and the last that VASP said, in one line."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from custodian.custodian import (
    CustodianError,
    MaxCorrectionsError,
    MaxCorrectionsPerHandlerError,
    MaxCorrectionsPerJobError,
    NonRecoverableError,
    ValidationError,
)

from nawf.engines.vasp_handlers import FILES_NEEDED
from nawf.engines.vasp_resume import ionic_steps

_LOG, _OUT, _ERR = "custodian.json", "vasp.out", "std_err.txt"
_LAST_LINES = 2
_LONGEST_LINE = 120
_LIBRARY = (
    "the eigenvalue solver of this VASP's libraries fails: try fewer ranks (other KPAR and NCORE), or another build"
)
_POTCAR = "the POTCARs are not those of the elements: look at potcar_folder, and at what nawf plan says of it"
_REMEDIES = (
    ("subspace rotation PSSYEVX", _LIBRARY),
    ("subspace rotation PDSYEVX", _LIBRARY),
    ("type information on POSCAR and POTCAR are incompatible", _POTCAR),
    ("number of potentials on File POTCAR incompatible", _POTCAR),
    ("No space left on device", "make room in run_folder"),
    ("error while loading shared libraries", "load what VASP was built with where jobs run, such as its modules"),
)
"""What VASP says, and what to do about it."""
_FAREWELL = "I REFUSE TO CONTINUE WITH THIS SICK JOB"
_ELECTRONIC = re.compile(r"^ *[A-Z]{3}: +\d", re.MULTILINE)
_GOES_ON = re.compile(r"^[A-Z]{3}: +\d|^N +E +dE|^\d+ F= |^entering main loop|^bond charge predicted")
"""Lines of a run that goes on: what it said before is not what ended it."""


def cause_of(error: CustodianError, folder: Path) -> str:
    """What went wrong in the run of a folder, as far as its files tell."""
    if isinstance(error, NonRecoverableError):
        return f"{_met(folder)}, and there is no correction left to try"
    if isinstance(error, MaxCorrectionsError | MaxCorrectionsPerJobError | MaxCorrectionsPerHandlerError):
        return f"{_met(folder)}, and the corrections did not help"
    words = last_words(folder)
    return _incomplete(error, folder) + (f"; VASP's last words: {words}" if words else "")


def hint_for(folder: Path) -> str:
    """What to do about the failed run of a folder: about its cause, where that is known, and to go on."""
    said = " ".join(_text(folder / name) for name in (_OUT, _ERR))
    known = [what for words, what in _REMEDIES if words in said]
    return "; ".join([*known, f"see {folder}; a repeated run goes on from its last geometry"])


def last_words(folder: Path) -> str:
    """Last lines of the log and of the error stream, without frames and farewell; none of a run that just stops."""
    return "; ".join(filter(None, (_last_lines(folder / name) for name in (_OUT, _ERR))))


def _incomplete(error: CustodianError, folder: Path) -> str:
    if not isinstance(error, ValidationError):
        return str(error.message)
    empty = [name for name in FILES_NEEDED if not _has_content(folder / name)]
    what = f"{' and '.join(empty)} missing or empty" if empty else "vasprun.xml breaks off"
    n_steps = ionic_steps(folder)
    if n_steps == 0 and _ELECTRONIC.search(_text(folder / "OSZICAR")):
        return f"{what} in the first ionic step"
    return f"{what} after {n_steps} ionic step{'' if n_steps == 1 else 's'}"


def _met(folder: Path) -> str:
    """Errors that handlers found, with how often."""
    path = folder / _LOG
    log = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    counts: Counter[str] = Counter()
    for correction in (c for job in log for c in job.get("corrections") or ()):
        counts[f"{_handler(correction)} found {', '.join(map(str, correction.get('errors') or ('an error',)))}"] += 1
    found = [text if n == 1 else f"{text} {n} times" for text, n in counts.items()]
    return "; ".join(found) or "an error handler gave up"


def _handler(correction: dict[str, Any]) -> str:
    handler = correction.get("handler")
    return str(handler.get("@class", "a handler")) if isinstance(handler, dict) else "a handler"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _last_lines(path: Path) -> str:
    text = _text(path)
    lines = [" ".join(line.strip(" |-").split())[:_LONGEST_LINE] for line in text.splitlines()]
    begin = max((n for n, line in enumerate(lines, start=1) if _GOES_ON.search(line)), default=0)
    telling = [line for line in lines[begin:] if re.search("[A-Za-z]", line) and _FAREWELL not in line]
    return " / ".join(telling[-_LAST_LINES:])


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
