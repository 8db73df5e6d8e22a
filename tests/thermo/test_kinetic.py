import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nawf.errors import InputError, ReportError
from nawf.thermo.conditions import STATIC
from nawf.thermo.entries import Entry, EntrySet
from nawf.thermo.hull import Hull
from nawf.thermo.kinetic import kinetic_path


def test_skipping_na2s2_merges_two_plateaus(ji2024):
    # 10.1039/d4ee03160a: 1.84 and 1.72 V become one plateau at 1.76 V.
    path = kinetic_path(ji2024, "S", skip=["Na2S2"])
    last = path.kinetic.plateaus[-1]
    assert last.voltage_v == pytest.approx(1.76, abs=0.01)
    assert last.reaction.text() == "Na2S4 + 6 Na → 4 Na2S"
    assert len(path.kinetic.plateaus) == 3
    assert len(path.equilibrium.plateaus) == 4
    (skipped,) = path.skipped
    assert (skipped.phase, skipped.is_on_equilibrium_path) == ("na2s2", True)
    assert skipped.hull_depth_ev_per_atom == pytest.approx(-0.0205)
    assert path.notes == ("na2s2 is skipped (named): 20.5 meV/atom deep",)


@pytest.mark.parametrize(
    ("limit", "skipped", "voltages"),
    [
        (0.0, [], [2.0685, 2.031, 1.843, 1.72]),
        (0.0021, [], [2.0685, 2.031, 1.843, 1.72]),
        (0.0022, ["na2s5"], [2.061, 1.843, 1.72]),
        # One at a time, the second removal would find Na2S2 at 28.9 meV/atom and keep it.
        (0.015, ["na2s4", "na2s5"], [1.952, 1.72]),
        (0.025, ["na2s2", "na2s4", "na2s5"], [1.836]),
    ],
)
def test_a_limit_acts_on_the_depths_of_the_full_hull_all_at_once(ji2024, limit, skipped, voltages):
    path = kinetic_path(ji2024, "S", "Na", limit)
    assert [s.phase for s in path.skipped] == skipped
    assert [p.voltage_v for p in path.kinetic.plateaus] == pytest.approx(voltages, abs=1e-9)


def test_limit_and_list_together(ji2024):
    path = kinetic_path(ji2024, "S", "Na", 0.005, skip=["na2s2"])
    assert {s.phase: s.reason for s in path.skipped} == {
        "na2s2": "named",
        "na2s5": "shallower than 5 meV/atom",
    }


def test_a_phase_that_is_named_and_shallow_is_skipped_as_named(ji2024):
    path = kinetic_path(ji2024, "S", "Na", 0.025, skip=["na2s2"])
    assert {s.phase: s.reason for s in path.skipped} == {
        "na2s2": "named",
        "na2s4": "shallower than 25 meV/atom",
        "na2s5": "shallower than 25 meV/atom",
    }


def test_nothing_is_shallow_enough(ji2024):
    path = kinetic_path(ji2024, "S", "Na", 0.001)
    assert path.notes == ("no phase is shallow enough to be skipped",)
    assert path.kinetic == path.equilibrium


def test_polymorphs_of_a_skipped_composition_go_too(ji2024):
    entries = EntrySet(STATIC, (*ji2024.entries, Entry("na2s2-beta", {"Na": 1.0, "S": 1.0}, -0.974)))
    path = kinetic_path(entries, "S", skip=["na2s2"])
    assert path.kinetic.plateaus[-1].reaction.text() == "Na2S4 + 6 Na → 4 Na2S"
    assert [s.phase for s in path.skipped] == ["na2s2"]


def test_what_comes_onto_the_path_instead_is_named(ji2024):
    # Na4S5 just above the line from Na2S4 to Na2S2 (-0.86 at its composition) comes onto the hull without Na2S2.
    entries = EntrySet(STATIC, (*ji2024.entries, Entry("na4s5", {"Na": 4.0, "S": 5.0}, -0.877)))
    assert not Hull(entries).is_stable("na4s5")
    path = kinetic_path(entries, "S", skip=["na2s2"])
    assert path.appearing_phases == ("na4s5",)
    assert path.notes[-1] == "on this path, but not on the equilibrium one: na4s5"


def test_shallow_phases_off_the_path_go_and_are_marked(entry_set):
    # P4S3 lies 2 meV/atom below P + P4S10 but is not on the way from S + P4S10 to Na2S + Na3P; NaSn is shallower
    # still, but of another chemical system.
    phases = {"Na2S": -1.2, "Na3P": -0.5, "Na3PS4": -0.9, "P4S10": -0.05, "P4S3": -0.032, "NaSn": -0.001}
    entries = entry_set({"Na": 0.0, "S": 0.0, "P": 0.0, "Sn": 0.0} | phases)
    path = kinetic_path(entries, "PS4", "Na", 0.005)
    assert [(s.phase, s.is_on_equilibrium_path) for s in path.skipped] == [("p4s3", False)]
    assert path.skipped[0].hull_depth_ev_per_atom == pytest.approx(-0.002)
    assert path.kinetic.plateaus == path.equilibrium.plateaus


def test_what_must_stay(ji2024):
    for name in ("S", "na2s", "Na"):
        with pytest.raises(ReportError, match=f"^{name}: cannot be skipped: it is an element, the host"):
            kinetic_path(ji2024, "S", skip=[name])
    with pytest.raises(ReportError, match=r"^na2s2: cannot be skipped: it is an element, the host"):
        kinetic_path(ji2024, "Na2S2", skip=["na2s2"])
    with pytest.raises(ReportError, match=r"^Na2S3: cannot be skipped: there is no such phase"):
        kinetic_path(ji2024, "S", skip=["Na2S3"])
    assert "na2s2" not in [s.phase for s in kinetic_path(ji2024, "Na2S2", "Na", 1.0).skipped]


def test_what_is_no_choice(ji2024):
    with pytest.raises(InputError, match="nothing to skip"):
        kinetic_path(ji2024, "S")
    for limit in (-0.01, float("nan")):
        with pytest.raises(InputError, match="no limit for a hull depth"):
            kinetic_path(ji2024, "S", "Na", limit)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_both_paths_have_the_same_ends_and_the_same_energy(data, random_entry_sets):
    entries = data.draw(random_entry_sets(least_elements=2, least_compounds=4))
    limit = data.draw(st.integers(1, 300)) / 1000
    host = "".join(el for el in entries.elements if el != "Na")
    path = kinetic_path(entries, host, "Na", limit)
    assert path.kinetic.x_end == pytest.approx(path.equilibrium.x_end, abs=1e-9)
    assume(path.equilibrium.plateaus)
    assert path.kinetic.average_voltage_v == pytest.approx(path.equilibrium.average_voltage_v, abs=1e-8)
    assert path.kinetic.plateaus[0].voltage_v <= path.equilibrium.plateaus[0].voltage_v + 1e-8
    for skipped in path.skipped:
        assert -skipped.hull_depth_ev_per_atom < limit
