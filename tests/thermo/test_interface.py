import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from pymatgen.analysis.interface_reactions import InterfacialReactivity
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from nawf.errors import ReportError
from nawf.thermo.hull import Hull
from nawf.thermo.interface import interface

ELECTROLYTE = {"Na": 0.0, "P": 0.0, "S": 0.0, "Na2S": -1.2, "Na3P": -0.3, "Na3PS4": -0.9}


def texts(found):
    return [r.reaction.text() for r in found.reactions]


def test_a_thiophosphate_and_sodium_by_hand(entry_set):
    found = interface(entry_set(ELECTROLYTE), "na3ps4", "na")
    assert texts(found) == ["Na3PS4 + 5 Na → 4 Na2S + P", "Na3PS4 + 8 Na → 4 Na2S + Na3P"]
    # -7.2 eV for 13 atoms, then -8.4 eV for 16: per formula unit Na2S has -3.6, Na3P -1.2 and Na3PS4 -7.2 eV.
    assert [r.second_fraction for r in found.reactions] == pytest.approx([5 / 13, 8 / 16])
    assert [r.energy_ev_per_atom for r in found.reactions] == pytest.approx([-7.2 / 13, -8.4 / 16])
    # 96.485 kJ/mol for an electronvolt.
    assert [r.energy_kj_per_mol for r in found.reactions] == pytest.approx([-7.2 * 96.48533, -8.4 * 96.48533])
    assert found.strongest == found.reactions[0]
    assert [r.mutual_energy_ev_per_atom for r in found.reactions] == [r.energy_ev_per_atom for r in found.reactions]


def test_the_order_of_the_two_does_not_matter(entry_set):
    entries = entry_set(ELECTROLYTE)
    one, other = interface(entries, "na3ps4", "na"), interface(entries, "na", "na3ps4")
    assert [r.second_fraction for r in one.reactions] == pytest.approx(
        [1 - r.second_fraction for r in reversed(other.reactions)]
    )
    assert one.strongest.energy_ev_per_atom == pytest.approx(other.strongest.energy_ev_per_atom)
    assert texts(other)[-1] == "5 Na + Na3PS4 → 4 Na2S + P"


def test_what_a_metastable_phase_wins_on_its_own_is_not_mutual(entry_set):
    entries = entry_set(ELECTROLYTE | {"high:Na3PS4": -0.85})
    stable, high = (interface(entries, phase, "na") for phase in ("na3ps4", "high"))
    assert high.first.energy_above_hull_ev_per_atom == pytest.approx(0.05)
    for one, other in zip(stable.reactions, high.reactions, strict=True):
        assert other.mutual_energy_ev_per_atom == pytest.approx(one.mutual_energy_ev_per_atom)
        won = 0.05 * (1 - one.second_fraction)
        assert other.energy_ev_per_atom == pytest.approx(one.energy_ev_per_atom - won)


def test_phases_of_one_tie_line_do_not_react(entry_set):
    found = interface(entry_set(ELECTROLYTE), "na2s", "na3ps4")
    assert (found.reactions, found.strongest) == ((), None)


def test_a_formula_is_the_hull_there(entry_set):
    # Na7PS6 is Na3PS4 and 2 Na2S; the sulfide stands by.
    found = interface(entry_set(ELECTROLYTE), "Na7PS6", "Na")
    assert texts(found) == ["Na3PS4 + 5 Na → 4 Na2S + P", "Na3PS4 + 8 Na → 4 Na2S + Na3P"]
    assert found.reactions[1].energy_ev_per_atom == pytest.approx(-8.4 / 22)
    # Per mole of what is written, bystanders or not.
    assert found.reactions[1].energy_kj_per_mol == pytest.approx(-8.4 * 96.48533)


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ("na2s", "Na4S2", "same composition"),
        ("nothing", "na", "neither a phase"),
        ("na3ps4", "SnS2", "cannot make it up"),
    ],
)
def test_what_is_no_pair_is_refused(entry_set, first, second, why):
    with pytest.raises(ReportError, match=why):
        interface(entry_set(ELECTROLYTE), first, second)


@pytest.mark.filterwarnings("ignore:The reactant")
@settings(deadline=None, max_examples=60, phases=[Phase.reuse, Phase.generate])
@given(data=st.data())
def test_corners_are_those_of_pymatgen(random_entry_sets, data):
    entries = data.draw(random_entry_sets(2, 3))
    stable = [p for p in Hull(entries).stable_phases if not entries.entry(p).is_element]
    assume(stable)
    first = data.draw(st.sampled_from(stable))
    second = data.draw(st.sampled_from(Hull(entries).stable_phases))
    assume(entries.entry(first).key != entries.entry(second).key)
    found = interface(entries, first, second)
    one, other = (Composition(entries.entry(p).composition) for p in (first, second))
    # It reads the names of entries as formulas.
    diagram = PhaseDiagram([PDEntry(Composition(e.composition), e.energy_ev_per_formula) for e in entries.entries])
    theirs = InterfacialReactivity(one, other, diagram, norm=True)
    # Their x is the share of atoms of the first; between equal kinks they see corners where nothing bends.
    energies = {round(1 - x, 6): energy for _, x, energy, _, _ in theirs.get_kinks()}
    ours = {round(r.second_fraction, 6): r.energy_ev_per_atom for r in found.reactions}
    for x, energy in ours.items():
        nearest = min(energies, key=lambda y: abs(y - x))
        assert nearest == pytest.approx(x, abs=1e-5)
        assert energies[nearest] == pytest.approx(energy, abs=1e-6)
    assert min(energies.values()) == pytest.approx(min(ours.values(), default=0.0), abs=1e-6)
    # Where they see a corner and we do not, our line runs through it.
    known = {0.0: 0.0, 1.0: 0.0} | ours
    places = sorted(known)
    for x, energy in energies.items():
        assert np.interp(x, places, [known[place] for place in places]) == pytest.approx(energy, abs=1e-5)
