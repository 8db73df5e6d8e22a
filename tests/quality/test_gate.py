"""What the gate does with all results, and what becomes of those that fail."""

import math

import pytest

from nawf.quality.gate import GateLimits, judge
from nawf.results.documents import energetics
from nawf.results.energetics import PhaseEnergetics
from nawf.results.verdict import Level
from nawf.thermo.conditions import STATIC, Condition
from nawf.thermo.entries import entries_at

PROPERTIES = ("relax", "static", "phonon", "elastic")


@pytest.mark.parametrize("prop", PROPERTIES)
def test_a_sound_result_passes_with_nothing_to_say(records, prop):
    verdict = judge(getattr(records, prop)())
    assert verdict.level is Level.PASS
    assert verdict.reasons == ()


def test_limits_can_be_set(records, findings):
    limits = GateLimits(volume_change_warn=0.02, net_force_warn_ev_per_a=1e-7, fit_residual_warn=1e-9)
    assert findings(judge(records.relax(), limits)) == [("volume-change", "warn")]
    assert findings(judge(records.phonon(), limits)) == [("net-force", "warn")]
    assert findings(judge(records.elastic(), limits)) == [("fit-residual", "warn")]


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
        ("elastic", "fit_residual_gpa"),
        ("elastic", "eigenvalues_gpa"),
    ],
)
def test_what_is_not_a_number_never_passes(records, findings, prop, name, value):
    shapes = {"free_energy_ev_per_atom": (0.0, value, 0.0), "eigenvalues_gpa": (1.0, 2.0, 3.0, 4.0, 5.0, value)}
    verdict = judge(getattr(records, prop)(**{name: shapes.get(name, value)}))
    assert findings(verdict) == [("finite", "fail")]
    assert name in verdict.messages()[0]


def test_polymorphs_are_looked_at_only_when_the_structure_changed(records):
    class Untouchable(dict):
        def __iter__(self):
            raise AssertionError("looked at")

        __len__ = __getitem__ = items = keys = values = __bool__ = __iter__

    assert judge(records.relax(), polymorphs=Untouchable()).level is Level.PASS


@pytest.fixture
def joined(records):
    """Energetics of a phase whose phonons are given."""

    def join(**changes) -> PhaseEnergetics:
        documents = [records.document("na-bcc", p, None) for p in ("relax", "static")]
        phonon = records.phonon(**changes)
        [one] = energetics([*documents, records.document("na-bcc", "phonon", phonon)])
        return one

    return join


def test_phonons_that_fail_keep_the_phase_out_above_the_static_energies(records, joined):
    sound = records.phonon()
    half = tuple(c / 2 for c in sound.heat_capacity_ev_per_k_per_atom)
    failed = joined(heat_capacity_ev_per_k_per_atom=half)
    assert failed.rejected is None
    for include_soft in (False, True):
        assert entries_at([failed], STATIC, include_soft=include_soft).phases == ("na-bcc",)
        warm = entries_at([failed], Condition(500.0), include_soft=include_soft)
        assert warm.phases == ()
        [left] = warm.left_out
        assert left.reason.startswith("phonon: Cv at 1000 K")
    assert entries_at([joined()], Condition(500.0)).phases == ("na-bcc",)


def test_imaginary_modes_alone_are_for_reports_to_decide(joined):
    soft = joined(imaginary_fraction=0.02, lowest_frequency_thz=-0.5)
    assert soft.vibrations_rejected is None
    assert entries_at([soft], Condition(500.0)).phases == ()
    assert entries_at([soft], Condition(500.0), include_soft=True).phases == ("na-bcc",)
    broken = joined(imaginary_fraction=0.02, lowest_frequency_thz=-0.5, sum_rule_violation=0.9)
    assert entries_at([broken], Condition(500.0), include_soft=True).phases == ()
