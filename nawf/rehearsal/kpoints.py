"""Meshes of k-points from KPOINTS or KSPACING, and their irreducible part."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nawf.rehearsal.stop import StopError, not_rehearsed
from nawf.results.crystal import Crystal, Vector, vector

_SAME = 1e-6
_NO_SHIFT = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class KPoints:
    """Irreducible k-points.

    Attributes
    ----------
    points : array, shape (n, 3)
        Fractional coordinates in reciprocal space.
    multiplicities : array, shape (n,)
        How many points of the full mesh each stands for, or weights of an explicit list.
    mesh : three int, optional
        Divisions, None for an explicit list.
    style : {"Gamma", "Monkhorst-Pack", "Reciprocal"}
    shift : three floats
        Shift that the user gave, in units of the divisions.
    """

    points: np.ndarray
    multiplicities: np.ndarray
    mesh: tuple[int, int, int] | None = None
    style: str = "Reciprocal"
    shift: Vector = (0.0, 0.0, 0.0)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def weights(self) -> np.ndarray:
        """Weights that add up to 1, shape (n,)."""
        total: np.ndarray = self.multiplicities / self.multiplicities.sum()
        return total


def mesh_of_spacing(crystal: Crystal, kspacing_per_a: float) -> tuple[int, int, int]:
    """Divisions for KSPACING, the largest distance between neighbouring points (1/Å, the factor 2π included)."""
    if kspacing_per_a <= 0:
        raise StopError(f"ERROR: KSPACING = {kspacing_per_a} is not positive")
    lengths = 2 * math.pi * np.linalg.norm(np.linalg.inv(crystal.matrix_a), axis=0)
    a, b, c = (max(1, math.ceil(length / kspacing_per_a)) for length in lengths)
    return a, b, c


def from_spacing(crystal: Crystal, kspacing_per_a: float, gamma: bool, rotations: np.ndarray | None) -> KPoints:
    """Irreducible points of the mesh that KSPACING and KGAMMA ask for; see :func:`irreducible`."""
    mesh = mesh_of_spacing(crystal, kspacing_per_a)
    return irreducible(mesh, "Gamma" if gamma else "Monkhorst-Pack", _NO_SHIFT, rotations)


def from_file(text: str, crystal: Crystal, rotations: np.ndarray | None) -> KPoints:
    """Irreducible points of a KPOINTS file.

    Raises
    ------
    StopError
        When the file cannot be read or asks for a band structure.
    """
    lines = [line.strip() for line in text.splitlines()]
    try:
        n_points, style = int(lines[1].split()[0]), lines[2][:1].upper()
        if n_points <= 0 and style in ("G", "M"):
            mesh = _mesh(lines[3].split())
            shift = vector([float(word) for word in lines[4].split()[:3]]) if lines[4:] and lines[4] else _NO_SHIFT
            return irreducible(mesh, "Gamma" if style == "G" else "Monkhorst-Pack", shift, rotations)
        if n_points <= 0 and style == "A":
            return irreducible(_mesh_of_length(crystal, float(lines[3].split()[0])), "Gamma", _NO_SHIFT, rotations)
        if n_points <= 0 or style in ("L", "C", "K"):
            raise not_rehearsed("KPOINTS with basis vectors, in cartesian coordinates or along lines")
        rows = np.array([[float(word) for word in line.split()[:4]] for line in lines[3 : 3 + n_points]])
        if rows.shape != (n_points, 4):
            raise ValueError(f"no {n_points} points with weights")
    except (ValueError, IndexError) as error:
        raise StopError("ERROR: the file KPOINTS cannot be read", str(error)) from None
    return KPoints(rows[:, :3], rows[:, 3])


def irreducible(mesh: tuple[int, int, int], style: str, shift: Vector, rotations: np.ndarray | None) -> KPoints:
    """One point of each star of a mesh.

    Parameters
    ----------
    mesh : three int
    style : {"Gamma", "Monkhorst-Pack"}
        Whether Γ is a point of the unshifted mesh; the other mesh is moved by half a division where it is even.
    shift : three floats
        Further shift, in units of a division.
    rotations : array of int, shape (n, 3, 3), or None
        Point group in real space, which time reversal is added to. None leaves the mesh as it is.

    Notes
    -----
    Rotations that do not carry the mesh onto itself are left out.
    """
    if min(mesh) < 1:
        raise StopError(f"ERROR: a mesh of k-points cannot be {mesh[0]} x {mesh[1]} x {mesh[2]}")
    divisions = np.array(mesh)
    offset = np.array(shift, dtype=float)
    if style == "Monkhorst-Pack":
        offset = offset + np.where(divisions % 2 == 0, 0.5, 0.0)
    c, b, a = np.meshgrid(*(np.arange(n) for n in divisions[::-1]), indexing="ij")
    index = np.stack([a.ravel(), b.ravel(), c.ravel()], axis=1)
    points = (index + offset) / divisions
    group = [np.eye(3, dtype=int)] if rotations is None else [s * r.T for r in rotations for s in (1, -1)]
    first = np.arange(len(points))
    for rotation in group:
        landed = (points @ rotation.T) * divisions - offset
        whole = np.rint(landed).astype(int)
        if np.abs(landed - whole).max() > _SAME * divisions.max():
            continue
        a, b, c = (whole % divisions).T
        first = np.minimum(first, a + divisions[0] * (b + divisions[1] * c))
    chosen, multiplicities = np.unique(first, return_counts=True)
    inside = points[chosen]
    return KPoints(inside - np.ceil(inside - 0.5 - _SAME), multiplicities, mesh, style, shift)


def _mesh(words: list[str]) -> tuple[int, int, int]:
    if len(words) < 3:
        raise ValueError("a mesh has three divisions")
    return int(words[0]), int(words[1]), int(words[2])


def _mesh_of_length(crystal: Crystal, length_a: float) -> tuple[int, int, int]:
    reciprocal = np.linalg.norm(np.linalg.inv(crystal.matrix_a), axis=0)
    a, b, c = (max(1, int(length_a * norm + 0.5)) for norm in reciprocal)
    return a, b, c
