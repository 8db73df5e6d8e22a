"""Convex hull of a chemical system: energy above it, depth below it, and decomposition.

The hull at a composition is the energy of the cheapest mixture of phases with that composition, found by
linear programming, so that any number of elements, polymorphs, ties and phases on tie lines need no special
case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from nawf.errors import ReportError
from nawf.thermo.conditions import STATIC
from nawf.thermo.entries import Entry, EntrySet, composition_key, format_formula
from nawf.thermo.mixtures import (
    Mixture,
    cheapest_mixture,
    cheapest_open_mixture,
    mixture_of,
    present_in,
)

STABLE_WITHIN_EV_PER_ATOM = 1e-9
"""A phase this close to the hull lies on it: far below any error of an energy, above that of the solver."""


@dataclass(frozen=True)
class HullRow:
    """What a hull says of one phase; energies in eV per atom.

    Attributes
    ----------
    energy_above_hull_ev_per_atom : float
        0 for a phase on the hull.
    hull_depth_ev_per_atom : float or None
        Zero or negative; None for a phase above the hull and for elements.
    competing : Mixture or None
        What the phase decomposes into: the hull without its composition where it is stable, the hull
        otherwise; None for the lowest polymorph of an element.
    """

    phase: str
    formula: str
    energy_above_hull_ev_per_atom: float
    hull_depth_ev_per_atom: float | None
    competing: Mixture | None
    origin: str
    warnings: tuple[str, ...] = ()

    @property
    def is_stable(self) -> bool:
        """Whether the phase lies on the hull."""
        return self.energy_above_hull_ev_per_atom == 0.0


class Hull:
    """Convex hull of all phases of a chemical system.

    Parameters
    ----------
    entries : EntrySet or iterable of Entry
        All at one condition.
    elements : iterable of str, optional
        Chemical system; phases with other elements are left aside. All elements present unless given.

    Raises
    ------
    ReportError
        When no phase is left.
    """

    def __init__(self, entries: EntrySet | Iterable[Entry], elements: Iterable[str] | None = None) -> None:
        self._set = entries if isinstance(entries, EntrySet) else EntrySet(STATIC, tuple(entries))
        given = self._set.entries
        system = {el for e in given for el in e.composition} if elements is None else set(elements)
        self.elements: tuple[str, ...] = tuple(sorted(system))
        self.entries: tuple[Entry, ...] = tuple(e for e in given if present_in(e, system))
        if not self.entries:
            raise ReportError(
                "there is no phase to build a hull from",
                where="-".join(self.elements) or None,
                hint="run a campaign with phases of this chemical system",
            )
        self._by_phase = {entry.phase: entry for entry in self.entries}
        self._above: dict[str, float] = {}
        self._without: dict[str, Mixture] = {}

    @cached_property
    def ground_states(self) -> tuple[Entry, ...]:
        """The lowest polymorph of each composition; of two equal ones the first by name."""
        lowest: dict[object, Entry] = {}
        for entry in sorted(self.entries, key=lambda e: (e.energy_ev_per_atom, e.phase)):
            lowest.setdefault(entry.key, entry)
        return tuple(lowest.values())

    @cached_property
    def stable_phases(self) -> tuple[str, ...]:
        """Phases on the hull, elements included, in the order given."""
        return tuple(entry.phase for entry in self.entries if self.is_stable(entry.phase))

    @property
    def low_trust_stable_phases(self) -> tuple[str, ...]:
        """Phases on the hull whose structure is only a guess from a prototype."""
        return tuple(phase for phase in self.stable_phases if self.entry(phase).is_low_trust)

    def entry(self, phase: str) -> Entry:
        """Entry of a phase of this hull; ReportError where there is none."""
        if phase not in self._by_phase:
            raise ReportError(f"no such phase in the system {'-'.join(self.elements)}", where=phase)
        return self._by_phase[phase]

    def is_stable(self, phase: str) -> bool:
        """Whether a phase lies on the hull."""
        return self.energy_above_hull_ev_per_atom(phase) == 0.0

    def equilibrium(self, composition: Mapping[str, float]) -> Mixture:
        """Equilibrium mixture of a composition, amounts and energy per formula unit as given.

        Raises
        ------
        ReportError
            When the phases at hand cannot make up the composition.
        """
        return self._cheapest(self.ground_states, composition)

    def equilibrium_in_contact_with(
        self, composition: Mapping[str, float], element: str, chemical_potential_ev: float
    ) -> tuple[Mixture, float] | None:
        """Equilibrium of a composition open to the uptake of an element, and atoms taken up.

        See `nawf.thermo.mixtures.cheapest_open_mixture`; phases of the pure element take no part.
        """
        entries = [e for e in self.ground_states if set(e.composition) != {element}]
        return cheapest_open_mixture(entries, composition, element, chemical_potential_ev)

    def hull_energy_ev_per_atom(self, composition: Mapping[str, float]) -> float:
        """Energy of the hull at a composition (eV per atom); errors as for `equilibrium`."""
        return self.equilibrium(composition).energy_ev / sum(composition.values())

    def decomposition(self, what: str | Mapping[str, float]) -> Mixture:
        """Equilibrium mixture of a phase or a composition; a stable phase is its own.

        Raises
        ------
        ReportError
            When the phase is unknown, or the phases at hand cannot make up the composition.
        """
        if not isinstance(what, str):
            return self.equilibrium(what)
        entry = self.entry(what)
        if self.is_stable(what):
            return mixture_of([(entry, entry.atoms)])
        return self.equilibrium(entry.composition)

    def energy_above_hull_ev_per_atom(self, phase: str) -> float:
        """Energy of a phase above the hull (eV per atom), zero or more."""
        if phase not in self._above:
            entry = self.entry(phase)
            above = entry.energy_ev_per_atom - self.hull_energy_ev_per_atom(entry.composition)
            self._above[phase] = above if above > STABLE_WITHIN_EV_PER_ATOM else 0.0
        return self._above[phase]

    def equilibrium_without_composition(self, phase: str) -> Mixture:
        """What would be there instead of a phase if no phase of its composition existed.

        Raises
        ------
        ReportError
            When the phase is unknown or the other phases cannot make up its composition.
        """
        entry = self.entry(phase)
        if phase not in self._without:
            others = [other for other in self.ground_states if other.key != entry.key]
            self._without[phase] = self._cheapest(others, entry.composition)
        return self._without[phase]

    def hull_depth_ev_per_atom(self, phase: str) -> float | None:
        """Energy of a stable compound minus the hull rebuilt without its composition (eV per atom).

        Returns
        -------
        float or None
            Zero or negative, the driving force to form the phase; None for a phase above the hull, of which a
            depth says nothing, and for elements.

        Raises
        ------
        ReportError
            As for `equilibrium_without_composition`.
        """
        entry = self.entry(phase)
        if entry.is_element or not self.is_stable(phase):
            return None
        rest = self.equilibrium_without_composition(phase).energy_ev / entry.atoms
        depth = entry.energy_ev_per_atom - rest
        return depth if depth < -STABLE_WITHIN_EV_PER_ATOM else 0.0

    def rows(self) -> tuple[HullRow, ...]:
        """One row for each phase, in the order given; errors as for `hull_depth_ev_per_atom`."""
        return tuple(self._row(entry) for entry in self.entries)

    def _row(self, entry: Entry) -> HullRow:
        stable = self.is_stable(entry.phase)
        if not stable:
            competing: Mixture | None = self.decomposition(entry.phase)
        else:
            competing = None if entry.is_element else self.equilibrium_without_composition(entry.phase)
        return HullRow(
            entry.phase,
            entry.formula,
            self.energy_above_hull_ev_per_atom(entry.phase),
            self.hull_depth_ev_per_atom(entry.phase),
            competing,
            entry.origin,
            entry.warnings,
        )

    def _cheapest(self, entries: Iterable[Entry], composition: Mapping[str, float]) -> Mixture:
        candidates = tuple(entries)
        mixture = cheapest_mixture(candidates, composition)
        if mixture is None:
            raise ReportError(
                f"the phases at hand ({', '.join(e.phase for e in candidates) or 'none'}) cannot make it up "
                f"at {self._set.condition.label}{self._set.lost}",
                where=format_formula(composition),
                hint=self._set.how_to_have_them("add phases of the pure elements to the campaign and run them"),
            )
        # A phase of this very composition is named as such even where a mixture ties with it.
        key, atoms = composition_key(composition), sum(composition.values())
        for entry in candidates:
            if entry.key == key:
                pure = mixture_of([(entry, atoms)])
                if pure.energy_ev <= mixture.energy_ev + STABLE_WITHIN_EV_PER_ATOM * atoms:
                    return pure
        return mixture
