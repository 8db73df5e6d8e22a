import json

import pytest
from csv_reading import csv_rows

from nawf.errors import ReportError
from nawf.reports.literature import WINDOW_LIMITS_V
from nawf.reports.tables import Format, render
from nawf.reports.window import UP_TO_V, WindowRequest, make_windows, where_formed, window_tables
from nawf.reports.window_figure import window_figure
from nawf.thermo.conditions import STATIC, Condition

OTHERS = {"na4p2s6": ("Na4P2S6", -0.1), "li3ps4": ("Li3PS4", -0.9), "li": ("Li", 0.0)}
TAGS = dict.fromkeys(("na3ps4", "na3ps4-high", "na4p2s6", "li3ps4"), ("electrolyte",))


@pytest.fixture
def basis(make):
    def build(temperatures_k=(), **changes):
        tags = changes.pop("tags", TAGS)
        return make.basis(
            make.energetics(make.thiophosphate | OTHERS, **changes),
            temperatures_k,
            tags=tags,
            settings="these settings",
        )

    return build


def tables_of(basis, request):
    return window_tables(basis, request, make_windows(basis, request))


def figure_of(basis, request):
    return window_figure(basis, request, make_windows(basis, request))


def limits(table):
    return {r["electrolyte"]: (r["reduction_limit_v"], r["oxidation_limit_v"]) for r in table.rows}


def test_all_electrolytes_of_the_ion_unless_some_are_named(basis):
    (table,) = tables_of(basis(), WindowRequest())
    found = limits(table)
    assert set(found) == {"na3ps4", "na3ps4-high", "na4p2s6"}
    assert found["na3ps4"] == pytest.approx((1.44, 2.4))
    assert found["na4p2s6"] == (None, None)
    row = next(r for r in table.rows if r["electrolyte"] == "na3ps4")
    assert row["window_v"] == pytest.approx(0.96)
    assert (row["reduction"], row["oxidation"]) == ("Na3PS4 + 5 Na → 4 Na2S + P", "Na3PS4 → 4 S + P + 3 Na")
    assert row["decomposition_energy_at_metal_mev_per_atom"] == pytest.approx(-1050)
    assert "these settings" in table.notes
    (lithium,) = tables_of(basis(), WindowRequest(ion="Li"))
    assert set(limits(lithium)) == {"li3ps4"}


def test_what_lies_above_the_hull_is_said(basis):
    (table,) = tables_of(basis((300,)), WindowRequest())
    above = {r["electrolyte"]: r["energy_above_hull_mev_per_atom"] for r in table.rows}
    assert above["na3ps4-high"] == pytest.approx(20)
    assert "static, 300 K: na3ps4-high lies above na3ps4, whose window this is." in table.notes
    (decomposed,) = [n for n in table.notes if "decomposes by itself into" in n]
    assert decomposed.startswith("static, 300 K: na4p2s6 ")
    assert decomposed.endswith(", and has no window.")


def test_published_limits_stand_below_those_that_they_are_of(basis):
    low, high = WINDOW_LIMITS_V.values["Na3PS4"]
    (note,) = [n for n in tables_of(basis(), WindowRequest())[0].notes if n.startswith("yuan2025")]
    assert f"Na3PS4 {low} to {high} V" in note
    assert "Na3SbS4" not in note
    notes = tables_of(basis(), WindowRequest(("na2s",)))[0].notes
    assert not [n for n in notes if n.startswith("yuan2025")]


def test_a_named_electrolyte_is_shown_at_all_voltages(basis):
    first, table = tables_of(basis(), WindowRequest(("na3ps4",)))
    assert set(limits(first)) == {"na3ps4"}
    assert [(r["upper_v"], r["lower_v"]) for r in table.rows] == [
        (UP_TO_V, pytest.approx(2.4)),
        (pytest.approx(2.4), pytest.approx(1.44)),
        (pytest.approx(1.44), pytest.approx(0.4)),
        (pytest.approx(0.4), 0.0),
    ]
    # At 5 V oxidation wins 3 (5 - 2.4) eV; at 0.4 V reduction 5 (1.44 - 0.4) eV; for eight atoms.
    energies = [r["decomposition_energy_mev_per_atom"] for r in table.rows]
    assert energies == pytest.approx([-7800 / 8, 0, -5200 / 8, -8400 / 8], abs=1e-6)
    assert table.rows[1]["reaction"] == "na3ps4"
    # Settings and the rest stand once, below the last.
    assert "these settings" in table.notes
    assert "these settings" not in first.notes


def test_ranges_above_what_is_shown_are_left_out(make):
    phases = {"na": ("Na", 0.0), "s": ("S", 0.0), "nas": ("NaS", -3.0), "na2s": ("Na2S", -2.5)}
    _, table = tables_of(make.basis(make.energetics(phases)), WindowRequest(("na2s",)))
    # NaS gives its sodium at 6 V, Na2S becomes NaS at 1.5 V.
    assert [(r["upper_v"], r["reaction"]) for r in table.rows] == [
        (UP_TO_V, "Na2S → NaS + Na"),
        (pytest.approx(1.5), "na2s"),
    ]


def test_a_formula_may_be_named_and_another_ion(basis):
    first, _ = tables_of(basis(), WindowRequest(("Na3PS4",)))
    assert limits(first)["Na3PS4"] == pytest.approx((1.44, 2.4))
    with pytest.raises(ReportError, match="na3ps4: holds no Li"):
        tables_of(basis(), WindowRequest(("na3ps4",), "Li"))


def test_without_electrolytes_it_says_what_to_name(basis):
    with pytest.raises(ReportError, match="no electrolyte of Na among the results") as told:
        tables_of(basis(tags={}), WindowRequest())
    assert "--electrolyte" in told.value.hint


def test_one_without_free_energy_has_static_rows_only(basis):
    (table,) = tables_of(basis((300,), na3ps4_high={"vibrations": None}), WindowRequest())
    found = [r["condition"] for r in table.rows if r["electrolyte"] == "na3ps4-high"]
    assert found == ["static"]
    assert any(n.startswith("Left out at 300 K: na3ps4-high") for n in table.notes)
    with pytest.raises(ReportError, match="na3ps4-high"):
        tables_of(basis((300,), na3ps4_high={"vibrations": None}), WindowRequest(("na3ps4-high",)))


def test_unasked_temperatures_at_which_it_has_none_are_left_out(make):
    energetics = make.energetics(make.thiophosphate | OTHERS, na3ps4={"vibrations": None})
    given = make.basis(energetics, (300,), tags=TAGS, unasked=frozenset({Condition(300)}))
    kept = where_formed(given, WindowRequest(("na3ps4",)))
    assert kept.conditions == (STATIC,)
    assert where_formed(given, WindowRequest(("na2s",))).conditions == (STATIC, Condition(300))


def test_machines_get_all_columns(basis):
    first, table = tables_of(basis(), WindowRequest(("na3ps4",)))
    (row,) = json.loads(render(first, Format.JSON))["rows"]
    assert (row["electrolyte"], row["ion"], row["condition"]) == ("na3ps4", "Na", "static")
    rows = csv_rows(render(table, Format.CSV))
    assert [float(r["ions_taken_up"]) for r in rows] == pytest.approx([-3, 0, 5, 8])
    assert rows[-1]["phases"] == "4 na2s + na3p"


def test_the_picture_has_a_bar_for_each_window(basis):
    figure = figure_of(basis((300,)), WindowRequest())
    (axes,) = figure.axes
    bars = [(b.get_x(), b.get_x() + b.get_width()) for b in axes.patches if b.get_width() > 0]
    assert bars == [pytest.approx((1.44, 2.4), abs=0.05)] * 4
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["static", "300 K"]
    words = [t.get_text() for t in axes.texts]
    assert words.count("1.44") >= 2
    assert words.count("no window: decomposes by itself") == 2
    names = [t.get_text().splitlines()[1:] for t in axes.get_yticklabels()]
    assert sorted(names) == [["na3ps4"], ["na3ps4-high", "(of na3ps4)"], ["na4p2s6"]]


def test_without_any_window_there_is_no_picture(basis):
    with pytest.raises(ReportError, match="nothing to draw"):
        figure_of(basis(), WindowRequest(("na4p2s6",)))
