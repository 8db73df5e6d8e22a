"""Report of hull depths and energies above the hull."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from nawf.reports.basis import Basis, condition_key, phase_cells, phase_columns
from nawf.reports.literature import FORMATION_ENERGY_EV_PER_ATOM, HULL_DEPTH_MEV_PER_ATOM
from nawf.reports.tables import Column, Table, shown
from nawf.thermo.conditions import Condition
from nawf.thermo.entries import Entry, parse_formula
from nawf.thermo.hull import Hull, HullRow
from nawf.units import MEV_PER_EV

FROM_PUBLISHED = "ji2024_from_energies"

UNCERTAIN_MEV_PER_ATOM = 10.0
"""A depth below this is a coin toss: it is a difference of several energies, each uncertain by 1 to 5 meV/atom by the
settings of DFT alone, by tens with a potential."""


def hulls(basis: Basis) -> dict[Condition, Hull]:
    """Hull of all phases at each condition."""
    return {condition: Hull(entry_set) for condition, entry_set in basis.entry_sets.items()}


def hull_table(basis: Basis) -> Table:
    """Energy above hull and hull depth of every compound (meV/atom), a pair of columns for each condition."""
    made = hulls(basis)
    found = {c: {row.phase: row for row in hull.rows()} for c, hull in made.items()}
    compounds = [entry for entry in basis.entries if not entry.is_element]
    published = depths_from_published([entry.formula for entry in compounds])
    rows = [_row(basis, entry, found, published) for entry in compounds]
    columns = [*phase_columns()]
    for quantity, title in (("energy_above_hull", "above"), ("hull_depth", "depth")):
        columns += [
            Column(condition_key(quantity, c, "mev_per_atom"), f"{title} {c.label}", ".1f") for c in basis.conditions
        ]
    notes = [_shallowest(c, list(by_phase.values())) for c, by_phase in found.items()]
    notes += _uncertain_note(found)
    notes += _low_trust_notes(made)
    if any(row.get(FROM_PUBLISHED) is not None for row in rows):
        columns += [
            Column(HULL_DEPTH_MEV_PER_ATOM.key, "ji2024 depth", ".1f"),
            Column(FROM_PUBLISHED, "from its energies", ".1f"),
        ]
        notes.append(
            f"ji2024 depth: as published, {HULL_DEPTH_MEV_PER_ATOM.method} (doi:{HULL_DEPTH_MEV_PER_ATOM.doi}); "
            "from its energies: the depth that follows from the same paper's formation energies of the compounds of "
            "this table, by the definition used here. The two disagree."
        )
    # People see one of these long columns, machines all.
    columns += [
        Column(_competing(c), f"competing phases, {c.label}", for_machines=i > 0)
        for i, c in enumerate(basis.conditions)
    ]
    notes.append(
        "Depth: energy of a stable phase minus that of the hull without its composition; a phase above the hull "
        "has none. Competing phases: that hull, per formula unit; of a phase above the hull, what it decomposes into."
    )
    return Table("Hull (meV/atom)", columns, rows, notes + basis.notes())


def _row(
    basis: Basis,
    entry: Entry,
    found: Mapping[Condition, Mapping[str, HullRow]],
    published: Mapping[str, float],
) -> dict[str, Any]:
    cells: dict[str, Any] = dict(phase_cells(basis, entry))
    for condition, by_phase in found.items():
        row = by_phase.get(entry.phase)
        if row is None:
            continue
        above = condition_key("energy_above_hull", condition, "mev_per_atom")
        cells[above] = MEV_PER_EV * row.energy_above_hull_ev_per_atom
        if row.hull_depth_ev_per_atom is not None:
            key = condition_key("hull_depth", condition, "mev_per_atom")
            cells[key] = MEV_PER_EV * row.hull_depth_ev_per_atom
        if row.competing is not None:
            cells[_competing(condition)] = row.competing.text()
    if entry.phase in basis.ground_states:
        cells[HULL_DEPTH_MEV_PER_ATOM.key] = HULL_DEPTH_MEV_PER_ATOM.value_of(entry.formula)
        cells[FROM_PUBLISHED] = published.get(entry.formula)
    return cells


def _competing(condition: Condition) -> str:
    return condition_key("competing", condition, "phases")


def depths_from_published(formulas: Collection[str]) -> dict[str, float]:
    """Hull depths (meV/atom) that follow from ji2024's formation energies of some compounds.

    A compound that a hull lacks makes its neighbours deeper there, so that the compounds have to be those of the hull
    that these depths stand beside. Those that ji2024 has no energy of are left out. A composition may be written
    with any number of formula units.
    """
    energies = {f: FORMATION_ENERGY_EV_PER_ATOM.value_of(f) for f in formulas} | {"Na": 0.0, "S": 0.0}
    hull = Hull([Entry(f, parse_formula(f), e) for f, e in energies.items() if e is not None])
    depths = {e.phase: hull.hull_depth_ev_per_atom(e.phase) for e in hull.entries}
    return {f: MEV_PER_EV * depth for f, depth in depths.items() if depth is not None}


def _shallowest(condition: Condition, rows: list[HullRow]) -> str:
    """Which stable compounds have the least to drive their formation."""
    stable = [(row.hull_depth_ev_per_atom, row.phase) for row in rows if row.hull_depth_ev_per_atom is not None]
    if not stable:
        return f"{condition.label}: no compound is stable."
    ranked = sorted(stable, reverse=True)
    first = f"{ranked[0][1]} ({shown(MEV_PER_EV * ranked[0][0], '.1f')} meV/atom)"
    if len(ranked) == 1:
        return f"{condition.label}: the only stable compound is {first}."
    second = f"{ranked[1][1]} ({shown(MEV_PER_EV * ranked[1][0], '.1f')})"
    return f"{condition.label}: the shallowest stable compound is {first}, then {second}."


def _uncertain_note(found: Mapping[Condition, Mapping[str, HullRow]]) -> list[str]:
    """Stable compounds that are too shallow to be sure of."""
    by_phase: dict[str, list[str]] = {}
    for condition, rows in found.items():
        for phase, row in rows.items():
            depth = row.hull_depth_ev_per_atom
            if depth is not None and -MEV_PER_EV * depth < UNCERTAIN_MEV_PER_ATOM:
                by_phase.setdefault(phase, []).append(condition.label)
    if not by_phase:
        return []
    phases = "; ".join(f"{phase} ({', '.join(labels)})" for phase, labels in by_phase.items())
    return [
        f"Shallower than {UNCERTAIN_MEV_PER_ATOM:g} meV/atom, so that it is a coin toss whether they are stable: "
        f"{phases}. A depth is a difference of several energies, each uncertain by 1 to 5 meV/atom by the settings "
        "of DFT alone, by tens with a potential; a phase as little above the hull may as well lie on it."
    ]


def _low_trust_notes(made: Mapping[Condition, Hull]) -> list[str]:
    by_phase: dict[str, list[str]] = {}
    for condition, hull in made.items():
        for phase in hull.low_trust_stable_phases:
            by_phase.setdefault(phase, []).append(condition.label)
    return [
        f"{phase} lies on the hull ({', '.join(labels)}) with a structure taken from a prototype: it changes the "
        f"hull around it; leave it out with --exclude {phase} to see how."
        for phase, labels in by_phase.items()
    ]
