"""Constants and conversions, once. Every number is derived from the SI definitions of 2019 (CODATA)."""

from __future__ import annotations

from typing import Final

ELEMENTARY_CHARGE_C: Final = 1.602176634e-19
BOLTZMANN_J_PER_K: Final = 1.380649e-23
AVOGADRO_PER_MOL: Final = 6.02214076e23
PLANCK_J_S: Final = 6.62607015e-34

BOLTZMANN_EV_PER_K: Final = BOLTZMANN_J_PER_K / ELEMENTARY_CHARGE_C
FARADAY_C_PER_MOL: Final = ELEMENTARY_CHARGE_C * AVOGADRO_PER_MOL
EV_PER_THZ: Final = PLANCK_J_S * 1e12 / ELEMENTARY_CHARGE_C

KJ_PER_MOL_PER_EV: Final = FARADAY_C_PER_MOL / 1e3
EV_PER_KJ_PER_MOL: Final = 1.0 / KJ_PER_MOL_PER_EV
GPA_PER_EV_PER_A3: Final = ELEMENTARY_CHARGE_C * 1e30 / 1e9
EV_PER_A3_PER_GPA: Final = 1.0 / GPA_PER_EV_PER_A3
KBAR_PER_GPA: Final = 10.0

MEV_PER_EV: Final = 1e3
MAH_PER_C: Final = 1.0 / 3.6
"""mAh per coulomb: 1 mAh = 3.6 C."""
