"""Theoretical capacities and energy densities."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pymatgen.core import Composition

from nawf.errors import InputError, ReportError
from nawf.thermo.entries import parse_formula
from nawf.thermo.voltage import VoltageProfile
from nawf.units import FARADAY_C_PER_MOL, MAH_PER_C


def molar_mass_g_per_mol(formula: str) -> float:
    """Mass of a formula unit as written (g/mol), with standard atomic weights; InputError for no formula."""
    return float(Composition(parse_formula(formula)).weight)


def theoretical_capacity_mah_per_g(formula: str, electrons: float) -> float:
    """Capacity C = n F / (3.6 M) of a substance (mAh/g).

    Parameters
    ----------
    formula : str
        The substance whose mass counts, charged or discharged.
    electrons : float
        Electrons n, or ions of charge one, that a formula unit as written takes up or gives.

    Raises
    ------
    InputError
        For something that is no formula, or a negative number of electrons.

    Examples
    --------
    >>> round(theoretical_capacity_mah_per_g("S", 2))
    1672
    """
    if not electrons >= 0:
        raise InputError(f"{electrons} electrons per formula unit make no capacity", where=formula)
    return electrons * FARADAY_C_PER_MOL * MAH_PER_C / molar_mass_g_per_mol(formula)


def composite_capacity_mah_per_g(parts: Iterable[tuple[float, float]]) -> float:
    """Capacity of a composite, C = sum of w_i C_i over mass fractions w_i (mAh/g).

    The weights are masses, not moles: Na3PS4 : Na2S = 1 : 2 by mass gives 575 mAh/g, by mole 488.

    Parameters
    ----------
    parts : iterable of (mass, capacity)
        Masses in any unit, capacities in mAh/g.

    Raises
    ------
    InputError
        When there is no mass, or a negative one.
    """
    pairs = list(parts)
    total = sum(mass for mass, _ in pairs)
    if not total > 0 or any(mass < 0 for mass, _ in pairs):
        raise InputError("a composite needs masses of zero or more, not all of them zero")
    return sum(mass * capacity for mass, capacity in pairs) / total


@dataclass(frozen=True)
class EnergyDensity:
    """Energy of a whole discharge per mass (Wh/kg), active materials only.

    Attributes
    ----------
    per_charged_cathode_wh_per_kg : float
        Per mass of the cathode at the start of the profile.
    per_discharged_cathode_wh_per_kg : float
        Per mass of the cathode at the end of the profile.
    per_both_electrodes_wh_per_kg : float
        Per mass of the cathode at the start and the anode that goes with it.
    mean_voltage_v : float
        Of the cell.
    """

    per_charged_cathode_wh_per_kg: float
    per_discharged_cathode_wh_per_kg: float
    per_both_electrodes_wh_per_kg: float
    mean_voltage_v: float


def energy_density(
    profile: VoltageProfile,
    *,
    anode: str | None = None,
    ions_per_anode: float = 1.0,
    anode_voltage_v: float = 0.0,
    anode_excess: float = 1.0,
) -> EnergyDensity:
    """Energy density of a discharge over a whole profile against an anode.

    Parameters
    ----------
    profile : VoltageProfile
    anode : str, optional
        Formula of the charged anode, such as ``Na15Sn4``; the ion's metal unless given.
    ions_per_anode : float
        Ions that a formula unit of the anode gives.
    anode_voltage_v : float
        Mean potential of the anode against the ion's metal (V).
    anode_excess : float
        Mass of anode in units of what the discharge needs.

    Raises
    ------
    ReportError
        When the profile has no plateau.
    InputError
        For an anode that is no formula, gives no ions, or is less than the discharge needs.
    """
    mean = profile.average_voltage_v
    if mean is None:
        raise ReportError(f"{profile.ion} does not react: there is no energy to give", where=profile.host)
    if not ions_per_anode > 0 or not anode_excess >= 1:
        raise InputError("the anode gives too few ions", hint="ions_per_anode > 0, anode_excess >= 1")
    ion_mass = molar_mass_g_per_mol(profile.ion)
    taken_up = profile.x_end - profile.x_start
    charged = profile.ion_free_mass_g_per_mol + (profile.ions_in_host + profile.x_start) * ion_mass
    anode_mass = anode_excess * taken_up / ions_per_anode * molar_mass_g_per_mol(anode or profile.ion)
    cell_voltage = mean - anode_voltage_v
    # mAh/g times V is mWh/g, which is Wh/kg.
    energy = profile.ion_charge * taken_up * FARADAY_C_PER_MOL * MAH_PER_C * cell_voltage
    return EnergyDensity(
        energy / charged,
        energy / (charged + taken_up * ion_mass),
        energy / (charged + anode_mass),
        cell_voltage,
    )
