"""Rules for a static calculation of the relaxed crystal."""

from __future__ import annotations

from nawf.quality.limits import GateLimits
from nawf.quality.reasons import fail, warn
from nawf.results.outputs import StaticResult
from nawf.results.verdict import Reason


def static_reasons(result: StaticResult, limits: GateLimits) -> list[Reason]:
    """Forces and stress that a relaxed crystal should not have."""
    method = result.method
    force, stress = limits.residual_force_fail_ev_per_a, limits.residual_stress_fail_gpa
    found = (
        ("residual-force", "force", result.max_force_ev_per_a, method.force_ev_per_a, force, "eV/Å"),
        ("residual-stress", "stress", max(map(abs, result.stress_gpa)), method.stress_gpa, stress, "GPa"),
    )
    return [
        (fail if value > most else warn)(
            rule, f"{what} of {value:.2g} {unit} left on the relaxed crystal (relaxed to {target:.2g})"
        )
        for rule, what, value, target, most, unit in found
        if value > min(limits.residual_factor * target, most)
    ]
