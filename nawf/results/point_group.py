"""Point group of a crystal as it acts on stresses and strains, and the tensors that it leaves alone."""

from __future__ import annotations

import numpy as np

from nawf.results.crystal import Crystal
from nawf.results.mandel import mandel_rotation
from nawf.results.symmetry import symmetry_dataset

_SAME = 1e-4
"""Operations, and images of a strain relative to its length, count as the same below this difference."""


def cartesian_operations(crystal: Crystal, symprec_a: float) -> np.ndarray:
    """Operations of the point group in the Cartesian axes of the crystal, shape (n, 3, 3), exactly orthogonal.

    Raises
    ------
    CalculationError
        When spglib finds no symmetry.
    """
    fractional = symmetry_dataset(crystal, symprec_a).rotations
    columns = crystal.matrix_a.T
    left, _, right = np.linalg.svd(columns @ fractional @ np.linalg.inv(columns))
    return np.asarray(left @ right)


def mandel_operations(crystal: Crystal, symprec_a: float) -> np.ndarray:
    """Distinct operations of the point group on Mandel vectors, shape (n, 6, 6); an inversion changes nothing there.

    Raises
    ------
    CalculationError
        When spglib finds no symmetry.
    """
    distinct: list[np.ndarray] = []
    for operation in mandel_rotation(cartesian_operations(crystal, symprec_a)):
        if not any(np.allclose(operation, other, rtol=0, atol=_SAME) for other in distinct):
            distinct.append(operation)
    return np.array(distinct)


def maps(operations: np.ndarray, vector: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Which operations carry a Mandel vector onto another, as booleans of shape (n,)."""
    differences = np.linalg.norm(operations @ vector - image, axis=1)
    return np.asarray(differences <= _SAME * np.linalg.norm(vector))


def invariant_tensors(operations: np.ndarray, rank: int) -> np.ndarray:
    """Tensors over the six-dimensional Mandel space that are symmetric in all indices and keep under a group.

    Rank 1 are stresses, rank 2 second-order elastic constants, rank 3 third-order ones.

    Parameters
    ----------
    operations : numpy.ndarray, shape (n, 6, 6)
        A group.
    rank : int

    Returns
    -------
    numpy.ndarray, shape (constants, 6, ...)
        Orthonormal basis.
    """
    basis = _symmetric_basis(rank)
    average = np.zeros((len(basis), len(basis)))
    flat = basis.reshape(len(basis), -1)
    for operation in operations:
        turned = basis
        for axis in range(1, rank + 1):
            turned = np.moveaxis(np.tensordot(turned, operation, axes=(axis, 1)), -1, axis)
        average += flat @ turned.reshape(len(basis), -1).T / len(operations)
    # A projector: its eigenvalues are zero and one.
    kept, vectors = np.linalg.eigh((average + average.T) / 2)
    return np.tensordot(vectors[:, kept > 0.5].T, basis, axes=1)


def _symmetric_basis(rank: int) -> np.ndarray:
    """Orthonormal basis of the symmetric tensors of a rank over six dimensions."""
    indices = np.sort(np.indices((6,) * rank).reshape(rank, -1).T, axis=1)
    _, classes = np.unique(indices, axis=0, return_inverse=True)
    members = (classes.ravel() == np.arange(classes.max() + 1)[:, None]).astype(float)
    members /= np.sqrt(members.sum(axis=1, keepdims=True))
    return members.reshape(-1, *(6,) * rank)
