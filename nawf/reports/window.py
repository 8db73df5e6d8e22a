"""Report of electrochemical windows: limits of all electrolytes, and what one turns into at all voltages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nawf.errors import ReportError
from nawf.reports.basis import Basis
from nawf.reports.literature import WINDOW_LIMITS_V
from nawf.reports.tables import Column, Table
from nawf.thermo.conditions import Condition
from nawf.thermo.entries import EntrySet, composition_key, parse_formula
from nawf.thermo.window import VoltageRange, Window, electrochemical_window
from nawf.units import MEV_PER_EV

UP_TO_V = 5.0
"""Highest voltage that is shown."""

_ELECTROLYTE = "electrolyte"
"""Tag of the phases that are meant unless some are named."""

_LIMITS = (
    Column("electrolyte", "electrolyte", marks_key="marks"),
    Column("formula", "formula"),
    Column("ion", "ion", for_machines=True),
    Column("condition", "condition"),
    Column("energy_above_hull_mev_per_atom", "above hull", ".1f"),
    Column("reduction_limit_v", "from V", ".2f"),
    Column("oxidation_limit_v", "to V", ".2f"),
    Column("window_v", "width", ".2f"),
    Column("reduction", "below it"),
    Column("oxidation", "above it"),
    Column("decomposition_energy_at_metal_mev_per_atom", "at the metal, meV/atom", ".0f"),
)

_RANGES = (
    Column("electrolyte", "electrolyte", for_machines=True),
    Column("ion", "ion", for_machines=True),
    Column("condition", "condition"),
    Column("lower_v", "from V", ".3f"),
    Column("upper_v", "to V", ".3f"),
    Column("ions_taken_up", "x", ".3g"),
    Column("decomposition_energy_mev_per_atom", "meV/atom", ".0f"),
    Column("reaction", "reaction"),
    Column("phases", "phases", for_machines=True),
)


Windows = dict[str, list[Window]]
"""By electrolyte, one for each condition that it has an energy at."""


@dataclass(frozen=True)
class WindowRequest:
    """Electrolytes to report, by phase or formula, against an ion; none for all that are known as electrolytes."""

    electrolytes: tuple[str, ...] = ()
    ion: str = "Na"


def where_formed(basis: Basis, request: WindowRequest) -> Basis:
    """The basis without the unasked conditions at which a named electrolyte, or every one, has no window."""
    return basis.where_formed(lambda one: make_windows(one, request), _elements(basis, request))


def window_tables(basis: Basis, request: WindowRequest, windows: Windows) -> list[Table]:
    """Limits of all electrolytes, and the ranges of those that are named."""
    tables = [_limits_table(basis, request, windows)]
    return tables + [_ranges_table(basis, n, request.ion, windows[n]) for n in dict.fromkeys(request.electrolytes)]


def make_windows(basis: Basis, request: WindowRequest) -> Windows:
    """Windows of all electrolytes that are asked for.

    Raises
    ------
    ReportError
        When there is no electrolyte, or a named one is none.
    """
    for name in request.electrolytes:
        basis.check_not_missing(name, "has no energy")
    names = request.electrolytes or known_electrolytes(basis, request.ion)
    if not names:
        raise ReportError(
            f"there is no electrolyte of {request.ion} among the results", hint="name phases with --electrolyte"
        )
    found: Windows = {name: [] for name in names}
    for condition, entry_set in basis.entry_sets.items():
        for name in names:
            if name in request.electrolytes or name in entry_set:
                found[name].append(_window(basis, condition, entry_set, name, request.ion))
        if not any(w.condition == condition for windows in found.values() for w in windows):
            raise ReportError(f"no electrolyte of {request.ion} has an energy at {condition.label}")
    return {name: windows for name, windows in found.items() if windows}


def _window(basis: Basis, condition: Condition, entry_set: EntrySet, name: str, ion: str) -> Window:
    return electrochemical_window(entry_set, name, ion, references=basis.element_references[condition])


def known_electrolytes(basis: Basis, ion: str) -> tuple[str, ...]:
    """Phases with an energy that are tagged as electrolytes and hold an ion."""
    return tuple(
        e.phase for e in basis.entries if _ELECTROLYTE in basis.tags.get(e.phase, ()) and ion in e.composition
    )


def _elements(basis: Basis, request: WindowRequest) -> frozenset[str]:
    """Elements of the electrolytes and the ion: phases with others take no part."""
    names = request.electrolytes or known_electrolytes(basis, request.ion)
    found = {request.ion}
    for name in names:
        found |= basis.elements_of(name)
    return frozenset(found)


def _limits_table(basis: Basis, request: WindowRequest, windows: Windows) -> Table:
    rows = [_limits(basis, window) for of_one in windows.values() for window in of_one]
    title = f"Electrochemical windows against {request.ion}/{request.ion}+ (V)"
    # Where tables of single electrolytes follow, these have the rest.
    of_all = [] if request.electrolytes else basis.notes(_elements(basis, request))
    return Table(title, _LIMITS, rows, _limits_notes(windows) + of_all)


def _limits(basis: Basis, window: Window) -> dict[str, Any]:
    low, high = window.reduction_limit_v, window.oxidation_limit_v
    at_metal = window.ranges[-1]
    energy_ev = window.decomposition_energy_ev_per_atom(at_metal, at_metal.lower_v)
    return {
        "electrolyte": window.electrolyte,
        "marks": basis.marks_of(window.electrolyte),
        "formula": window.formula,
        "ion": window.ion,
        "condition": window.condition.label,
        "energy_above_hull_mev_per_atom": MEV_PER_EV * window.energy_above_hull_ev_per_atom,
        "reduction_limit_v": low,
        "oxidation_limit_v": high,
        "window_v": None if low is None or high is None else high - low,
        "reduction": _reaction_text(window.reduced),
        "oxidation": _reaction_text(window.oxidised),
        "decomposition_energy_at_metal_mev_per_atom": MEV_PER_EV * energy_ev,
    }


def _reaction_text(products: VoltageRange | None) -> str | None:
    return None if products is None or products.reaction is None else products.reaction.text()


def _limits_notes(windows: Windows) -> list[str]:
    every = [window for of_one in windows.values() for window in of_one]
    notes = [
        "Between the two voltages nothing of lower energy forms from the electrolyte by taking up or giving up "
        f"{every[0].ion}. Competing phases that are missing could only make it narrower; kinetics and interphases "
        "may hold the electrolyte together beyond. At the metal: energy of what it turns into there, per atom of it."
    ]
    notes += _unstable_notes(every)
    keys = {composition_key(parse_formula(w.formula)) for w in every}
    published = [f for f in WINDOW_LIMITS_V.values if composition_key(parse_formula(f)) in keys]
    if published:
        values = ", ".join("{} {:.2f} to {:.2f}".format(f, *WINDOW_LIMITS_V.values[f]) for f in published)
        notes.append(f"{WINDOW_LIMITS_V.key} (doi:{WINDOW_LIMITS_V.doi}), {WINDOW_LIMITS_V.method}: {values} V.")
    return notes


def _unstable_notes(windows: Sequence[Window]) -> list[str]:
    """Of electrolytes above the hull, in which phases the hull at their composition is."""

    def text(window: Window) -> str:
        if window.own is not None:
            return f"{window.electrolyte} lies above {window.own.mixture.text()}, whose window this is"
        return f"{window.electrolyte} decomposes by itself into {window.at_rest.text()}, and has no window"

    labels: dict[str, list[str]] = {}
    for window in windows:
        if window.own is None or window.energy_above_hull_ev_per_atom > 0:
            labels.setdefault(text(window), []).append(window.condition.label)
    return [f"{', '.join(where)}: {what}." for what, where in labels.items()]


def _ranges_table(basis: Basis, name: str, ion: str, windows: Sequence[Window]) -> Table:
    rows = [_range_row(w, r) for w in windows for r in w.ranges if r.lower_v < UP_TO_V]
    notes = [
        f"x: {ion} taken up per formula unit of {windows[0].formula}, negative where it is given up. meV/atom: "
        "energy of the reaction per atom of electrolyte, at the voltage of the range that is farthest from the "
        f"window (at most {UP_TO_V:g} V)."
    ]
    return Table(f"{name} against {ion}/{ion}+", _RANGES, rows, notes + basis.notes(basis.elements_of(name)))


def _range_row(window: Window, products: VoltageRange) -> dict[str, Any]:
    upper_v = UP_TO_V if products.upper_v is None else min(products.upper_v, UP_TO_V)
    farthest_v = upper_v if products.ions_taken_up < 0 else products.lower_v
    energy_ev = window.decomposition_energy_ev_per_atom(products, farthest_v)
    return {
        "electrolyte": window.electrolyte,
        "ion": window.ion,
        "condition": window.condition.label,
        "lower_v": products.lower_v,
        "upper_v": upper_v,
        "ions_taken_up": products.ions_taken_up,
        "decomposition_energy_mev_per_atom": MEV_PER_EV * energy_ev,
        "reaction": _reaction_text(products) or products.mixture.text(),
        "phases": products.mixture.text(),
    }
