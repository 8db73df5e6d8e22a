"""Report of reactions at interfaces: the strongest of each pair, or all of the pairs that are named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nawf.errors import ReportError
from nawf.reports.basis import Basis
from nawf.reports.tables import Column, Table, shown
from nawf.reports.window import known_electrolytes
from nawf.thermo.conditions import Condition
from nawf.thermo.entries import EntrySet, composition_key, parse_formula
from nawf.thermo.interface import Interface, InterfaceReaction, interface
from nawf.units import MEV_PER_EV

PARTNERS = ("Na", "Na15Sn4", "S", "Na2S")
"""What electrolytes of a sodium-sulfur cell touch: metal, alloy, and the cathode at both ends."""

Pair = tuple[str, str]

_COLUMNS = (
    Column("first", "between", marks_key="first_marks"),
    Column("second", "and", marks_key="second_marks"),
    Column("condition", "condition"),
    Column("second_fraction", "x", ".3f"),
    Column("energy_mev_per_atom", "meV/atom", ".1f"),
    Column("mutual_energy_mev_per_atom", "mutual", ".1f"),
    Column("energy_kj_per_mol", "kJ/mol", ".0f"),
    Column("reaction", "reaction"),
)


@dataclass(frozen=True)
class InterfaceRequest:
    """Pairs to report, each by phase or formula; none for all electrolytes with all partners that there are."""

    pairs: tuple[Pair, ...] = ()


def where_formed(basis: Basis, request: InterfaceRequest) -> Basis:
    """The basis without the unasked conditions at which a named pair, or every one, cannot be formed."""
    return basis.where_formed(lambda one: _all_interfaces(one, request), _elements(basis, _pairs(basis, request)))


def interface_table(basis: Basis, request: InterfaceRequest) -> Table:
    """A row for each reaction of the pairs that are named, or for the strongest of all pairs.

    Raises
    ------
    ReportError
        When there is no pair, or a named one cannot be formed.
    """
    found = _all_interfaces(basis, request)
    rows = [row for one in found for row in _rows(basis, one, every=bool(request.pairs))]
    notes = [
        "x: share of all atoms that come from the second one. meV/atom: energy of reaction per atom of both; mutual: "
        "without what either would win by decomposing on its own; kJ/mol: of the reaction as written. All of it for "
        "crystals in equilibrium: what is held up by kinetics, or is not crystalline, is not in it.",
        *_notes(found, every=bool(request.pairs)),
    ]
    names = dict.fromkeys((one.first.name, one.second.name) for one in found)
    return Table("Reactions at interfaces", _COLUMNS, rows, notes + basis.notes(_elements(basis, list(names))))


def _all_interfaces(basis: Basis, request: InterfaceRequest) -> list[Interface]:
    """Interfaces of all pairs, pair by pair, one for each condition at which both have an energy."""
    for name in {name for pair in request.pairs for name in pair}:
        basis.check_not_missing(name, "has no energy")
    pairs = _pairs(basis, request)
    found: list[Interface] = []
    for pair in pairs:
        found += [
            interface(entry_set, *pair)
            for condition, entry_set in basis.entry_sets.items()
            if request.pairs or _is_there(entry_set, pair)
        ]
    for condition in basis.entry_sets:
        if not any(one.condition == condition for one in found):
            raise ReportError(f"no electrolyte and partner have an energy at {condition.label}")
    return found


def _pairs(basis: Basis, request: InterfaceRequest) -> Sequence[Pair]:
    if request.pairs:
        return tuple(dict.fromkeys(request.pairs))
    keys = {entry.key for entry in basis.entries}
    partners = [partner for partner in PARTNERS if composition_key(parse_formula(partner)) in keys]
    pairs = [(phase, partner) for phase in known_electrolytes(basis, "Na") for partner in partners]
    if not pairs:
        hint = "name a pair with --between, such as --between na3ps4-alpha,Na"
        raise ReportError("there is no electrolyte, or nothing that it would touch, among the results", hint=hint)
    return pairs


def _is_there(entry_set: EntrySet, pair: Pair) -> bool:
    phase, partner = pair
    return phase in entry_set and composition_key(parse_formula(partner)) in {e.key for e in entry_set.entries}


def _elements(basis: Basis, pairs: Sequence[Pair]) -> frozenset[str]:
    return frozenset(el for pair in pairs for name in pair for el in basis.elements_of(name))


def _rows(basis: Basis, one: Interface, *, every: bool) -> list[dict[str, Any]]:
    chosen = one.reactions if every else [one.strongest] if one.strongest else []
    common = {
        "first": one.first.name,
        "first_marks": basis.marks_of(one.first.name),
        "second": one.second.name,
        "second_marks": basis.marks_of(one.second.name),
        "condition": one.condition.label,
    }
    if not chosen:
        return [common | {"reaction": "none"}]
    return [common | _cells(reaction) for reaction in chosen]


def _cells(reaction: InterfaceReaction) -> dict[str, Any]:
    return {
        "second_fraction": reaction.second_fraction,
        "energy_mev_per_atom": MEV_PER_EV * reaction.energy_ev_per_atom,
        "mutual_energy_mev_per_atom": MEV_PER_EV * reaction.mutual_energy_ev_per_atom,
        "energy_kj_per_mol": reaction.energy_kj_per_mol,
        "reaction": reaction.reaction.text(),
    }


def _notes(found: Sequence[Interface], *, every: bool) -> list[str]:
    """Which of several reactions is the strongest, and which phases would decompose on their own."""
    notes = []
    for one in found if every else ():
        if one.strongest is not None:
            energy = shown(MEV_PER_EV * one.strongest.energy_ev_per_atom, ".1f")
            notes.append(
                f"{one.condition.label}: the strongest between {one.first.name} and {one.second.name} is "
                f"{one.strongest.reaction.text()} ({energy} meV/atom)."
            )
    above: dict[str, list[Condition]] = {}
    for one in found:
        for side in (one.first, one.second):
            energy_mev = MEV_PER_EV * side.energy_above_hull_ev_per_atom
            if energy_mev >= 0.05:
                text = f"{side.name} lies {energy_mev:.1f} meV/atom above the hull"
                above.setdefault(text, []).append(one.condition)
    for text, conditions in above.items():
        labels = ", ".join(dict.fromkeys(c.label for c in conditions))
        notes.append(f"{labels}: {text}, and would win that on its own.")
    return notes
