"""The gate: rules that turn a result into a verdict, with the reasons in words.

A result that fails never enters a report as a number; one with a warning is marked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from nawf.results.outputs import PhononResult, RelaxResult, StaticResult
from nawf.results.verdict import Level, Reason, Verdict


class GateLimits(BaseModel):
    """Limits of the rules, each with its reason."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    volume_change_warn: float = Field(
        default=0.10, gt=0, description="a larger change on relaxation is another phase until someone looks"
    )
    net_force_warn_ev_per_a: float = Field(
        default=1e-3, gt=0, description="a larger total force on a displaced cell is noise in the forces"
    )


_RESIDUAL_FACTOR = 5.0


def judge(result: RelaxResult | StaticResult | PhononResult, limits: GateLimits | None = None) -> Verdict:
    """Verdict on a result."""
    limits = limits or GateLimits()
    if strange := _not_finite(result.model_dump(mode="python")):
        reason = f"not a finite number: {', '.join(strange)}"
        return Verdict(reasons=(Reason(rule="finite", level=Level.FAIL, message=reason),))
    if isinstance(result, RelaxResult):
        return Verdict(reasons=tuple(_relax_reasons(result, limits)))
    if isinstance(result, StaticResult):
        return Verdict(reasons=tuple(_static_reasons(result)))
    return Verdict(reasons=tuple(_phonon_reasons(result, limits)))


def _not_finite(content: Mapping[str, Any]) -> list[str]:
    """Names of the fields that hold a number which is none."""
    return [name for name, value in content.items() if not _is_finite(value)]


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_finite, value))
    return True


def _relax_reasons(result: RelaxResult, limits: GateLimits) -> list[Reason]:
    reasons = []
    if not result.converged:
        reasons.append(
            Reason(
                rule="ionic-convergence",
                level=Level.FAIL,
                message=f"relaxation stopped after {result.n_steps} steps with a force of "
                f"{result.max_force_ev_per_a:.2g} eV/Å and a stress of {result.max_stress_gpa:.2g} GPa",
            )
        )
    if abs(result.volume_change) > limits.volume_change_warn:
        reasons.append(
            Reason(
                rule="volume-change",
                level=Level.WARN,
                message=f"volume changed by {result.volume_change:+.1%} on relaxation",
            )
        )
    if result.space_group.number != result.initial_space_group.number:
        reasons.append(
            Reason(
                rule="space-group",
                level=Level.WARN,
                message=f"space group went from {result.initial_space_group.symbol} "
                f"to {result.space_group.symbol} on relaxation",
            )
        )
    return reasons


def _static_reasons(result: StaticResult) -> list[Reason]:
    # Symmetrisation after relaxation moves atoms by next to nothing; a force well above the one that
    # the relaxation stopped at says that the static calculation saw another crystal.
    stress_gpa = max(map(abs, result.stress_gpa))
    found = (
        ("residual-force", result.max_force_ev_per_a, result.method.force_ev_per_a, "eV/Å"),
        ("residual-stress", stress_gpa, result.method.stress_gpa, "GPa"),
    )
    return [
        Reason(
            rule=rule,
            level=Level.WARN,
            message=f"{rule.removeprefix('residual-')} of {value:.2g} {unit} left on the relaxed crystal "
            f"(relaxed to {target:.2g})",
        )
        for rule, value, target, unit in found
        if value > _RESIDUAL_FACTOR * target
    ]


def _phonon_reasons(result: PhononResult, limits: GateLimits) -> list[Reason]:
    reasons = []
    if result.imaginary_fraction > 0:
        reasons.append(
            Reason(
                rule="imaginary-modes",
                level=Level.FAIL,
                message=f"{100 * result.imaginary_fraction:.2g} % of the modes are imaginary, down to "
                f"{abs(result.lowest_frequency_thz):.2f}i THz; the free energy lacks them",
            )
        )
    if result.net_force_ev_per_a > limits.net_force_warn_ev_per_a:
        reasons.append(
            Reason(
                rule="net-force",
                level=Level.WARN,
                message=f"net force of {result.net_force_ev_per_a:.2g} eV/Å on a displaced cell",
            )
        )
    return reasons
