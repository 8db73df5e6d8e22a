import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition

from nawf.errors import ReportError
from nawf.thermo.conditions import STATIC
from nawf.thermo.entries import Entry, EntrySet
from nawf.thermo.hull import Hull


def amounts(mixture):
    return {amount.phase: amount.formula_units for amount in mixture.amounts}


def test_depths_that_follow_from_published_formation_energies(ji2024):
    # 10.1039/d4ee03160a; the depths printed there (-512, -4, -14, -67) do not follow from its energies.
    hull = Hull(ji2024)
    depths = {p: 1e3 * hull.hull_depth_ev_per_atom(p) for p in ("na2s", "na2s2", "na2s4", "na2s5")}
    # By hand, e.g. Na2S2 against (2 Na2S + Na2S4 in atoms 6:6) / 2: -0.976 - (-1.224 - 0.687) / 2.
    assert depths == pytest.approx({"na2s": -573.33, "na2s2": -20.5, "na2s4": -10.44, "na2s5": -2.14}, abs=0.01)
    assert hull.stable_phases == ji2024.phases


def test_toy_ternary_by_hand(entry_set):
    # AB at -1 (eV/atom) is stable; A3B (meta) at -0.4 lies 0.1 above A + AB (-0.5); ABC at -0.8 lies
    # 2/3 x 0.2 deep below AB + C (-2/3).
    hull = Hull(entry_set({"Na": 0.0, "S": 0.0, "Sn": 0.0, "NaS": -1.0, "Na3S": -0.4, "NaSSn": -0.8}))
    assert hull.energy_above_hull_ev_per_atom("na3s") == pytest.approx(0.1, abs=1e-12)
    assert hull.hull_depth_ev_per_atom("na3s") is None
    assert amounts(hull.decomposition("na3s")) == pytest.approx({"na": 2.0, "nas": 1.0})
    assert hull.hull_depth_ev_per_atom("nassn") == pytest.approx(-0.8 + 2 / 3, abs=1e-12)
    assert hull.hull_depth_ev_per_atom("na") is None
    assert amounts(hull.equilibrium_without_composition("nassn")) == pytest.approx({"nas": 1.0, "sn": 1.0})
    mixture = hull.decomposition({"Na": 3.0, "S": 2.0, "Sn": 1.0})
    assert amounts(mixture) == pytest.approx({"nassn": 1.0, "nas": 1.0, "na": 1.0})
    assert mixture.energy_ev == pytest.approx(3 * -0.8 + 2 * -1.0)
    assert hull.hull_energy_ev_per_atom({"Na": 3.0, "S": 2.0, "Sn": 1.0}) == pytest.approx(-4.4 / 6)
    assert sum(a.atom_fraction for a in mixture.amounts) == pytest.approx(1.0)


def test_two_polymorphs_of_equal_energy_are_both_stable_and_equally_deep(entry_set):
    hull = Hull(entry_set({"Na": 0.0, "S": 0.0, "b:Na2S": -1.2, "a:Na4S2": -1.2, "c:Na2S": -1.19}))
    assert hull.stable_phases == ("na", "s", "b", "a")
    assert hull.hull_depth_ev_per_atom("a") == hull.hull_depth_ev_per_atom("b") == pytest.approx(-1.2)
    assert hull.energy_above_hull_ev_per_atom("c") == pytest.approx(0.01)
    assert hull.hull_depth_ev_per_atom("c") is None
    assert amounts(hull.decomposition("b")) == {"b": 1.0}
    assert amounts(hull.decomposition("c")) == pytest.approx({"a": 0.5})


def test_a_compound_exactly_on_a_tie_line_is_stable_with_no_depth(entry_set):
    hull = Hull(entry_set({"Na": 0.0, "S": 0.0, "NaS": -0.9, "Na3S": -0.45}))
    assert hull.is_stable("na3s")
    assert hull.hull_depth_ev_per_atom("na3s") == 0.0
    assert amounts(hull.decomposition({"Na": 3.0, "S": 1.0})) == {"na3s": 1.0}


def test_noise_is_rounded_away(entry_set):
    hull = Hull(entry_set({"Na": 0.0, "S": 0.0, "NaS": -0.9, "Na3S": -0.45 + 3e-12, "NaS3": -0.45 + 1e-6}))
    assert hull.energy_above_hull_ev_per_atom("na3s") == 0.0
    assert hull.energy_above_hull_ev_per_atom("nas3") == pytest.approx(1e-6, abs=1e-11)


def test_one_element(entry_set):
    hull = Hull(entry_set({"a:S": -4.0, "b:S8": -4.1}))
    assert hull.stable_phases == ("b",)
    assert hull.energy_above_hull_ev_per_atom("a") == pytest.approx(0.1)
    assert hull.hull_depth_ev_per_atom("b") is None


def test_large_total_energies_do_not_cost_accuracy(entry_set):
    shifts = {"Na": -4419.123, "S": -10832.77}
    formation = {"Na2S": -1.224, "Na2S2": -0.976, "Na2S4": -0.687, "Na": 0.0, "S": 0.0}

    def total(formula, energy):
        composition = Composition(formula)
        return energy + sum(composition.get_atomic_fraction(el) * e for el, e in shifts.items())

    hull = Hull(entry_set({formula: total(formula, energy) for formula, energy in formation.items()}))
    assert hull.hull_depth_ev_per_atom("na2s2") == pytest.approx(-0.0205, abs=1e-9)


def test_low_trust_phases_on_the_hull():
    origins = {"na2s": ("Na2S", -1.0, "experimental"), "guess": ("NaS", -0.9, "prototype")}
    entries = [Entry("na", {"Na": 1.0}, 0.0), Entry("s", {"S": 1.0}, 0.0)]
    for phase, (formula, energy, origin) in origins.items():
        entries.append(Entry(phase, Composition(formula).get_el_amt_dict(), energy, origin))
    entries.append(Entry("high", {"Na": 1.0, "S": 3.0}, 0.5, "prototype"))
    hull = Hull(entries)
    assert hull.low_trust_stable_phases == ("guess",)


def test_rows(entry_set):
    hull = Hull(entry_set({"Na": 0.0, "S": 0.0, "NaS": -1.0, "Na3S": -0.4}))
    na, _, nas, na3s = hull.rows()
    assert (na.is_stable, na.hull_depth_ev_per_atom, na.competing) == (True, None, None)
    # Without NaS the hull goes through Na3S, which is no part of the full hull: 2/3 x -0.4 at NaS.
    assert nas.hull_depth_ev_per_atom == pytest.approx(-1.0 + 0.8 / 3)
    assert set(nas.competing.phases) == {"na3s", "s"}
    assert (na3s.is_stable, na3s.hull_depth_ev_per_atom) == (False, None)
    assert set(na3s.competing.phases) == {"na", "nas"}


def test_a_subsystem_leaves_the_other_phases_aside(entry_set):
    entries = entry_set({"Na": 0.0, "S": 0.0, "P": 0.0, "Na3P": -0.5, "Na2S": -1.2, "Na3PS4": -0.9})
    hull = Hull(entries, ["Na", "S"])
    assert hull.stable_phases == ("na", "s", "na2s")
    with pytest.raises(ReportError, match="na3p: no such phase in the system Na-S"):
        hull.energy_above_hull_ev_per_atom("na3p")


def test_what_cannot_be_made_up(entry_set):
    hull = Hull(entry_set({"Na": 0.0, "Na2S": -1.2}))
    for composition in ({"Na": 1.0, "S": 1.0}, {"S": 1.0}, {"P": 1.0}):
        with pytest.raises(
            ReportError, match=r"cannot make it up at static \(add phases of the pure elements to .* run them\)"
        ):
            hull.decomposition(composition)
    with pytest.raises(ReportError, match=r"Na2S: the phases at hand \(na\) cannot make it up"):
        hull.hull_depth_ev_per_atom("na2s")
    with pytest.raises(ReportError, match="Na-P: there is no phase"):
        Hull(entry_set({"S": 0.0}), ["Na", "P"])


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_as_pymatgen(data, random_entry_sets, phase_diagram):
    entries = data.draw(random_entry_sets())
    diagram = phase_diagram(entries)
    theirs = {e.name: diagram.get_e_above_hull(e) for e in diagram.all_entries}
    hull = Hull(entries)
    for entry in entries.entries:
        above = hull.energy_above_hull_ev_per_atom(entry.phase)
        assert above >= 0
        assert above == pytest.approx(theirs[entry.phase], abs=1e-8)
        depth = hull.hull_depth_ev_per_atom(entry.phase)
        if entry.is_element or theirs[entry.phase] > 1e-6:
            assert depth is None
            continue
        rest = phase_diagram(entries.without([entry.key]))
        expected = entry.energy_ev_per_atom - rest.get_hull_energy_per_atom(Composition(entry.composition))
        assert depth <= 0
        assert depth == pytest.approx(expected, abs=1e-8)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_mixtures_conserve_atoms_and_give_the_energy(data, random_entry_sets, phase_diagram):
    entries = data.draw(random_entry_sets())
    hull = Hull(entries)
    composition = {el: float(data.draw(st.integers(1, 7))) for el in entries.elements}
    mixture = hull.decomposition(composition)
    atoms = dict.fromkeys(composition, 0.0)
    for amount in mixture.amounts:
        assert amount.formula_units > 0
        assert hull.is_stable(amount.phase)
        for element, n in entries.entry(amount.phase).composition.items():
            atoms[element] += amount.formula_units * n
    assert atoms == pytest.approx(composition, abs=1e-9)
    assert len(mixture.amounts) <= len(composition)
    theirs = phase_diagram(entries).get_hull_energy(Composition(composition))
    assert mixture.energy_ev == pytest.approx(theirs, abs=1e-7)


def test_an_entry_set_or_entries_make_the_same_hull(ji2024):
    assert Hull(ji2024.entries).stable_phases == Hull(EntrySet(STATIC, ji2024.entries)).stable_phases
