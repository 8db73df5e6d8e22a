"""Rules for every result: numbers that are numbers, electrons that converged, what error handlers changed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from nawf.quality.limits import GateLimits
from nawf.quality.reasons import fail, note, warn
from nawf.results.outputs import Correction, RunRecord
from nawf.results.verdict import Reason


def finite_reasons(content: Mapping[str, Any]) -> list[Reason]:
    """A failure that names the fields that hold a number which is none."""
    strange = [name for name, value in content.items() if not _is_finite(value)]
    return [fail("finite", f"not a finite number: {', '.join(strange)}")] if strange else []


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_finite, value))
    return True


def run_reasons(run: RunRecord, limits: GateLimits) -> list[Reason]:
    """How the calculation went."""
    reasons = []
    if run.electronic_converged is False:
        reasons.append(fail("electronic-convergence", "the electrons did not converge in the last step"))
    if run.corrections:
        times = "once" if len(run.corrections) == 1 else f"{len(run.corrections)} times"
        message = f"error handlers stepped in {times}: {'; '.join(map(_in_words, run.corrections))}"
        tell = warn if len(run.corrections) > limits.corrections_warn else note
        reasons.append(tell("corrections", message))
    return reasons


def _in_words(correction: Correction) -> str:
    found = f" found {', '.join(correction.errors)}" if correction.errors else ""
    changed = f", changed {', '.join(correction.actions)}" if correction.actions else ", changed nothing"
    return f"{correction.handler}{found}{changed}"
