"""Rules for phonons; bounds are tried on sets of harmonic modes that hypothesis makes up."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nawf.quality.gate import GateLimits, judge
from nawf.results.outputs import BornCharges, Correction
from nawf.results.verdict import Level

BOLTZMANN_EV_PER_K = 8.617333262e-5
PLANCK_EV_PER_THZ = 4.135667696e-3
GRID = tuple(50.0 * i for i in range(21))


def functions(frequencies_thz, n_atoms, grid=GRID):
    """F, S and Cv for each atom, of modes of one q-point."""
    table = {"free_energy_ev_per_atom": [], "entropy_ev_per_k_per_atom": [], "heat_capacity_ev_per_k_per_atom": []}
    for t in grid:
        free = entropy = capacity = 0.0
        for quantum in (PLANCK_EV_PER_THZ * f for f in frequencies_thz):
            free += quantum / 2
            if t > 0 and (x := quantum / (BOLTZMANN_EV_PER_K * t)) < 500:
                free += BOLTZMANN_EV_PER_K * t * math.log(-math.expm1(-x))
                entropy += BOLTZMANN_EV_PER_K * (x / math.expm1(x) - math.log(-math.expm1(-x)))
                capacity += BOLTZMANN_EV_PER_K * (x / 2 / math.sinh(x / 2)) ** 2
        for column, value in zip(table.values(), (free, entropy, capacity), strict=True):
            column.append(value / n_atoms)
    zeros = (0.0,) * len(grid)
    return {name: tuple(column) for name, column in table.items()} | {
        "temperatures_k": tuple(grid),
        "soft_mode_shift_ev_per_atom": zeros,
        "highest_frequency_thz": max(frequencies_thz),
    }


MODES = st.integers(1, 4).flatmap(
    lambda n: st.tuples(st.just(n), st.lists(st.floats(0.3, 20.0), min_size=3 * n, max_size=3 * n))
)


def test_imaginary_modes_fail_and_are_counted(records, findings):
    soft = records.phonon(imaginary_fraction=0.0125, lowest_frequency_thz=-0.456)
    verdict = judge(soft)
    assert findings(verdict) == [("imaginary-modes", "fail")]
    (message,) = verdict.messages()
    assert "1.2 %" in message
    assert "0.46i THz" in message
    # Slightly negative acoustic modes that stay above the limit are noise.
    assert judge(records.phonon(imaginary_fraction=0.0, lowest_frequency_thz=-0.05)).level is Level.PASS


def test_a_few_modes_of_many_are_not_called_none(records):
    """One mode of 252 at one of 100 points of the mesh is 0.004 %, not 0.00 %."""
    verdict = judge(records.phonon(imaginary_fraction=1 / 25200, lowest_frequency_thz=-0.2))
    assert verdict.failed
    assert "0.004 %" in verdict.messages()[0]


@pytest.mark.parametrize(("force", "warned"), [(0.9e-3, False), (1.1e-3, True)])
def test_a_net_force_on_displaced_cells_warns(records, findings, force, warned):
    verdict = judge(records.phonon(net_force_ev_per_a=force))
    assert findings(verdict) == ([("net-force", "warn")] if warned else [])


@pytest.mark.parametrize(
    ("violation", "level"), [(None, "pass"), (0.0, "pass"), (0.09, "pass"), (0.11, "warn"), (0.51, "fail")]
)
def test_the_acoustic_sum_rule(records, findings, violation, level):
    verdict = judge(records.phonon(sum_rule_violation=violation))
    assert findings(verdict) == ([] if level == "pass" else [("sum-rule", level)])
    if level == "fail":
        assert verdict.messages() == (
            "moving all atoms alike leaves forces of 51 % of the largest force constant (acoustic sum rule)",
        )


@given(MODES)
@settings(max_examples=60, deadline=None)
def test_any_complete_set_of_modes_passes(records, modes):
    n_atoms, frequencies = modes
    assert judge(records.phonon(**functions(frequencies, n_atoms))).level is Level.PASS


@given(MODES)
@settings(max_examples=60, deadline=None)
def test_modes_that_are_known_to_be_missing_are_no_surprise(records, modes):
    n_atoms, frequencies = modes
    imaginary = 1 / len(frequencies)
    verdict = judge(records.phonon(**functions(frequencies[1:], n_atoms), imaginary_fraction=imaginary))
    assert [reason.rule for reason in verdict.reasons] == ["imaginary-modes"]


@given(MODES, st.data())
@settings(max_examples=60, deadline=None)
def test_a_lost_mode_is_noticed(records, modes, data):
    """At 1000 K modes below 5 THz hold more than 0.99 k, so that one of twelve cannot hide."""
    n_atoms, frequencies = modes
    slow = [f / 4 for f in frequencies]
    del slow[data.draw(st.integers(0, len(slow) - 1))]
    verdict = judge(records.phonon(**functions(slow, n_atoms)))
    assert [reason.rule for reason in verdict.reasons] == ["heat-capacity"]
    assert verdict.failed
    assert "modes were lost" in verdict.messages()[0]


def test_a_mode_counted_twice_is_noticed(records, findings):
    verdict = judge(records.phonon(**functions([2.0, 2.0, 2.0, 2.0], 1)))
    assert ("heat-capacity", "fail") in findings(verdict)
    assert "counted twice" in verdict.messages()[0]
    assert "Cv at 1000 K is 1.332 of 3 k" in verdict.messages()[0]


def test_fast_modes_are_not_asked_for_what_they_cannot_have(records):
    """At 300 K a mode of 40 THz is frozen, and nothing below 0.001 of 3 k can be told from nothing."""
    grid = (0.0, 150.0, 300.0)
    assert judge(records.phonon(**functions([40.0, 5.0, 5.0], 1, grid))).level is Level.PASS


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("free_energy_ev_per_atom", lambda f: [x * 96.485 for x in f], "zero-point energy"),
        ("free_energy_ev_per_atom", lambda f: [x - 0.05 for x in f], "zero-point energy"),
        ("free_energy_ev_per_atom", lambda f: [x + 0.05 for x in f], "zero-point energy"),
        ("free_energy_ev_per_atom", lambda f: [f[0], *f[1:-1], f[-1] - 0.05], "F and S contradict each other"),
        ("entropy_ev_per_k_per_atom", lambda s: [x / 1.2 for x in s], "F and S contradict each other"),
        ("entropy_ev_per_k_per_atom", lambda s: [x * 1.2 for x in s], "F and S contradict each other"),
        ("entropy_ev_per_k_per_atom", lambda s: [*s[:-1], -s[-1]], "S or Cv is negative"),
        ("heat_capacity_ev_per_k_per_atom", lambda c: [-1e-5, *c[1:]], "S or Cv is negative"),
    ],
)
def test_functions_that_contradict_each_other_fail(records, findings, name, change, words):
    table = functions([2.0, 3.0, 5.0], 1)
    verdict = judge(records.phonon(**(table | {name: tuple(change(table[name]))})))
    assert findings(verdict) == [("thermal-functions", "fail")]
    assert words in verdict.messages()[0]


def test_where_f_and_s_part_is_said(records):
    table = functions([2.0, 3.0, 5.0], 1)
    free = [f + (0.01 if i == 7 else 0.0) for i, f in enumerate(table["free_energy_ev_per_atom"])]
    verdict = judge(records.phonon(**(table | {"free_energy_ev_per_atom": tuple(free)})))
    assert verdict.messages() == ("F and S contradict each other between 300 and 350 K",)


@pytest.mark.parametrize(
    "changes",
    [
        {"temperatures_k": (0.0, 1000.0, 500.0)},
        {"temperatures_k": (-10.0, 500.0, 1000.0)},
        {"temperatures_k": ()},
        {"entropy_ev_per_k_per_atom": (0.0, 1e-4)},
    ],
)
def test_a_table_that_is_none_fails(records, findings, changes):
    assert findings(judge(records.phonon(**changes))) == [("thermal-functions", "fail")]


def test_limits_can_be_loosened(records):
    table = functions([2.0, 2.0, 2.0, 2.0], 1)
    table["highest_frequency_thz"] = 20.0
    assert judge(records.phonon(**table)).failed
    assert judge(records.phonon(**table), GateLimits(heat_capacity_share=0.4)).level is Level.PASS


def born(records, gap_ev, **run):
    unit = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    charges = {"charges_e": (unit,), "dielectric": unit} if gap_ev else {}
    return BornCharges(
        crystal=records.crystal(),
        gap_ev=gap_ev,
        calculation={"functional": "PBEsol"},
        run=records.run().model_copy(update=run),
        **charges,
    )


def test_a_metal_without_born_charges_is_noted(records, findings):
    assert findings(judge(records.phonon(born=born(records, 2.0)))) == []
    verdict = judge(records.phonon(born=born(records, 0.0)))
    assert findings(verdict) == [("born-charges", "pass")]
    assert "no band gap with PBEsol" in verdict.reasons[0].message


def test_what_happened_to_born_charges_counts(records, findings):
    fixed = Correction(handler="VaspErrorHandler", errors=("edddav",), actions=("INCAR: ALGO = All",))
    verdict = judge(records.phonon(born=born(records, 2.0, corrections=(fixed,))))
    assert findings(verdict) == [("corrections", "pass")]
    verdict = judge(records.phonon(born=born(records, 2.0, electronic_converged=False)))
    assert findings(verdict) == [("electronic-convergence", "fail")]
