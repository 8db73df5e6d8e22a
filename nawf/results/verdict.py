"""What the checks said of a result, with the reasons in words."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from nawf.level import Level, worst

__all__ = ["Level", "Reason", "Verdict"]


class Reason(BaseModel):
    """One finding of one rule. At level ``pass`` it is a note: shown, but nothing against the result."""

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
        return worst(r.level for r in self.reasons)

    @property
    def failed(self) -> bool:
        return self.level is Level.FAIL

    def messages(self, level: Level | None = None) -> tuple[str, ...]:
        """Messages of all findings, or of those at one level."""
        return tuple(r.message for r in self.reasons if level is None or r.level is level)
