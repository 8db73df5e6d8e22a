import json

import numpy as np
import pytest
from csv_reading import csv_rows

from nawf.phases.card import Origin
from nawf.phases.library import load_library
from nawf.reports.lattice import lattice_of, lattice_tables
from nawf.reports.selected import Selected
from nawf.reports.tables import Format, render
from nawf.results.crystal import Crystal
from nawf.results.outputs import SpaceGroup
from nawf.results.symmetry import primitive_cell
from nawf.results.verdict import Level, Reason, Verdict

PHASES = {phase.id: phase for phase in load_library()}
EDGES = ("a", "b", "c")
PASS = Verdict()


@pytest.fixture
def relaxation(records):
    """Document of a shipped phase whose relaxation changed each edge of its cell by a factor."""

    def make(phase_id, factors=(1, 1, 1), energy_ev_per_atom=-1.0, card=None, verdict=PASS, **changes):
        phase = PHASES[phase_id]
        start = Crystal.from_structure(phase.structure())
        stretched = Crystal.from_arrays(start.matrix_a * np.array(factors)[:, None], start.species, start.frac_coords)
        group = SpaceGroup(number=phase.card.space_group.number, symbol=phase.card.space_group.symbol)
        values = {
            "initial": primitive_cell(start, 0.01),
            "crystal": primitive_cell(stretched, 0.01),
            "initial_space_group": group,
            "space_group": group,
            "volume_change": stretched.volume_a3 / start.volume_a3 - 1,
            "energy_ev_per_atom": energy_ev_per_atom,
        }
        facts = {
            "name": phase.card.name,
            "formula": phase.formula,
            "origin": phase.card.origin.value,
            "card_hash": phase.card_hash,
        }
        result = records.relax(**(values | changes))
        return records.document(phase_id, "relax", result, card=facts | (card or {}), verdict=verdict)

    return make


def report(*documents, **options):
    tables = lattice_tables(Selected("relax", documents, settings="springs, harmonic"), PHASES, **options)
    return tables if options else tables[0]


def one(level, message):
    return Verdict(reasons=(Reason(rule="rule", level=level, message=message),))


def by_phase(table):
    return {row["phase"]: row for row in table.rows}


def deviations(row):
    return [row.get(f"{edge}_deviation_percent") for edge in EDGES]


def test_every_phase_relaxed_to_where_it_started_agrees_with_its_own_cell(relaxation):
    rows = by_phase(report(*(relaxation(phase_id) for phase_id in PHASES)))
    assert len(rows) == len(PHASES)
    for phase_id, row in rows.items():
        lattice = PHASES[phase_id].structure().lattice
        assert [row[f"{edge}_angstrom"] for edge in EDGES] == pytest.approx(lattice.abc, rel=1e-6)
        assert [row[f"{angle}_deg"] for angle in ("alpha", "beta", "gamma")] == pytest.approx(
            lattice.angles, abs=1e-4
        )
        assert row["volume_a3_per_atom"] == pytest.approx(lattice.volume / PHASES[phase_id].n_atoms)
        if PHASES[phase_id].card.origin is Origin.EXPERIMENTAL:
            assert [*deviations(row), row["volume_deviation_percent"]] == pytest.approx([0, 0, 0, 0], abs=1e-4)
        elif PHASES[phase_id].card.measured_cell is None:
            assert deviations(row) == [None, None, None]
            assert "volume_deviation_percent" not in row


def test_two_percent_along_c_are_two_percent_along_c(relaxation):
    rows = by_phase(report(*(relaxation(phase_id, (1, 1, 1.02)) for phase_id in PHASES)))
    measured = [p for p in PHASES.values() if p.card.origin is Origin.EXPERIMENTAL]
    assert len(measured) > 35
    for phase in measured:
        assert [*deviations(rows[phase.id]), rows[phase.id]["volume_deviation_percent"]] == pytest.approx(
            [0, 0, 2, 2], abs=1e-4
        )


def test_deviations_are_counted_from_the_measured_cell_not_from_the_structure_that_was_relaxed(relaxation):
    """α-Na2S2 is relaxed with DFT in the library; its measured cell is a = 7.629, c = 5.394 Å."""
    row = by_phase(report(relaxation("na2s2-alpha")))["na2s2-alpha"]
    start = PHASES["na2s2-alpha"].structure().lattice
    assert row["a_deviation_percent"] == pytest.approx(100 * (start.a / 7.629 - 1), abs=1e-4)
    assert row["c_deviation_percent"] == pytest.approx(100 * (start.c / 5.394 - 1), abs=1e-4)
    measured_volume = 7.629**2 * np.sqrt(3) / 2 * 5.394 / 12
    assert row["measured_volume_a3_per_atom"] == pytest.approx(measured_volume)
    assert row["volume_deviation_percent"] == pytest.approx(100 * (start.volume / 12 / measured_volume - 1), abs=1e-4)
    assert row["measured_doi"] == "10.1002/zaac.19623140104"
    assert (row["measured_at"], row["measured_temperature_k"]) == ("not stated", None)


def test_mean_deviations_count_each_free_length_once(relaxation):
    """bcc Na has one length, tetragonal Na3PS4 two, α-S three: |Δ| of 1 + (2 + 3) + (1 + 1 + 4) over six."""
    table = report(
        relaxation("na-bcc", (1.01,) * 3),
        relaxation("na3ps4-alpha", (1.02, 1.02, 0.97)),
        relaxation("s-alpha", (0.99, 1.01, 1.04)),
    )
    volumes = [100 * (v - 1) for v in (1.01**3, 1.02**2 * 0.97, 0.99 * 1.01 * 1.04)]
    assert table.notes[0] == (
        f"Mean absolute deviation: 2.0 % of 6 lengths that symmetry leaves free, {np.mean(np.abs(volumes)):.1f} % of "
        f"3 volumes (mean {np.mean(volumes):+.1f} %)."
    )
    assert "static (0 K, without zero-point motion)" in table.notes[1]


def test_only_angles_that_symmetry_leaves_free_are_shown(relaxation):
    rows = by_phase(report(*map(relaxation, ("na2s", "sb", "s-alpha", "lip", "p4s6-gamma", "p4s10", "na5p4"))))
    assert {phase: row["free_angles"] for phase, row in rows.items()} == {
        "na2s": None,
        "sb": None,
        "s-alpha": None,
        "lip": "β 118.15 (0.00)",
        "p4s6-gamma": "β 90.18 (0.00)",
        "p4s10": "α 92.50 (0.00), β 100.72 (0.00), γ 109.84 (0.00)",
        "na5p4": "β 110.89",
    }


def test_an_angle_that_relaxed_is_shown_with_its_deviation(relaxation):
    from nawf.results.setting import matrix_of

    start = Crystal.from_structure(PHASES["lip"].structure())
    sheared = Crystal.from_arrays(matrix_of((5.582, 4.94, 10.255), (90, 119.4, 90)), start.species, start.frac_coords)
    row = by_phase(report(relaxation("lip", crystal=primitive_cell(sheared, 0.01))))["lip"]
    assert row["free_angles"] == "β 119.40 (+1.25)"
    assert row["beta_deg"] == pytest.approx(119.4)
    assert deviations(row) == pytest.approx([0, 0, 0], abs=1e-6)


def test_an_angle_that_left_its_fixed_value_is_shown(relaxation):
    from nawf.results.setting import matrix_of

    start = Crystal.from_structure(PHASES["s-alpha"].structure())
    lengths = PHASES["s-alpha"].structure().lattice.abc
    sheared = Crystal.from_arrays(matrix_of(lengths, (90, 92, 90)), start.species, start.frac_coords)
    group = SpaceGroup(number=22, symbol="F222")
    row = by_phase(report(relaxation("s-alpha", crystal=sheared, space_group=group)))["s-alpha"]
    assert row["free_angles"] == "β 92.00 (+2.00)"
    assert row["space_group_change"] == "Fddd → F222"


def test_what_fits_no_measured_cell_is_not_compared_and_said_so(relaxation):
    table = report(relaxation("na-bcc", (1.4,) * 3), relaxation("li2s", (1.01,) * 3))
    row = by_phase(table)["na-bcc"]
    assert row["a_angstrom"] == pytest.approx(1.4 * 4.2906)
    assert deviations(row) == [None] * 3
    assert row.get("volume_deviation_percent") is None
    (note,) = [n for n in table.notes if n.startswith("na-bcc: not compared")]
    assert "fits the measured one within 30% and 15° (volume +174 %)" in note
    assert table.notes[0].startswith("Mean absolute deviation: 1.0 % of 1 lengths")


def test_a_phase_that_the_library_does_not_know_has_its_standard_cell(relaxation):
    document = relaxation("na-bcc").model_copy(update={"phase": "na-mine"})
    table = report(document)
    row = by_phase(table)["na-mine"]
    assert row["a_angstrom"] == pytest.approx(4.2906)
    assert deviations(row) == [None] * 3
    assert "na-mine: not in the library; its standard cell is given." in table.notes


def test_another_version_of_the_structure_is_named(relaxation):
    table = report(relaxation("na-bcc", card={"card_hash": "0" * 64}), relaxation("li-bcc"))
    assert [n for n in table.notes if "another version" in n] == [
        "Relaxed from another version of the structure than the library has now: na-bcc"
    ]


def test_published_volumes_stand_beside_the_lowest_polymorph(relaxation):
    table = report(
        relaxation("na2s", energy_ev_per_atom=-3.0),
        relaxation("na2s-pnma", energy_ev_per_atom=-2.9),
        relaxation("na2s2-alpha", energy_ev_per_atom=-3.0),
        relaxation("na2s2-beta", energy_ev_per_atom=-3.1),
        relaxation("na-bcc"),
    )
    values = {phase: row["ji2024"] for phase, row in by_phase(table).items()}
    expected = {"na2s": 22.954, "na2s-pnma": None, "na2s2-alpha": None, "na2s2-beta": 21.810, "na-bcc": None}
    assert values == expected
    assert any(n.startswith("ji2024 V: volume per atom, VASP PAW r2SCAN") for n in table.notes)


def test_without_published_values_there_is_no_column_for_them(relaxation):
    table = report(relaxation("na-bcc"))
    assert "ji2024" not in table.machine_keys()
    assert "ji2024" not in "\n".join(table.notes)


def test_a_failed_relaxation_is_not_shown_as_numbers(relaxation):
    table = report(relaxation("na-bcc", verdict=one(Level.FAIL, "it stopped")), relaxation("li2s", (1.02,) * 3))
    assert list(by_phase(table)) == ["li2s"]
    assert "Left out: na-bcc: relax: it stopped" in table.notes
    assert table.notes[0].startswith("Mean absolute deviation: 2.0 % of 1 lengths")


def test_warned_and_guessed_phases_are_marked(relaxation):
    table = report(
        relaxation("na3sb"), relaxation("na-bcc", verdict=one(Level.WARN, "it is swollen")), relaxation("li2s")
    )
    assert {phase: row["marks"] for phase, row in by_phase(table).items()} == {
        "na3sb": "°",
        "na-bcc": "*",
        "li2s": "",
    }
    assert "* na-bcc: it is swollen" in table.notes
    assert any(n.startswith("° structure taken from a prototype, not measured: na3sb") for n in table.notes)


def test_measured_cells_come_with_their_sources(relaxation):
    _, measured = report(relaxation("na2s2-alpha"), relaxation("na2s"), relaxation("s-alpha"), with_measured=True)
    assert list(by_phase(measured)) == ["s-alpha", "na2s2-alpha"]
    row = by_phase(measured)["na2s2-alpha"]
    assert (row["a_angstrom"], row["c_angstrom"], row["gamma_deg"], row["temperature_k"]) == (7.629, 5.394, 120, None)
    assert row["reference"].startswith("H. Föppl")
    assert by_phase(measured)["s-alpha"]["temperature_k"] == 298


def test_people_see_few_columns_and_machines_all(relaxation):
    table = report(relaxation("na3ps4-alpha", (1.02, 1.02, 0.97)))
    (line,) = [text for text in render(table).splitlines() if text.startswith("na3ps4-alpha")]
    cells = ["na3ps4-alpha", "Na3PS4", "P-42_1c"]
    cells += ["7.091", "+2.0", "7.091", "+2.0", "6.863", "−3.0", "–", "21.570", "+0.9", "298", "K"]
    assert line.split() == cells
    (row,) = csv_rows(render(table, Format.CSV))
    assert float(row["c_deviation_percent"]) == pytest.approx(-3.0, abs=1e-6)
    assert float(row["measured_c_angstrom"]) == 7.0757
    assert row["measured_doi"] == "10.1016/0022-4596(92)90295-7"
    (row,) = json.loads(render(table, Format.JSON))["rows"]
    assert row["gamma_deg"] == pytest.approx(90)


def test_a_cell_without_library_is_the_standard_one():
    """Rhombohedral antimony as it is stored, in the primitive cell, is given in hexagonal axes."""
    relaxed = primitive_cell(Crystal.from_structure(PHASES["sb"].structure()), 0.01)
    lattice = lattice_of("sb", relaxed, 0.01, None)
    assert lattice.lengths_a == pytest.approx([4.3082, 4.3082, 11.2740], abs=1e-4)
    assert (lattice.measured, lattice.length_deviations, lattice.free_length_deviations) == (None, None, [])
