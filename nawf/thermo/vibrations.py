"""Vibrational free energy, entropy and heat capacity at any temperature inside the tabulated grid.

F is interpolated by the quintic Hermite polynomial through F, dF/dT = -S and d²F/dT² = -C/T at both ends of
a grid interval, so that all tabulated values come back exactly and S and C between them are the derivatives
of one F. Its error is at most h⁶ max|F⁽⁶⁾| / 46080 for a grid step h (Birkhoff and Priver, J. Math. Phys. 46,
440 (1967), 10.1002/sapm1967461440): with h = 10 K less than 1e-6 eV/atom even if all modes lay at 1 THz.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from scipy.interpolate import BPoly

from nawf.errors import ReportError
from nawf.results.energetics import VibrationalFreeEnergy


def free_energy_ev_per_atom(vib: VibrationalFreeEnergy, temperature_k: float) -> float:
    """Harmonic Helmholtz free energy with zero-point energy (eV/atom).

    Raises
    ------
    ReportError
        When ``temperature_k`` lies outside the grid, or the grid is unusable.
    """
    return _interpolate(vib, temperature_k, 0)


def entropy_ev_per_k_per_atom(vib: VibrationalFreeEnergy, temperature_k: float) -> float:
    """Vibrational entropy S = -dF/dT (eV/K/atom); errors as for the free energy."""
    return -_interpolate(vib, temperature_k, 1)


def heat_capacity_ev_per_k_per_atom(vib: VibrationalFreeEnergy, temperature_k: float) -> float:
    """Heat capacity at constant volume C = -T d²F/dT² (eV/K/atom); errors as for the free energy."""
    return -temperature_k * _interpolate(vib, temperature_k, 2)


def _interpolate(vib: VibrationalFreeEnergy, temperature_k: float, order: int) -> float:
    """Derivative of F of the given order at a temperature."""
    grid = vib.temperatures_k
    _check(vib)
    if not grid[0] <= temperature_k <= grid[-1]:
        raise ReportError(
            f"the free energy is known from {grid[0]:g} to {grid[-1]:g} K, not at {temperature_k:g} K",
            hint="choose a temperature inside this range, or run the phonons to a higher one",
        )
    right = bisect_left(grid, temperature_k)
    if grid[right] == temperature_k:
        return _derivatives(vib, right)[order]
    ends = [_derivatives(vib, right - 1), _derivatives(vib, right)]
    return float(BPoly.from_derivatives(grid[right - 1 : right + 1], ends)(temperature_k, order))


def _derivatives(vib: VibrationalFreeEnergy, index: int) -> Sequence[float]:
    """F, dF/dT and d²F/dT² at a grid point; C/T vanishes at 0 K for any solid."""
    t = vib.temperatures_k[index]
    curvature = -vib.heat_capacity_ev_per_k_per_atom[index] / t if t > 0 else 0.0
    return (vib.free_energy_ev_per_atom[index], -vib.entropy_ev_per_k_per_atom[index], curvature)


def _check(vib: VibrationalFreeEnergy) -> None:
    columns = (
        vib.temperatures_k,
        vib.free_energy_ev_per_atom,
        vib.entropy_ev_per_k_per_atom,
        vib.heat_capacity_ev_per_k_per_atom,
    )
    sizes = {len(column) for column in columns}
    if len(sizes) != 1 or 0 in sizes:
        raise ReportError("the free-energy table is empty or its columns differ in length")
    if not all(np.isfinite(column).all() for column in columns) or (np.diff(columns[0]) <= 0).any():
        raise ReportError("the free-energy table has numbers that are not finite, or temperatures that do not rise")


def soft_mode_shift_ev_per_atom(vib: VibrationalFreeEnergy, temperature_k: float) -> float | None:
    """Change of F if imaginary modes counted as real ones of the same size (eV/atom), or None where unknown.

    It tells how much a free energy may be off because it lacks these modes; linear between grid points, as
    it is a scale and not a result.
    """
    if not vib.soft_mode_shift_ev_per_atom:
        return None
    return float(np.interp(temperature_k, vib.temperatures_k, vib.soft_mode_shift_ev_per_atom))
