"""Report of formation energies."""

from __future__ import annotations

from typing import Any

from nawf.reports.basis import Basis, condition_key, phase_cells, phase_columns
from nawf.reports.literature import FORMATION_ENERGY_EV_PER_ATOM, MEASURED_FORMATION_ENTHALPY_EV_PER_ATOM
from nawf.reports.tables import Column, Table, shown
from nawf.thermo.conditions import STATIC
from nawf.thermo.formation import formation_energies


def formation_table(basis: Basis) -> Table:
    """Formation (free) energy per atom of every phase, a column for each condition, published values beside them."""
    published = FORMATION_ENERGY_EV_PER_ATOM
    keys = {c: condition_key("formation_energy", c, "ev_per_atom") for c in basis.conditions}
    values: dict[str, dict[str, float]] = {}
    for condition, entry_set in basis.entry_sets.items():
        for row in formation_energies(entry_set, basis.element_references[condition]):
            values.setdefault(row.phase, {})[keys[condition]] = row.formation_energy_ev_per_atom
    ground_states = basis.ground_states
    rows: list[dict[str, Any]] = []
    for entry in basis.entries:
        beside = published.value_of(entry.formula) if entry.phase in ground_states else None
        rows.append(phase_cells(basis, entry) | values[entry.phase] | {published.key: beside})
    columns = [*phase_columns(), *(Column(keys[c], c.label, ".3f") for c in basis.conditions)]
    notes = basis.notes()
    if any(row[published.key] is not None for row in rows):
        columns.append(Column(published.key, published.key, ".3f"))
        where = "static column" if STATIC in basis.conditions else "polymorph with the lowest static energy"
        notes.insert(0, f"{published.key}: {published.method} (doi:{published.doi}), beside the {where}.")
        measured = MEASURED_FORMATION_ENTHALPY_EV_PER_ATOM
        notes.insert(1, f"Measured formation enthalpy of Na2S: {shown(measured, '.2f')} eV/atom at 298 K.")
    return Table("Formation energy (eV/atom); at a temperature, formation free energy", columns, rows, notes)
