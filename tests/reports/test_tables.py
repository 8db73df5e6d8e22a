import io
import json
import math

import numpy as np
import pandas
import pytest
from csv_reading import csv_rows
from hypothesis import given
from hypothesis import strategies as st

from nawf.reports.tables import Column, Format, Table, render, render_csv, render_terminal, shown

COLUMNS = (
    Column("phase", "phase"),
    Column("energy_ev_per_atom", "E (eV)", ".3f"),
    Column("is_stable", "stable"),
)
ROWS = (
    {"phase": "na2s", "energy_ev_per_atom": -1.2239999, "is_stable": True},
    {"phase": 'α|β, "x"', "energy_ev_per_atom": -0.0004, "is_stable": False},
    {"phase": "none", "energy_ev_per_atom": math.nan},
    {"phase": "ten", "energy_ev_per_atom": 10},
)
TABLE = Table("Energies", COLUMNS, ROWS, ["Made by: nawf", "a | b"])


@pytest.mark.parametrize(
    ("value", "spec", "text"),
    [
        (-1.2345, ".3f", "−1.234"),
        (1.2345, ".2f", "1.23"),
        (-0.0004, ".3f", "0.000"),
        (-0.0, ".1f", "0.0"),
        (-0.0, ".3g", "0"),
        (-0.0006, ".3f", "−0.001"),
        (-1e-7, ".1e", "−1.0e−07"),
        (-1234567.0, ",.1f", "−1,234,567.0"),
        (2.0, "+.1f", "+2.0"),
        (-2.0, "+.1f", "−2.0"),
        (0.04, "+.1f", "0.0"),
        (-0.04, "+.1f", "0.0"),
        (0, "+d", "0"),
        (-3, "d", "−3"),
        (math.inf, ".1f", "inf"),
        (-math.inf, ".1f", "−inf"),
    ],
)
def test_numbers_for_people(value, spec, text):
    assert shown(value, spec) == text


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.integers(0, 6))
def test_a_shown_number_is_the_rounded_one(value, digits):
    text = shown(value, f".{digits}f")
    assert float(text.replace("−", "-")) == round(value, digits)
    assert "-" not in text
    assert (text.startswith("−")) is (round(value, digits) < 0)


def test_cells_that_are_not_numbers():
    column = Column("a", "A", ".1f")
    assert [column.show(v) for v in (None, math.nan, np.nan)] == ["–", "–", "–"]
    assert [column.show(v) for v in (True, False, "text", 3, np.float64(2.25))] == ["yes", "no", "text", "3.0", "2.2"]
    assert Column("a", "A").show(3) == "3"
    assert Column("a", "A").show("") == ""


def test_the_terminal_table_lines_up():
    lines = render(TABLE).splitlines()
    assert lines[0] == "Energies"
    assert lines[2] == "phase     E (eV)  stable"
    assert lines[4] == "na2s      −1.224  yes"
    assert lines[5] == 'α|β, "x"   0.000  no'
    assert lines[6] == "none           –  –"
    assert lines[7] == "ten       10.000  –"
    assert lines[1] == lines[3] == lines[8] == "────────  ──────  ──────"
    assert lines[9:] == ["Made by: nawf", "a | b"]
    assert render(TABLE).endswith("b\n")


def test_a_table_without_rows_says_so():
    empty = Table("Nothing", COLUMNS, [])
    assert "(no rows)" in render_terminal(empty)
    assert render(empty, Format.CSV) == "# Nothing\nphase,energy_ev_per_atom,is_stable\n"
    assert json.loads(render(empty, Format.JSON))["rows"] == []
    assert render(empty, Format.MARKDOWN).splitlines()[-1] == "|:--|--:|:--|"


def test_columns_may_be_aligned_against_their_kind():
    table = Table(
        "t", [Column("a", "long title", right=True), Column("b", "B", ".1f", right=False)], [{"a": "x", "b": 1}]
    )
    assert render(table).splitlines()[4] == "         x  1.0"


def test_csv_is_for_machines():
    rows = csv_rows(render(TABLE, Format.CSV))
    assert list(rows[0]) == ["phase", "energy_ev_per_atom", "is_stable"]
    assert [row["phase"] for row in rows] == ["na2s", 'α|β, "x"', "none", "ten"]
    assert float(rows[0]["energy_ev_per_atom"]) == -1.2239999
    assert rows[1]["energy_ev_per_atom"] == "-0.0004"
    assert (rows[2]["energy_ev_per_atom"], rows[2]["is_stable"]) == ("", "")
    assert "\r" not in render(TABLE, Format.CSV)


def test_csv_of_awkward_cells():
    table = Table(
        "t", [Column("a", "A")], [{"a": 'x, "y"\nz'}, {"a": ["p", "q"]}, {"a": np.float64(0.1)}, {"a": math.inf}]
    )
    assert [row["a"] for row in csv_rows(render(table, Format.CSV))] == [
        'x, "y"\nz',
        "p; q",
        "0.1",
        "",
    ]


def test_title_and_notes_are_comments_that_other_readers_pass_over():
    rows = [{"a": "#1 of 2", "b": 0.5}, {"a": 'x # "y"', "b": 1.5}, {"a": "#", "b": 2.5}]
    table = Table("Title", [Column("a", "A"), Column("b", "B")], rows, ["engine x", "two\nlines"])
    text = render(table, Format.CSV)
    assert text.splitlines()[:5] == ["# Title", "# engine x", "# two", "# lines", "a,b"]
    read = pandas.read_csv(io.StringIO(text), comment="#")
    assert read.to_dict("records") == rows


def test_tables_of_the_same_columns_share_a_header_and_others_are_set_apart():
    columns = [Column("host", "H"), Column("v", "V")]
    first, second = (Table(f"of {host}", columns, [{"host": host, "v": 1.0}], [host]) for host in ("S", "P"))
    assert render_csv(first, second) == "# of S\n# S\n# of P\n# P\nhost,v\nS,1.0\nP,1.0\n"
    other = Table("other", columns[:1], [{"host": "Sn"}])
    assert render_csv(first, other) == "# of S\n# S\nhost,v\nS,1.0\n\n# other\nhost\nSn\n"


@given(st.lists(st.one_of(st.none(), st.floats(), st.text(), st.integers()), min_size=1, max_size=5))
def test_json_is_valid_whatever_the_cells_are(values):
    table = Table("t", [Column("a_ev", "A", ".1f")], [{"a_ev": v, "hidden": 1} for v in values], ["note"])
    document = json.loads(render(table, Format.JSON), parse_constant=lambda name: pytest.fail(name))
    assert document["notes"] == ["note"]
    for value, row in zip(values, document["rows"], strict=True):
        is_number = not isinstance(value, float) or math.isfinite(value)
        assert row == {"a_ev": value if is_number else None}


def markdown_cells(line):
    """Cells of a row, as a Markdown reader splits it."""
    return [c.strip() for c in line.strip().strip("|").replace("\\|", "\0").split("|")]


def test_markdown_escapes_what_would_break_it():
    lines = render(TABLE, Format.MARKDOWN).splitlines()
    assert lines[:2] == ["**Energies**", ""]
    assert markdown_cells(lines[2]) == ["phase", "E (eV)", "stable"]
    assert lines[3] == "|:--|--:|:--|"
    assert markdown_cells(lines[5]) == ['α\0β, "x"', "0.000", "no"]
    assert lines[-2:] == ["- Made by: nawf", "- a | b"]


def test_markdown_notes_that_begin_with_a_sign_stay_notes():
    """``- * na2s`` would be a list inside the list, and its mark would be lost."""
    table = Table("t", [Column("a", "A")], [{"a": "na2s*"}], ["* na2s: volume changed", "† soft"])
    notes = render(table, Format.MARKDOWN).splitlines()[-2:]
    assert notes == [r"- \* na2s: volume changed", "- † soft"]


def test_standard_errors_stand_behind_the_value_and_in_a_column_of_their_own():
    columns = (Column("k_gpa", "K", ".1f", error_key="k_error_gpa", marks_key="marks"), Column("g_gpa", "G", ".1f"))
    rows = (
        {"k_gpa": 18.349, "k_error_gpa": 0.26, "marks": "*", "g_gpa": 4.0},
        {"k_gpa": 7.0},
        {"k_gpa": 7.0, "k_error_gpa": math.nan},
    )
    table = Table("Moduli", columns, rows)
    assert table.cells() == [["18.3 ± 0.3*", "4.0"], ["7.0", "–"], ["7.0", "–"]]
    assert render(table, Format.CSV).splitlines() == [
        "# Moduli",
        "k_gpa,k_error_gpa,marks,g_gpa",
        "18.349,0.26,*,4.0",
        "7.0,,,",
        "7.0,,,",
    ]
    assert json.loads(render(table, Format.JSON))["rows"][0] == rows[0] | {"g_gpa": 4.0}


def test_columns_for_machines_are_not_shown_to_people():
    columns = (Column("a", "A"), Column("hidden", "H", ".1f", for_machines=True), Column("b", "B"))
    table = Table("T", columns, ({"a": 1, "hidden": 2.5, "b": 3},))
    for fmt in (Format.TABLE, Format.MARKDOWN):
        text = render(table, fmt)
        assert "H" not in text
        assert "2.5" not in text
    assert render(table, Format.CSV) == "# T\na,hidden,b\n1,2.5,3\n"
    assert json.loads(render(table, Format.JSON))["rows"] == [{"a": 1, "hidden": 2.5, "b": 3}]
