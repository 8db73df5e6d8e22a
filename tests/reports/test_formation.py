import json

import pytest
from csv_reading import csv_rows

from nawf.errors import ReportError
from nawf.reports.basis import Basis
from nawf.reports.formation import formation_table
from nawf.reports.tables import Format, render
from nawf.thermo.conditions import STATIC, Condition


def by_phase(table):
    return {row["phase"]: row for row in table.rows}


def test_published_energies_come_back_and_stand_beside(make):
    rows = by_phase(formation_table(make.basis()))
    for phase, (_, energy) in make.ji2024.items():
        assert rows[phase]["formation_energy_static_ev_per_atom"] == pytest.approx(energy, abs=1e-12)
    assert {p: row["ji2024"] for p, row in rows.items() if row["ji2024"]} == {
        "na2s": -1.224,
        "na2s2-alpha": -0.976,
        "na2s4": -0.687,
        "na2s5-alpha": -0.591,
    }


def test_the_source_of_the_published_values_is_named(make):
    notes = formation_table(make.basis()).notes
    assert notes[0] == ("ji2024: VASP PAW r2SCAN, 680 eV, static (doi:10.1039/d4ee03160a), beside the static column.")
    assert "Measured formation enthalpy of Na2S: −1.26 eV/atom at 298 K." in notes


def test_published_values_stand_beside_the_lowest_polymorph_only(make):
    """They are of one structure, not of every structure with that formula."""
    phases = make.ji2024 | {"na2s2-beta": ("Na2S2", -0.97), "na2s-pnma": ("Na2S", -1.2)}
    rows = by_phase(formation_table(make.basis(make.energetics(phases))))
    assert (rows["na2s"]["ji2024"], rows["na2s2-alpha"]["ji2024"]) == (-1.224, -0.976)
    assert (rows["na2s-pnma"]["ji2024"], rows["na2s2-beta"]["ji2024"]) == (None, None)


def test_published_energies_are_found_however_many_formula_units_are_written(make):
    phases = make.ji2024 | {"na2s2-alpha": ("NaS", -0.97), "na2s4": ("Na4S8", -0.68)}
    rows = by_phase(formation_table(make.basis(make.energetics(phases))))
    assert (rows["na2s2-alpha"]["ji2024"], rows["na2s4"]["ji2024"]) == (-0.976, -0.687)


@pytest.mark.parametrize(
    ("conditions", "beside"),
    [
        ((Condition(300), STATIC), "beside the static column."),
        ((Condition(300),), "beside the polymorph with the lowest static energy."),
    ],
)
def test_published_static_energies_stand_beside_the_static_ground_state_in_any_order(make, conditions, beside):
    """At 300 K the soft vibrations of the other polymorph put it lower."""
    phases = make.ji2024 | {"na2s2-beta": ("Na2S2", -0.97)}
    energetics = make.energetics(phases, na2s2_beta={"vibrations": make.vibrations(120.0)})
    table = formation_table(Basis(energetics, conditions))
    rows = by_phase(table)
    hot = "formation_energy_300k_ev_per_atom"
    assert rows["na2s2-beta"][hot] < rows["na2s2-alpha"][hot]
    assert (rows["na2s2-alpha"]["ji2024"], rows["na2s2-beta"]["ji2024"]) == (-0.976, None)
    assert table.notes[0].endswith(beside)


def test_other_systems_have_no_empty_column_for_them(make):
    table = formation_table(make.basis(make.energetics({"na": ("Na", 0.0), "p": ("P", 0.0), "na3p": ("Na3P", -0.4)})))
    assert "ji2024" not in [c.key for c in table.columns]
    assert "Na2S" not in "\n".join(table.notes)


def test_free_energies_by_hand(make):
    """Einstein solids: g_f(T) = E_f + F(compound) - F(elements), each from the textbook formula."""
    energetics = make.energetics(na2s={"vibrations": make.vibrations(300.0)})
    row = by_phase(formation_table(make.basis(energetics, (0, 300, 400))))["na2s"]
    for t in (0, 300, 400):
        expected = -1.224 + make.einstein(300.0, t)[0] - make.einstein(200.0, t)[0]
        assert row[f"formation_energy_{t}k_ev_per_atom"] == pytest.approx(expected, abs=1e-12)
    assert row["formation_energy_static_ev_per_atom"] == pytest.approx(-1.224)


def test_a_phase_without_free_energy_has_empty_cells(make):
    table = formation_table(make.basis(make.energetics(na2s4={"vibrations": None}), (300,)))
    row = by_phase(table)["na2s4"]
    assert "formation_energy_300k_ev_per_atom" not in row
    (line,) = [text for text in render(table).splitlines() if text.startswith("na2s4")]
    assert line.split() == ["na2s4", "Na2S4", "−0.687", "–", "−0.687"]


def test_machines_get_names_marks_and_full_precision(make):
    energetics = make.energetics(
        {"na": ("Na", 0.0), "s": ("S", 0.0), "na2s": ("Na2S", -1.22412345678)}, na2s={"warnings": ("big",)}
    )
    table = formation_table(make.basis(energetics, (300,)))
    (row,) = [r for r in csv_rows(render(table, Format.CSV)) if r["formula"] == "Na2S"]
    assert (row["phase"], row["marks"]) == ("na2s", "*")
    assert float(row["formation_energy_static_ev_per_atom"]) == pytest.approx(-1.22412345678, abs=1e-12)
    (row,) = [r for r in json.loads(render(table, Format.JSON))["rows"] if r["formula"] == "Na2S"]
    assert (row["phase"], row["marks"]) == ("na2s", "*")
    assert "na2s*  " in render(table)


def test_an_element_without_a_phase_is_one_clear_line(make):
    phases = {name: value for name, value in make.ji2024.items() if name != "s-alpha"}
    with pytest.raises(ReportError, match=r"^S: no phase of pure S has an energy at static \(add a phase of S"):
        formation_table(make.basis(make.energetics(phases)))


def test_an_element_lost_to_soft_modes_says_how_to_keep_it(make):
    energetics = make.energetics(s_alpha={"vibrations": make.soft()})
    with pytest.raises(ReportError, match=r"left out: s-alpha") as caught:
        formation_table(make.basis(energetics, (300,)))
    assert "--include-soft" in str(caught.value)
