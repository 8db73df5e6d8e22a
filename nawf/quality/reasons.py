"""Short ways to write down what a rule found."""

from __future__ import annotations

from nawf.results.verdict import Level, Reason


def note(rule: str, message: str) -> Reason:
    """Something to know, and nothing against the result."""
    return Reason(rule=rule, level=Level.PASS, message=message)


def warn(rule: str, message: str) -> Reason:
    """Something that marks the result."""
    return Reason(rule=rule, level=Level.WARN, message=message)


def fail(rule: str, message: str) -> Reason:
    """Something that keeps the result out of reports."""
    return Reason(rule=rule, level=Level.FAIL, message=message)


def graded(rule: str, value: float, warn_above: float, fail_above: float, message: str) -> list[Reason]:
    """A finding whose level grows with a value; none at or below the first limit."""
    if value > fail_above:
        return [fail(rule, message)]
    return [warn(rule, message)] if value > warn_above else []
