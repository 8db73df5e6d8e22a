"""Equilibrium voltage profile of any host against any ion.

G(x), the hull's energy at host + x ions, is convex and piecewise linear in x; its corners are the phase
mixtures between which the voltage is constant (:mod:`nawf.thermo.envelope` finds them). Between neighbours a and
b, V = -[G_b - G_a - dx g_ion] / (z dx) for an ion of charge z (Aydinol et al., Phys. Rev. B 56, 1354 (1997),
10.1103/PhysRevB.56.1354).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from pymatgen.core import Composition

from nawf.errors import ReportError
from nawf.thermo.conditions import Condition
from nawf.thermo.entries import Entry, EntrySet, format_formula
from nawf.thermo.envelope import SAME_EV_PER_ATOM, SAME_X, Corner, corners_between
from nawf.thermo.hull import Hull
from nawf.thermo.mixtures import Mixture
from nawf.thermo.reactions import Reaction, reaction_between
from nawf.thermo.references import ElementReference, element_references
from nawf.units import FARADAY_C_PER_MOL, MAH_PER_C, MEV_PER_EV

ION_CHARGES: Final[Mapping[str, int]] = {
    **dict.fromkeys(("Li", "Na", "K", "Rb", "Cs"), 1),
    **dict.fromkeys(("Mg", "Ca", "Zn"), 2),
    "Al": 3,
}
"""Elementary charges that a working ion carries."""


@dataclass(frozen=True)
class Plateau:
    """A range of constant voltage, in the direction of discharge.

    Attributes
    ----------
    voltage_v : float
        Against the metal of the ion (V).
    x_start, x_end : float
        Ions per formula unit of the host as given, counted from the host as given.
    ion_fraction_start, ion_fraction_end : float
        Atom fraction of the ion in the whole composition.
    capacity_start_mah_per_g, capacity_end_mah_per_g : float
        Counted from the start of the profile, per mass of the ion-free host.
    depth_of_discharge_start, depth_of_discharge_end : float
        0 at the start of the profile, 1 at its end.
    mixture_start, mixture_end : Mixture
        Phases in equilibrium, formula units per formula unit of the host as given.
    reaction : Reaction
        Net reaction; ``reaction.text()`` is readable.
    """

    voltage_v: float
    x_start: float
    x_end: float
    ion_fraction_start: float
    ion_fraction_end: float
    capacity_start_mah_per_g: float
    capacity_end_mah_per_g: float
    depth_of_discharge_start: float
    depth_of_discharge_end: float
    mixture_start: Mixture
    mixture_end: Mixture
    reaction: Reaction


@dataclass(frozen=True)
class VoltageProfile:
    """Equilibrium discharge of a host at one condition.

    Attributes
    ----------
    condition : Condition
    host : str
        As given: a phase or a formula.
    host_formula, ion : str
    ion_charge : int
        Elementary charges per ion.
    ion_reference : ElementReference
        Metal that voltages are counted from.
    x_start, x_end : float
        Ends of the profile; both 0 where nothing reacts.
    ion_free_formula : str
        The host without the ion; the mass that capacities are counted per.
    ion_free_mass_g_per_mol : float
    ions_in_host : float
        Ions per formula unit of the host as given.
    mixture_start, mixture_end : Mixture
        Phases at both ends.
    plateaus : tuple of Plateau
        Falling voltages; empty where the ion does not react with the host.
    notes : tuple of str
        What the reader should know of start, end and reference.
    """

    condition: Condition
    host: str
    host_formula: str
    ion: str
    ion_charge: int
    ion_reference: ElementReference
    x_start: float
    x_end: float
    ion_free_formula: str
    ion_free_mass_g_per_mol: float
    ions_in_host: float
    mixture_start: Mixture
    mixture_end: Mixture
    plateaus: tuple[Plateau, ...]
    notes: tuple[str, ...] = ()

    @property
    def capacity_mah_per_g(self) -> float:
        """Capacity of the whole profile per mass of the ion-free host (mAh/g)."""
        return self.plateaus[-1].capacity_end_mah_per_g if self.plateaus else 0.0

    @property
    def average_voltage_v(self) -> float | None:
        """Mean voltage over the whole profile (V); None where there is no plateau."""
        if not self.plateaus:
            return None
        charge_times_voltage = sum(p.voltage_v * (p.x_end - p.x_start) for p in self.plateaus)
        return charge_times_voltage / (self.x_end - self.x_start)

    def against(self, electrode_v: float) -> VoltageProfile:
        """The same with voltages against an electrode that has a potential (V) against what they are counted from."""
        moved = tuple(replace(p, voltage_v=p.voltage_v - electrode_v) for p in self.plateaus)
        return replace(self, plateaus=moved)

    def voltage_at(self, x: float) -> float:
        """Voltage (V) at x ions per formula unit; at a step that of the lower plateau, which begins there.

        Raises
        ------
        ReportError
            When x lies outside the profile.
        """
        if not self.plateaus or not self.x_start <= x <= self.x_end:
            reach = f"from x = {self.x_start:g} to {self.x_end:g}" if self.plateaus else "nowhere"
            raise ReportError(f"there is no voltage at x = {x:g}: the profile reaches {reach}", where=self.host)
        return next(p for p in reversed(self.plateaus) if p.x_start <= x).voltage_v


def voltage_profile(
    entry_set: EntrySet,
    host: str,
    ion: str = "Na",
    *,
    from_charged: bool = True,
    references: Mapping[str, ElementReference] | None = None,
) -> VoltageProfile:
    """Equilibrium voltage profile of a host against an ion.

    x is counted from the host as given. The profile runs over all compositions in the direction of discharge:
    from the host without any ion (x = -n for a host with n ions) until the chemical potential of the ion
    reaches that of its metal. Every mixture of the chemical system of host and ion may take part, so that the
    host may as well be a compound that falls apart. Where the host is no phase on the hull, the profile
    starts from the hull at its composition and ``notes`` says so.

    Parameters
    ----------
    entry_set : EntrySet
    host : str
        Phase identifier or formula; a phase goes first where both fit.
    ion : str
        Element symbol of the working ion, one of `ION_CHARGES`.
    from_charged : bool
        False starts from the host as given, also where it contains the ion.
    references : mapping of element to ElementReference, optional
        Its entry for the ion is the metal of zero volt; the lowest-lying phase of the ion unless given.

    Raises
    ------
    ReportError
        When host or ion are unknown, the host holds nothing but the ion, or phases are missing.
    """
    if ion not in ION_CHARGES:
        raise ReportError("no working ion", where=ion, hint=f"choose one of {', '.join(ION_CHARGES)}")
    composition, host_entry = entry_set.composition_of(host)
    frame = {element: n for element, n in composition.items() if element != ion}
    if not frame:
        raise ReportError(f"the host holds nothing but {ion}", where=host, hint="name another host or ion")
    lowest = element_references(entry_set, [ion])[ion]
    reference = (references or {}).get(ion, lowest)
    hull = Hull(entry_set, {*frame, ion})
    ions_in_host = composition.get(ion, 0.0)
    start = frame if from_charged else composition
    x_start = 0.0 - ions_in_host if from_charged else 0.0
    corners = _corners(hull, start, ion, lowest.energy_ev_per_atom)
    mass = float(Composition(frame).weight)
    return VoltageProfile(
        condition=entry_set.condition,
        host=host,
        host_formula=format_formula(composition),
        ion=ion,
        ion_charge=ION_CHARGES[ion],
        ion_reference=reference,
        x_start=x_start,
        x_end=_snapped(x_start + corners[-1].x),
        ion_free_formula=format_formula(frame),
        ion_free_mass_g_per_mol=mass,
        ions_in_host=ions_in_host,
        mixture_start=corners[0].mixture,
        mixture_end=corners[-1].mixture,
        plateaus=_plateaus(corners, x_start, composition, mass, reference),
        notes=_notes(hull, host_entry, start, corners, reference),
    )


def _corners(hull: Hull, start: Mapping[str, float], ion: str, metal_ev: float) -> list[Corner]:
    """All corners of G(x) from the start to where the ion's metal precipitates."""
    first = Corner(0.0, hull.equilibrium(start))
    last = _corner_at(hull, start, ion, metal_ev)
    tolerance_ev = SAME_EV_PER_ATOM * sum(start.values())

    def gain_of_metal(left: Corner, right: Corner) -> float:
        """Energy won (eV) by going from left to right with ions from the metal."""
        return left.energy_ev - right.energy_ev + metal_ev * (right.x - left.x)

    # The metal lies beside the host already, or taking up ions gains nothing.
    if last is None or gain_of_metal(first, last) <= tolerance_ev:
        return [first]
    between = corners_between(first, last, lambda slope: _corner_at(hull, start, ion, slope), tolerance_ev)
    corners = [first, *between, last]
    # A plateau at zero volt, where a phase ties with the metal, is no discharge.
    while len(corners) > 1 and gain_of_metal(corners[-2], corners[-1]) <= tolerance_ev:
        corners.pop()
    return corners


def _corner_at(hull: Hull, start: Mapping[str, float], ion: str, mu_ev: float) -> Corner | None:
    found = hull.equilibrium_in_contact_with(start, ion, mu_ev)
    return None if found is None else Corner(found[1], found[0])


def _plateaus(
    corners: list[Corner],
    x_start: float,
    host: Mapping[str, float],
    ion_free_mass_g_per_mol: float,
    reference: ElementReference,
) -> tuple[Plateau, ...]:
    host_atoms, host_ions = sum(host.values()), host.get(reference.element, 0.0)
    charge = ION_CHARGES[reference.element]
    mah_per_g_per_ion = charge * FARADAY_C_PER_MOL * MAH_PER_C / ion_free_mass_g_per_mol

    def fraction(x: float) -> float:
        return (host_ions + x) / (host_atoms + x)

    plateaus = []
    for a, b in pairwise(corners):
        taken_up = b.x - a.x
        gain = b.energy_ev - a.energy_ev - taken_up * reference.energy_ev_per_atom
        plateaus.append(
            Plateau(
                voltage_v=-gain / (charge * taken_up),
                x_start=_snapped(x_start + a.x),
                x_end=_snapped(x_start + b.x),
                ion_fraction_start=fraction(x_start + a.x),
                ion_fraction_end=fraction(x_start + b.x),
                capacity_start_mah_per_g=a.x * mah_per_g_per_ion,
                capacity_end_mah_per_g=b.x * mah_per_g_per_ion,
                depth_of_discharge_start=a.x / corners[-1].x,
                depth_of_discharge_end=b.x / corners[-1].x,
                mixture_start=a.mixture,
                mixture_end=b.mixture,
                reaction=reaction_between(a.mixture, b.mixture, reference.element, taken_up, reference.phase),
            )
        )
    return tuple(plateaus)


def _snapped(x: float) -> float:
    """Zero where only rounding keeps x from it, so that the host as given is seen as such."""
    return 0.0 if abs(x) < SAME_X else x


def _notes(
    hull: Hull,
    host_entry: Entry | None,
    start: Mapping[str, float],
    corners: list[Corner],
    reference: ElementReference,
) -> tuple[str, ...]:
    notes = []
    first = corners[0].mixture
    if host_entry is not None and not hull.is_stable(host_entry.phase):
        above = MEV_PER_EV * hull.energy_above_hull_ev_per_atom(host_entry.phase)
        notes.append(
            f"{host_entry.phase} lies {above:.1f} meV/atom above the hull: the profile is that of the hull "
            "at its composition"
        )
    if len(first.amounts) > 1:
        notes.append(f"no phase {format_formula(start)} lies on the hull: it starts as {first.text()}")
    if reference.above_lowest_ev_per_atom > 0:
        above = MEV_PER_EV * reference.above_lowest_ev_per_atom
        notes.append(
            f"zero volt is {reference.phase}, {above:.1f} meV/atom above the lowest phase of "
            f"{reference.element}; the profile ends where the lowest one forms"
        )
    if len(corners) == 1:
        notes.append(f"{reference.element} does not react with {format_formula(start)}")
    return tuple(notes)
