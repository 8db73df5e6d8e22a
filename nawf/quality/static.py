"""Rules for a static calculation of the relaxed crystal."""

from __future__ import annotations

from nawf.quality.limits import GateLimits
from nawf.quality.reasons import graded
from nawf.results.outputs import StaticResult
from nawf.results.verdict import Reason


def static_reasons(result: StaticResult, limits: GateLimits) -> list[Reason]:
    """Forces and stress that a relaxed crystal should not have."""
    force, target = result.max_force_ev_per_a, result.method.force_ev_per_a
    most = limits.residual_force_fail_ev_per_a
    message = f"force of {force:.2g} eV/Å left on the relaxed crystal (relaxed to {target:.2g})"
    reasons = graded("residual-force", force, min(limits.residual_factor * target, most), most, message)

    stress, target = max(map(abs, result.stress_gpa)), result.method.stress_gpa
    most = limits.residual_stress_fail_gpa
    message = f"stress of {stress:.2g} GPa left on the relaxed crystal (relaxed to {target:.2g})"
    return reasons + graded("residual-stress", stress, min(limits.residual_factor * target, most), most, message)
