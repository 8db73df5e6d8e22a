"""Symmetric tensors in Voigt notation, which records use, and in Mandel notation, which algebra wants.

In Mandel notation the shear components of stress and strain alike carry a factor of √2. Rotations are then
orthogonal matrices, and the eigenvalues of a stiffness matrix do not depend on the axes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_ROWS, _COLUMNS = (np.array(indices) for indices in zip(*_PAIRS, strict=True))

SCALE = np.array([1.0, 1.0, 1.0, np.sqrt(2.0), np.sqrt(2.0), np.sqrt(2.0)])
"""Mandel components of a symmetric tensor in units of its Cartesian ones."""


def mandel_vector(tensor: Any) -> np.ndarray:
    """Mandel vectors, shape (..., 6), of symmetric tensors, shape (..., 3, 3)."""
    return SCALE * np.asarray(tensor)[..., _ROWS, _COLUMNS]


def tensor_of(mandel: Any) -> np.ndarray:
    """Symmetric tensors, shape (..., 3, 3), of Mandel vectors, shape (..., 6)."""
    components = np.asarray(mandel) / SCALE
    tensor = np.empty((*components.shape[:-1], 3, 3))
    tensor[..., _ROWS, _COLUMNS] = tensor[..., _COLUMNS, _ROWS] = components
    return tensor


def mandel_strain(voigt: Any) -> np.ndarray:
    """Mandel vectors of strains in Voigt notation, which has engineering shears."""
    return np.asarray(voigt, dtype=float) / SCALE


def mandel_stress(voigt: Any) -> np.ndarray:
    """Mandel vectors of stresses in Voigt notation."""
    return np.asarray(voigt, dtype=float) * SCALE


def voigt_stress(mandel: Any) -> np.ndarray:
    """Stresses in Voigt notation of Mandel vectors."""
    return np.asarray(mandel) / SCALE


def mandel_stiffness(voigt: Any) -> np.ndarray:
    """Mandel matrices, shape (..., 6, 6), of stiffnesses in Voigt notation."""
    return np.asarray(voigt, dtype=float) * np.outer(SCALE, SCALE)


def voigt_stiffness(mandel: Any) -> np.ndarray:
    """Stiffnesses in Voigt notation, shape (..., 6, 6), of Mandel matrices."""
    return np.asarray(mandel) / np.outer(SCALE, SCALE)


def mandel_rotation(rotation: np.ndarray) -> np.ndarray:
    """Orthogonal matrices, shape (..., 6, 6), that turn Mandel vectors as T' = R T Rᵀ turns their tensors.

    Parameters
    ----------
    rotation : numpy.ndarray, shape (..., 3, 3)
        Proper or improper rotations R.
    """
    units = tensor_of(np.eye(6))
    turned = np.einsum("...ij,njk,...lk->...nil", rotation, units, rotation)
    return np.swapaxes(mandel_vector(turned), -1, -2)
