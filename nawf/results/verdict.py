"""Pass, warn or fail: what the checks said of a result, with the reasons in words."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Level(StrEnum):
    """How sound a result is. A failed result never enters a report as a number."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


_ORDER = {Level.PASS: 0, Level.WARN: 1, Level.FAIL: 2}


class Reason(BaseModel):
    """One finding of one rule."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: str
    level: Level
    message: str


class Verdict(BaseModel):
    """All findings on a result; its level is that of the worst."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reasons: tuple[Reason, ...] = ()

    @property
    def level(self) -> Level:
        return max((r.level for r in self.reasons), key=_ORDER.__getitem__, default=Level.PASS)

    @property
    def failed(self) -> bool:
        return self.level is Level.FAIL

    def messages(self, level: Level | None = None) -> tuple[str, ...]:
        """Messages of all findings, or of those at one level."""
        return tuple(r.message for r in self.reasons if level is None or r.level is level)
