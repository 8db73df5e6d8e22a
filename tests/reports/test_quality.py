import json

import pytest
from csv_reading import csv_rows

from nawf.level import Level
from nawf.reports.quality import Calculation, OpenStep, Survey, quality_tables
from nawf.reports.tables import Format, render
from nawf.results.verdict import Reason, Verdict

SEED = Calculation("springs", "seed", "")


def reason(text):
    """Of ``level rule message``."""
    level, rule, message = text.split(" ", 2)
    return Reason(rule=rule, level=Level(level), message=message)


@pytest.fixture
def result(records):
    def make(phase, prop, *reasons, formula="Na2S", **changes):
        verdict = Verdict(reasons=tuple(map(reason, reasons)))
        return records.document(phase, prop, card={"formula": formula}, verdict=verdict, **changes)

    return make


@pytest.fixture
def survey(result):
    """Four phases: two failed, one with warnings, one clean; and one that is still to do."""
    documents = (
        result("na2s", "relax", "pass handler raised NELM to 200"),
        result("na2s", "static"),
        result("na2s2", "relax", "warn volume-change volume changed by +12.0%", formula="Na2S2"),
        result("na2s2", "phonon", "warn net-force net force of 0.002", "fail imaginary-modes 3 %", formula="Na2S2"),
        result("na2s4", "relax", "warn volume-change volume changed by +14.0%", formula="Na2S4"),
        result("na2s4", "static", "warn residual-force force of 0.1", formula="Na2S4"),
        result("na", "relax", "fail ionic-convergence stopped after 1000 steps", formula="Na"),
    )
    calculation = Calculation("springs", "seed", documents[0].calculation_id)
    steps = (
        OpenStep("na", "Na", "static", "blocked", calculation),
        OpenStep("na2s", "Na2S", "phonon", "missing", calculation),
        OpenStep("s", "S", "relax", "missing", calculation),
    )
    return Survey(documents, steps, ("springs, harmonic, calculation abc",), "nawf report quality mine")


def tables(survey, level=None):
    return dict(zip(("counts", "reasons", "rules", "states"), quality_tables(survey, level), strict=True))


def test_the_first_line_sums_up(survey):
    table = tables(survey)["counts"]
    assert table.title == (
        "Quality: 5 phases: 1 pass, 1 warn, 2 fail, 1 without results; results: 2 missing, 1 blocked"
    )
    assert render(table).splitlines()[0] == table.title


def test_a_clean_store_has_nothing_but_passes(result):
    one = Survey((result("na2s", "relax"),))
    assert one.summary() == "1 phase: 1 pass"
    made = tables(one)
    assert made["counts"].rows == [{"pass": 1, "warn": 0, "fail": 0, "property": "relax", "results": 1}]
    assert [c.key for c in made["counts"].columns] == ["property", "results", "pass", "warn", "fail"]
    assert (made["reasons"].rows, made["rules"].rows) == ([], [])


def test_counts_by_property(survey):
    rows = {row.pop("property"): row for row in map(dict, tables(survey)["counts"].rows)}
    assert rows == {
        "relax": {"results": 4, "pass": 1, "warn": 2, "fail": 1, "missing": 1, "blocked": 0},
        "static": {"results": 2, "pass": 1, "warn": 1, "fail": 0, "missing": 0, "blocked": 1},
        "phonon": {"results": 1, "pass": 0, "warn": 0, "fail": 1, "missing": 1, "blocked": 0},
    }


def test_what_is_missing_is_named(survey):
    assert tables(survey)["counts"].notes == [
        "springs, harmonic, calculation abc",
        "Missing: relax of s",
        "Missing: phonon of na2s",
        "Blocked (the relaxation failed its checks): static of na",
        "No report shows a failed result as a number; one with a warning is marked.",
        "Made by: nawf report quality mine",
    ]


def test_failures_come_first_then_warnings_by_rule_then_notes(survey):
    rows = tables(survey)["reasons"].rows
    assert [(r["level"], r["phase"], r["property"], r["rule"], r["message"]) for r in rows] == [
        ("fail", "na", "relax", "ionic-convergence", "stopped after 1000 steps"),
        ("fail", "na2s2", "phonon", "imaginary-modes", "3 %"),
        ("warn", "na2s2", "phonon", "net-force", "net force of 0.002"),
        ("warn", "na2s4", "static", "residual-force", "force of 0.1"),
        ("warn", "na2s2", "relax", "volume-change", "volume changed by +12.0%"),
        ("warn", "na2s4", "relax", "volume-change", "volume changed by +14.0%"),
        ("pass", "na2s", "relax", "handler", "raised NELM to 200"),
    ]


def test_counts_by_rule_the_gravest_first(survey):
    rows = [(r["rule"], r["property"], r["fail"], r["warn"], r["pass"]) for r in tables(survey)["rules"].rows]
    assert rows == [
        ("imaginary-modes", "phonon", 1, 0, 0),
        ("ionic-convergence", "relax", 1, 0, 0),
        ("volume-change", "relax", 0, 2, 0),
        ("net-force", "phonon", 0, 1, 0),
        ("residual-force", "static", 0, 1, 0),
        ("handler", "relax", 0, 0, 1),
    ]


def test_a_rule_counts_once_for_a_result(result):
    one = Survey((result("na2s", "static", "warn residual-force xx", "warn residual-force yy"),))
    assert [(r["rule"], r["warn"]) for r in tables(one)["rules"].rows] == [("residual-force", 1)]
    assert len(tables(one)["reasons"].rows) == 2


def test_states_of_all_phases_the_worst_first(survey):
    table = tables(survey)["states"]
    properties = ("relax", "static", "phonon")
    assert [c.key for c in table.shown_columns] == ["phase", "formula", *properties]
    assert [(r["phase"], *map(r.get, properties)) for r in table.rows] == [
        ("na", "fail", "blocked", None),
        ("na2s2", "warn", None, "fail"),
        ("s", "missing", None, None),
        ("na2s", "pass", "pass", "missing"),
        ("na2s4", "warn", "warn", None),
    ]


@pytest.mark.parametrize(
    ("level", "reasons", "rules", "phases"),
    [
        (Level.FAIL, 2, {"ionic-convergence", "imaginary-modes"}, ["na", "na2s2"]),
        (Level.WARN, 4, {"volume-change", "residual-force", "net-force"}, ["na2s2", "na2s4"]),
        (Level.PASS, 1, {"handler"}, ["na2s"]),
    ],
)
def test_one_level_alone(survey, level, reasons, rules, phases):
    made = tables(survey, level)
    assert [r["level"] for r in made["reasons"].rows] == [level] * reasons
    assert {r["rule"] for r in made["rules"].rows} == rules
    assert [r["phase"] for r in made["states"].rows] == phases
    assert made["counts"] == tables(survey)["counts"]


def test_unlike_settings_stand_side_by_side_and_say_so(records, result):
    other = records.relax(calculation=records.calculation | {"functional": "anharmonic"})
    both = Survey(
        (
            result("na2s", "relax", "fail ionic-convergence stopped"),
            result("na2s", "relax", engine="vasp", protocol="mp24"),
            result("na2s", "relax", "warn volume-change swollen", result=other),
        )
    )
    assert both.summary() == "1 phase: 1 fail"
    made = tables(both)
    rows = made["states"].rows
    old, new = rows[0]["calculation_id"], rows[1]["calculation_id"]
    assert [(r["calculation"], r["relax"]) for r in rows] == [
        (f"springs/seed {old}", "fail"),
        (f"springs/seed {new}", "warn"),
        ("vasp/mp24", "pass"),
    ]
    assert old != new
    assert [r["calculation"] for r in made["reasons"].rows] == [f"springs/seed {old}", f"springs/seed {new}"]
    assert "calculation" in [c.key for c in made["states"].shown_columns]


def test_one_calculation_needs_no_column(survey):
    made = tables(survey)
    assert "calculation" not in [c.key for c in made["states"].shown_columns]
    assert {"engine", "protocol", "calculation_id"} <= set(made["states"].machine_keys())


def test_results_obtained_in_two_ways_share_a_cell(records, result):
    from nawf.results.methods import PhononMethod

    coarse = records.phonon(method=PhononMethod(min_length_a=8.0))
    made = tables(
        Survey((result("na2s", "phonon"), result("na2s", "phonon", "fail imaginary-modes 3 %", result=coarse)))
    )
    assert [r["phonon"] for r in made["states"].rows] == ["fail, pass"]
    assert made["states"].notes == ["Several verdicts in one cell: results that were obtained in several ways."]
    (row,) = made["reasons"].rows
    assert row["fingerprint_id"] == records.fingerprint("phonon", coarse).id


def test_notes_are_explained_where_there_are_any(survey):
    assert tables(survey)["reasons"].notes == ["A reason at level pass is a note: nothing against the result."]
    assert tables(survey, Level.FAIL)["reasons"].notes == []


def test_every_format(survey):
    reasons = tables(survey)["reasons"]
    (row, *_) = csv_rows(render(reasons, Format.CSV))
    assert (row["level"], row["phase"], row["engine"], row["protocol"]) == ("fail", "na", "springs", "seed")
    assert len(json.loads(render(reasons, Format.JSON))["rows"]) == 7
    states = render(tables(survey)["states"], Format.MARKDOWN)
    assert "| na2s2 | Na2S2 | warn | – | fail |" in states


def test_a_whole_library_can_be_read(result):
    """94 phases with four failures: the failures are the first rows, and no line is endless."""
    documents = []
    for i in range(94):
        bad = ("fail ionic-convergence stopped after 1000 steps",) if i % 24 == 5 else ()
        soft = ("warn volume-change volume changed by +11.0%",) if i % 3 == 0 else ()
        documents += [result(f"phase-{i:02d}", "relax", *bad, *soft), result(f"phase-{i:02d}", "static")]
    made = tables(Survey(tuple(documents)))
    assert made["counts"].title == "Quality: 94 phases: 58 pass, 32 warn, 4 fail"
    assert [r["level"] for r in made["reasons"].rows[:5]] == ["fail"] * 4 + ["warn"]
    assert [r["phase"] for r in made["states"].rows[:5]] == [
        "phase-05",
        "phase-29",
        "phase-53",
        "phase-77",
        "phase-00",
    ]
    assert max(len(line) for table in made.values() for line in render(table).splitlines()) < 120
