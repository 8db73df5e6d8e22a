"""Which phases of the library share a composition, and that nothing is read before it is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nawf.phases.library import Library, load_library
from nawf.results.crystal import Crystal
from nawf.store.polymorphs import Polymorphs, atom_fractions


def crystal_of(phase: str) -> Crystal:
    return Crystal.from_structure(load_library().get(phase).structure())


def test_the_other_phases_of_a_composition() -> None:
    polymorphs = Polymorphs()
    assert set(polymorphs.of("sn-beta", crystal_of("sn-beta"))) == {"sn-alpha"}
    assert set(polymorphs.of("mine", crystal_of("sn-beta"))) == {"sn-alpha", "sn-beta"}
    others = polymorphs.of("p-black", crystal_of("p-black"))
    assert set(others) == {"p-fibrous", "p-hittorf"}
    assert len(others) == 2
    assert len(others["p-hittorf"]) == 84
    assert others["p-hittorf"] == crystal_of("p-hittorf")


def test_a_composition_that_the_library_lacks_has_none() -> None:
    gold = Crystal.from_arrays(np.eye(3) * 4.0, ["Au"], [[0, 0, 0]])
    assert dict(Polymorphs().of("au", gold)) == {}


def test_multiples_of_a_formula_are_one_composition() -> None:
    assert atom_fractions({"P": 4, "S": 10}) == atom_fractions({"S": 5, "P": 2})
    assert atom_fractions({"P": 4, "S": 10}) != atom_fractions({"P": 4, "S": 9})


def test_a_library_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = Library((load_library().get("sn-alpha"),))
    monkeypatch.setattr("nawf.phases.library.load_library", refuse)
    assert set(Polymorphs(alone).of("sn-beta", crystal("Sn"))) == {"sn-alpha"}
    assert dict(Polymorphs(Library(())).of("sn-beta", crystal("Sn"))) == {}


def test_no_library_is_read_before_a_phase_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nawf.phases.library.load_library", refuse)
    others = Polymorphs().of("sn-beta", crystal("Sn"))
    with pytest.raises(AssertionError, match="was read"):
        list(others)


def refuse(*folders: Any) -> Library:
    raise AssertionError("the library was read")


def crystal(symbol: str) -> Crystal:
    return Crystal.from_arrays(np.eye(3) * 4.0, [symbol], [[0, 0, 0]])
