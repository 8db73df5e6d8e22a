"""A crystal's cell in the setting of another: which lattice vectors are its a, b and c.

Standard cells of a crystal before and after a relaxation need not correspond: what is the shorter of two axes may
become the longer one. So the vectors are chosen by the shape of the cell, by its symmetry and by the atoms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nawf.results.crystal import Crystal
from nawf.results.symmetry import symmetry_dataset

LENGTH_TOLERANCE = 0.30
ANGLE_TOLERANCE_DEG = 15.0

_SAME_SHAPE = 1e-6
"""Strains that differ by less belong to one shape."""
_SYMMETRIC = 1e-3
"""A shape has a symmetry that changes its metric by less, in units of the metric."""
_SYMPREC_A = 0.01
_CLEAR_MATCH = 0.02
"""Atoms that lie closer to their counterparts than this, in units of their spacing, need no better orientation."""


def matrix_of(lengths_a: tuple[float, float, float], angles_deg: tuple[float, float, float]) -> np.ndarray:
    """Lattice vectors as rows, shape (3, 3), Å: a along x, b in the xy plane."""
    alpha, beta, gamma = np.cos(np.radians(angles_deg))
    sine = np.sin(np.radians(angles_deg[2]))
    y = (alpha - beta * gamma) / sine
    directions = [[1.0, 0.0, 0.0], [gamma, sine, 0.0], [beta, y, np.sqrt(1.0 - beta**2 - y**2)]]
    return np.array(lengths_a)[:, None] * np.array(directions)


def lengths_and_angles(matrix_a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lengths a, b, c (Å) and angles α, β, γ (degrees) of lattice vectors in rows."""
    lengths = np.linalg.norm(matrix_a, axis=1)
    unit = matrix_a / lengths[:, None]
    cosines = np.array([unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]])
    return lengths, np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))


def cell_in_setting(crystal: Crystal, reference: Crystal) -> np.ndarray | None:
    """Lattice vectors of ``crystal`` that correspond to those of ``reference``.

    Of all cells with as many atoms as the reference, and edges and angles within :data:`LENGTH_TOLERANCE` and
    :data:`ANGLE_TOLERANCE_DEG` of its own, the one is taken that asks for the smallest strain and the smallest moves
    of the atoms together; cells with the symmetry of the reference go first. Where two are equally good, a and b are
    the edges that are most alike.

    Parameters
    ----------
    crystal : Crystal
        Any cell of the crystal, primitive or not.
    reference : Crystal
        The same substance in the setting that is wanted.

    Returns
    -------
    numpy.ndarray, shape (3, 3), or None
        Lattice vectors as rows (Å), right-handed; None where nothing fits, or the contents are not the same.
    """
    multiple = len(reference) // len(crystal)
    if sorted(crystal.species * multiple) != sorted(reference.species):
        return None
    shapes = list(_shapes(crystal.matrix_a, reference.matrix_a, multiple))
    rotations = symmetry_dataset(reference, _SYMPREC_A).rotations
    shapes = [shape for shape in shapes if shape.has(rotations)] or shapes
    best: tuple[float, float] | None = None
    found = None
    for shape in shapes:
        if best is not None and shape.strain > best[0] + _SAME_SHAPE:
            break
        mismatch = min(_mismatches(crystal, reference, shape.cells))
        lattice = shape.cells[0] @ crystal.matrix_a
        a, b, _ = np.linalg.norm(lattice, axis=1)
        score = (round(float(np.hypot(shape.strain, mismatch)), 6), round(float(abs(a - b)), 6))
        if best is None or score < best:
            best, found = score, lattice
    return found


@dataclass(frozen=True)
class _Shape:
    """Cells of one shape.

    ``strain`` is the norm of the Green-Lagrange strain from the reference to them, ``metric`` holds the scalar
    products of their vectors, and ``cells`` the integer matrices, shape (n, 3, 3), that give them.
    """

    strain: float
    metric: np.ndarray
    cells: np.ndarray

    def has(self, rotations: np.ndarray) -> bool:
        """Whether rotations, as they act on fractional coordinates, carry the lattice onto itself."""
        turned = rotations.transpose(0, 2, 1) @ self.metric @ rotations
        return bool(np.abs(turned - self.metric).max() < _SYMMETRIC * np.abs(self.metric).max())


def _shapes(lattice: np.ndarray, reference: np.ndarray, multiple: int) -> Iterator[_Shape]:
    """Shapes of cells like the reference, least strained first."""
    cells = _cells(lattice, reference, multiple)
    if not len(cells):
        return
    vectors = cells @ lattice
    metrics = vectors @ vectors.transpose(0, 2, 1)
    inverse = np.linalg.inv(reference)
    strains = np.linalg.norm((inverse @ metrics @ inverse.T - np.eye(3)) / 2, axis=(1, 2))
    keys = np.column_stack([strains, metrics.reshape(-1, 9) / np.linalg.norm(reference) ** 2])
    order = np.lexsort(np.round(keys, 7).T[::-1])
    start = 0
    for i in range(1, len(order) + 1):
        if i == len(order) or np.abs(keys[order[i]] - keys[order[start]]).max() > _SAME_SHAPE:
            first = order[start]
            yield _Shape(float(strains[first]), metrics[first], cells[order[start:i]])
            start = i


def _cells(lattice: np.ndarray, reference: np.ndarray, multiple: int) -> np.ndarray:
    """Integer matrices, shape (n, 3, 3), of right-handed cells like the reference with so many lattice points."""
    lengths, angles = lengths_and_angles(reference)
    points = _lattice_points(lattice, lengths.max() * (1 + LENGTH_TOLERANCE))
    vectors = points @ lattice
    norms = np.linalg.norm(vectors, axis=1)
    picks = [np.flatnonzero(np.abs(norms / length - 1) <= LENGTH_TOLERANCE) for length in lengths]
    unit = vectors / norms[:, None]

    def fits(i: int, j: int) -> np.ndarray:
        angle = np.degrees(np.arccos(np.clip(unit[picks[i]] @ unit[picks[j]].T, -1.0, 1.0)))
        return np.asarray(np.abs(angle - angles[3 - i - j]) <= ANGLE_TOLERANCE_DEG)

    ab, ac, bc = fits(0, 1), fits(0, 2), fits(1, 2)
    handed = multiple if np.linalg.det(lattice) > 0 else -multiple
    found = []
    for i, a in enumerate(points[picks[0]]):
        j, k = np.nonzero(ab[i][:, None] & ac[i][None, :] & bc)
        b, c = points[picks[1]][j], points[picks[2]][k]
        right = np.cross(b, c) @ a == handed
        found.append(np.stack([np.broadcast_to(a, b.shape)[right], b[right], c[right]], axis=1))
    return np.concatenate(found) if found else np.empty((0, 3, 3), dtype=int)


def _lattice_points(lattice: np.ndarray, radius_a: float) -> np.ndarray:
    """Lattice points but the origin within a radius, integer coordinates, shape (n, 3)."""
    # A sphere reaches radius times the length of the reciprocal vector along each axis.
    most = np.floor(radius_a * np.linalg.norm(np.linalg.inv(lattice), axis=0) + 1e-9).astype(int)
    points = np.stack(np.meshgrid(*(np.arange(-m, m + 1) for m in most), indexing="ij"), axis=-1).reshape(-1, 3)
    lengths = np.linalg.norm(points @ lattice, axis=1)
    return points[(lengths <= radius_a) & (lengths > 0)]


def _mismatches(crystal: Crystal, reference: Crystal, cells: np.ndarray) -> Iterator[float]:
    """Root mean square distance between the atoms of both crystals, in units of their spacing, for each cell."""
    spacing = reference.volume_a3_per_atom ** (1 / 3)
    for cell in cells:
        distance = _distance_a(_filled(crystal, cell), reference) / spacing
        yield distance
        if distance < _CLEAR_MATCH:
            return


def _filled(crystal: Crystal, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Species and fractional coordinates of the crystal in a larger cell."""
    inverse = np.linalg.inv(cell)
    corners = np.stack(np.meshgrid(*([[0, 1]] * 3), indexing="ij"), axis=-1).reshape(-1, 3) @ cell
    ranges = (np.arange(low, high + 1) for low, high in zip(corners.min(axis=0), corners.max(axis=0), strict=True))
    points = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3) @ inverse
    points = points[((points > -1e-9) & (points < 1 - 1e-9)).all(axis=1)]
    atoms = np.array(crystal.frac_coords) @ inverse
    return np.tile(crystal.species, len(points)), (points[:, None, :] + atoms[None, :, :]).reshape(-1, 3)


def _distance_a(filled: tuple[np.ndarray, np.ndarray], reference: Crystal) -> float:
    """Root mean square distance (Å) of the reference's atoms from the nearest of their kind, for the best origin."""
    species, atoms = filled
    wanted, targets = np.array(reference.species), np.array(reference.frac_coords)
    rarest = min(sorted(set(wanted)), key=lambda s: np.count_nonzero(wanted == s))
    first = targets[wanted == rarest][0]
    return min(
        _rms_a(species, atoms + first - origin, wanted, targets, reference.matrix_a)
        for origin in atoms[species == rarest]
    )


def _rms_a(
    species: np.ndarray, atoms: np.ndarray, wanted: np.ndarray, targets: np.ndarray, matrix_a: np.ndarray
) -> float:
    """Root mean square distance to the nearest atom of the kind."""
    squares = []
    for kind in sorted(set(wanted)):
        delta = atoms[species == kind][None, :, :] - targets[wanted == kind][:, None, :]
        delta = (delta - np.round(delta)) @ matrix_a
        squares.append((delta**2).sum(axis=2).min(axis=1))
    return float(np.sqrt(np.mean(np.concatenate(squares))))
