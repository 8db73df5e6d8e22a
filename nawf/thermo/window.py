"""Electrochemical window of an electrolyte, and what it turns into beyond.

An electrolyte in contact with a reservoir of its ion takes ions up, or gives them up, until the grand potential
G - mu n of its other elements is lowest (Zhu, He and Mo, ACS Appl. Mater. Interfaces 7, 23685 (2015),
10.1021/acsami.5b07517). The chemical potential mu counts as a voltage against the ion's metal, V = -(mu - g_ion) / z.
The mixtures of lowest grand potential are the corners of the voltage profile of the electrolyte as a host, so that
windows are as exact as profiles, for any number of elements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from nawf.errors import ReportError
from nawf.thermo.conditions import Condition
from nawf.thermo.entries import EntrySet
from nawf.thermo.hull import Hull
from nawf.thermo.mixtures import Mixture, mixture_of
from nawf.thermo.reactions import Reaction, reaction_between
from nawf.thermo.references import ElementReference
from nawf.thermo.voltage import VoltageProfile, voltage_profile

_SAME_X = 1e-6


@dataclass(frozen=True)
class VoltageRange:
    """Voltages at which one mixture has the lowest grand potential.

    Attributes
    ----------
    lower_v : float
        Where more ions are taken up; that of the metal, below which it precipitates, in the last range.
    upper_v : float or None
        Where ions are given up; None where there are none left.
    ions_taken_up : float
        Per formula unit of the electrolyte; negative where they are given up.
    mixture : Mixture
        Per formula unit of the electrolyte.
    reaction : Reaction or None
        From the electrolyte; None where it only stays what it is, in its own phase or another of its composition.
    """

    lower_v: float
    upper_v: float | None
    ions_taken_up: float
    mixture: Mixture
    reaction: Reaction | None

    @property
    def is_electrolyte(self) -> bool:
        """Whether the mixture is one phase of the electrolyte's composition."""
        return abs(self.ions_taken_up) < _SAME_X and len(self.mixture.amounts) == 1


@dataclass(frozen=True)
class Window:
    """Electrochemical window of an electrolyte at one condition.

    Attributes
    ----------
    condition : Condition
    electrolyte : str
        As given: a phase or a formula.
    formula, ion : str
    ion_reference : ElementReference
        Metal that voltages are counted from.
    energy_above_hull_ev_per_atom : float
        0 for a phase on the hull, and for a formula.
    at_rest : Mixture
        The hull at its composition.
    ranges : tuple of VoltageRange
        All voltages, from high to low.
    energy_ev, atoms : float
        Of the electrolyte, per formula unit.
    ion_charge : int
        Elementary charges per ion.
    """

    condition: Condition
    electrolyte: str
    formula: str
    ion: str
    ion_reference: ElementReference
    energy_above_hull_ev_per_atom: float
    at_rest: Mixture
    ranges: tuple[VoltageRange, ...]
    energy_ev: float
    atoms: float
    ion_charge: int

    @property
    def own(self) -> VoltageRange | None:
        """The range of the electrolyte's composition in one phase; None where the hull there is a mixture."""
        return next((r for r in self.ranges if r.is_electrolyte), None)

    @property
    def reduction_limit_v(self) -> float | None:
        """Voltage below which ions are taken up (V); None without a window."""
        return None if self.own is None else self.own.lower_v

    @property
    def oxidation_limit_v(self) -> float | None:
        """Voltage above which ions are given up (V); None without a window."""
        return None if self.own is None else self.own.upper_v

    @property
    def reduced(self) -> VoltageRange | None:
        """The range right below the window; None where the electrolyte is stable against the metal."""
        return self._beside_own(+1)

    @property
    def oxidised(self) -> VoltageRange | None:
        """The range right above the window."""
        return self._beside_own(-1)

    def decomposition_energy_ev_per_atom(self, products: VoltageRange, voltage_v: float) -> float:
        """Grand potential of a range's mixture at a voltage, minus that of the electrolyte (eV/atom of it).

        It is what drives the electrolyte to decompose, negative where it does.
        """
        mu_ev = self.ion_reference.energy_ev_per_atom - self.ion_charge * voltage_v
        return (products.mixture.energy_ev - products.ions_taken_up * mu_ev - self.energy_ev) / self.atoms

    def _beside_own(self, step: int) -> VoltageRange | None:
        own = self.own
        if own is None:
            return None
        index = self.ranges.index(own) + step
        return self.ranges[index] if 0 <= index < len(self.ranges) else None


def electrochemical_window(
    entry_set: EntrySet,
    electrolyte: str,
    ion: str = "Na",
    *,
    references: Mapping[str, ElementReference] | None = None,
) -> Window:
    """Electrochemical window of an electrolyte, with what it decomposes into at all voltages.

    A phase above the hull has the ranges of the hull at its composition.

    Parameters
    ----------
    entry_set : EntrySet
    electrolyte : str
        Phase identifier or formula; a phase goes first where both fit.
    ion : str
        Element symbol of the ion that it conducts.
    references : mapping of element to ElementReference, optional
        As for `nawf.thermo.voltage.voltage_profile`.

    Raises
    ------
    ReportError
        When the electrolyte is unknown, holds no such ion or nothing else, or phases are missing.
    """
    composition, entry = entry_set.composition_of(electrolyte)
    if ion not in composition:
        hint = "name the ion that it conducts with --ion"
        raise ReportError(f"holds no {ion}, and has no window against it", where=electrolyte, hint=hint)
    if len(composition) == 1:
        raise ReportError("is an element, and no electrolyte", where=electrolyte)
    profile = voltage_profile(entry_set, electrolyte, ion, references=references)
    hull = Hull(entry_set, composition)
    atoms = sum(composition.values())
    at_rest = hull.equilibrium(composition)
    itself = at_rest if entry is None else mixture_of([(entry, atoms)])
    return Window(
        condition=entry_set.condition,
        electrolyte=electrolyte,
        formula=profile.host_formula,
        ion=ion,
        ion_reference=profile.ion_reference,
        energy_above_hull_ev_per_atom=0.0 if entry is None else hull.energy_above_hull_ev_per_atom(entry.phase),
        at_rest=at_rest,
        ranges=_ranges(profile, itself),
        energy_ev=itself.energy_ev,
        atoms=atoms,
        ion_charge=profile.ion_charge,
    )


def _ranges(profile: VoltageProfile, itself: Mixture) -> tuple[VoltageRange, ...]:
    """Ranges of the corners of a profile, each between the voltages of the plateaus beside it."""
    corners = [(profile.x_start, profile.mixture_start), *((p.x_end, p.mixture_end) for p in profile.plateaus)]
    metal_v = profile.ion_reference.above_lowest_ev_per_atom / profile.ion_charge
    edges = [None, *(p.voltage_v for p in profile.plateaus), metal_v]
    found = []
    for (x, mixture), (upper_v, lower_v) in zip(corners, pairwise(edges), strict=True):
        assert lower_v is not None
        stays = abs(x) < _SAME_X and (len(mixture.amounts) == 1 or set(mixture.phases) == set(itself.phases))
        reaction = None
        if not stays:
            reaction = reaction_between(itself, mixture, profile.ion, x, profile.ion_reference.phase)
        found.append(VoltageRange(lower_v, upper_v, x, mixture, reaction))
    return tuple(found)
