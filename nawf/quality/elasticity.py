"""Rules for an elastic tensor: it is that of a stable solid, and known well enough to be one."""

from __future__ import annotations

import math

import numpy as np

from nawf.quality.limits import GateLimits
from nawf.quality.reasons import fail, graded, warn
from nawf.results.elastic import ElasticResult
from nawf.results.verdict import Reason


def elastic_reasons(result: ElasticResult, limits: GateLimits) -> list[Reason]:
    """Everything there is to say of an elastic tensor with finite numbers."""
    return [
        *_size(result, limits),
        *stability_reasons(result),
        *_bounds(result, limits),
        *_strains(result, limits),
        *_fit(result, limits),
        *_errors(result, limits),
    ]


def stability_reasons(result: ElasticResult) -> list[Reason]:
    """Born's criterion; it needs the eigenvalues only."""
    lowest = min(result.eigenvalues_gpa)
    if lowest > 0:
        return []
    n_unstable = sum(value <= 0 for value in result.eigenvalues_gpa)
    how_many = "one strain costs" if n_unstable == 1 else f"{n_unstable} of 6 strains cost"
    message = f"mechanically unstable (Born): {how_many} no energy, the lowest eigenvalue is {lowest:.3g} GPa"
    return [fail("born-stability", message)]


def _size(result: ElasticResult, limits: GateLimits) -> list[Reason]:
    largest = _largest_gpa(result)
    if largest > limits.stiffness_fail_gpa:
        return [fail("stiffness-size", f"a component of {largest:.3g} GPa: no solid is as stiff")]
    if largest < limits.softness_fail_gpa:
        return [fail("stiffness-size", f"no component is above {largest:.2g} GPa: no solid is as soft")]
    return []


def _bounds(result: ElasticResult, limits: GateLimits) -> list[Reason]:
    moduli = result.moduli
    bounds = (
        ("bulk", moduli.bulk_reuss_gpa, moduli.bulk_voigt_gpa),
        ("shear", moduli.shear_reuss_gpa, moduli.shear_voigt_gpa),
    )
    return [
        fail(
            "reuss-voigt", f"the lower bound of the {name} modulus, {reuss:.3g} GPa, is above the upper, {voigt:.3g}"
        )
        for name, reuss, voigt in bounds
        if reuss > voigt + limits.bounds_share * abs(voigt)
    ]


def _strains(result: ElasticResult, limits: GateLimits) -> list[Reason]:
    """Strained cells that gave no stress, or one that is not that of relaxed ions."""
    reasons = []
    total = len(result.states)
    if result.n_missing:
        message = f"{result.n_missing} of {total} strained cells gave no usable stress"
        reasons += graded("missing-strains", result.n_missing / total, 0.0, limits.missing_strains_fail, message)
    if result.uses_unrelaxed:
        message = "the strained cells whose ions came to rest do not determine the tensor"
        reasons.append(fail("unrelaxed-strains", message))
    tolerance = (1 + limits.rounding_share) * result.method.force_ev_per_a
    forces = [s.max_force_ev_per_a for s in result.states if s is not None and s.is_usable]
    if (n_wrong := sum(force > tolerance for force in forces)) > 0:
        message = (
            f"{n_wrong} of {total} strained cells are said to be relaxed, but with a force of up to "
            f"{max(forces):.2g} eV/Å; asked was {result.method.force_ev_per_a:.2g}"
        )
        reasons.append(fail("strained-convergence", message))
    rest = max(map(abs, result.rest_stress_gpa))
    target = result.relax_method.stress_gpa
    if rest > limits.residual_factor * target:
        message = f"stress of {rest:.2g} GPa without strain (relaxed to {target:.2g})"
        reasons.append(warn("rest-stress", message))
    return reasons


def _fit(result: ElasticResult, limits: GateLimits) -> list[Reason]:
    """How well stresses and tensor agree."""
    states = [s for s in result.states if s is not None]
    stresses = [s.stress_gpa for s in states if s.is_usable or (result.uses_unrelaxed and s.has_stress)]
    size = float(np.sqrt(np.mean(np.square(stresses)))) if stresses else 0.0
    unexplained = result.fit_residual_gpa / size if size > 0 else math.inf
    asymmetry = _share(result.symmetry_residual_gpa, _largest_gpa(result))
    return [
        *graded(
            "fit-residual",
            unexplained,
            limits.fit_residual_warn,
            limits.fit_residual_fail,
            f"the tensor leaves {100 * unexplained:.0f} % of the stress unexplained",
        ),
        *graded(
            "symmetry-residual",
            asymmetry,
            limits.symmetry_residual_warn,
            limits.symmetry_residual_fail,
            f"single strains give components that differ by {100 * asymmetry:.0f} % of the largest from those of the "
            "symmetric tensor",
        ),
    ]


def _errors(result: ElasticResult, limits: GateLimits) -> list[Reason]:
    """Standard errors."""
    component = _share(float(np.abs(result.stiffness_error_gpa).max()), _largest_gpa(result))
    reasons = graded(
        "component-error",
        component,
        limits.component_error_warn,
        limits.component_error_fail,
        f"components are uncertain by up to {100 * component:.0f} % of the largest one",
    )
    for name, words in (("bulk_hill_gpa", "bulk modulus"), ("shear_hill_gpa", "shear modulus")):
        value, error = getattr(result.moduli, name), result.moduli.errors.get(name, 0.0)
        reasons += graded(
            "modulus-error",
            _share(error, abs(value)),
            limits.modulus_error_warn,
            limits.modulus_error_fail,
            f"the {words} is {value:.3g} ± {error:.2g} GPa",
        )
    return reasons


def _largest_gpa(result: ElasticResult) -> float:
    return float(np.abs(result.stiffness_gpa).max())


def _share(part: float, whole: float) -> float:
    if whole > 0:
        return part / whole
    return math.inf if part > 0 else 0.0
