import pytest

from nawf.errors import ReportError
from nawf.reports.basis import Basis, check_compounds, condition_key
from nawf.thermo.conditions import STATIC, Condition


def notes(basis):
    return "\n".join(basis.notes())


def test_nothing_to_report_is_refused():
    with pytest.raises(ReportError, match=r"there are no results to report \(nawf run CAMPAIGN makes some\)"):
        Basis((), (STATIC,))


def test_entries_are_ordered_elements_first_then_from_sodium_to_sulfur(make):
    shuffled = tuple(sorted(make.energetics(), key=lambda e: e.phase[::-1]))
    assert [e.phase for e in make.basis(shuffled).entries] == list(make.ji2024)


def test_systems_come_one_after_the_other(make):
    phases = {"nap": ("NaP", -0.4), "na2s": ("Na2S", -1.2), "na": ("Na", 0), "s": ("S", 0), "p": ("P", 0)}
    assert [e.phase for e in make.basis(make.energetics(phases)).entries] == ["na", "p", "s", "nap", "na2s"]


def test_the_settings_open_the_notes_and_the_command_closes_them(make):
    lines = make.basis(settings="vasp, r2SCAN", command="nawf report hull").notes()
    assert lines[0] == "vasp, r2SCAN"
    assert lines[-1] == "Made by: nawf report hull"
    assert "Made by" not in notes(make.basis())


def test_references_are_named_once_for_all_conditions_that_share_them(make):
    text = notes(make.basis(temperatures_k=(0, 300)))
    assert "Element references: Na = na-bcc, S = s-alpha (static, 0 K, 300 K)" in text
    # β above α when static, below it at 300 K: its softer vibrations have more entropy.
    phases = make.ji2024 | {"s-beta": ("S8", 0.01)}
    softer = make.energetics(phases, s_beta={"vibrations": make.vibrations(120.0)})
    text = notes(make.basis(softer, (300,)))
    assert "Element references: Na = na-bcc, S = s-alpha (static)" in text
    assert "Element references: Na = na-bcc, S = s-beta (300 K)" in text


def test_references_are_not_spoken_of_where_there_are_none(make):
    energetics = make.energetics({"na": ("Na", 0.0)}, na={"vibrations": None})
    lines = [n for n in make.basis(energetics, (300,)).notes() if n.startswith("Element references")]
    assert lines == ["Element references: Na = na (static)"]


def test_named_references_are_marked(make):
    phases = make.ji2024 | {"s-beta": ("S8", 0.01)}
    text = notes(make.basis(make.energetics(phases), references={"S": "s-beta"}))
    assert "Element references: Na = na-bcc, S = s-beta (named) (static)" in text
    with pytest.raises(ReportError, match="na2s: is Na2S and cannot be the reference of S"):
        make.basis(references={"S": "na2s"}).notes()


def test_a_named_reference_that_failed_says_why_it_is_not_there(make):
    missing = {"s-beta": "its relaxation failed its checks: stopped early", "sn-beta": "left out on request"}
    failed = make.basis(missing=missing, references={"S": "s-beta", "Sn": "sn-beta"})
    with pytest.raises(ReportError, match=r"^s-beta: cannot be the reference of S: its relaxation failed .* early$"):
        failed.notes()
    # A campaign's reference of an element that is not reported on does not matter.
    assert "Na = na-bcc" in notes(make.basis(missing=missing, references={"Sn": "sn-beta"}))


def test_extrapolation_above_the_melting_points_is_said(make):
    text = notes(make.basis(temperatures_k=(0, 380, 400)))
    assert "Note: Na melts at 371 K: its solid reference at 380 K is an extrapolation." in text
    assert "S melts at 388 K: its solid reference at 400 K" in text
    assert "S melts at 388 K: its solid reference at 380 K" not in text
    assert "at 0 K is an extrapolation" not in text


def test_soft_phases_are_left_out_with_the_reason_unless_asked_for(make):
    energetics = make.energetics(na2s4={"vibrations": make.soft()})
    strict = make.basis(energetics, (0, 300))
    assert "Left out at 0 K, 300 K: na2s4: 0.4 % of its modes are imaginary (lowest -0.50 THz)" in notes(strict)
    assert strict.marks("na2s4") == ""
    assert [e.phase for e in strict.entries] == list(make.ji2024)  # still there when static
    kept = make.basis(energetics, (0, 300), include_soft=True)
    assert kept.marks("na2s4") == "†"
    assert "Left out" not in notes(kept)
    assert (
        "† imaginary modes, missing from the free energy at T ≥ 0 K: na2s4 0.4 % "
        "(as real modes they would shift G(300 K) by +2.0 meV/atom)"
    ) in kept.notes()


def test_soft_modes_do_not_matter_where_everything_is_static(make):
    energetics = make.energetics(na2s4={"vibrations": make.soft()})
    basis = make.basis(energetics, include_soft=True)
    assert basis.marks("na2s4") == ""
    assert "†" not in notes(basis)


def test_a_crystal_of_soft_modes_only_is_100_per_cent(make):
    energetics = make.energetics(na2s4={"vibrations": make.soft(fraction=1.0)})
    assert "na2s4 100 %" in notes(make.basis(energetics, (300,), include_soft=True))


def test_warnings_are_marked_and_spelled_out(make):
    energetics = make.energetics(na2s={"warnings": ("volume changed by +11.0% on relaxation", "second")})
    basis = make.basis(energetics)
    assert basis.marks("na2s") == "*"
    assert "* na2s: volume changed by +11.0% on relaxation; second" in basis.notes()


def test_warnings_of_phonons_count_where_there_is_a_free_energy(make):
    changes = {"warnings": ("swollen",), "vibration_warnings": ("net force on a displaced cell",)}
    energetics = make.energetics(na2s=changes, na2s4=changes | {"warnings": (), "vibrations": make.soft()})
    static = make.basis(energetics)
    assert (static.marks("na2s"), static.marks("na2s4")) == ("*", "")
    assert "* na2s: swollen" in static.notes()
    assert "net force" not in notes(static)
    # Left out at 300 K, na2s4 has no free energy that the warning could be about.
    warm = make.basis(energetics, (300,))
    assert (warm.marks("na2s"), warm.marks("na2s4")) == ("*", "")
    assert "* na2s: swollen; net force on a displaced cell" in warm.notes()
    assert make.basis(energetics, (300,), include_soft=True).marks("na2s4") == "†*"


def test_prototypes_are_marked(make):
    energetics = make.energetics(na2s4={"origin": "prototype"}, na2s={"origin": "dft"})
    basis = make.basis(energetics)
    assert (basis.marks("na2s4"), basis.marks("na2s")) == ("°", "")
    assert "° structure taken from a prototype, not measured: na2s4" in basis.notes()


def test_marks_add_up(make):
    changes = {"vibrations": make.soft(), "warnings": ("volume changed",), "origin": "prototype"}
    basis = make.basis(make.energetics(na2s4=changes), (300,), include_soft=True)
    assert basis.marks("na2s4") == "†*°"


def test_a_warning_about_anything_else_is_marked_on_a_soft_phase_too(make):
    """Only what † says already needs no * of its own."""
    changes = {"vibrations": make.soft(), "warnings": ("the handler switched the solver modes twice",)}
    basis = make.basis(make.energetics(na2s4=changes), (300,), include_soft=True)
    assert basis.marks("na2s4") == "†*"


def test_rejected_phases_and_lost_phonons_are_listed_with_their_reasons(make):
    energetics = make.energetics(
        na2s2_alpha={"rejected": "relax: relaxation stopped after 9 steps"},
        na2s4={"vibrations": None},
        na2s5_alpha={"vibrations_rejected": "phonon: a force is missing"},
    )
    basis = make.basis(energetics, (300,))
    lines = basis.notes()
    assert "Left out at static, 300 K: na2s2-alpha: relax: relaxation stopped after 9 steps" in lines
    assert "Left out at 300 K: na2s4: no phonons were calculated, so there is no free energy" in lines
    assert "Left out at 300 K: na2s5-alpha: phonon: a force is missing" in lines
    assert "na2s2-alpha" not in [e.phase for e in basis.entries]


def test_missing_phases_are_listed(make):
    (line,) = [t for t in make.basis(missing={"na2s3": "no static energy in the store"}).notes() if "na2s3" in t]
    assert line.startswith("Missing")
    assert "no static energy in the store" in line


def test_many_missing_phases_do_not_fill_the_screen(make):
    missing = {f"phase-{i}": "no static energy in the store" for i in range(80)}
    assert len(make.basis(missing=missing).notes()) < 5


@pytest.mark.parametrize(
    ("condition", "key"),
    [
        (STATIC, "e_static_ev"),
        (Condition(0.0), "e_0k_ev"),
        (Condition(300), "e_300k_ev"),
        (Condition(298.15), "e_298p15k_ev"),
    ],
)
def test_keys_of_columns_hold_condition_and_unit(condition, key):
    assert condition_key("e", condition, "ev") == key


def test_a_temperature_given_twice_is_one_column(make):
    basis = make.basis(temperatures_k=(300, 300.0))
    assert len(basis.conditions) == len(basis.entry_sets) == 2


def test_phases_of_an_element_without_any_phase_are_left_out_with_the_reason(make):
    """Additives such as NaCrO2 must not keep everything else from being reported."""
    phases = make.ji2024 | {"nacro2": ("NaCrO2", -1.7), "na2o": ("Na2O", -1.4)}
    basis = make.basis(make.energetics(phases), (300,))
    assert [e.phase for e in basis.entries] == list(make.ji2024)
    lines = basis.notes()
    for phase, elements in (("nacro2", "Cr, O"), ("na2o", "O")):
        (line,) = [text for text in lines if phase in text]
        assert line.startswith(f"Left out at static, 300 K: {phase}: ")
        assert f"pure {elements}" in line


def test_where_no_compound_would_be_left_the_missing_reference_is_the_error(make):
    phases = {"na": ("Na", 0.0), "na2o": ("Na2O", -1.4)}
    with pytest.raises(ReportError, match=r"^O: no phase of pure O"):
        make.basis(make.energetics(phases)).notes()


def unasked(make, energetics, temperatures_k, **changes):
    """A basis with static energies, and temperatures that nobody asked for."""
    return make.basis(
        energetics, temperatures_k, unasked=frozenset(Condition(t) for t in temperatures_k), **changes
    ).where_formed(check_compounds)


def test_temperatures_that_nobody_asked_for_are_dropped_where_an_element_has_no_free_energy(make):
    soft = make.energetics(s_alpha={"vibrations": make.soft()})
    basis = unasked(make, soft, (0, 300, 400))
    assert basis.conditions == (STATIC,)
    assert (
        "Nothing is shown at 0 K, 300 K and 400 K: S has no phase with phonons that are all real "
        "(--include-soft shows them)."
    ) in basis.notes()
    assert "Left out" not in notes(basis)
    kept = unasked(make, soft, (0, 300), include_soft=True)
    assert len(kept.conditions) == 3
    assert "Nothing is shown" not in notes(kept)
    with pytest.raises(ReportError, match="no phase of pure S has an energy at 300 K"):
        make.basis(soft, (300,)).where_formed(check_compounds).notes()


def test_the_reason_names_what_each_element_lacks(make):
    none = {"vibrations": None}
    bare = unasked(make, make.energetics(na_bcc=none, s_alpha=none), (300,))
    assert "Nothing is shown at 300 K: Na and S have no phase with phonons." in bare.notes()
    failed = {"vibrations_rejected": "phonon: a force is missing"}
    mixed = unasked(make, make.energetics(na_bcc=none, s_alpha=failed), (300,))
    lacks = "Na has no phase with phonons; S has no phase with phonons that passed their checks."
    assert f"Nothing is shown at 300 K: {lacks}" in mixed.notes()


def test_a_temperature_at_which_no_compound_is_left_is_dropped(make):
    phases = {"na": ("Na", 0.0), "s": ("S", 0.0), "na2s": ("Na2S", -1.2)}
    basis = unasked(make, make.energetics(phases, na2s={"vibrations": None}), (300,))
    assert "Nothing is shown at 300 K: no compound has a free energy." in basis.notes()
    elements = unasked(make, make.energetics({"na": ("Na", 0.0), "s": ("S", 0.0)}), (300,))
    assert len(elements.conditions) == 2
