"""Potentials of reference electrodes other than the metal, such as Na15Sn4 or Na9Sn4."""

from __future__ import annotations

from collections.abc import Mapping

from nawf.errors import ReportError
from nawf.thermo.entries import EntrySet
from nawf.thermo.references import ElementReference
from nawf.thermo.voltage import voltage_profile

_AT_HOST_X = 1e-6


def electrode_potential_v(
    entry_set: EntrySet,
    alloy: str,
    ion: str = "Na",
    *,
    references: Mapping[str, ElementReference] | None = None,
) -> float:
    """Potential at which an alloy gives up its ion, against the ion's metal (V).

    It is the plateau that ends at the alloy's composition: subtract it from a voltage against the metal to
    have the voltage against the alloy.

    Parameters
    ----------
    entry_set, ion, references
        As for `nawf.thermo.voltage.voltage_profile`.
    alloy : str
        Phase identifier or formula.

    Raises
    ------
    ReportError
        When no plateau ends there, because the alloy holds no ion or is not on the equilibrium path.
    """
    profile = voltage_profile(entry_set, alloy, ion, references=references)
    for plateau in profile.plateaus:
        if abs(plateau.x_end) < _AT_HOST_X:
            return plateau.voltage_v
    raise ReportError(
        f"no plateau at {entry_set.condition.label} ends at {profile.host_formula}, so it has no potential",
        where=alloy,
        hint=f"choose an alloy of {ion} that lies on the hull",
    )
