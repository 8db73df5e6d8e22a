"""Energetics with known answers: published formation energies, and vibrations of Einstein solids."""

import math

import pytest

from nawf.reports.basis import Basis
from nawf.results.energetics import PhaseEnergetics, VibrationalFreeEnergy
from nawf.thermo.conditions import STATIC, Condition
from nawf.units import BOLTZMANN_EV_PER_K

# Static r2SCAN formation energies, eV/atom: Ji et al., Energy Environ. Sci. 17, 9255 (2024), 10.1039/d4ee03160a.
# With the elements at zero they are energies as well.
JI2024 = {
    "na-bcc": ("Na", 0.0),
    "s-alpha": ("S8", 0.0),
    "na2s": ("Na2S", -1.224),
    "na2s2-alpha": ("Na2S2", -0.976),
    "na2s4": ("Na2S4", -0.687),
    "na2s5-alpha": ("Na2S5", -0.591),
}
# A made-up electrolyte. Per formula unit Na2S has -3.6, Na3P -1.2 and Na3PS4 -7.2 eV; what follows from it by hand is
# in tests/thermo/test_window.py and test_interface.py.
THIOPHOSPHATE = {
    "na": ("Na", 0.0),
    "p": ("P", 0.0),
    "s": ("S", 0.0),
    "na2s": ("Na2S", -1.2),
    "na3p": ("Na3P", -0.3),
    "na3ps4": ("Na3PS4", -0.9),
    "na3ps4-high": ("Na3PS4", -0.88),
}
TEMPERATURES_K = tuple(10.0 * i for i in range(101))


def einstein(theta_k, temperature_k):
    """F (eV), S and C (eV/K) per atom of three oscillators of one frequency."""
    k = BOLTZMANN_EV_PER_K
    if temperature_k == 0:
        return 1.5 * k * theta_k, 0.0, 0.0
    x = theta_k / temperature_k
    n = 1 / math.expm1(x)
    free = 3 * k * (theta_k / 2 + temperature_k * math.log1p(-math.exp(-x)))
    return free, 3 * k * (x * n - math.log1p(-math.exp(-x))), 3 * k * x**2 * n * (n + 1)


class Makers:
    """Builders that the tests of reports share."""

    ji2024 = JI2024
    thiophosphate = THIOPHOSPHATE
    einstein = staticmethod(einstein)

    def vibrations(self, theta_k=200.0, **changes):
        columns = zip(*(einstein(theta_k, t) for t in TEMPERATURES_K), strict=True)
        free, entropy, heat = (tuple(c) for c in columns)
        return VibrationalFreeEnergy(TEMPERATURES_K, free, entropy, heat, **changes)

    def soft(self, fraction=0.004, shift_ev_per_atom=0.002):
        return self.vibrations(
            imaginary_fraction=fraction,
            lowest_frequency_thz=-0.5,
            soft_mode_shift_ev_per_atom=(shift_ev_per_atom,) * len(TEMPERATURES_K),
        )

    def energetics(self, phases=None, **changes):
        """Phases of ji2024 (or others) with the same vibrations each; changes by name, ``_`` for ``-``."""
        found = []
        for phase, (formula, energy) in (phases or JI2024).items():
            values = {"vibrations": self.vibrations()} | changes.pop(phase.replace("-", "_"), {})
            found.append(PhaseEnergetics(phase, formula, energy, **values))
        assert not changes
        return tuple(found)

    def basis(self, energetics=None, temperatures_k=(), **changes):
        """Static, and at temperatures."""
        conditions = (STATIC, *(Condition(t) for t in temperatures_k))
        return Basis(energetics or self.energetics(), conditions, **changes)


@pytest.fixture(scope="session")
def make():
    return Makers()
