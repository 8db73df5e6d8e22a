import pytest

from nawf.level import Level
from nawf.reports.selected import Selected, lowest_polymorphs
from nawf.results.verdict import Reason, Verdict


def verdict(level, message, rule="rule"):
    return Verdict(reasons=(Reason(rule=rule, level=level, message=message),))


PASS = Verdict()


@pytest.fixture
def elastic(records):
    """Relaxation and elastic tensor of a phase, with given verdicts."""

    def make(phase, formula="Na2S", relax=PASS, elastic=PASS, relax_hash="c" * 64, **card):
        facts = {"formula": formula} | card
        return [
            records.document(phase, "relax", card=facts | {"card_hash": relax_hash}, verdict=relax),
            records.document(phase, "elastic", card=facts, verdict=elastic),
        ]

    return make


def selected(*pairs, **changes):
    return Selected("elastic", tuple(d for pair in pairs for d in pair), **changes)


def test_results_are_listed_elements_first_then_by_system_and_sodium_content(elastic):
    formulas = {"s": "S8", "na2s4": "Na2S4", "na2s": "Na2S", "na3ps4": "Na3PS4", "na": "Na", "na3p": "Na3P"}
    found = selected(*(elastic(phase, formula) for phase, formula in formulas.items()))
    assert [d.phase for d in found.shown] == ["na", "s", "na3p", "na2s", "na2s4", "na3ps4"]
    assert {d.property for d in found.shown} == {"elastic"}


@pytest.mark.parametrize("place", ["relax", "elastic"])
def test_a_phase_with_a_failed_result_is_left_out_with_its_reason(elastic, place):
    found = selected(elastic("bad", **{place: verdict(Level.FAIL, "it broke")}), elastic("good"))
    assert [d.phase for d in found.shown] == ["good"]
    assert found.rejected == {"bad": f"{place}: it broke"}
    assert f"Left out: bad: {place}: it broke" in found.notes()


def test_results_of_two_versions_of_a_structure_do_not_belong_together(elastic):
    found = selected(elastic("mixed", relax_hash="d" * 64))
    assert found.shown == ()
    assert found.rejected == {
        "mixed": "its elastic result belongs to another version of the structure: run the campaign again"
    }


def test_a_relaxation_alone_is_no_result(elastic):
    found = selected(elastic("na2s"), elastic("only-relaxed")[:1])
    assert [d.phase for d in found.shown] == ["na2s"]
    assert found.rejected == {}


def test_an_elastic_tensor_does_not_need_its_relaxation_to_be_shown(elastic):
    assert [d.phase for d in selected(elastic("na2s")[1:]).shown] == ["na2s"]


def test_warnings_of_both_are_marked_and_explained(elastic):
    found = selected(
        elastic("a", relax=verdict(Level.WARN, "swollen"), elastic=verdict(Level.WARN, "noisy")),
        elastic("b", origin="prototype"),
        elastic("c", elastic=verdict(Level.PASS, "handler stepped in")),
    )
    assert {phase: found.marks(phase) for phase in "abc"} == {"a": "*", "b": "°", "c": ""}
    assert "* a: swollen; noisy" in found.notes()
    assert "° structure taken from a prototype, not measured: b" in found.notes()
    assert not any("handler" in note for note in found.notes())


def test_the_notes_begin_with_the_settings_and_end_with_the_command(elastic):
    found = selected(
        elastic("a"),
        settings="vasp, r2SCAN, calculation 0123",
        missing={"x": "no elastic tensor in the store", "y": "no elastic tensor in the store", "z": "left out"},
        command="nawf report elastic",
    )
    assert found.notes() == [
        "vasp, r2SCAN, calculation 0123",
        "Missing (no elastic tensor in the store): x, y",
        "Missing (left out): z",
        "Made by: nawf report elastic",
    ]


def test_the_lowest_polymorph_of_each_composition():
    energies = {"a": ("Na2S2", -1.0), "b": ("NaS", -1.1), "c": ("Na2S", -0.5), "d": ("Na2S", -0.5), "e": ("S8", 3.0)}
    assert lowest_polymorphs(energies) == {"b", "c", "e"}
