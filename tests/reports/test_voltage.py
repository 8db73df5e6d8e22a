import pytest
from csv_reading import csv_rows

from nawf.errors import ReportError
from nawf.reports.tables import Format, render
from nawf.reports.voltage import ProfileRequest, make_profiles, voltage_table


def table_of(basis, *arguments):
    return voltage_table(basis, make_profiles(basis, ProfileRequest(*arguments)))


def voltages(table, path="equilibrium", condition="static"):
    return [r["voltage_v"] for r in table.rows if (r["path"], r["condition"]) == (path, condition)]


def test_published_voltages_come_back(make):
    table = table_of(make.basis(), "S")
    assert voltages(table) == pytest.approx([2.07, 2.03, 1.84, 1.72], abs=0.005)
    assert [r["x_end"] for r in table.rows] == pytest.approx([0.4, 0.5, 1.0, 2.0])
    assert table.rows[-1]["capacity_end_mah_per_g"] == pytest.approx(1672, abs=0.5)
    assert table.rows[-1]["reaction"] == "Na2S2 + 2 Na → 2 Na2S"
    assert "Mean voltage: 1.836 V over 1672 mAh/g (static)." in table.notes


def test_skipping_na2s2_merges_two_plateaus(make):
    table = table_of(make.basis(), "S", "Na", ("na2s2-alpha",))
    assert voltages(table) == pytest.approx([2.07, 2.03, 1.84, 1.72], abs=0.005)
    assert voltages(table, "kinetic") == pytest.approx([2.07, 2.03, 1.76], abs=0.005)
    last = table.rows[-1]
    assert (last["path"], last["reaction"]) == ("kinetic", "Na2S4 + 6 Na → 4 Na2S")
    assert "static, kinetic path: na2s2-alpha is skipped (named): 20.5 meV/atom deep." in table.notes


def test_a_limit_in_mev_skips_what_is_shallower(make):
    # Depths are 2.1 (Na2S5), 10.4 (Na2S4), 20.5 (Na2S2) and 573.3 (Na2S) meV/atom.
    basis = make.basis()
    assert len(voltages(table_of(basis, "S", "Na", (), 2.0), "kinetic")) == 4
    assert len(voltages(table_of(basis, "S", "Na", (), 5.0), "kinetic")) == 3
    deepest = table_of(basis, "S", "Na", (), 25.0)
    assert voltages(deepest, "kinetic") == pytest.approx([1.836], abs=5e-4)
    assert any("shallower than 25 meV/atom" in n for n in deepest.notes)


def test_published_values_stand_beside_for_sulfur_and_sodium_only(make):
    notes = "\n".join(table_of(make.basis(), "S").notes)
    assert "→ Na2S5 2.07, → Na2S4 2.03, → Na2S2 1.84, → Na2S 1.72 V" in notes
    assert "GITT open circuit at 90 °C, discharge: 2.10, 1.81, 1.52 V" in notes
    assert "GITT open circuit at 90 °C, charge: 2.16, 1.92, 1.72 V" in notes
    phases = {"na": ("Na", 0.0), "p": ("P", 0.0), "na3p": ("Na3P", -0.4)}
    assert "ji2024" not in "\n".join(table_of(make.basis(make.energetics(phases)), "P").notes)


def test_every_condition_has_its_own_rows(make):
    energetics = make.energetics(na2s={"vibrations": make.vibrations(300.0)})
    table = table_of(make.basis(energetics, (0, 300)), "S")
    assert list(dict.fromkeys(r["condition"] for r in table.rows)) == ["static", "0 K", "300 K"]
    # Only F of Na2S differs from the elements': the last plateau moves by 3 ΔF over the one Na it takes up.
    shift = 3 * (make.einstein(300.0, 300)[0] - make.einstein(200.0, 300)[0])
    static, hot = voltages(table)[-1], voltages(table, condition="300 K")[-1]
    assert hot - static == pytest.approx(-shift, abs=1e-9)


def test_a_phase_that_is_left_out_at_a_temperature_is_skipped_where_it_is(make):
    energetics = make.energetics(na2s2_alpha={"vibrations": make.soft()})
    basis = make.basis(energetics, (300,))
    for name in ("na2s2-alpha", "Na2S2"):
        table = table_of(basis, "S", "Na", (name,))
        assert len(voltages(table, "kinetic")) == 3
        assert voltages(table, "kinetic", "300 K") == []
        assert len(voltages(table, "equilibrium", "300 K")) == 3


def test_a_phase_that_is_only_missing_does_not_stop_the_report(make):
    """A campaign names what to skip; an interrupted run may not have it yet."""
    phases = {name: value for name, value in make.ji2024.items() if name != "na2s2-alpha"}
    basis = make.basis(make.energetics(phases), missing={"na2s2-alpha": "no static energy in the store"})
    table = table_of(basis, "S", "Na", ("na2s2-alpha",))
    assert voltages(table) == pytest.approx([2.07, 2.03, 1.76], abs=0.005)


def test_a_host_that_failed_its_checks_says_so(make):
    basis = make.basis(missing={"s-beta": "its relaxation failed its checks: stopped early"})
    with pytest.raises(
        ReportError, match=r"^s-beta: has no energy: its relaxation failed its checks: stopped early$"
    ):
        table_of(basis, "s-beta")


def test_a_phase_that_nobody_knows_is_one_clear_line(make):
    with pytest.raises(ReportError, match="nothing-like-it: "):
        table_of(make.basis(), "S", "Na", ("nothing-like-it",))
    with pytest.raises(ReportError, match="cannot be skipped"):
        table_of(make.basis(), "S", "Na", ("na2s",))
    with pytest.raises(ReportError, match="xyz: neither a phase with results nor a formula"):
        table_of(make.basis(), "xyz")


def test_a_host_that_does_not_react_says_so(make):
    table = table_of(make.basis(make.energetics({"na": ("Na", 0.0), "p": ("P", 0.0)})), "P")
    assert table.rows == []
    assert table.notes[0] == "static: Na does not react with P."


def test_machines_get_units_in_the_keys_and_full_precision(make):
    rows = csv_rows(render(table_of(make.basis(), "S"), Format.CSV))
    assert set(rows[0]) >= {"voltage_v", "capacity_end_mah_per_g", "x_start", "x_end", "path", "condition"}
    assert float(rows[2]["voltage_v"]) == pytest.approx(1.843, abs=1e-9)
    assert len(rows[0]["capacity_end_mah_per_g"]) > 8


def test_machines_are_told_the_host_and_the_ion_of_every_row(make):
    basis = make.basis(temperatures_k=(300,), settings="engine x, PBE")
    table = table_of(basis, "S", "Na", ("na2s2-alpha",))
    rows = csv_rows(render(table, Format.CSV))
    assert {(row["host"], row["ion"]) for row in rows} == {("S", "Na")}
    assert len(rows) == len(table.rows) == 14
    assert "# engine x, PBE\n" in render(table, Format.CSV)
    assert "host" not in render(table).splitlines()[2]


def test_marks_references_and_command_are_explained_below(make):
    energetics = make.energetics(na2s4={"vibrations": make.soft(), "origin": "prototype"})
    basis = make.basis(energetics, (300,), include_soft=True, settings="engine x", command="nawf report voltage")
    notes = list(table_of(basis, "S").notes)
    assert notes[-len(basis.notes()) :] == basis.notes()


def test_nothing_is_said_of_phases_with_other_elements(make):
    """The profile of sulfur against sodium does not depend on phosphides, nor on what is wrong with them."""
    phases = {
        "na": ("Na", 0.0),
        "s": ("S", 0.0),
        "p": ("P", 0.0),
        "na2s": ("Na2S", -1.2),
        "na3p": ("Na3P", -0.4),
        "p4s3": ("P4S3", -0.2),
    }
    warned = {name: {"warnings": ("too large",)} for name in ("na2s", "p", "na3p")}
    energetics = make.energetics(phases, **warned, p4s3={"vibrations": None})
    missing = {"nap": "it failed", "na2s2": "it failed too", "unknown": "who knows"}
    elements = {"nap": frozenset({"Na", "P"}), "na2s2": frozenset({"Na", "S"})}
    basis = make.basis(energetics, (300,), missing=missing, missing_elements=elements)
    whole, notes = "\n".join(basis.notes()), "\n".join(table_of(basis, "S").notes)
    for told, kept in {"* na2s: too large": True, "* p: too large": False, "* na3p: too large": False}.items():
        assert told in whole
        assert (told in notes) == kept
    assert "p4s3" in whole
    assert "p4s3" not in notes
    assert "Element references: Na = na, S = s (" in notes
    assert "Missing (it failed too): na2s2" in notes
    assert "Missing (who knows): unknown" in notes
    assert "Missing (it failed):" in whole
    assert "Missing (it failed):" not in notes


def test_voltages_against_an_alloy_are_lower_by_its_potential(make):
    # By hand: Na15Sn4 forms from NaSn at 0.1 V, and NaSn from tin at 0.5 V.
    tin = {"sn": ("Sn", 0.0), "nasn": ("NaSn", -0.5 / 2), "na15sn4": ("Na15Sn4", -(4 * 0.5 + 11 * 0.1) / 19)}
    sulfur = {"na": ("Na", 0.0), "s": ("S", 0.0), "na2s": ("Na2S", -2 * 1.9 / 3)}
    basis = make.basis(make.energetics({**sulfur, **tin}))
    against_metal = table_of(basis, "S")
    table = table_of(basis, "S", "Na", (), None, "na15sn4")
    assert voltages(against_metal) == pytest.approx([1.9])
    assert voltages(table) == pytest.approx([1.8])
    assert table.title == "Voltage of S against na15sn4 (V)"
    assert "na15sn4 lies at 0.100 V (static) against Na/Na+." in table.notes
    assert {row["electrode"] for row in table.rows} == {"na15sn4"}
    assert {row["electrode"] for row in against_metal.rows} == {"Na/Na+"}
    # What was measured against sodium is not laid beside.
    assert not any("GITT" in note for note in table.notes)
    assert "Mean voltage: 1.800 V" in "\n".join(table.notes)


def test_the_kinetic_path_is_against_the_alloy_too(make):
    tin = {"sn": ("Sn", 0.0), "na15sn4": ("Na15Sn4", -15 * 0.1 / 19)}
    sulfur = {"na": ("Na", 0.0), "s": ("S", 0.0), "na2s": ("Na2S", -2 * 1.9 / 3), "na2s2": ("Na2S2", -2 * 2.0 / 4)}
    basis = make.basis(make.energetics({**sulfur, **tin}))
    table = table_of(basis, "S", "Na", ("na2s2",), None, "na15sn4")
    assert voltages(table) == pytest.approx([1.9, 1.7])
    assert voltages(table, "kinetic") == pytest.approx([1.8])


def test_what_gives_up_no_ion_is_no_electrode(make):
    with pytest.raises(ReportError, match=r"^s-alpha: no plateau .* so it has no potential"):
        table_of(make.basis(), "S", "Na", (), None, "s-alpha")
