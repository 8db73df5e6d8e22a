import json

import pytest

from nawf.errors import ReportError
from nawf.reports.interface import InterfaceRequest, interface_table, where_formed
from nawf.reports.tables import Format, render
from nawf.thermo.conditions import STATIC, Condition

TAGS = dict.fromkeys(("na3ps4", "na3ps4-high"), ("electrolyte",))


@pytest.fixture
def basis(make):
    def build(temperatures_k=(), **changes):
        tags = changes.pop("tags", TAGS)
        return make.basis(make.energetics(make.thiophosphate, **changes), temperatures_k, tags=tags)

    return build


def test_electrolytes_with_what_is_there_of_metal_alloy_and_cathode(basis):
    table = interface_table(basis(), InterfaceRequest())
    found = {(r["first"], r["second"]): r for r in table.rows}
    assert set(found) == {(e, p) for e in ("na3ps4", "na3ps4-high") for p in ("Na", "S", "Na2S")}
    assert len(table.rows) == len(found)
    strongest = found["na3ps4", "Na"]
    assert strongest["reaction"] == "Na3PS4 + 5 Na → 4 Na2S + P"
    assert strongest["energy_mev_per_atom"] == pytest.approx(-7200 / 13)
    assert strongest["energy_kj_per_mol"] == pytest.approx(-7.2 * 96.48533)
    # Na3PS4 and Na2S lie on a tie line, and so do Na3PS4 and S.
    assert found["na3ps4", "S"]["reaction"] == found["na3ps4", "Na2S"]["reaction"] == "none"
    assert "energy_mev_per_atom" not in found["na3ps4", "S"]


def test_all_reactions_of_a_named_pair_with_the_strongest_named(basis):
    table = interface_table(basis((300,)), InterfaceRequest((("na3ps4-high", "na"),)))
    assert [r["condition"] for r in table.rows] == ["static"] * 2 + ["300 K"] * 2
    assert [r["second_fraction"] for r in table.rows] == pytest.approx([5 / 13, 8 / 16] * 2)
    first = table.rows[0]
    won = 20 * 8 / 13
    assert first["energy_mev_per_atom"] == pytest.approx(-7200 / 13 - won)
    assert first["mutual_energy_mev_per_atom"] == pytest.approx(-7200 / 13)
    words = "static: the strongest between na3ps4-high and na is Na3PS4 + 5 Na → 4 Na2S + P (−566.2 meV/atom)."
    assert words in table.notes
    assert (
        "static, 300 K: na3ps4-high lies 20.0 meV/atom above the hull, and would win that on its own." in table.notes
    )


def test_a_pair_named_twice_is_shown_once(basis):
    pair = ("na3ps4", "Na")
    assert len(interface_table(basis(), InterfaceRequest((pair, pair))).rows) == 2


def test_without_electrolytes_it_says_what_to_name(basis):
    with pytest.raises(ReportError, match="no electrolyte") as told:
        interface_table(basis(tags={}), InterfaceRequest())
    assert "--between" in told.value.hint


def test_unasked_temperatures_at_which_a_pair_is_lost_are_left_out(make):
    energetics = make.energetics(make.thiophosphate, na3ps4={"vibrations": None}, na3ps4_high={"vibrations": None})
    given = make.basis(energetics, (300,), tags=TAGS, unasked=frozenset({Condition(300)}))
    for request in (InterfaceRequest(), InterfaceRequest((("na3ps4", "Na"),))):
        assert where_formed(given, request).conditions == (STATIC,)
    assert where_formed(given, InterfaceRequest((("S", "Na"),))).conditions == (STATIC, Condition(300))
    with pytest.raises(ReportError, match="at 300 K"):
        interface_table(given, InterfaceRequest())


def test_phases_that_are_not_named_are_left_out_where_they_have_no_energy(basis):
    table = interface_table(basis((300,), na3ps4_high={"vibrations": None}), InterfaceRequest())
    conditions = {(r["first"], r["condition"]) for r in table.rows}
    assert ("na3ps4-high", "static") in conditions
    assert ("na3ps4-high", "300 K") not in conditions


def test_machines_get_numbers(basis):
    table = interface_table(basis(), InterfaceRequest((("na3ps4", "Na"),)))
    rows = json.loads(render(table, Format.JSON))["rows"]
    assert [r["energy_mev_per_atom"] for r in rows] == pytest.approx([-7200 / 13, -8400 / 16])
    assert {r["first_marks"] for r in rows} == {""}
