"""Rules for a static calculation of the relaxed crystal."""

from __future__ import annotations

from nawf.quality.limits import GateLimits
from nawf.quality.reasons import warn
from nawf.results.outputs import StaticResult
from nawf.results.verdict import Reason


def static_reasons(result: StaticResult, limits: GateLimits) -> list[Reason]:
    """Forces and stress that a relaxed crystal should not have."""
    stress_gpa = max(map(abs, result.stress_gpa))
    found = (
        ("residual-force", "force", result.max_force_ev_per_a, result.method.force_ev_per_a, "eV/Å"),
        ("residual-stress", "stress", stress_gpa, result.method.stress_gpa, "GPa"),
    )
    return [
        warn(rule, f"{what} of {value:.2g} {unit} left on the relaxed crystal (relaxed to {target:.2g})")
        for rule, what, value, target, unit in found
        if value > limits.residual_factor * target
    ]
