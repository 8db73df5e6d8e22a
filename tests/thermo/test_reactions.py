import pytest

from nawf.thermo.entries import Entry, parse_formula
from nawf.thermo.mixtures import mixture_of
from nawf.thermo.reactions import reaction_between


def mixture(**formula_units):
    """Mixture of phases named by formula, from formula units."""
    entries = {formula: Entry(formula.lower(), parse_formula(formula), -1.0) for formula in formula_units}
    return mixture_of((entries[formula], n * entries[formula].atoms) for formula, n in formula_units.items())


@pytest.mark.parametrize(
    ("before", "after", "taken_up", "text"),
    [
        ({"Na2S4": 0.25}, {"Na2S": 1.0}, 1.5, "Na2S4 + 6 Na → 4 Na2S"),
        ({"S8": 1 / 8}, {"Na2S5": 0.2}, 0.4, "5 S8 + 16 Na → 8 Na2S5"),
        ({"SnS2": 1.0}, {"Sn": 1.0, "Na2S": 2.0}, 4.0, "SnS2 + 4 Na → 2 Na2S + Sn"),
        # Na2S is there before and after and takes no part.
        ({"Sn": 1.0, "Na2S": 2.0}, {"NaSn": 1.0, "Na2S": 2.0}, 1.0, "Sn + Na → NaSn"),
        # Na2S is produced on top of what was there.
        ({"Na2S": 1.0, "S": 1.0}, {"Na2S": 2.0}, 2.0, "S + 2 Na → Na2S"),
        # Given up, and neither.
        ({"Na2S": 1.0}, {"S": 1.0}, -2.0, "Na2S → S + 2 Na"),
        ({"Na2S2": 1.0}, {"Na2S": 1.0, "S": 1.0}, 0.0, "Na2S2 → Na2S + S"),
    ],
)
def test_smallest_whole_numbers_without_bystanders(before, after, taken_up, text):
    assert reaction_between(mixture(**before), mixture(**after), "Na", taken_up).text() == text


def test_by_phase_identifier():
    reaction = reaction_between(mixture(S=1.0), mixture(Na2S=1.0), "Na", 2.0, "na-bcc")
    assert reaction.text() == "S + 2 Na → Na2S"
    assert reaction.text(by_phase=True) == "s + 2 na-bcc → na2s"
    assert (reaction.reactants, reaction.products) == ({"s": 1.0, "na-bcc": 2.0}, {"na2s": 1.0})


def test_without_whole_numbers_the_first_reactant_counts_one():
    reaction = reaction_between(mixture(S=2.0), mixture(NaS=2.0), "Na", 2.0 * 0.7310585786)
    assert reaction.text() == "S + 0.7311 Na → NaS"
