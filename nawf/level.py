"""Pass, warn or fail: the one scale on which structures and results are judged."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Level(StrEnum):
    """How sound something is. A failed result never enters a report as a number; one at ``pass`` needs no mark."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


_ORDER = {Level.PASS: 0, Level.WARN: 1, Level.FAIL: 2}


def worst(levels: Iterable[Level]) -> Level:
    """The gravest of some levels; ``pass`` of none."""
    return max(levels, key=_ORDER.__getitem__, default=Level.PASS)
