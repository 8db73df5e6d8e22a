"""Entry sets that the tests of thermo share."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from hypothesis import strategies as st
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from nawf.thermo.conditions import STATIC, Condition
from nawf.thermo.entries import Entry, EntrySet, parse_formula

# Static r2SCAN formation energies, eV/atom: Ji et al., Energy Environ. Sci. 17, 9255 (2024), 10.1039/d4ee03160a.
JI2024 = {"Na2S": -1.224, "Na2S2": -0.976, "Na2S4": -0.687, "Na2S5": -0.591, "Na": 0.0, "S": 0.0}

SYSTEM = ("Na", "S", "P", "Sn")


def _entry_set(energies: Mapping[str, float], condition: Condition = STATIC) -> EntrySet:
    """Entries from energies per atom by formula, or by ``phase:formula``; phases are lower-case formulas."""
    entries = []
    for name, energy in energies.items():
        phase, _, formula = name.rpartition(":")
        entries.append(Entry(phase or formula.lower(), parse_formula(formula), energy))
    return EntrySet(condition, tuple(entries))


@pytest.fixture(scope="session")
def entry_set() -> Callable[..., EntrySet]:
    return _entry_set


@pytest.fixture(scope="session")
def ji2024() -> EntrySet:
    return _entry_set(JI2024)


@pytest.fixture(scope="session")
def random_entry_sets() -> Callable[..., st.SearchStrategy[EntrySet]]:
    """Strategy: one to four elements with polymorphs, up to twelve compounds, energies on a grid of 1 meV.

    The grid makes exact ties common, and keeps apart what is no tie.
    """

    @st.composite
    def strategy(draw: st.DrawFn, least_elements: int = 1, least_compounds: int = 0) -> EntrySet:
        elements = SYSTEM[: draw(st.integers(least_elements, len(SYSTEM)))]
        references = {el: draw(st.integers(-9000, 0)) for el in elements}
        entries = []
        for el, reference in references.items():
            for number, above in enumerate(draw(st.lists(st.integers(0, 50), min_size=1, max_size=3))):
                entries.append(Entry(f"{el}-{number}", {el: 1.0}, (reference + above) / 1000))
        amounts = st.lists(st.integers(0, 5), min_size=len(elements), max_size=len(elements))
        drawn = st.tuples(amounts, st.integers(-1000, 200))
        compounds = draw(st.lists(drawn, min_size=least_compounds, max_size=12))
        for number, (counts, formation) in enumerate(compounds):
            if sum(n > 0 for n in counts) < 2:
                continue
            composition = {el: float(n) for el, n in zip(elements, counts, strict=True) if n}
            energy = sum(n * references[el] for el, n in composition.items()) / sum(counts) + formation
            entries.append(Entry(f"compound-{number}", composition, energy / 1000))
        return EntrySet(STATIC, tuple(entries))

    return strategy


@pytest.fixture(scope="session")
def phase_diagram() -> Callable[[EntrySet], PhaseDiagram]:
    """pymatgen's phase diagram of the same entries, named by phase."""

    def build(entries: EntrySet) -> PhaseDiagram:
        return PhaseDiagram(
            [PDEntry(Composition(e.composition), e.energy_ev_per_formula, name=e.phase) for e in entries.entries]
        )

    return build
