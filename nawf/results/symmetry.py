"""Space groups, primitive cells and supercells, by spglib."""

from __future__ import annotations

from typing import Any

import numpy as np
import spglib

from nawf.errors import CalculationError
from nawf.results.crystal import Crystal
from nawf.results.outputs import SpaceGroup


def space_group(crystal: Crystal, symprec_a: float) -> SpaceGroup:
    """Space group found with a distance tolerance of ``symprec_a`` (Å)."""
    dataset = symmetry_dataset(crystal, symprec_a)
    return SpaceGroup(number=int(dataset.number), symbol=str(dataset.international))


def primitive_cell(crystal: Crystal, symprec_a: float) -> Crystal:
    """Standard primitive cell, atoms and axes exactly where the space group wants them."""
    return _standard(crystal, symprec_a, to_primitive=True)


def conventional_cell(crystal: Crystal, symprec_a: float) -> Crystal:
    """Standard conventional cell."""
    return _standard(crystal, symprec_a, to_primitive=False)


def symmetry_dataset(crystal: Crystal, symprec_a: float) -> Any:
    """Dataset of spglib.

    Raises
    ------
    CalculationError
        When spglib finds no symmetry.
    """
    try:
        dataset = spglib.get_symmetry_dataset(crystal.to_spglib(), symprec=symprec_a)
    except spglib.SpglibError as error:
        raise CalculationError(f"spglib finds no symmetry with symprec {symprec_a} Å: {error}") from error
    if dataset is None:
        raise CalculationError(f"spglib finds no symmetry with symprec {symprec_a} Å")
    return dataset


def _standard(crystal: Crystal, symprec_a: float, *, to_primitive: bool) -> Crystal:
    from ase.data import chemical_symbols

    try:
        cell = spglib.standardize_cell(crystal.to_spglib(), to_primitive=to_primitive, symprec=symprec_a)
    except spglib.SpglibError as error:
        raise CalculationError(f"spglib finds no symmetry with symprec {symprec_a} Å: {error}") from error
    if cell is None:
        raise CalculationError(f"spglib cannot standardise the cell with symprec {symprec_a} Å")

    lattice, positions, numbers = cell
    return Crystal.from_arrays(lattice, [chemical_symbols[n] for n in numbers], positions)


def symmetrise(crystal: Crystal, symprec_a: float) -> tuple[Crystal, float]:
    """Standard primitive cell with exact symmetry, and the largest move of an atom on the way there (Å).

    Each atom, carried over to the standard cell, is compared with the nearest ideal one of its element.
    """
    dataset = symmetry_dataset(crystal, symprec_a)
    _, positions, numbers = crystal.to_spglib()
    moved = positions @ dataset.transformation_matrix.T + dataset.origin_shift
    steps = []
    for position, number in zip(moved, numbers, strict=True):
        delta = dataset.std_positions[dataset.std_types == number] - position
        delta = (delta - np.round(delta)) @ dataset.std_lattice
        steps.append(delta[np.linalg.norm(delta, axis=1).argmin()])
    steps_a = np.array(steps) - np.mean(steps, axis=0)  # the choice of the origin moves no atom
    return primitive_cell(crystal, symprec_a), float(np.linalg.norm(steps_a, axis=1).max())


def face_heights_a(matrix_a: np.ndarray) -> np.ndarray:
    """Heights of a cell over its three faces (Å), the distances between its periodic images' planes."""
    volume = abs(np.linalg.det(matrix_a))
    return np.array([volume / np.linalg.norm(np.cross(matrix_a[i - 2], matrix_a[i - 1])) for i in range(3)])


def supercell_rows(primitive: Crystal, min_length_a: float, symprec_a: float) -> Any:
    """Smallest supercell of the primitive cell that keeps the lattice symmetry and has the wanted heights.

    Candidates are multiples of the conventional cell, each axis by its own factor, and equal multiples of
    the primitive cell: both keep the point group, which keeps the number of displacements small.

    Returns
    -------
    numpy.ndarray of int, shape (3, 3)
        Rows are the supercell vectors in units of the primitive ones.
    """
    conventional = conventional_cell(primitive, symprec_a)
    centring = np.rint(conventional.matrix_a @ np.linalg.inv(primitive.matrix_a)).astype(int)
    per_axis = _factors(face_heights_a(conventional.matrix_a), min_length_a)
    equal = _factors(face_heights_a(primitive.matrix_a), min_length_a).max()
    candidates = [np.diag(per_axis) @ centring, np.eye(3, dtype=int) * equal]
    return min(candidates, key=lambda rows: round(abs(np.linalg.det(rows))))


def supercell(primitive: Crystal, rows: np.ndarray) -> Crystal:
    """The crystal in a larger cell, whose vectors are ``rows`` of integers, shape (3, 3), in primitive ones."""
    return Crystal.from_structure(primitive.to_structure().make_supercell(rows))


def _factors(heights_a: np.ndarray, min_length_a: float) -> np.ndarray:
    return np.maximum(1, np.ceil(min_length_a / heights_a - 1e-6)).astype(int)
