"""What an elastic tensor says of the mechanics of a phase: stiff and soft directions, ductile or brittle."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from scipy.optimize import minimize

from nawf.errors import ReportError
from nawf.results.crystal import Vector, vector
from nawf.results.stiffness import compliance_per_gpa, eigenvalues_gpa

BRITTLE_PUGH_RATIO = 0.571
"""G/B above which a solid counts as brittle, the inverse of B/G = 1.75 (S. F. Pugh, Philos. Mag. 45, 823 (1954),
10.1080/14786440808520496)."""

_GRID_POINTS = 2000

_NEAR_RAD = 0.12
"""Two steps of the grid."""

_MOST_EXTREMES = 13
"""Pairs of opposite directions in which a generic form of fourth order on the sphere has stationary points, at most
(D. Cartwright and B. Sturmfels, arXiv:1004.4953)."""

_SAME_MODULUS = 1e-9


class Ductility(StrEnum):
    """Verdict of Pugh's criterion; borderline within one standard error of its limit."""

    DUCTILE = "ductile"
    BORDERLINE = "borderline"
    BRITTLE = "brittle"


@dataclass(frozen=True)
class YoungExtremes:
    """Smallest and largest Young's modulus over all directions (GPa), and a direction of each.

    Directions are unit vectors in the axes of the tensor, of either sense; symmetry may make more of them.
    """

    smallest_gpa: float
    softest_direction: Vector
    largest_gpa: float
    stiffest_direction: Vector

    @property
    def anisotropy(self) -> float:
        """Largest over smallest; one for an isotropic solid."""
        return self.largest_gpa / self.smallest_gpa


def ductility(pugh_ratio: float, error: float = 0.0) -> Ductility:
    """Whether a solid is ductile or brittle by its G/B and the standard error of that."""
    if abs(pugh_ratio - BRITTLE_PUGH_RATIO) <= error:
        return Ductility.BORDERLINE
    return Ductility.BRITTLE if pugh_ratio > BRITTLE_PUGH_RATIO else Ductility.DUCTILE


def young_modulus_gpa(stiffness_gpa: Any, directions: Any) -> np.ndarray:
    """Young's modulus along directions, 1/E = s_ijkl n_i n_j n_k n_l.

    Parameters
    ----------
    stiffness_gpa : array-like, shape (6, 6)
        Voigt notation.
    directions : array-like, shape (..., 3)
        Vectors in the axes of the tensor; their lengths do not matter.

    Returns
    -------
    numpy.ndarray, shape (...)
        GPa.

    Raises
    ------
    ReportError
        When the tensor is not stable: a rod of such a crystal has no modulus.
    """
    products = _products(directions)
    return np.asarray(1.0 / np.einsum("...i,ij,...j->...", products, _stable_compliance(stiffness_gpa), products))


def linear_compressibility_per_gpa(stiffness_gpa: Any, directions: Any) -> np.ndarray:
    """By how much a length shrinks under pressure, s_ijkk n_i n_j (1/GPa); the sum over three axes is 1/B.

    Parameters and errors are those of :func:`young_modulus_gpa`.
    """
    return np.asarray(_products(directions) @ _stable_compliance(stiffness_gpa)[:, :3].sum(axis=1))


def young_extremes(stiffness_gpa: Any) -> YoungExtremes:
    """Smallest and largest Young's modulus: from all hills and valleys of a grid over the half sphere, refined.

    The best point of the grid alone may lie on a lower hill than a sharp one that falls between its points.

    Raises
    ------
    ReportError
        When the tensor is not stable.
    """
    compliance = _stable_compliance(stiffness_gpa)
    grid = _half_sphere(_GRID_POINTS)
    products = _products(grid)
    inverse = np.einsum("ni,ij,nj->n", products, compliance, products)
    largest, stiffest = _best(compliance, grid, inverse, 1)
    smallest, softest = _best(compliance, grid, -inverse, -1)
    return YoungExtremes(smallest, softest, largest, stiffest)


def _best(compliance: np.ndarray, grid: np.ndarray, values: np.ndarray, sign: int) -> tuple[float, Vector]:
    """The largest (sign 1) or smallest (sign -1) modulus; of equal ones that of the best point of the grid.

    ``values``, shape (n,), are lowest where to look; a direction and its opposite are one.
    """
    is_near = np.abs(grid @ grid.T) > np.cos(_NEAR_RAD)
    lowest = np.flatnonzero(values <= np.where(is_near, values, np.inf).min(axis=1))
    starts = grid[lowest[np.argsort(values[lowest])][:_MOST_EXTREMES]]
    best, *others = (_refined(compliance, start, sign) for start in starts)
    for other in others:
        if sign * (other[0] - best[0]) > _SAME_MODULUS * best[0]:
            best = other
    return best


def _refined(compliance: np.ndarray, start: np.ndarray, sign: int) -> tuple[float, Vector]:
    """The modulus and direction of a local maximum (sign 1) or minimum (sign -1) near a direction."""

    def objective(direction: np.ndarray) -> float:
        products = _products(direction)
        return float(sign * products @ compliance @ products)

    scale = abs(objective(start))
    found = minimize(lambda direction: objective(direction) / scale, start, tol=1e-12)
    return float(sign / objective(found.x)), _upwards(found.x)


def _upwards(direction: np.ndarray) -> Vector:
    unit = direction / np.linalg.norm(direction)
    unit = np.where(np.abs(unit) < 1e-6, 0.0, unit)
    return vector(unit * np.sign(unit[np.flatnonzero(unit)[-1]]) + 0.0)


def _half_sphere(n_points: int) -> np.ndarray:
    """Unit vectors spread evenly over the half sphere z > 0 (a Fibonacci lattice), shape (n, 3)."""
    index = np.arange(n_points)
    z = (index + 0.5) / n_points
    angle = index * np.pi * (3.0 - np.sqrt(5.0))
    radius = np.sqrt(1.0 - z**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)


def _products(directions: Any) -> np.ndarray:
    """n_i n_j of unit vectors in Voigt order, shape (..., 6)."""
    n = np.asarray(directions, dtype=float)
    x, y, z = np.moveaxis(n / np.linalg.norm(n, axis=-1, keepdims=True), -1, 0)
    return np.stack([x * x, y * y, z * z, y * z, x * z, x * y], axis=-1)


def _stable_compliance(stiffness_gpa: Any) -> np.ndarray:
    lowest = float(eigenvalues_gpa(stiffness_gpa)[0])
    if not lowest > 0:
        raise ReportError(
            f"the elastic tensor is not stable, with an eigenvalue of {lowest:.3g} GPa: its moduli mean nothing"
        )
    return compliance_per_gpa(stiffness_gpa)
