"""Symmetry operations of a crystal, and what they make of forces and stresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nawf.rehearsal.stop import StopError
from nawf.results.crystal import Crystal


@dataclass(frozen=True)
class Operations:
    """Operations x' = R x + t in fractional coordinates.

    Attributes
    ----------
    rotations : array of int, shape (operations, 3, 3)
    images : array of int, shape (operations, atoms)
        Which atom each atom is carried to.
    """

    rotations: np.ndarray
    images: np.ndarray

    @property
    def point_group(self) -> np.ndarray:
        """Distinct rotations, shape (n, 3, 3)."""
        return np.unique(self.rotations, axis=0)

    def forces(self, forces: np.ndarray, matrix_a: np.ndarray) -> np.ndarray:
        """Average over the images of vectors on the atoms, shape (atoms, 3)."""
        total = np.zeros_like(forces)
        for cartesian, image in zip(self._cartesian(matrix_a), self.images, strict=True):
            total[image] += forces @ cartesian.T
        return total / len(self.rotations)

    def tensor(self, tensor: np.ndarray, matrix_a: np.ndarray) -> np.ndarray:
        """Average over the images of a tensor, shape (3, 3)."""
        cartesian = self._cartesian(matrix_a)
        total: np.ndarray = np.einsum("mij,jk,mlk->il", cartesian, tensor, cartesian) / len(self.rotations)
        return total

    def _cartesian(self, matrix_a: np.ndarray) -> np.ndarray:
        columns = matrix_a.T
        result: np.ndarray = columns @ self.rotations @ np.linalg.inv(columns)
        return result


def no_symmetry(n_atoms: int) -> Operations:
    """The identity alone."""
    return Operations(np.eye(3, dtype=int)[None], np.arange(n_atoms)[None])


def find_operations(crystal: Crystal, symprec_a: float, magmom: Sequence[float] = ()) -> Operations:
    """Operations found with a tolerance of ``symprec_a`` (Å). Atoms of unlike ``magmom`` are never equivalent.

    Raises
    ------
    StopError
        When none can be found.
    """
    import spglib

    lattice, positions = crystal.matrix_a, np.array(crystal.frac_coords)
    kinds = list(zip(crystal.species, magmom or [0.0] * len(crystal), strict=True))
    kind = [sorted(set(kinds)).index(k) + 1 for k in kinds]
    try:
        found = spglib.get_symmetry_dataset((lattice, positions, kind), symprec=symprec_a)
    except spglib.SpglibError:
        found = None
    if found is None:
        raise StopError("POSMAP internal error: symmetry equivalent atom not found,", "change SYMPREC or POSCAR")
    images = [
        _images(positions, positions @ rotation.T + translation, lattice, np.array(kind))
        for rotation, translation in zip(found.rotations, found.translations, strict=True)
    ]
    return Operations(np.array(found.rotations), np.array(images))


def _images(positions: np.ndarray, moved: np.ndarray, lattice: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Index of the atom at which each moved atom lands."""
    delta = moved[:, None] - positions[None]
    delta -= np.round(delta)
    distance = np.linalg.norm(delta @ lattice, axis=2)
    distance[kind[:, None] != kind[None]] = np.inf
    nearest: np.ndarray = distance.argmin(axis=1)
    return nearest
