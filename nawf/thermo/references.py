"""Which phase of each element formation energies are counted from, and where that is an extrapolation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from nawf.errors import ReportError
from nawf.thermo.conditions import Condition
from nawf.thermo.entries import Entry, EntrySet

# At ambient pressure. In, Sn, Zn, Al: fixed points of ITS-90 (Preston-Thomas, Metrologia 27, 3 (1990),
# 10.1088/0026-1394/27/1/002). The others: CRC Handbook of Chemistry and Physics, section 4; S is the
# monoclinic beta form, into which alpha-S8 turns at 368.5 K. P is missing on purpose: 317 K is white
# phosphorus, while the stable black form has no melting point at ambient pressure, where it sublimes.
MELTING_POINTS_K: Final[Mapping[str, float]] = {
    "Al": 933.47,
    "In": 429.75,
    "K": 336.7,
    "Li": 453.7,
    "Mg": 923.0,
    "Na": 370.9,
    "S": 388.4,
    "Sb": 903.8,
    "Sn": 505.08,
    "Zn": 692.68,
}


@dataclass(frozen=True)
class ElementReference:
    """The phase that an element's energy is counted from, at one condition.

    Attributes
    ----------
    element, phase : str
    energy_ev_per_atom : float
    is_named : bool
        Whether the user named it; otherwise it is the lowest-lying one.
    above_lowest_ev_per_atom : float
        Its energy above the lowest-lying polymorph; 0 unless named.
    """

    element: str
    phase: str
    energy_ev_per_atom: float
    is_named: bool = False
    above_lowest_ev_per_atom: float = 0.0


def element_references(
    entry_set: EntrySet, elements: Iterable[str] | None = None, named: Mapping[str, str] | None = None
) -> dict[str, ElementReference]:
    """Reference phase of each element: the lowest-lying polymorph at that condition unless named.

    Parameters
    ----------
    entry_set : EntrySet
    elements : iterable of str, optional
        All elements of the set unless given.
    named : mapping of element to phase, optional
        References chosen by the user; those of other elements are ignored.

    Raises
    ------
    ReportError
        When an element has no phase in the set, or a named phase is absent or of another composition.
    """
    wanted = sorted(set(entry_set.elements if elements is None else elements))
    return {element: _reference(entry_set, element, (named or {}).get(element)) for element in wanted}


def _reference(entry_set: EntrySet, element: str, named: str | None) -> ElementReference:
    polymorphs = [entry for entry in entry_set.entries if set(entry.composition) == {element}]
    if named is not None:
        return _named_reference(entry_set, element, named, polymorphs)
    if not polymorphs:
        raise ReportError(
            f"no phase of pure {element} has an energy at {entry_set.condition.label}{entry_set.lost}",
            where=element,
            hint=entry_set.how_to_have_them(
                f"add a phase of {element} to the campaign and run it, or leave {element} out"
            ),
        )
    lowest = min(polymorphs, key=lambda entry: (entry.energy_ev_per_atom, entry.phase))
    return ElementReference(element, lowest.phase, lowest.energy_ev_per_atom)


def _named_reference(entry_set: EntrySet, element: str, named: str, polymorphs: list[Entry]) -> ElementReference:
    try:
        entry = entry_set.entry(named)
    except ReportError as error:
        known = ", ".join(e.phase for e in polymorphs) or "none"
        raise ReportError(
            f"cannot be the reference of {element}: {error.what}",
            where=named,
            hint=f"phases of {element} at {entry_set.condition.label}: {known}",
        ) from error
    if set(entry.composition) != {element}:
        raise ReportError(
            f"is {entry.formula} and cannot be the reference of {element}",
            where=named,
            hint=f"name a phase of pure {element}",
        )
    above = entry.energy_ev_per_atom - min(e.energy_ev_per_atom for e in polymorphs)
    return ElementReference(element, named, entry.energy_ev_per_atom, True, above)


def extrapolation_notes(elements: Iterable[str], condition: Condition) -> tuple[str, ...]:
    """A sentence for each element whose solid reference is extrapolated, or not checked, at a temperature."""
    temperature = condition.temperature_k
    if not temperature:
        return ()
    notes = []
    for element in sorted(set(elements)):
        melting = MELTING_POINTS_K.get(element)
        if melting is None:
            notes.append(
                f"{element}: no melting point is on file, so whether its solid reference still exists "
                f"at {condition.label} was not checked"
            )
        elif temperature > melting:
            notes.append(
                f"{element} melts at {melting:.0f} K: its solid reference at {condition.label} is an extrapolation"
            )
    return tuple(notes)
