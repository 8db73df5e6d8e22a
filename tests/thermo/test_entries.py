import pytest
from hypothesis import given
from hypothesis import strategies as st

from nawf.errors import InputError, ReportError
from nawf.results.energetics import PhaseEnergetics, VibrationalFreeEnergy
from nawf.thermo.conditions import STATIC, Condition
from nawf.thermo.entries import (
    Entry,
    EntrySet,
    composition_key,
    entries_at,
    format_formula,
    parse_formula,
)


def vibrations(f0=0.03, f300=-0.05, **more):
    return VibrationalFreeEnergy((0.0, 300.0), (f0, f300), (0.0, 5e-4), (0.0, 2e-4), **more)


def sodium(phase="na", **more):
    return PhaseEnergetics(phase, "Na", -1.3, **({"vibrations": vibrations()} | more))


def test_static_zero_kelvin_and_room_temperature():
    energies = {
        label: entries_at([sodium()], Condition.parse(label)).entry("na").energy_ev_per_atom
        for label in ("static", "0 K", "300 K")
    }
    assert energies == pytest.approx({"static": -1.3, "0 K": -1.27, "300 K": -1.35})


@pytest.mark.parametrize(
    ("more", "left_out_when_static", "reason"),
    [
        ({"rejected": "its volume grew by 14 %"}, True, "volume grew by 14 %"),
        ({"vibrations": None}, False, "no phonons"),
        ({"vibrations_rejected": "the supercell is too small"}, False, "supercell is too small"),
        (
            {"vibrations": vibrations(imaginary_fraction=0.021, lowest_frequency_thz=-1.2)},
            False,
            r"2\.1 % of its modes are imaginary \(lowest -1\.20 THz\)",
        ),
    ],
)
def test_what_is_left_out_and_why(more, left_out_when_static, reason):
    items = [sodium(**more), sodium("na-hcp")]
    static, warm = entries_at(items, STATIC), entries_at(items, Condition(300.0))
    assert ("na" not in static) == left_out_when_static
    assert warm.phases == ("na-hcp",)
    with pytest.raises(ReportError, match=f"^na: left out at 300 K: .*{reason}"):
        warm.entry("na")


def test_a_soft_phase_may_be_asked_for_and_then_carries_a_warning():
    soft = sodium(vibrations=vibrations(imaginary_fraction=0.1, lowest_frequency_thz=-1.0), warnings=("first",))
    entry = entries_at([soft], Condition(300.0), include_soft=True).entry("na")
    assert entry.energy_ev_per_atom == pytest.approx(-1.35)
    assert entry.warnings[0] == "first"
    assert "imaginary" in entry.warnings[1]
    assert entries_at([soft], STATIC).entry("na").warnings == ("first",)


def test_warnings_of_phonons_go_with_free_energies_only():
    item = sodium(warnings=("swollen",), vibration_warnings=("net force",))
    assert entries_at([item], STATIC).entry("na").warnings == ("swollen",)
    assert entries_at([item], Condition(300.0)).entry("na").warnings == ("swollen", "net force")


def test_beyond_the_grid_is_an_error_that_names_phase_and_range():
    with pytest.raises(ReportError, match=r"^na: the free energy is known from 0 to 300 K, not at 301 K"):
        entries_at([sodium()], Condition(301.0))


def test_duplicate_phases_and_numbers_that_are_none():
    with pytest.raises(ReportError, match="na: the phase occurs twice"):
        entries_at([sodium(), sodium()], STATIC)
    with pytest.raises(ReportError, match="na: its energy is not a finite number"):
        EntrySet(STATIC, (Entry("na", {"Na": 1.0}, float("nan")),))


def test_a_formula_keeps_its_order_and_multiples():
    assert parse_formula("SNa2") == {"S": 1.0, "Na": 2.0}
    assert list(parse_formula("SNa2")) == ["S", "Na"]
    assert parse_formula("Na2S2") == {"Na": 2.0, "S": 2.0}
    assert parse_formula("Na3(PS4)2") == {"Na": 3.0, "P": 2.0, "S": 8.0}
    assert format_formula(parse_formula("Na0.5SnS2")) == "Na0.5SnS2"


@pytest.mark.parametrize("text", ["", "na2s", "Xx2", "Na0", "Na-2S", "2Na", "Vac", "Na2S*H2O", "Na+"])
def test_what_is_no_formula(text):
    with pytest.raises(InputError, match=r"chemical formula|no atoms"):
        parse_formula(text)


@given(
    st.dictionaries(st.sampled_from(["Na", "S", "P", "Sn"]), st.integers(1, 20), min_size=1),
    st.integers(1, 12),
    st.integers(1, 12),
)
def test_multiples_of_a_formula_share_their_key_and_others_do_not(amounts, k, extra):
    key = composition_key(amounts)
    assert composition_key({el: n * k for el, n in reversed(amounts.items())}) == key
    assert composition_key({el: n * 0.1 for el, n in amounts.items()}) == key
    assert composition_key({**amounts, "Sb": extra}) != key
    if len(amounts) > 1:
        first = next(iter(amounts))
        assert composition_key({**amounts, first: amounts[first] + extra}) != key


def test_names_of_hosts(ji2024):
    assert ji2024.composition_of("na2s4")[1] is ji2024.entry("na2s4")
    assert ji2024.composition_of("Na2S3") == ({"Na": 2.0, "S": 3.0}, None)
    with pytest.raises(ReportError, match="na2s3: neither a phase with results nor a formula"):
        ji2024.composition_of("na2s3")
    warm = entries_at([sodium(vibrations=None)], Condition(300.0))
    with pytest.raises(ReportError, match="na: left out at 300 K: no phonons"):
        warm.composition_of("na")
