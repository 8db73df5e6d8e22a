"""The gate's rules for people: what each looks at, when it speaks, and why its limit is where it is."""

from __future__ import annotations

from dataclasses import dataclass

from nawf.quality.limits import GateLimits
from nawf.results.verdict import Level


@dataclass(frozen=True)
class DescribedLimit:
    """One level of one rule.

    Attributes
    ----------
    rule : str
        As reasons of a verdict name it.
    property : str
        ``any``, ``relax``, ``static``, ``phonon`` or ``elastic``.
    level : Level
        What it makes of a result.
    condition : str
        When it speaks, with its limit.
    reason : str
    """

    rule: str
    property: str
    level: Level
    condition: str
    reason: str


def described_limits(limits: GateLimits | None = None) -> tuple[DescribedLimit, ...]:
    """All rules with their limits and reasons, by property.

    Parameters
    ----------
    limits : GateLimits, optional
        Other limits than the usual.
    """
    limits = limits or GateLimits()
    values = limits.model_dump()
    return tuple(
        DescribedLimit(rule, prop, level, condition.format(**values), _reason(reason))
        for prop, rules in _RULES.items()
        for rule, level, condition, reason in rules
    )


def _reason(text: str) -> str:
    """Reason of a limit of this name, or the text itself."""
    field = GateLimits.model_fields.get(text)
    return field.description or "" if field is not None else text


_NOTE, _WARN, _FAIL = Level.PASS, Level.WARN, Level.FAIL
_CHECKER = "the checks of nawf phases check"

_RULES: dict[str, tuple[tuple[str, Level, str, str], ...]] = {
    "any": (
        ("finite", _FAIL, "a number is not finite", "nothing can be said of such a result"),
        (
            "electronic-convergence",
            _FAIL,
            "the electrons did not converge in the last step",
            "energy, forces and stress are those of no state",
        ),
        ("corrections", _NOTE, "an error handler stepped in", "it may have changed settings"),
        ("corrections", _WARN, "error handlers stepped in more than {corrections_warn} times", "corrections_warn"),
    ),
    "relax": (
        (
            "ionic-convergence",
            _FAIL,
            "it stopped early, or force or stress exceed its tolerances by more than {rounding_share:.0%}",
            "rounding_share",
        ),
        ("structure-...", _FAIL, "atoms overlap or are isolated, the cell or the composition is wrong", _CHECKER),
        ("structure-...", _WARN, "distances or the volume are unusual", _CHECKER),
        (
            "other-structure",
            _FAIL,
            "more than {bonds_changed_fail:.0%} of the bonds of one kind broke or are new, and more than "
            "{bonds_changed_of_all_fail:.0%} of all",
            "bonds_changed_fail",
        ),
        (
            "other-structure",
            _FAIL,
            "bonds are on average more than {bond_stretch_fail:.0%} longer or shorter",
            "bond_stretch_fail",
        ),
        (
            "other-structure",
            _FAIL,
            "the space group changed, and it and the crystal are those of another phase of the library",
            "the numbers belong to that phase",
        ),
        ("bonds-changed", _WARN, "any bond broke or is new", "look at the structure"),
        (
            "bond-stretch",
            _WARN,
            "bonds are on average more than {bond_stretch_warn:.0%} longer or shorter",
            "bond_stretch_warn",
        ),
        (
            "displacement",
            _WARN,
            "atoms moved by more than {displacement_warn_a:g} Å (root mean square), or cannot be paired",
            "displacement_warn_a",
        ),
        ("volume-change", _WARN, "the volume changed by more than {volume_change_warn:.0%}", "volume_change_warn"),
        (
            "cell-strain",
            _WARN,
            "the cell changed by more than {cell_strain_warn:.0%} along one direction",
            "cell_strain_warn",
        ),
        ("space-group", _WARN, "the space group changed", "it may be another phase"),
        (
            "symmetrisation",
            _WARN,
            "symmetrising moved an atom by more than the tolerance of the symmetry search",
            "the symmetric crystal is not the relaxed one",
        ),
    ),
    "static": (
        (
            "residual-force",
            _FAIL,
            "a force exceeds {residual_force_fail_ev_per_a:g} eV/Å",
            "residual_force_fail_ev_per_a",
        ),
        (
            "residual-force",
            _WARN,
            "a force exceeds {residual_factor:g} times the tolerance of the relaxation",
            "residual_factor",
        ),
        (
            "residual-stress",
            _FAIL,
            "the stress exceeds {residual_stress_fail_gpa:g} GPa",
            "residual_stress_fail_gpa",
        ),
        (
            "residual-stress",
            _WARN,
            "the stress exceeds {residual_factor:g} times the tolerance of the relaxation",
            "residual_factor",
        ),
    ),
    "phonon": (
        (
            "imaginary-modes",
            _FAIL,
            "a mode on the mesh is imaginary beyond the limit of the method",
            "the free energy lacks it; reports leave such phases out above 0 K unless told otherwise",
        ),
        (
            "net-force",
            _WARN,
            "the total force on a displaced cell exceeds {net_force_warn_ev_per_a:g} eV/Å",
            "net_force_warn_ev_per_a",
        ),
        (
            "sum-rule",
            _WARN,
            "the acoustic sum rule is violated by more than {sum_rule_warn:.0%} of the largest force constant",
            "sum_rule_warn",
        ),
        (
            "sum-rule",
            _FAIL,
            "the acoustic sum rule is violated by more than {sum_rule_fail:.0%} of the largest force constant",
            "sum_rule_fail",
        ),
        (
            "born-charges",
            _NOTE,
            "Born charges were asked for, and the crystal has no band gap",
            "the electrons of a metal screen the field of its optical modes",
        ),
        (
            "heat-capacity",
            _FAIL,
            "Cv at the highest temperature is not what its modes can have, to {heat_capacity_share:.1%} of 3 k",
            "heat_capacity_share",
        ),
        (
            "thermal-functions",
            _FAIL,
            "F, S and Cv contradict each other or the highest frequency by more than {thermal_share:g} k",
            "thermal_share",
        ),
    ),
    "elastic": (
        ("stiffness-size", _FAIL, "a component exceeds {stiffness_fail_gpa:g} GPa", "stiffness_fail_gpa"),
        ("stiffness-size", _FAIL, "no component reaches {softness_fail_gpa:g} GPa", "softness_fail_gpa"),
        (
            "born-stability",
            _FAIL,
            "an eigenvalue is not positive",
            "a crystal that a strain costs no energy is not stable, and its moduli mean nothing",
        ),
        ("reuss-voigt", _FAIL, "Reuss's average of K or G is above Voigt's", "bounds_share"),
        (
            "missing-strains",
            _WARN,
            "a strained cell gave no usable stress",
            "the fit rests on fewer data than planned",
        ),
        (
            "missing-strains",
            _FAIL,
            "more than {missing_strains_fail:.0%} of the strained cells gave no usable stress",
            "missing_strains_fail",
        ),
        (
            "unrelaxed-strains",
            _FAIL,
            "the tensor rests on strained cells whose ions did not come to rest",
            "ions that still move have not answered the strain: the tensor is too stiff",
        ),
        (
            "strained-convergence",
            _FAIL,
            "forces on strained cells exceed the tolerance by more than {rounding_share:.0%}",
            "rounding_share",
        ),
        (
            "rest-stress",
            _WARN,
            "the stress without strain exceeds {residual_factor:g} times the tolerance of the relaxation",
            "residual_factor",
        ),
        (
            "fit-residual",
            _WARN,
            "the fit leaves more than {fit_residual_warn:.0%} of the stress",
            "fit_residual_warn",
        ),
        (
            "fit-residual",
            _FAIL,
            "the fit leaves more than {fit_residual_fail:.0%} of the stress",
            "fit_residual_fail",
        ),
        (
            "symmetry-residual",
            _WARN,
            "components differ by more than {symmetry_residual_warn:.0%} of the largest from the symmetric tensor",
            "symmetry_residual_warn",
        ),
        (
            "symmetry-residual",
            _FAIL,
            "components differ by more than {symmetry_residual_fail:.0%} of the largest from the symmetric tensor",
            "symmetry_residual_fail",
        ),
        (
            "component-error",
            _WARN,
            "a standard error exceeds {component_error_warn:.0%} of the largest component",
            "component_error_warn",
        ),
        (
            "component-error",
            _FAIL,
            "a standard error exceeds {component_error_fail:.0%} of the largest component",
            "component_error_fail",
        ),
        ("modulus-error", _WARN, "K or G is uncertain by more than {modulus_error_warn:.0%}", "modulus_error_warn"),
        ("modulus-error", _FAIL, "K or G is uncertain by more than {modulus_error_fail:.0%}", "modulus_error_fail"),
    ),
}
