import pytest

from nawf.quality.gate import GateLimits, judge
from nawf.results.methods import RelaxMethod
from nawf.results.verdict import Level


def test_a_force_left_on_the_relaxed_crystal_warns(records, findings):
    method = RelaxMethod(force_ev_per_a=2e-4)
    assert judge(records.static(method=method, max_force_ev_per_a=9.9e-4)).level is Level.PASS
    verdict = judge(records.static(method=method, max_force_ev_per_a=1.1e-3))
    assert findings(verdict) == [("residual-force", "warn")]
    assert verdict.messages() == ("force of 0.0011 eV/Å left on the relaxed crystal (relaxed to 0.0002)",)


@pytest.mark.parametrize("component", range(6))
def test_a_stress_left_in_any_component_warns(records, findings, component):
    stress = [0.0] * 6
    stress[component] = -0.06
    verdict = judge(records.static(stress_gpa=tuple(stress)))
    assert findings(verdict) == [("residual-stress", "warn")]
    assert verdict.messages() == ("stress of 0.06 GPa left on the relaxed crystal (relaxed to 0.01)",)
    assert judge(records.static(stress_gpa=tuple(stress)), GateLimits(residual_factor=7)).level is Level.PASS


@pytest.mark.parametrize(
    ("found", "level"),
    [
        ({"max_force_ev_per_a": 0.19}, "warn"),
        ({"max_force_ev_per_a": 0.21}, "fail"),
        ({"stress_gpa": (0.0, 0.0, -1.4, 0.0, 0.0, 0.0)}, "warn"),
        ({"stress_gpa": (0.0, 0.0, -1.6, 0.0, 0.0, 0.0)}, "fail"),
    ],
)
def test_a_crystal_that_is_far_from_rest_fails(records, findings, found, level):
    assert [outcome for _, outcome in findings(judge(records.static(**found)))] == [level]
    # However loosely it was relaxed.
    loose = RelaxMethod(force_ev_per_a=0.1, stress_gpa=1.0)
    verdict = judge(records.static(method=loose, **found))
    assert verdict.level is (Level.FAIL if level == "fail" else Level.PASS)
