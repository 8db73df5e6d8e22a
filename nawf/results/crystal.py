"""A crystal as plain numbers, so that documents stay small and reports need no structure library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from phonopy.structure.atoms import PhonopyAtoms
    from pymatgen.core import Structure

Vector = tuple[float, float, float]


class Crystal(BaseModel):
    """A periodic, ordered crystal.

    Attributes
    ----------
    lattice_a : three vectors of three floats (Å)
        Rows are the lattice vectors.
    species : tuple of str, length n
        Element symbols.
    frac_coords : n vectors of three floats
        Fractional coordinates.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    lattice_a: tuple[Vector, Vector, Vector]
    species: tuple[str, ...]
    frac_coords: tuple[Vector, ...]

    @classmethod
    def from_arrays(cls, lattice_a: Any, species: Any, frac_coords: Any) -> Crystal:
        """Build from array-likes of shape (3, 3), (n,) and (n, 3)."""
        return cls(lattice_a=_rows(lattice_a), species=tuple(str(s) for s in species), frac_coords=_rows(frac_coords))

    @classmethod
    def from_structure(cls, structure: Structure) -> Crystal:
        """Build from an ordered pymatgen structure; oxidation states and site properties are dropped."""
        symbols = [site.specie.symbol for site in structure]
        return cls.from_arrays(structure.lattice.matrix, symbols, structure.frac_coords)

    def __len__(self) -> int:
        return len(self.species)

    @property
    def matrix_a(self) -> np.ndarray:
        """Lattice vectors as rows, shape (3, 3), Å."""
        return np.array(self.lattice_a, dtype=float)

    @property
    def volume_a3(self) -> float:
        return float(abs(np.linalg.det(self.matrix_a)))

    @property
    def volume_a3_per_atom(self) -> float:
        return self.volume_a3 / len(self)

    def to_structure(self) -> Structure:
        """The same crystal for pymatgen."""
        from pymatgen.core import Lattice, Structure

        return Structure(Lattice(self.matrix_a), list(self.species), np.array(self.frac_coords))

    def to_phonopy(self) -> PhonopyAtoms:
        """The same crystal for phonopy."""
        from phonopy.structure.atoms import PhonopyAtoms

        return PhonopyAtoms(
            symbols=list(self.species), cell=self.matrix_a, scaled_positions=np.array(self.frac_coords)
        )

    def to_spglib(self) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """Cell tuple (lattice, positions, atomic numbers) that spglib takes."""
        from ase.data import atomic_numbers

        return self.matrix_a, np.array(self.frac_coords), [atomic_numbers[s] for s in self.species]


def vector(values: Any) -> Vector:
    """Three plain floats of an array-like."""
    x, y, z = (float(v) for v in values)
    return x, y, z


def _rows(array: Any) -> tuple[Any, ...]:
    return tuple(vector(row) for row in np.asarray(array, dtype=float))
