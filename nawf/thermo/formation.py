"""Formation energies: g_f = [G(compound) - sum of n_el g_el] / N."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nawf.errors import ReportError
from nawf.thermo.conditions import Condition
from nawf.thermo.entries import Entry, EntrySet
from nawf.thermo.references import ElementReference


@dataclass(frozen=True)
class FormationRow:
    """Formation energy of one phase at one condition (eV per atom)."""

    phase: str
    formula: str
    condition: Condition
    formation_energy_ev_per_atom: float
    origin: str
    warnings: tuple[str, ...] = ()


def formation_energies(entry_set: EntrySet, references: Mapping[str, ElementReference]) -> tuple[FormationRow, ...]:
    """Formation energy per atom of every phase of a set, elements included, in the set's order.

    Raises
    ------
    ReportError
        When an element of a phase has no reference.
    """
    return tuple(
        FormationRow(
            entry.phase,
            entry.formula,
            entry_set.condition,
            formation_energy_ev_per_atom(entry, references),
            entry.origin,
            entry.warnings,
        )
        for entry in entry_set.entries
    )


def formation_energy_ev_per_atom(entry: Entry, references: Mapping[str, ElementReference]) -> float:
    """Formation energy of one phase (eV per atom); errors as for `formation_energies`."""
    missing = sorted(set(entry.composition) - set(references))
    if missing:
        raise ReportError(
            f"no reference for {', '.join(missing)}",
            where=entry.phase,
            hint="run a phase of the pure element",
        )
    # Differences element by element, so that large total energies cancel before they are summed.
    return (
        sum(
            n * (entry.energy_ev_per_atom - references[element].energy_ev_per_atom)
            for element, n in entry.composition.items()
        )
        / entry.atoms
    )
