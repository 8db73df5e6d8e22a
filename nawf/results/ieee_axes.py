"""Cartesian axes of a crystal by the IEEE standard on piezoelectricity (ANSI/IEEE 176-1987).

x3 is along c and x2 along c × a, so that it all rests on which lattice vectors are a and c:

- cubic, tetragonal, trigonal, hexagonal: those of the conventional cell, which is hexagonal (obverse) for trigonal
  crystals;
- orthorhombic: c < a < b;
- monoclinic: the two shortest translations normal to the two-fold axis, c < a, β not acute;
- triclinic: the three shortest translations, c < a < b, α and β not acute.

These rules serve elastic tensors, which no inversion changes. The standard's extra ones, which choose senses by the
sign of a piezoelectric constant or set c along a polar axis, are left out.
"""

from __future__ import annotations

import numpy as np

from nawf.results.crystal import Crystal
from nawf.results.symmetry import symmetry_dataset

_LAST_OF_SYSTEM = {
    "triclinic": 2,
    "monoclinic": 15,
    "orthorhombic": 74,
    "tetragonal": 142,
    "trigonal": 167,
    "hexagonal": 194,
    "cubic": 230,
}
_TIE = 1e-6
"""Relative difference below which two lengths are taken as the same, so that noise does not decide."""


def crystal_system(space_group_number: int) -> str:
    """Crystal system of a space group: ``cubic``, ``trigonal`` ..."""
    return next(system for system, last in _LAST_OF_SYSTEM.items() if space_group_number <= last)


def in_ieee_axes(crystal: Crystal, symprec_a: float) -> Crystal:
    """The same crystal, turned so that its Cartesian axes are those of the standard; no mirror image.

    Raises
    ------
    CalculationError
        When spglib finds no symmetry.
    """
    axes = ieee_axes(crystal, symprec_a)
    return Crystal.from_arrays(crystal.matrix_a @ axes.T, crystal.species, crystal.frac_coords)


def ieee_axes(crystal: Crystal, symprec_a: float) -> np.ndarray:
    """Right-handed unit vectors x1, x2, x3 as rows, shape (3, 3), in the axes of the crystal.

    Raises
    ------
    CalculationError
        When spglib finds no symmetry.
    """
    dataset = symmetry_dataset(crystal, symprec_a)
    conventional = np.linalg.inv(dataset.transformation_matrix).T @ crystal.matrix_a
    a, c = _a_and_c(crystal_system(dataset.number), conventional)
    x3 = c / np.linalg.norm(c)
    x2 = np.cross(c, a) / np.linalg.norm(np.cross(c, a))
    return np.array([np.cross(x2, x3), x2, x3])


def _a_and_c(system: str, conventional: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lattice vectors a and c of the standard from the rows of spglib's conventional cell."""
    if system == "monoclinic":
        c, a = _shortest_two(conventional[0], conventional[2])
    elif system in ("triclinic", "orthorhombic"):
        # A triclinic cell is reduced (Niggli): right-handed, its lengths rising, its angles all acute or all not. So
        # b turns around with a, and the cell stays right-handed.
        unit = _TIE * np.linalg.norm(conventional)
        c, a, _ = sorted(conventional, key=lambda row: round(float(np.linalg.norm(row)) / unit))
    else:
        a, _, c = conventional
    return _not_acute(a, c), c


def _not_acute(vector: np.ndarray, to: np.ndarray) -> np.ndarray:
    """A vector, turned around if its angle to another is acute."""
    return -vector if vector @ to > _TIE * np.linalg.norm(vector) * np.linalg.norm(to) else vector


def _shortest_two(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two shortest vectors of a plane lattice, the shorter one first (Gauss's reduction)."""
    while True:
        if np.linalg.norm(second) < (1.0 - _TIE) * np.linalg.norm(first):
            first, second = second, first
        steps = round(float(first @ second / (first @ first)))
        if steps == 0:
            return first, second
        second = second - steps * first
