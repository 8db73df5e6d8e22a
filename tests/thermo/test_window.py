import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition, Element

from nawf.errors import ReportError
from nawf.thermo.hull import Hull
from nawf.thermo.references import ElementReference
from nawf.thermo.window import electrochemical_window

ELECTROLYTE = {"Na": 0.0, "P": 0.0, "S": 0.0, "Na2S": -1.2, "Na3P": -0.3, "Na3PS4": -0.9}


def reactions(window):
    return [r.reaction.text() if r.reaction else None for r in window.ranges]


def test_a_thiophosphate_by_hand(entry_set):
    # Per formula unit Na2S has -3.6, Na3P -1.2 and Na3PS4 -7.2 eV. Oxidised it gives 3 Na, 7.2 / 3 V; reduced it
    # takes 5 Na to 4 Na2S + P, (14.4 - 7.2) / 5 V, and phosphorus another three, 1.2 / 3 V.
    window = electrochemical_window(entry_set(ELECTROLYTE), "na3ps4")
    assert (window.reduction_limit_v, window.oxidation_limit_v) == pytest.approx((1.44, 2.4), abs=1e-12)
    assert reactions(window) == [
        "Na3PS4 → 4 S + P + 3 Na",
        None,
        "Na3PS4 + 5 Na → 4 Na2S + P",
        "Na3PS4 + 8 Na → 4 Na2S + Na3P",
    ]
    assert [r.ions_taken_up for r in window.ranges] == pytest.approx([-3, 0, 5, 8])
    edges = [(r.upper_v, r.lower_v) for r in window.ranges]
    assert edges[0] == (None, pytest.approx(2.4))
    assert edges[-1] == pytest.approx((0.4, 0.0), abs=1e-12)
    assert [upper for upper, _ in edges[1:]] == [lower for _, lower in edges[:-1]]
    assert (window.reduced, window.oxidised) == (window.ranges[2], window.ranges[0])


def test_energies_of_decomposition_by_hand(entry_set):
    window = electrochemical_window(entry_set(ELECTROLYTE), "na3ps4")
    oxidised, own, reduced, at_metal = window.ranges
    # Na3PS4 + 8 Na at 0 V: -(14.4 + 1.2 - 7.2) eV for eight atoms; nothing at the limits; 3 (3 - 2.4) eV at 3 V.
    assert window.decomposition_energy_ev_per_atom(at_metal, 0.0) == pytest.approx(-8.4 / 8)
    assert window.decomposition_energy_ev_per_atom(reduced, 1.44) == pytest.approx(0.0, abs=1e-12)
    assert window.decomposition_energy_ev_per_atom(oxidised, 3.0) == pytest.approx(-1.8 / 8)
    assert window.decomposition_energy_ev_per_atom(own, 2.0) == pytest.approx(0.0, abs=1e-12)


def test_another_polymorph_has_the_window_of_the_lowest(entry_set):
    entries = entry_set(ELECTROLYTE | {"beta:Na3PS4": -0.89})
    beta, alpha = (electrochemical_window(entries, phase) for phase in ("beta", "na3ps4"))
    assert beta.energy_above_hull_ev_per_atom == pytest.approx(0.01)
    assert beta.oxidation_limit_v == alpha.oxidation_limit_v
    assert beta.own.mixture.phases == ("na3ps4",)
    assert reactions(beta) == reactions(alpha)
    energies = [w.decomposition_energy_ev_per_atom(w.ranges[-1], 0.0) for w in (beta, alpha)]
    assert energies[0] - energies[1] == pytest.approx(-0.01)


def test_what_decomposes_by_itself_has_no_window(entry_set):
    # 1.5 Na2S + P + 2.5 S has -5.4 eV, Na3PS4 -4 eV here.
    window = electrochemical_window(entry_set(ELECTROLYTE | {"Na3PS4": -0.5}), "na3ps4")
    assert (window.own, window.reduction_limit_v, window.oxidation_limit_v) == (None, None, None)
    assert (window.reduced, window.oxidised) == (None, None)
    assert window.energy_above_hull_ev_per_atom == pytest.approx(1.4 / 8)
    assert window.at_rest.phases == ("na2s", "s", "p")
    # Sulfur and sodium sulfide lie side by side up to 3.6 / 2 V: no corner of its own in between.
    assert reactions(window) == [
        "Na3PS4 → 4 S + P + 3 Na",
        "Na3PS4 + 5 Na → 4 Na2S + P",
        "Na3PS4 + 8 Na → 4 Na2S + Na3P",
    ]
    assert [r.lower_v for r in window.ranges] == pytest.approx([1.8, 0.4, 0.0], abs=1e-12)


def test_a_formula_is_the_hull_there(entry_set):
    entries = entry_set(ELECTROLYTE)
    assert electrochemical_window(entries, "Na3PS4").own == electrochemical_window(entries, "na3ps4").own
    # Na7PS6 is Na3PS4 + 2 Na2S, which stays as it is between the limits of both.
    mixed = electrochemical_window(entries, "Na7PS6")
    (at_rest,) = [r for r in mixed.ranges if r.reaction is None]
    assert (mixed.own, set(at_rest.mixture.phases)) == (None, {"na3ps4", "na2s"})
    assert (at_rest.lower_v, at_rest.upper_v) == pytest.approx((1.44, 1.8))


def test_sodium_sulfide_is_stable_against_sodium(ji2024):
    window = electrochemical_window(ji2024, "Na2S")
    assert window.reduction_limit_v == 0.0
    assert window.reduced is None
    # Its last plateau, 10.1039/d4ee03160a.
    assert window.oxidation_limit_v == pytest.approx(1.72, abs=0.005)
    assert window.oxidised.reaction.text() == "2 Na2S → Na2S2 + 2 Na"


def test_against_another_metal_than_the_lowest(entry_set):
    entries = entry_set(ELECTROLYTE | {"high:Na": 0.1})
    reference = ElementReference("Na", "high", 0.1, True, 0.1)
    window = electrochemical_window(entries, "na3ps4", references={"Na": reference})
    assert (window.reduction_limit_v, window.oxidation_limit_v) == pytest.approx((1.54, 2.5))
    # Below, the lowest phase of the metal forms.
    assert window.ranges[-1].lower_v == pytest.approx(0.1)
    assert window.decomposition_energy_ev_per_atom(window.ranges[-1], 0.1) == pytest.approx(-8.4 / 8)


@pytest.mark.parametrize(
    ("electrolyte", "ion", "why"),
    [
        ("na3ps4", "Li", "holds no Li"),
        ("P4S10", "Na", "holds no Na"),
        ("na", "Na", "no electrolyte"),
        ("nothing", "Na", "neither a phase"),
    ],
)
def test_what_has_no_window_is_refused(entry_set, electrolyte, ion, why):
    with pytest.raises(ReportError, match=why):
        electrochemical_window(entry_set(ELECTROLYTE), electrolyte, ion)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_transitions_are_those_of_pymatgen(random_entry_sets, phase_diagram, data):
    entries = data.draw(random_entry_sets(2, 3))
    diagram = phase_diagram(entries)
    metal = diagram.el_refs[Element("Na")].energy_per_atom
    hull = Hull(entries)
    for phase in hull.stable_phases:
        composition = entries.entry(phase).composition
        if "Na" not in composition or len(composition) == 1:
            continue
        window = electrochemical_window(entries, phase)
        found = [r.lower_v for r in window.ranges[:-1]]
        profile = diagram.get_element_profile(Element("Na"), Composition(composition))
        theirs = sorted({round(metal - step["chempot"], 6) for step in profile}, reverse=True)
        ours = sorted({round(v, 6) for v in found}, reverse=True)
        assert [v for v in theirs if v > 1e-5] == pytest.approx([v for v in ours if v > 1e-5], abs=2e-6)
