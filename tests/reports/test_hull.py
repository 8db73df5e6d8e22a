import pytest

from nawf.errors import ReportError
from nawf.reports.hull import depths_from_published, hull_table
from nawf.reports.tables import render

# meV/atom, from the published formation energies by the usual definition; by hand on the lever rule:
# Na2S2 against Na2S4 + Na2S (1:2 by formula, 3/6 atoms each), and so on.
DEPTHS = {"na2s": -573.3, "na2s2-alpha": -20.5, "na2s4": -10.4, "na2s5-alpha": -2.1}
PUBLISHED = {"na2s": -512.0, "na2s2-alpha": -4.0, "na2s4": -14.0, "na2s5-alpha": -67.0}


def by_phase(table):
    return {row["phase"]: row for row in table.rows}


def test_depths_by_hand(make):
    rows = by_phase(hull_table(make.basis()))
    # Na2S2 = 1/6 of 6 atoms: between Na2S4 (x = 1/3) and Na2S (x = 2/3), in the middle.
    middle = (-0.687 - 1.224) / 2
    assert rows["na2s2-alpha"]["hull_depth_static_mev_per_atom"] == pytest.approx(1e3 * (-0.976 - middle))
    # Na2S between Na2S2 (x = 1/2) and Na (x = 1): 2/3 of the atoms are Na2S2.
    assert rows["na2s"]["hull_depth_static_mev_per_atom"] == pytest.approx(1e3 * (-1.224 + 0.976 * 2 / 3))


def test_published_and_recomputed_depths_stand_side_by_side(make):
    table = hull_table(make.basis())
    rows = by_phase(table)
    for phase, depth in DEPTHS.items():
        assert rows[phase]["hull_depth_static_mev_per_atom"] == pytest.approx(depth, abs=0.05)
        assert rows[phase]["ji2024_from_energies"] == pytest.approx(depth, abs=0.05)
        assert rows[phase]["ji2024"] == PUBLISHED[phase]
    (note,) = [n for n in table.notes if "ji2024" in n]
    assert "doi:10.1039/d4ee03160a" in note
    assert note.endswith("The two disagree.")
    text = render(table)
    assert "−573.3" in text
    assert "−512.0" in text


def test_depths_from_published_energies_are_of_the_compounds_that_are_there():
    every = depths_from_published(["Na2S", "Na2S2", "Na2S4", "Na2S5", "Na2S3"])
    assert set(every) == {"Na2S", "Na2S2", "Na2S4", "Na2S5"}
    # Without the sulfur-rich ones Na2S2 (x = 1/2) is measured against S and Na2S (x = 2/3): three quarters of that.
    two = depths_from_published(["Na2S", "Na2S2"])
    assert two == pytest.approx({"Na2S": every["Na2S"], "Na2S2": 1e3 * (-0.976 + 1.224 * 3 / 4)})
    assert depths_from_published([]) == {}


def test_a_hull_without_compounds_stands_beside_published_depths_without_them(make):
    phases = {phase: what for phase, what in make.ji2024.items() if phase not in ("na2s4", "na2s5-alpha")}
    rows = by_phase(hull_table(make.basis(make.energetics(phases))))
    for row in rows.values():
        assert row["ji2024_from_energies"] == pytest.approx(row["hull_depth_static_mev_per_atom"], abs=0.05)
    assert rows["na2s2-alpha"]["ji2024_from_energies"] == pytest.approx(-58.0)


def test_published_depths_are_found_however_many_formula_units_are_written(make):
    """``nawf phases add`` writes NaS for Na2S2."""
    phases = make.ji2024 | {"na2s2-alpha": ("NaS", -0.976), "na2s4": ("NaS2", -0.687)}
    rows = by_phase(hull_table(make.basis(make.energetics(phases))))
    for phase, depth in DEPTHS.items():
        assert rows[phase]["ji2024_from_energies"] == pytest.approx(depth, abs=0.05)
        assert rows[phase]["ji2024"] == PUBLISHED[phase]
    both = depths_from_published(["Na2S", "NaS", "Na2S2", "Na2S4", "Na2S5"])
    assert both["NaS"] == both["Na2S2"] == pytest.approx(DEPTHS["na2s2-alpha"], abs=0.05)


def test_elements_have_no_row(make):
    assert set(by_phase(hull_table(make.basis()))) == set(DEPTHS)


def test_a_polymorph_above_the_hull_has_a_height_and_no_depth(make):
    phases = make.ji2024 | {"na2s2-beta": ("Na2S2", -0.966), "na3s": ("Na3S", -0.5)}
    rows = by_phase(hull_table(make.basis(make.energetics(phases))))
    assert rows["na2s2-beta"]["energy_above_hull_static_mev_per_atom"] == pytest.approx(10.0)
    assert "hull_depth_static_mev_per_atom" not in rows["na2s2-beta"]
    # x = 3/4 lies a quarter of the way from Na2S (2/3) to Na (1): 3/4 of the atoms are Na2S.
    expected = 1e3 * (-0.5 + 1.224 * 3 / 4)
    assert rows["na3s"]["energy_above_hull_static_mev_per_atom"] == pytest.approx(expected)
    assert rows["na2s2-alpha"]["hull_depth_static_mev_per_atom"] == pytest.approx(-20.5, abs=0.05)


def test_the_shallowest_is_named_at_every_condition(make):
    # Stiffer vibrations lift Na2S5 off the hull when they count.
    stiff = make.energetics(na2s5_alpha={"vibrations": make.vibrations(400.0)})
    notes = hull_table(make.basis(stiff, (0, 300))).notes
    assert notes[0] == "static: the shallowest stable compound is na2s5-alpha (−2.1 meV/atom), then na2s4 (−10.4)."
    assert notes[1].startswith("0 K: the shallowest stable compound is na2s2-alpha (−20.5 meV/atom), then na2s4 (")
    assert notes[2].startswith("300 K: ")
    assert "na2s5" not in notes[1]


def test_depths_below_the_errors_of_energies_are_called_a_coin_toss(make):
    """Of 573.3, 20.5, 10.4 and 2.1 meV/atom only the last; stiffer vibrations bring Na2S4 below 10 at 300 K."""
    stiff = make.energetics(na2s4={"vibrations": make.vibrations(202.0)})
    table = hull_table(make.basis(stiff, (300,)))
    warm = by_phase(table)["na2s4"]["hull_depth_300k_mev_per_atom"]
    assert -10.0 < warm < 0.0
    (note,) = [n for n in table.notes if "coin toss" in n]
    assert "Shallower than 10 meV/atom" in note
    assert "stable: na2s5-alpha (static, 300 K); na2s4 (300 K). " in note
    assert "1 to 5 meV/atom by the settings of DFT" in note
    sure = {"na": ("Na", 0.0), "s": ("S", 0.0), "na2s": ("Na2S", -1.0)}
    assert "coin toss" not in "\n".join(hull_table(make.basis(make.energetics(sure))).notes)


def test_competing_phases_are_named(make):
    phases = make.ji2024 | {"na2s2-beta": ("Na2S2", -0.966), "na2s3": ("Na2S3", -0.7)}
    table = hull_table(make.basis(make.energetics(phases), (300,)))
    found = {phase: row["competing_static_phases"] for phase, row in by_phase(table).items()}
    # By hand: Na2S4 + 2 Na2S make three Na2S2; Na2S3 is half of Na2S4 and half of Na2S2.
    assert found["na2s2-alpha"] == "0.6667 na2s + 0.3333 na2s4"
    assert found["na2s3"] == "0.5 na2s4 + 0.5 na2s2-alpha"
    assert found["na2s2-beta"] == "na2s2-alpha"
    assert found["na2s"] == "0.5 na2s2-alpha + na-bcc"
    # People get the first condition only, machines all.
    assert "competing_300k_phases" in table.machine_keys()
    titles = [column.title for column in table.shown_columns]
    assert [title for title in titles if "competing" in title] == ["competing phases, static"]


def test_one_stable_compound_and_none(make):
    elements = {"na": ("Na", 0.0), "s": ("S", 0.0)}
    notes = hull_table(make.basis(make.energetics(elements | {"na2s": ("Na2S", -1.0)}))).notes
    assert notes[0] == "static: the only stable compound is na2s (−1000.0 meV/atom)."
    table = hull_table(make.basis(make.energetics(elements | {"nas": ("NaS", 0.2)})))
    assert table.notes[0] == "static: no compound is stable."
    assert by_phase(table)["nas"]["energy_above_hull_static_mev_per_atom"] == pytest.approx(200.0)
    assert "(no rows)" in render(hull_table(make.basis(make.energetics(elements))))


def test_a_low_trust_phase_on_the_hull_is_pointed_out(make):
    phases = make.ji2024 | {"na2s3": ("Na2S3", -0.9), "na2s6": ("Na2S6", -0.3)}
    energetics = make.energetics(phases, na2s3={"origin": "prototype"}, na2s6={"origin": "prototype"})
    notes = hull_table(make.basis(energetics, (300,))).notes
    (note,) = [n for n in notes if "lies on the hull" in n]
    assert note.startswith("na2s3 lies on the hull (static, 300 K) with a structure taken from a prototype")
    assert "--exclude na2s3" in note


def test_all_notes_of_the_basis_are_there(make):
    basis = make.basis(temperatures_k=(400,), settings="engine x", command="nawf report hull")
    notes = list(hull_table(basis).notes)
    assert notes[-len(basis.notes()) :] == basis.notes()
    assert any(n.startswith("Depth: ") for n in notes)


def test_a_hull_without_its_elements_is_one_clear_line(make):
    phases = {"na2s": ("Na2S", -1.2), "na2s2": ("Na2S2", -0.9)}
    with pytest.raises(ReportError, match="cannot make it up"):
        hull_table(make.basis(make.energetics(phases)))


def test_a_hull_that_lost_its_elements_to_soft_modes_says_how_to_keep_them(make):
    energetics = make.energetics(s_alpha={"vibrations": make.soft()})
    with pytest.raises(ReportError, match=r"Na2S\d?: the phases at hand .* at 300 K \(left out: s-alpha\)") as caught:
        hull_table(make.basis(energetics, (300,)))
    assert "--include-soft" in str(caught.value)
