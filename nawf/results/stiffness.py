"""What follows from a stiffness matrix: compliance, stability, and the moduli of a polycrystal.

Voigt's averages take the strain to be the same in all grains, Reuss's the stress; Hill's are their means (Proc. Phys.
Soc. A 65, 349 (1952), 10.1088/0370-1298/65/5/307). Nothing here fails for an unstable crystal, whose moduli mean
nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nawf.results.crystal import Crystal
from nawf.results.elastic import Moduli
from nawf.results.mandel import SCALE, mandel_stiffness
from nawf.units import AVOGADRO_PER_MOL, BOLTZMANN_J_PER_K, PLANCK_J_S

_SOFTEST = 1e-9
"""Least size of an eigenvalue in units of the largest: what a singular matrix is inverted with."""

_STEP = 1e-4
"""Step of numerical derivatives in units of the largest component."""


def compliance_per_gpa(stiffness_gpa: Any) -> np.ndarray:
    """Compliance in Voigt notation, shape (6, 6), 1/GPa; huge but finite where the stiffness is singular."""
    values, vectors = np.linalg.eigh(mandel_stiffness(stiffness_gpa))
    least = _SOFTEST * max(float(np.abs(values).max()), 1.0)
    values = np.where(np.abs(values) < least, least, values)
    return np.asarray((vectors / values) @ vectors.T * np.outer(SCALE, SCALE))


def eigenvalues_gpa(stiffness_gpa: Any) -> np.ndarray:
    """Eigenvalues in Mandel notation, rising, shape (6,); unlike those of the Voigt matrix, the same in all axes."""
    return np.linalg.eigvalsh(mandel_stiffness(stiffness_gpa))


def is_stable(stiffness_gpa: Any) -> bool:
    """Born's criterion, that every strain costs energy (Mouhat and Coudert, 10.1103/PhysRevB.90.224104)."""
    return bool((eigenvalues_gpa(stiffness_gpa) > 0).all())


def debye_temperature_k(
    bulk_gpa: float, shear_gpa: float, density_kg_per_m3: float, atoms_per_m3: float
) -> float | None:
    """Debye temperature of an isotropic solid from its mean speed of sound; None where a modulus is not positive.

    O. L. Anderson, J. Phys. Chem. Solids 24, 909 (1963), 10.1016/0022-3697(63)90067-2.
    """
    if not (bulk_gpa > 0 and shear_gpa > 0):
        return None
    transverse = (1e9 * shear_gpa / density_kg_per_m3) ** 0.5
    longitudinal = (1e9 * (bulk_gpa + 4.0 * shear_gpa / 3.0) / density_kg_per_m3) ** 0.5
    mean_m_per_s = ((2.0 / transverse**3 + 1.0 / longitudinal**3) / 3.0) ** (-1.0 / 3.0)
    wave_number_per_m = (3.0 * atoms_per_m3 / (4.0 * np.pi)) ** (1.0 / 3.0)
    return float(PLANCK_J_S / BOLTZMANN_J_PER_K * wave_number_per_m * mean_m_per_s)


def density_kg_per_m3(crystal: Crystal) -> float:
    """Density from standard atomic masses."""
    from ase.data import atomic_masses, atomic_numbers

    mass_g_per_mol = sum(atomic_masses[atomic_numbers[symbol]] for symbol in crystal.species)
    return float(mass_g_per_mol * 1e-3 / AVOGADRO_PER_MOL / (crystal.volume_a3 * 1e-30))


def moduli(stiffness_gpa: Any, crystal: Crystal, derivatives: Any = (), covariance: Any = ()) -> Moduli:
    """Moduli of a polycrystal, with standard errors where the covariance of the constants is given.

    Parameters
    ----------
    stiffness_gpa : array-like, shape (6, 6)
        Voigt notation.
    crystal : Crystal
        For the Debye temperature.
    derivatives : array-like, shape (n, 6, 6)
        Of the stiffness with respect to each of its independent constants.
    covariance : array-like, shape (n, n)
        Of these constants.
    """
    stiffness = np.asarray(stiffness_gpa, dtype=float)
    values = _moduli(stiffness, crystal)
    names = [name for name, value in values.items() if value is not None]
    slopes = np.array([_slopes(stiffness, d, crystal, names) for d in np.asarray(derivatives, dtype=float)])
    errors = np.sqrt(np.einsum("in,ij,jn->n", slopes, covariance, slopes)).tolist() if len(slopes) else []
    return Moduli.model_validate({**values, "errors": dict(zip(names, errors, strict=False))})


def _slopes(stiffness: np.ndarray, direction: np.ndarray, crystal: Crystal, names: list[str]) -> list[float]:
    """Derivatives of the named moduli along a direction in the space of stiffnesses."""
    half = _STEP * np.abs(stiffness).max() / np.abs(direction).max()
    ahead, behind = (_moduli(stiffness + sign * half * direction, crystal) for sign in (1, -1))
    return [((ahead[name] or 0.0) - (behind[name] or 0.0)) / (2 * half) for name in names]


def _moduli(stiffness: np.ndarray, crystal: Crystal) -> dict[str, float | None]:
    """Fields of the record, by name."""
    compliance = compliance_per_gpa(stiffness)
    s_normal, s_mixed, s_shear = _sums(compliance)
    c_normal, c_mixed, c_shear = _sums(stiffness)
    # A vanishing denominator, which only an unstable crystal can have, leaves a number that is not finite.
    with np.errstate(divide="ignore", invalid="ignore"):
        bulk_voigt = (c_normal + 2 * c_mixed) / 9
        bulk_reuss = 1 / (s_normal + 2 * s_mixed)
        shear_voigt = (c_normal - c_mixed + 3 * c_shear) / 15
        shear_reuss = 15 / (4 * s_normal - 4 * s_mixed + 3 * s_shear)
        bulk, shear = (bulk_voigt + bulk_reuss) / 2, (shear_voigt + shear_reuss) / 2
        derived = {
            "young_gpa": 9 * bulk * shear / (3 * bulk + shear),
            "poisson": (3 * bulk - 2 * shear) / (6 * bulk + 2 * shear),
            "pugh_ratio": shear / bulk,
            "universal_anisotropy": 5 * shear_voigt / shear_reuss + bulk_voigt / bulk_reuss - 6,
        }
    averages = {
        "bulk_voigt_gpa": bulk_voigt,
        "bulk_reuss_gpa": bulk_reuss,
        "bulk_hill_gpa": bulk,
        "shear_voigt_gpa": shear_voigt,
        "shear_reuss_gpa": shear_reuss,
        "shear_hill_gpa": shear,
    }
    values: dict[str, float | None] = {name: float(value) for name, value in (averages | derived).items()}
    atoms_per_m3 = 1e30 / crystal.volume_a3_per_atom
    return values | {
        "debye_temperature_k": debye_temperature_k(bulk, shear, density_kg_per_m3(crystal), atoms_per_m3)
    }


def _sums(voigt: np.ndarray) -> tuple[np.float64, np.float64, np.float64]:
    """11 + 22 + 33, 12 + 13 + 23 and 44 + 55 + 66."""
    return np.trace(voigt[:3, :3]), voigt[0, 1] + voigt[0, 2] + voigt[1, 2], np.trace(voigt[3:, 3:])
