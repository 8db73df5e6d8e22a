"""The errors that nawf raises on purpose: what failed, where, and what to do next.

An error of this family reaches the user as one line and an exit code, without a traceback. Anything else
that escapes is a defect of nawf.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any


class NawfError(Exception):
    """Base of all expected failures.

    Parameters
    ----------
    what : str
        What is wrong, in plain words.
    where : str, optional
        The file, phase or setting it is about; printed first.
    hint : str, optional
        What the user can do about it; printed last.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(what, where, hint)

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes send errors home by pickle, which knows no keyword arguments.
        return _rebuilt, (type(self), self.what, self.where, self.hint)

    def __str__(self) -> str:
        head = f"{self.where}: " if self.where else ""
        tail = f" ({self.hint})" if self.hint else ""
        # One line, whatever a library put into its message; spaces inside file names stay.
        return re.sub(r"\s*[\r\n\t\v\f\x85\u2028\u2029]\s*", " ", f"{head}{self.what}{tail}").strip()


class InputError(NawfError):
    """A file, option or name given by the user cannot be used."""


class StructureError(InputError):
    """A crystal structure or its card is unusable."""


class CampaignError(InputError):
    """A campaign file is unusable."""


class EngineError(InputError):
    """An engine is unknown, not installed or wrongly set."""


class StoreFileError(NawfError):
    """A store cannot be opened, read or written."""


class ReportError(NawfError):
    """A report cannot be made from the results that are there."""


class CalculationError(NawfError):
    """A calculation ended without a usable result."""

    exit_code = 1


def did_you_mean(names: Sequence[str]) -> str | None:
    """Hint that offers some names; None where there are none."""
    return f"did you mean {' or '.join(names)}?" if names else None


def names_like(word: str, known: Iterable[str]) -> list[str]:
    """Up to three known names that are spelt much like a word."""
    return difflib.get_close_matches(word.lower(), known, n=3, cutoff=0.6)


def _rebuilt(kind: type[NawfError], what: str, where: str | None, hint: str | None) -> NawfError:
    return kind(what, where=where, hint=hint)
