import math

import pytest

from nawf.quality.gate import GateLimits, judge
from nawf.results.methods import RelaxMethod
from nawf.results.outputs import SpaceGroup
from nawf.results.verdict import Level

CMCM = SpaceGroup(number=63, symbol="Cmcm")


def findings(verdict):
    return [(r.rule, r.level.value) for r in verdict.reasons]


@pytest.mark.parametrize("prop", ["relax", "static", "phonon"])
def test_a_sound_result_passes_with_nothing_to_say(records, prop):
    verdict = judge(getattr(records, prop)())
    assert verdict.level is Level.PASS
    assert verdict.reasons == ()


def test_a_relaxation_that_did_not_converge_fails(records):
    result = records.relax(converged=False, n_steps=1000, max_force_ev_per_a=0.0123, max_stress_gpa=1.5)
    verdict = judge(result)
    assert findings(verdict) == [("ionic-convergence", "fail")]
    message = "relaxation stopped after 1000 steps with a force of 0.012 eV/Å and a stress of 1.5 GPa"
    assert verdict.messages() == (message,)


@pytest.mark.parametrize(("change", "warned"), [(0.099, False), (0.1001, True), (-0.0999, False), (-0.25, True)])
def test_a_large_change_of_volume_warns(records, change, warned):
    verdict = judge(records.relax(volume_change=change))
    assert findings(verdict) == ([("volume-change", "warn")] if warned else [])
    if warned:
        assert verdict.messages() == (f"volume changed by {100 * change:+.1f}% on relaxation",)


def test_another_space_group_warns_and_both_are_named(records):
    verdict = judge(records.relax(space_group=CMCM))
    assert findings(verdict) == [("space-group", "warn")]
    assert verdict.messages() == ("space group went from Im-3m to Cmcm on relaxation",)
    assert judge(records.relax(space_group=CMCM, initial_space_group=CMCM)).level is Level.PASS


def test_the_same_group_in_another_setting_is_no_change(records):
    other_setting = SpaceGroup(number=63, symbol="Amam")
    assert judge(records.relax(space_group=CMCM, initial_space_group=other_setting)).level is Level.PASS


def test_everything_that_is_wrong_is_said(records):
    verdict = judge(records.relax(converged=False, volume_change=0.3, space_group=CMCM))
    assert findings(verdict) == [("ionic-convergence", "fail"), ("volume-change", "warn"), ("space-group", "warn")]
    assert verdict.failed


def test_a_force_left_on_the_relaxed_crystal_warns(records):
    method = RelaxMethod(force_ev_per_a=2e-4)
    assert judge(records.static(method=method, max_force_ev_per_a=9.9e-4)).level is Level.PASS
    verdict = judge(records.static(method=method, max_force_ev_per_a=1.1e-3))
    assert findings(verdict) == [("residual-force", "warn")]
    assert verdict.messages() == ("force of 0.0011 eV/Å left on the relaxed crystal (relaxed to 0.0002)",)


def test_imaginary_modes_fail_and_are_counted(records):
    soft = records.phonon(imaginary_fraction=0.0125, lowest_frequency_thz=-0.456)
    verdict = judge(soft)
    assert findings(verdict) == [("imaginary-modes", "fail")]
    (message,) = verdict.messages()
    assert "1.2" in message
    assert "0.46i THz" in message
    # Slightly negative acoustic modes that stay above the limit are noise.
    assert judge(records.phonon(imaginary_fraction=0.0, lowest_frequency_thz=-0.05)).level is Level.PASS


def test_a_few_modes_of_many_are_not_called_none(records):
    """One mode of 252 at one of 100 points of the mesh is 0.004 %, not 0.00 %."""
    verdict = judge(records.phonon(imaginary_fraction=1 / 25200, lowest_frequency_thz=-0.2))
    assert verdict.failed
    assert "0.00%" not in verdict.messages()[0]


@pytest.mark.parametrize(("force", "warned"), [(0.9e-3, False), (1.1e-3, True)])
def test_a_net_force_on_displaced_cells_warns(records, force, warned):
    verdict = judge(records.phonon(net_force_ev_per_a=force))
    assert findings(verdict) == ([("net-force", "warn")] if warned else [])


def test_limits_can_be_set(records):
    limits = GateLimits(volume_change_warn=0.02, net_force_warn_ev_per_a=1e-7)
    assert findings(judge(records.relax(), limits)) == [("volume-change", "warn")]
    assert findings(judge(records.phonon(), limits)) == [("net-force", "warn")]
    with pytest.raises(ValueError, match="volume_change_warn"):
        GateLimits(volume_change_warn=0)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize(
    ("prop", "name"),
    [
        ("relax", "energy_ev_per_atom"),
        ("relax", "max_force_ev_per_a"),
        ("relax", "volume_change"),
        ("static", "energy_ev_per_atom"),
        ("static", "max_force_ev_per_a"),
        ("phonon", "free_energy_ev_per_atom"),
        ("phonon", "imaginary_fraction"),
        ("phonon", "net_force_ev_per_a"),
    ],
)
def test_what_is_not_a_number_never_passes(records, prop, name, value):
    wrong = (0.0, value, 0.0) if name.startswith("free") else value
    assert judge(getattr(records, prop)(**{name: wrong})).failed
