from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Composition, Element

from nawf.phases.formula import ELEMENTS, parse_formula, parse_system

COUNTS = st.dictionaries(st.sampled_from(sorted(ELEMENTS)), st.integers(1, 99), min_size=1, max_size=6)


@given(counts=COUNTS)
def test_parses_what_pymatgen_parses(counts: dict[str, int]) -> None:
    formula = "".join(f"{symbol}{count if count > 1 else ''}" for symbol, count in counts.items())
    assert parse_formula(formula) == counts
    assert Composition(formula).get_el_amt_dict() == counts


def test_elements_are_those_of_pymatgen_up_to_lawrencium() -> None:
    assert {e.symbol for e in Element if e.Z <= 103} - {"D", "T"} == ELEMENTS


@pytest.mark.parametrize(
    "formula", ["", "na2s", "Na2 S", "Na0S", "Na2.5S", "Na2(S)2", "2NaS", "Xx2", "Na2S-", "NaNa", "NaSNa", "Na02S"]
)
def test_refuses_what_is_not_a_plain_formula(formula: str) -> None:
    with pytest.raises(ValueError, match="formula"):
        parse_formula(formula)


def test_system() -> None:
    assert parse_system("Na-S-Sb") == {"Na", "S", "Sb"}
    assert parse_system("Na") == {"Na"}


@pytest.mark.parametrize("system", ["", "NaS", "Na-", "Na-Xx", "na-s", "Na-S-Na", "Na S"])
def test_refuses_what_is_not_a_system(system: str) -> None:
    with pytest.raises(ValueError, match=r"element"):
        parse_system(system)
