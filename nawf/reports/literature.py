"""Published values that reports lay beside the computed ones; facts with their source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from nawf.thermo.entries import composition_key, parse_formula


@dataclass(frozen=True)
class Published:
    """Values of one quantity from one source, by formula.

    ``key`` is the short name under which a table shows it.
    """

    key: str
    doi: str
    method: str
    values: Mapping[str, float]

    def value_of(self, formula: str) -> float | None:
        """Value for a composition, however many formula units it is written with."""
        by_composition = {composition_key(parse_formula(f)): value for f, value in self.values.items()}
        return by_composition.get(composition_key(parse_formula(formula)))


@dataclass(frozen=True)
class PublishedWindows:
    """Limits of electrochemical windows from one source, by formula: reduction, oxidation."""

    key: str
    doi: str
    method: str
    values: Mapping[str, tuple[float, float]]


def _published(key: str, doi: str, method: str, values: dict[str, float]) -> Published:
    return Published(key, doi, method, MappingProxyType(values))


_JI2024 = ("ji2024", "10.1039/d4ee03160a")
_JI2024_STATIC = "VASP PAW r2SCAN, 680 eV, static"

FORMATION_ENERGY_EV_PER_ATOM: Final = _published(
    *_JI2024, _JI2024_STATIC, {"Na2S": -1.224, "Na2S2": -0.976, "Na2S4": -0.687, "Na2S5": -0.591}
)

HULL_DEPTH_MEV_PER_ATOM: Final = _published(
    *_JI2024, _JI2024_STATIC, {"Na2S": -512.0, "Na2S2": -4.0, "Na2S4": -14.0, "Na2S5": -67.0}
)
"""They do not follow from the formation energies of the same paper by the usual definition."""

VOLUME_A3_PER_ATOM: Final = _published(
    *_JI2024, _JI2024_STATIC, {"Na2S": 22.954, "Na2S2": 21.810, "Na2S4": 22.414, "Na2S5": 23.041, "S": 27.56}
)

PLATEAU_VOLTAGE_V: Final = _published(
    *_JI2024, _JI2024_STATIC, {"Na2S5": 2.07, "Na2S4": 2.03, "Na2S2": 1.84, "Na2S": 1.72}
)
"""By the phase that a plateau ends at, discharging sulfur against sodium."""

MEASURED_DISCHARGE_V: Final = _published(
    *_JI2024,
    "GITT open circuit at 90 °C, discharge",
    {"plateau 1": 2.10, "plateau 2": 1.81, "plateau 3": 1.52},
)

MEASURED_CHARGE_V: Final = _published(
    *_JI2024, "GITT open circuit at 90 °C, charge", {"plateau 1": 2.16, "plateau 2": 1.92, "plateau 3": 1.72}
)

WINDOW_LIMITS_V: Final = PublishedWindows(
    "yuan2025",
    "10.1039/d4ee06171c",
    "PBE, quoted there from Lacivita et al., J. Mater. Chem. A 7, 8144 (2019)",
    MappingProxyType({"Na3PS4": (1.39, 2.45), "Na3SbS4": (1.83, 1.90)}),
)
"""Against sodium."""

MEASURED_FORMATION_ENTHALPY_EV_PER_ATOM: Final = -1.26
"""Na2S, -365 to -366 kJ/mol at 298 K."""

PUGH_RATIO: Final = _published(
    "yuan2025", "10.1039/d4ee06171c", "DFT elastic tensors, quoted", {"Na3SbS4": 0.19, "Na3PS4": 0.458}
)
"""G/B. Of which polymorphs is not known."""
