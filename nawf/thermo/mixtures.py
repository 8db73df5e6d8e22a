"""The cheapest mixture of given phases at a composition, closed, open to one element, or blended with another.

A small linear programme, solved by the dual simplex method of HiGHS (Huangfu and Hall, Math. Prog. Comp.
10, 119 (2018), 10.1007/s12532-017-0130-5), which ends in a corner: at most as many phases as elements. HiGHS
meets its constraints to a tolerance only, so the amounts are then solved for exactly within that corner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from nawf.errors import ReportError
from nawf.thermo.entries import Entry

Array = NDArray[np.float64]

# The tightest that HiGHS takes.
_SOLVER_TOLERANCE = 1e-10
# Amounts below this share of all atoms are zeros that the solver left unclean.
_ABSENT = 1e-9
_INFEASIBLE = 2


@dataclass(frozen=True)
class PhaseAmount:
    """Amount of a phase in a mixture.

    Attributes
    ----------
    phase, formula : str
    formula_units : float
        Per formula unit of the composition that was asked for.
    atom_fraction : float
        Share of the mixture's atoms.
    """

    phase: str
    formula: str
    formula_units: float
    atom_fraction: float


@dataclass(frozen=True)
class Mixture:
    """Equilibrium phases of a composition.

    Attributes
    ----------
    amounts : tuple of PhaseAmount
        Most atoms first.
    energy_ev : float
        Energy of the whole mixture, per formula unit of the composition that was asked for.
    """

    amounts: tuple[PhaseAmount, ...]
    energy_ev: float

    @property
    def phases(self) -> tuple[str, ...]:
        """Identifiers of the phases."""
        return tuple(amount.phase for amount in self.amounts)

    def text(self) -> str:
        """Phases with their formula units, such as ``0.3333 na2s4 + 0.6667 na2s``."""
        return " + ".join(f"{a.formula_units:.4g} {a.phase}".removeprefix("1 ") for a in self.amounts)


def mixture_of(entries_and_atoms: Iterable[tuple[Entry, float]]) -> Mixture:
    """Mixture with the given number of atoms in each phase."""
    parts = sorted(entries_and_atoms, key=lambda part: (-part[1], part[0].phase))
    total = sum(atoms for _, atoms in parts)
    amounts = (PhaseAmount(e.phase, e.formula, atoms / e.atoms, atoms / total) for e, atoms in parts)
    return Mixture(tuple(amounts), sum(atoms * e.energy_ev_per_atom for e, atoms in parts))


def cheapest_mixture(entries: Sequence[Entry], composition: Mapping[str, float]) -> Mixture | None:
    """Mixture of lowest energy with exactly this composition; None where there is none."""
    amounts, _ = _solve(entries, composition)
    return None if amounts is None else mixture_of(amounts)


def cheapest_open_mixture(
    entries: Sequence[Entry], composition: Mapping[str, float], element: str, chemical_potential_ev: float
) -> tuple[Mixture, float] | None:
    """Mixture of lowest energy in contact with a reservoir that gives, but does not take, one element.

    Minimises G - mu n over the mixtures of ``composition`` plus n >= 0 atoms of ``element``.

    Parameters
    ----------
    entries : sequence of Entry
        Without phases of the pure element, which would dissolve the reservoir.
    composition : mapping of str to float
        Atoms per formula unit before the uptake.
    element : str
    chemical_potential_ev : float
        Energy per atom of the element in the reservoir (eV).

    Returns
    -------
    (Mixture, float) or None
        The mixture, with its energy without the reservoir's, and the n that was taken up per formula unit;
        None where no mixture fits.
    """
    amounts, taken = _solve(entries, composition, _Free({element: -1.0}, -chemical_potential_ev))
    return None if amounts is None else (mixture_of(amounts), taken)


def cheapest_blend(
    entries: Sequence[Entry], first: Mapping[str, float], second: Mapping[str, float], slope_ev: float
) -> tuple[Mixture, float] | None:
    """Mixture of lowest energy among all blends of two compositions, on a tilted scale.

    Minimises G(x) - slope x over 0 <= x <= 1, where G(x) is the energy of the cheapest mixture of the composition
    (1 - x) first + x second.

    Parameters
    ----------
    entries : sequence of Entry
    first, second : mapping of str to float
        Atom fractions, which sum up to one.
    slope_ev : float
        eV per atom.

    Returns
    -------
    (Mixture, float) or None
        The mixture, for one atom in all, and x; None where no mixture fits.
    """
    away = {el: first.get(el, 0.0) - second.get(el, 0.0) for el in {*first, *second}}
    amounts, x = _solve(entries, first, _Free(away, -slope_ev, most=1.0))
    return None if amounts is None else (mixture_of(amounts), x)


@dataclass(frozen=True)
class _Free:
    """A quantity beside the amounts of phases: what a unit of it takes from the composition, costs, and its limit."""

    takes: Mapping[str, float]
    cost_ev: float
    most: float | None = None


def _solve(
    entries: Sequence[Entry], composition: Mapping[str, float], free: _Free | None = None
) -> tuple[list[tuple[Entry, float]] | None, float]:
    """Phases of the cheapest mixture with their atoms, and the free quantity."""
    present = {element for element, n in composition.items() if n > 0}
    elements = sorted(present | set(free.takes if free else ()))
    usable = [entry for entry in entries if present_in(entry, elements)]
    if not usable:
        return None, 0.0
    total = sum(composition.values())
    rhs = np.array([composition.get(element, 0.0) for element in elements]) / total
    fractions = np.array([[e.composition.get(el, 0.0) / e.atoms for e in usable] for el in elements])
    costs = np.array([entry.energy_ev_per_atom for entry in usable])
    # Any energy per element may be taken off without changing the answer; what is left is of the size of
    # formation energies, which the solver's absolute tolerances suit.
    baseline = np.linalg.lstsq(fractions.T, costs, rcond=None)[0]
    costs = costs - fractions.T @ baseline
    if free is not None:
        takes = np.array([free.takes.get(element, 0.0) for element in elements])
        fractions = np.column_stack([fractions, takes])
        costs = np.append(costs, free.cost_ev - takes @ baseline)
        if free.most is not None:
            # x + rest = most: a bound that a corner meets exactly.
            fractions = np.pad(fractions, ((0, 1), (0, 1)))
            fractions[-1, -2:] = 1.0
            rhs, costs = np.append(rhs, free.most / total), np.append(costs, 0.0)
    corner = _corner(fractions, costs, rhs)
    if corner is None:
        return None, 0.0
    atoms = corner * total
    parts = [(entry, float(n)) for entry, n in zip(usable, atoms, strict=False) if n > 0]
    return parts, float(atoms[len(usable)]) if free is not None else 0.0


def present_in(entry: Entry, elements: Iterable[str]) -> bool:
    """Whether an entry consists of these elements only."""
    return set(entry.composition) <= set(elements)


def _corner(matrix: Array, costs: Array, rhs: Array) -> Array | None:
    """Corner x >= 0 of lowest ``costs @ x`` with ``matrix @ x = rhs``, cleaned; None where there is no x."""
    options = {
        "presolve": False,
        "primal_feasibility_tolerance": _SOLVER_TOLERANCE,
        "dual_feasibility_tolerance": _SOLVER_TOLERANCE,
    }
    result = linprog(costs, A_eq=matrix, b_eq=rhs, method="highs-ds", options=options)
    if result.status == _INFEASIBLE:
        return None
    if result.status != 0:
        raise ReportError(f"the equilibrium could not be solved: {result.message}", hint="look for an absurd energy")
    used = np.flatnonzero(result.x > _ABSENT)
    cleaned = np.zeros_like(result.x)
    cleaned[used] = np.linalg.lstsq(matrix[:, used], rhs, rcond=None)[0]
    return np.clip(cleaned, 0.0, None)
