"""Readable reactions between two mixtures, such as ``Na2S4 + 6 Na → 4 Na2S``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nawf.thermo.mixtures import Mixture

# Unchanged bystanders show up as differences of this size; amounts are per formula unit of the host.
_UNCHANGED = 1e-8
_LARGEST_MULTIPLIER = 240
_WHOLE = 1e-6


@dataclass(frozen=True)
class Reaction:
    """Coefficients by phase identifier, reactants and products both positive, in the order to write them.

    ``scale`` is how often the mixtures that it was made from are in it.
    """

    reactants: Mapping[str, float]
    products: Mapping[str, float]
    formulas: Mapping[str, str]
    scale: float = 1.0

    def text(self, *, by_phase: bool = False) -> str:
        """Reaction with formulas, or with phase identifiers."""
        names = {phase: phase if by_phase else formula for phase, formula in self.formulas.items()}
        return f"{_side(self.reactants, names)} → {_side(self.products, names)}"


def reaction_between(
    before: Mixture, after: Mixture, ion: str | None = None, taken_up: float = 0.0, ion_phase: str | None = None
) -> Reaction:
    """Net reaction from one mixture to another, under uptake or release of an ion if any; bystanders cancel.

    Coefficients are the smallest whole numbers where there are any up to a common multiplier of 240, and
    otherwise those per unit of the first reactant.

    Parameters
    ----------
    before, after : Mixture
        Both per the same formula unit.
    ion : str, optional
        Its element symbol.
    taken_up : float
        Ions taken up per formula unit; negative where they are given up.
    ion_phase : str, optional
        Identifier of the ion's metal; the symbol unless given.
    """
    change: dict[str, float] = {}
    formulas: dict[str, str] = {}
    for mixture, sign in ((before, -1.0), (after, 1.0)):
        for amount in mixture.amounts:
            change[amount.phase] = change.get(amount.phase, 0.0) + sign * amount.formula_units
            formulas[amount.phase] = amount.formula
    reactants = {phase: -n for phase, n in change.items() if n < -_UNCHANGED}
    products = {phase: n for phase, n in change.items() if n > _UNCHANGED}
    if ion is not None and abs(taken_up) > _UNCHANGED:
        name = ion_phase or ion
        formulas[name] = ion
        (reactants if taken_up > 0 else products)[name] = abs(taken_up)
    factor = _scale([*reactants.values(), *products.values()])
    return Reaction(
        {phase: n * factor for phase, n in reactants.items()},
        {phase: n * factor for phase, n in products.items()},
        formulas,
        factor,
    )


def _scale(coefficients: Sequence[float]) -> float:
    """Factor that makes all coefficients whole, or else the first of them one."""
    smallest = min(coefficients)
    for multiplier in range(1, _LARGEST_MULTIPLIER + 1):
        scaled = [n / smallest * multiplier for n in coefficients]
        if all(_is_whole(n) for n in scaled):
            return multiplier / smallest
    return 1.0 / coefficients[0]


def _side(coefficients: Mapping[str, float], names: Mapping[str, str]) -> str:
    return " + ".join(_coefficient(n) + names[phase] for phase, n in coefficients.items())


def _coefficient(n: float) -> str:
    if _is_whole(n):
        return "" if round(n) == 1 else f"{round(n)} "
    return f"{n:.4g} "


def _is_whole(n: float) -> bool:
    return abs(n - round(n)) < _WHOLE * n
