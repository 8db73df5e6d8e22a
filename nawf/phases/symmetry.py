"""A crystal as its space group, cell and asymmetric unit, in the standard setting.

Standard means the first setting that the International Tables give for a group, which pymatgen and spglib
take by default: unique axis b, origin choice 1, hexagonal axes for rhombohedral groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import spglib

from nawf.errors import StructureError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pymatgen.core import Structure

SYMPREC_A = 0.01
"""Default distance within which atoms count as symmetric (Å): coordinates are quoted to 3-4 digits."""

_SpglibCell = tuple[Any, Any, list[int]]


@dataclass(frozen=True)
class AsymmetricSite:
    """One atom of the asymmetric unit; the Wyckoff letter is None where the origin leaves it open."""

    element: str
    multiplicity: int
    wyckoff_letter: str | None
    frac_coords: tuple[float, float, float]


@dataclass(frozen=True)
class SymmetricCrystal:
    """Space group, conventional cell and asymmetric unit of a crystal.

    Attributes
    ----------
    number, symbol : int, str
        Space group; the symbol is the short one, such as ``P6_3/mmc``.
    lengths_angstrom, angles_deg : tuples of three floats
        Conventional cell (Å, degrees).
    sites : tuple of AsymmetricSite
        One atom of each orbit, in the order of the structure.
    was_transformed : bool
        Whether the cell had to be changed to come to the standard setting.
    largest_shift_angstrom : float
        How far an atom moved to make the symmetry exact (Å).
    """

    number: int
    symbol: str
    lengths_angstrom: tuple[float, float, float]
    angles_deg: tuple[float, float, float]
    sites: tuple[AsymmetricSite, ...]
    was_transformed: bool
    largest_shift_angstrom: float


def find_space_group(structure: Structure, symprec_angstrom: float = SYMPREC_A) -> tuple[str, int] | None:
    """Short symbol and number of the space group, or None if spglib finds none (overlapping atoms)."""
    dataset = _symmetry_dataset(_spglib_cell(structure), symprec_angstrom)
    return None if dataset is None else (dataset.international, dataset.number)


def space_group_symbol(number: int) -> str:
    """Short symbol of a space-group number."""
    return spglib.get_spacegroup_type(_standard_hall_number(number)).international_short


def spaced_symbol(number: int) -> str:
    """Hermann-Mauguin symbol as CIF writes it, such as ``P 63/m m c``."""
    full = spglib.get_spacegroup_type(_standard_hall_number(number)).international
    return full.split("=")[0].strip().replace("_", "")


def hall_symbol(number: int) -> str:
    """Hall symbol of the standard setting."""
    return spglib.get_spacegroup_type(_standard_hall_number(number)).hall_symbol.strip()


def standard_operations(number: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Operations of a space group in the standard setting.

    Returns
    -------
    rotations : integer array of shape (n, 3, 3)
    translations : float array of shape (n, 3)
        Acting on fractional column vectors, x' = W x + w, lattice centring included, in a fixed order that
        begins with the identity.
    """
    database = spglib.get_symmetry_from_database(_standard_hall_number(number))
    return database["rotations"], database["translations"]


def describe_crystal(structure: Structure, symprec_angstrom: float = SYMPREC_A) -> SymmetricCrystal:
    """Bring an ordered structure to space group, conventional cell and asymmetric unit.

    A cell that is already conventional and in the standard setting is kept; any other is standardised.
    The metric is averaged over the point group and each atom over its site symmetry, so that the result has
    the symmetry exactly.

    Parameters
    ----------
    structure : Structure
        Ordered structure, any cell.
    symprec_angstrom : float
        Distance within which atoms count as symmetric (Å).

    Raises
    ------
    StructureError
        If no space group is found.
    """
    cell = _spglib_cell(structure)
    dataset = _symmetry_dataset(cell, symprec_angstrom)
    if dataset is None:
        raise StructureError(f"spglib finds no space group within {symprec_angstrom:g} Å")
    rotations, translations = standard_operations(dataset.number)
    was_transformed = not _has_operations(dataset, cell, rotations, translations, symprec_angstrom)
    if was_transformed:
        number = dataset.number
        cell = spglib.standardize_cell(cell, to_primitive=False, no_idealize=False, symprec=symprec_angstrom)
        dataset = _symmetry_dataset(cell, symprec_angstrom)
        if dataset is None or dataset.number != number:
            raise StructureError(f"no standard cell is found within {symprec_angstrom:g} Å")
    lattice = _symmetric_lattice(np.asarray(cell[0]), rotations)
    sites, shift = _asymmetric_unit(cell, dataset, lattice, rotations, translations, 3 * symprec_angstrom)
    lengths, angles = _parameters(lattice)
    return SymmetricCrystal(
        number=dataset.number,
        symbol=space_group_symbol(dataset.number),
        lengths_angstrom=lengths,
        angles_deg=angles,
        sites=sites,
        was_transformed=was_transformed,
        largest_shift_angstrom=shift,
    )


@lru_cache(maxsize=1)
def _hall_numbers() -> dict[int, int]:
    first: dict[int, int] = {}
    for hall in range(1, 531):
        first.setdefault(spglib.get_spacegroup_type(hall).number, hall)
    return first


def _standard_hall_number(number: int) -> int:
    return _hall_numbers()[number]


def _symmetry_dataset(cell: _SpglibCell | None, symprec_angstrom: float) -> Any:
    """Symmetry found by spglib, or None: until version 3 it returns None on failure, then it raises."""
    try:
        return None if cell is None else spglib.get_symmetry_dataset(cell, symprec=symprec_angstrom)
    except spglib.SpglibError:
        return None


def _spglib_cell(structure: Structure) -> _SpglibCell:
    return structure.lattice.matrix, structure.frac_coords, [site.specie.Z for site in structure]


def _has_operations(
    dataset: Any, cell: _SpglibCell, rotations: Any, translations: Any, symprec_angstrom: float
) -> bool:
    """Whether the operations found in the cell are those of the standard setting, shift of origin included."""
    if len(dataset.rotations) != len(rotations):
        return False
    lattice = np.asarray(cell[0])
    for rotation, translation in zip(rotations, translations, strict=True):
        same = np.all(dataset.rotations == rotation, axis=(1, 2))
        distances = _distances(dataset.translations[same] - translation, lattice)
        if not same.any() or distances.min() > 4 * symprec_angstrom:
            return False
    return True


def _distances(frac_differences: NDArray[np.float64], lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lengths (Å) of differences of fractional coordinates, shape (..., 3), reduced to the nearest image."""
    return np.linalg.norm((frac_differences - np.rint(frac_differences)) @ lattice, axis=-1)


def _symmetric_lattice(lattice: NDArray[np.float64], rotations: Any) -> NDArray[np.float64]:
    """Lattice (rows, Å) whose metric is the average over the point group, G = mean of Wᵀ G W."""
    metric = lattice @ lattice.T
    averaged = np.mean([w.T @ metric @ w for w in rotations], axis=0)
    return np.linalg.cholesky(averaged)


def _parameters(
    lattice: NDArray[np.float64],
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    lengths = np.linalg.norm(lattice, axis=1)
    pairs = ((1, 2), (0, 2), (0, 1))
    cosines = [lattice[i] @ lattice[j] / (lengths[i] * lengths[j]) for i, j in pairs]
    a, b, c = (round(float(x), 10) for x in lengths)
    alpha, beta, gamma = (round(float(x), 10) for x in np.degrees(np.arccos(cosines)))
    return (a, b, c), (alpha, beta, gamma)


def _asymmetric_unit(
    cell: _SpglibCell,
    dataset: Any,
    lattice: NDArray[np.float64],
    rotations: Any,
    translations: Any,
    tolerance_angstrom: float,
) -> tuple[tuple[AsymmetricSite, ...], float]:
    """First atom of each orbit, averaged over all operations, and the largest shift of any atom (Å)."""
    from ase.data import chemical_symbols

    coords, numbers = np.asarray(cell[1]), np.asarray(cell[2])
    inverses = np.rint(np.linalg.inv(rotations))
    free = np.ones(len(numbers), dtype=bool)
    sites: list[AsymmetricSite] = []
    largest_shift = 0.0
    for index in range(len(numbers)):
        if not free[index]:
            continue
        images = rotations @ coords[index] + translations
        differences = coords[None, :, :] - images[:, None, :]
        distances = np.where(numbers == numbers[index], _distances(differences, lattice), np.inf)
        partners = distances.argmin(axis=1)
        orbit = np.unique(partners)
        if distances.min(axis=1).max() > tolerance_angstrom or len(rotations) % len(orbit):
            raise StructureError("the atoms do not form orbits of the space group; use a smaller symprec")
        # Each operation carries this atom to a partner; carried back, the partners give its mean place.
        nearest = images + (coords[partners] - images) - np.rint(coords[partners] - images)
        back = np.einsum("nij,nj->ni", inverses, nearest - translations)
        mean = coords[index] + (back - coords[index]).mean(axis=0)
        largest_shift = max(
            largest_shift, float(_distances(rotations @ mean + translations - nearest, lattice).max())
        )
        sites.append(
            AsymmetricSite(
                element=chemical_symbols[numbers[index]],
                multiplicity=len(orbit),
                wyckoff_letter=_wyckoff_letter(dataset, index, len(orbit) == len(rotations)),
                frac_coords=_wrapped(mean),
            )
        )
        free[orbit] = False
    return tuple(sites), largest_shift


def _wyckoff_letter(dataset: Any, index: int, is_general: bool) -> str | None:
    # spglib's letters hold for its own origin; only the general position is the same for every origin.
    is_own_setting = np.allclose(dataset.transformation_matrix, np.eye(3), atol=1e-3) and np.allclose(
        dataset.origin_shift - np.rint(dataset.origin_shift), 0, atol=1e-3
    )
    return dataset.wyckoffs[index] if is_own_setting or is_general else None


def _wrapped(coords: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 12) % 1.0 for value in coords)
    return x, y, z
