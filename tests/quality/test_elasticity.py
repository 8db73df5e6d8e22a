import math

import numpy as np
import pytest

from nawf.quality.gate import GateLimits, judge
from nawf.results.verdict import Level


def states_of(result, **changes):
    """The states of a result, some of them (by number) changed or left out."""
    states = list(result.states)
    for name, change in changes.items():
        i = int(name.removeprefix("n"))
        states[i] = None if change is None else states[i].model_copy(update=change)
    return tuple(states)


def moduli_of(result, **changes):
    return result.moduli.model_copy(update=changes)


@pytest.mark.parametrize(
    ("lowest", "words"),
    [
        (-0.5, "mechanically unstable (Born): one strain costs no energy, the lowest eigenvalue is -0.5 GPa"),
        (0.0, "mechanically unstable (Born): one strain costs no energy, the lowest eigenvalue is 0 GPa"),
        (1e-3, None),
    ],
)
def test_a_strain_must_cost_energy(records, findings, lowest, words):
    verdict = judge(records.elastic(eigenvalues_gpa=(lowest, 39.8, 39.8, 40.5, 40.5, 92.1)))
    assert findings(verdict) == ([("born-stability", "fail")] if words else [])
    assert verdict.messages() == ((words,) if words else ())
    several = judge(records.elastic(eigenvalues_gpa=(-3.0, -3.0, -3.0, 40.5, 40.5, 92.1)))
    assert "3 of 6 strains cost no energy" in several.messages()[0]


@pytest.mark.parametrize(("factor", "words"), [(50.0, "no solid is as stiff"), (1e-3, "no solid is as soft")])
def test_components_of_absurd_size_fail(records, findings, factor, words):
    """57.7 GPa times these; all that follows is scaled along, so that no other rule has a say."""
    result = records.elastic()
    scaled = {
        name: tuple(map(tuple, (factor * np.array(getattr(result, name))).tolist()))
        for name in ("stiffness_gpa", "stiffness_error_gpa")
    }
    states = tuple(
        s.model_copy(update={"stress_gpa": tuple(factor * x for x in s.stress_gpa)}) for s in result.states
    )
    residuals = {name: factor * getattr(result, name) for name in ("fit_residual_gpa", "symmetry_residual_gpa")}
    verdict = judge(records.elastic(**scaled, **residuals, states=states))
    assert findings(verdict) == [("stiffness-size", "fail")]
    assert words in verdict.messages()[0]


@pytest.mark.parametrize("name", ["bulk", "shear"])
def test_the_lower_bound_is_not_above_the_upper(records, findings, name):
    result = records.elastic()
    voigt = getattr(result.moduli, f"{name}_voigt_gpa")
    equal = moduli_of(result, **{f"{name}_reuss_gpa": voigt * (1 + 1e-9)})
    assert judge(records.elastic(moduli=equal)).level is Level.PASS
    above = moduli_of(result, **{f"{name}_reuss_gpa": voigt * 1.0001})
    verdict = judge(records.elastic(moduli=above))
    assert findings(verdict) == [("reuss-voigt", "fail")]
    assert f"{name} modulus" in verdict.messages()[0]
    negative = moduli_of(result, **{f"{name}_reuss_gpa": -3.0, f"{name}_voigt_gpa": -3.2})
    assert ("reuss-voigt", "fail") in findings(judge(records.elastic(moduli=negative)))


def test_missing_strains_warn_and_many_fail(records, findings):
    result = records.elastic()
    assert len(result.states) == 8
    two = judge(records.elastic(states=states_of(result, n0=None, n5={"converged": False})))
    assert findings(two) == [("missing-strains", "warn")]
    assert two.messages() == ("2 of 8 strained cells gave no usable stress",)
    three = judge(records.elastic(states=states_of(result, n0=None, n3=None, n5={"converged": False})))
    assert findings(three) == [("missing-strains", "fail")]
    three_of_eight = GateLimits(missing_strains_fail=0.37), GateLimits(missing_strains_fail=0.38)
    levels = [judge(records.elastic(states=states_of(result, n0=None, n3=None, n5=None)), x) for x in three_of_eight]
    assert [verdict.level for verdict in levels] == [Level.FAIL, Level.WARN]


def test_a_tensor_that_needs_unrelaxed_cells_fails(records, findings):
    verdict = judge(records.elastic(uses_unrelaxed=True))
    assert findings(verdict) == [("unrelaxed-strains", "fail")]
    assert verdict.messages() == ("the strained cells whose ions came to rest do not determine the tensor",)
    assert judge(records.elastic(uses_unrelaxed=False)).level is Level.PASS


def test_a_stress_that_is_no_number_is_a_missing_one(records, findings):
    nan = {"stress_gpa": (math.nan,) * 6}
    assert findings(judge(records.elastic(states=states_of(records.elastic(), n0=nan)))) == [
        ("missing-strains", "warn")
    ]


def test_ions_that_are_not_at_rest_fail_whatever_is_said_of_them(records, findings):
    result = records.elastic()
    moved = states_of(result, n1={"max_force_ev_per_a": 0.02}, n2={"max_force_ev_per_a": 0.005})
    verdict = judge(records.elastic(states=moved))
    assert findings(verdict) == [("strained-convergence", "fail")]
    assert verdict.messages()[0].startswith(
        "2 of 8 strained cells are said to be relaxed, but with a force of up to 0.02"
    )
    close = states_of(result, n1={"max_force_ev_per_a": 1.005 * result.method.force_ev_per_a})
    assert judge(records.elastic(states=close)).level is Level.PASS


@pytest.mark.parametrize(("rest", "warned"), [(0.049, False), (-0.051, True)])
def test_a_stress_without_strain_warns(records, findings, rest, warned):
    verdict = judge(records.elastic(rest_stress_gpa=(0.0, 0.0, rest, 0.0, 0.0, 0.0)))
    assert findings(verdict) == ([("rest-stress", "warn")] if warned else [])


@pytest.mark.parametrize(("share", "level"), [(0.09, "pass"), (0.11, "warn"), (0.29, "warn"), (0.31, "fail")])
def test_what_the_fit_leaves_is_weighed_against_the_stresses(records, findings, share, level):
    result = records.elastic()
    size = np.sqrt(np.mean([np.square(s.stress_gpa) for s in result.states]))
    verdict = judge(records.elastic(fit_residual_gpa=float(share * size)))
    assert findings(verdict) == ([] if level == "pass" else [("fit-residual", level)])
    if level != "pass":
        assert verdict.messages() == (f"the tensor leaves {100 * share:.0f} % of the stress unexplained",)


@pytest.mark.parametrize(("share", "level"), [(0.09, "pass"), (0.11, "warn"), (0.31, "fail")])
def test_components_that_symmetry_ties_together(records, findings, share, level):
    verdict = judge(records.elastic(symmetry_residual_gpa=share * 57.7))
    assert findings(verdict) == ([] if level == "pass" else [("symmetry-residual", level)])


@pytest.mark.parametrize(("share", "level"), [(0.09, "pass"), (0.11, "warn"), (0.51, "fail")])
def test_errors_of_components(records, findings, share, level):
    errors = np.zeros((6, 6))
    errors[0, 1] = errors[1, 0] = share * 57.7
    verdict = judge(records.elastic(stiffness_error_gpa=tuple(map(tuple, errors.tolist()))))
    assert findings(verdict) == ([] if level == "pass" else [("component-error", level)])


@pytest.mark.parametrize("name", ["bulk", "shear"])
@pytest.mark.parametrize(("share", "level"), [(0.24, "pass"), (0.26, "warn"), (1.01, "fail")])
def test_errors_of_moduli(records, findings, name, share, level):
    result = records.elastic()
    value = getattr(result.moduli, f"{name}_hill_gpa")
    moduli = moduli_of(result, errors={f"{name}_hill_gpa": share * value})
    verdict = judge(records.elastic(moduli=moduli))
    assert findings(verdict) == ([] if level == "pass" else [("modulus-error", level)])
    if level == "fail":
        assert verdict.messages()[0].startswith(f"the {name} modulus is {value:.3g} ± ")
    assert judge(records.elastic(moduli=moduli_of(result, errors={}))).level is Level.PASS


def test_a_negative_modulus_is_not_an_uncertain_one(records, findings):
    moduli = moduli_of(records.elastic(), shear_hill_gpa=-20.0, errors={"shear_hill_gpa": 1.0})
    assert findings(judge(records.elastic(moduli=moduli))) == []


def test_a_tensor_fitted_to_nonsense_fails_by_many_rules(records):
    """C11 of -400 TPa: what a fit returns when most strains are lost and the rest does not determine it."""
    result = records.elastic()
    stiffness = np.array(result.stiffness_gpa)
    stiffness[0, 0] = -4e5
    kept = states_of(result, **{f"n{i}": None for i in range(4)})
    moduli = moduli_of(
        result, bulk_voigt_gpa=-4.4e4, bulk_reuss_gpa=30.0, shear_voigt_gpa=-2.7e4, shear_reuss_gpa=33.0
    )
    broken = records.elastic(
        stiffness_gpa=tuple(map(tuple, stiffness.tolist())),
        states=kept,
        eigenvalues_gpa=(-4e5, 39.8, 39.8, 39.8, 40.5, 92.1),
        symmetry_residual_gpa=4e5,
        fit_residual_gpa=0.05,
        moduli=moduli,
    )
    failed = {r.rule for r in judge(broken).reasons if r.level is Level.FAIL}
    assert failed >= {"stiffness-size", "born-stability", "reuss-voigt", "missing-strains", "symmetry-residual"}
    assert "fit-residual" in failed


def test_no_stress_at_all_leaves_everything_unexplained(records, findings):
    result = records.elastic(states=(None,) * 8)
    assert {("missing-strains", "fail"), ("fit-residual", "fail")} <= set(findings(judge(result)))


def test_moduli_that_are_infinite_do_not_hide_an_unstable_crystal(records, findings):
    result = records.elastic()
    wild = moduli_of(result, universal_anisotropy=math.inf)
    unstable = records.elastic(moduli=wild, eigenvalues_gpa=(-1.0, 39.8, 39.8, 40.5, 40.5, 92.1))
    assert findings(judge(unstable)) == [("finite", "fail"), ("born-stability", "fail")]


def test_limits_can_be_set(records, findings):
    tight = GateLimits(missing_strains_fail=0.0, stiffness_fail_gpa=50.0)
    missing = records.elastic(states=states_of(records.elastic(), n0=None))
    assert findings(judge(missing, tight)) == [("stiffness-size", "fail"), ("missing-strains", "fail")]


def test_the_fit_of_unrelaxed_cells_is_weighed_against_their_stresses(records, findings):
    result = records.elastic()
    moving = states_of(result, **{f"n{i}": {"converged": False} for i in range(8)})
    verdict = judge(records.elastic(states=moving, uses_unrelaxed=True))
    assert findings(verdict) == [("missing-strains", "fail"), ("unrelaxed-strains", "fail")]
