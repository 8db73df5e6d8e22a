"""Reactions between two solids in contact, by the cheapest mixtures of all blends of the two.

What forms where two phases meet is not known beforehand, nor in which ratio they react. At each ratio the products
of lowest energy are those of the hull at the blend's composition; the ratios at which products change are the corners
of its energy (Richards et al., Chem. Mater. 28, 266 (2016), 10.1021/acs.chemmater.5b04082). The energy of reaction
counts from the two phases as they are. Its mutual part counts from the hull at their compositions, so that what a
metastable phase would win on its own is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from nawf.errors import ReportError
from nawf.thermo.conditions import Condition
from nawf.thermo.entries import EntrySet, composition_key
from nawf.thermo.envelope import SAME_EV_PER_ATOM, Corner, corners_between
from nawf.thermo.hull import Hull
from nawf.thermo.mixtures import Mixture, cheapest_blend, mixture_of
from nawf.thermo.reactions import Reaction, reaction_between
from nawf.units import KJ_PER_MOL_PER_EV


@dataclass(frozen=True)
class Reactant:
    """One side of an interface.

    Attributes
    ----------
    name : str
        As given: a phase or a formula.
    mixture : Mixture
        Itself, for one atom in all; the hull at its composition where it is a formula.
    at_rest : Mixture
        The hull at its composition, for one atom in all.
    """

    name: str
    mixture: Mixture
    at_rest: Mixture

    @property
    def energy_above_hull_ev_per_atom(self) -> float:
        """What it would win by decomposing on its own."""
        return max(0.0, self.mixture.energy_ev - self.at_rest.energy_ev)


@dataclass(frozen=True)
class InterfaceReaction:
    """A reaction in the ratio at which products change.

    Attributes
    ----------
    second_fraction : float
        Share of all atoms that come from the second reactant.
    reaction : Reaction
    energy_ev_per_atom : float
        Of the reaction, per atom of both reactants (eV).
    mutual_energy_ev_per_atom : float
        The same, from the hull at their compositions.
    """

    second_fraction: float
    reaction: Reaction
    energy_ev_per_atom: float
    mutual_energy_ev_per_atom: float

    @property
    def energy_kj_per_mol(self) -> float:
        """Of the reaction as written (kJ/mol)."""
        return self.energy_ev_per_atom * self.reaction.scale * KJ_PER_MOL_PER_EV


@dataclass(frozen=True)
class Interface:
    """All reactions between two phases at one condition, by rising share of the second one."""

    condition: Condition
    first: Reactant
    second: Reactant
    reactions: tuple[InterfaceReaction, ...]

    @property
    def strongest(self) -> InterfaceReaction | None:
        """The reaction that wins most energy per atom; None where the two do not react."""
        return min(self.reactions, key=lambda r: r.energy_ev_per_atom, default=None)


def interface(entry_set: EntrySet, first: str, second: str) -> Interface:
    """Reactions between two phases or formulas.

    Parameters
    ----------
    entry_set : EntrySet
    first, second : str
        Phase identifiers or formulas; a phase goes first where both fit.

    Raises
    ------
    ReportError
        When one is unknown, both have one composition, or phases are missing.
    """
    parts = [entry_set.composition_of(name) for name in (first, second)]
    compositions = [{el: n / sum(c.values()) for el, n in c.items()} for c, _ in parts]
    if composition_key(compositions[0]) == composition_key(compositions[1]):
        raise ReportError("both sides have the same composition", where=f"{first}, {second}")
    hull = Hull(entry_set, {*compositions[0], *compositions[1]})
    reactants = []
    for name, (_, entry), fractions in zip((first, second), parts, compositions, strict=True):
        at_rest = hull.equilibrium(fractions)
        itself = at_rest if entry is None else mixture_of([(entry, 1.0)])
        reactants.append(Reactant(name, itself, at_rest))
    corners = _corners(hull, compositions[0], compositions[1], reactants)
    reactions = tuple(_reaction(reactants[0], reactants[1], corner) for corner in corners)
    return Interface(entry_set.condition, reactants[0], reactants[1], reactions)


def _corners(
    hull: Hull, first: Mapping[str, float], second: Mapping[str, float], reactants: list[Reactant]
) -> list[Corner]:
    """Corners of the hull's energy between the two compositions."""

    def corner_at(slope: float) -> Corner | None:
        found = cheapest_blend(hull.ground_states, first, second, slope)
        return None if found is None else Corner(found[1], found[0])

    ends = [Corner(float(x), reactant.at_rest) for x, reactant in enumerate(reactants)]
    return corners_between(ends[0], ends[1], corner_at, SAME_EV_PER_ATOM)


def _reaction(first: Reactant, second: Reactant, corner: Corner) -> InterfaceReaction:
    shares = (1 - corner.x, corner.x)

    def blend(one: Mixture, other: Mixture) -> Mixture:
        parts = [(share, mixture) for share, mixture in zip(shares, (one, other), strict=True)]
        amounts = tuple(
            replace(a, formula_units=share * a.formula_units, atom_fraction=share * a.atom_fraction)
            for share, mixture in parts
            for a in mixture.amounts
        )
        return Mixture(amounts, sum(share * mixture.energy_ev for share, mixture in parts))

    before = blend(first.mixture, second.mixture)
    return InterfaceReaction(
        corner.x,
        reaction_between(before, corner.mixture),
        corner.energy_ev - before.energy_ev,
        corner.energy_ev - blend(first.at_rest, second.at_rest).energy_ev,
    )
