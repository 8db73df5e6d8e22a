"""The gate: rules that turn a result into a verdict, with the reasons in words.

A result that fails never enters a report as a number; one with a warning is marked. The rules stand in one module for
each property, their limits in :mod:`nawf.quality.limits`, and :mod:`nawf.quality.rules` lists them for people.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from nawf.quality.any_result import finite_reasons, run_reasons
from nawf.quality.elasticity import elastic_reasons, stability_reasons
from nawf.quality.limits import GateLimits
from nawf.quality.phonons import phonon_reasons
from nawf.quality.relaxation import relax_reasons
from nawf.quality.rules import DescribedLimit, described_limits
from nawf.quality.static import static_reasons
from nawf.results.crystal import Crystal
from nawf.results.documents import Result
from nawf.results.elastic import ElasticResult
from nawf.results.outputs import RelaxResult, StaticResult
from nawf.results.verdict import Reason, Verdict

__all__ = ["DescribedLimit", "GateLimits", "described_limits", "judge"]


def judge(
    result: Result,
    limits: GateLimits | None = None,
    *,
    polymorphs: Mapping[str, Crystal] | None = None,
    formula: str | None = None,
) -> Verdict:
    """Verdict on a result.

    Parameters
    ----------
    result : RelaxResult, StaticResult, PhononResult or ElasticResult
    limits : GateLimits, optional
        Other limits than the usual.
    polymorphs : mapping of str to Crystal, optional
        Other phases of the same composition. Nothing is looked up in it unless a relaxation changed the structure.
    formula : str, optional
        What a relaxed crystal ought to be; the composition that it started with, if not given.
    """
    limits = limits or GateLimits()
    reasons = finite_reasons(_numbers(result))
    if not reasons:
        reasons = _of_property(result, limits, {} if polymorphs is None else polymorphs, formula)
    elif isinstance(result, ElasticResult) and all(map(math.isfinite, result.eigenvalues_gpa)):
        # Moduli of an unstable crystal can be infinite; this says why.
        reasons += stability_reasons(result)
    return Verdict(reasons=(*reasons, *run_reasons(result.run, limits)))


def _numbers(result: Result) -> dict[str, Any]:
    """Fields of a result; strained cells without a usable stress are another rule's."""
    content = result.model_dump(mode="python")
    if isinstance(result, ElasticResult):
        content["states"] = [s.model_dump() for s in result.states if s is not None and s.is_usable]
    return content


def _of_property(
    result: Result, limits: GateLimits, polymorphs: Mapping[str, Crystal], formula: str | None
) -> list[Reason]:
    if isinstance(result, RelaxResult):
        return relax_reasons(result, limits, polymorphs, formula)
    if isinstance(result, StaticResult):
        return static_reasons(result, limits)
    if isinstance(result, ElasticResult):
        return elastic_reasons(result, limits)
    return phonon_reasons(result, limits)
