"""Cells with short edges for GPAW, which lays its grid along the edges it is given.

A primitive cell with an angle of 35° needs a grid of 80³ where the reduced one does with an eighth of it. The reduced
cell has the same lattice and the same Cartesian axes, so that positions, forces and stresses are those of the cell
that was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nawf.results.crystal import Crystal


@dataclass(frozen=True)
class Reduction:
    """Edges of a reduced cell in units of those of another one, right-handed, shape (3, 3)."""

    rows: tuple[tuple[int, int, int], ...]

    @classmethod
    def of(cls, matrix_a: np.ndarray) -> Reduction:
        """Niggli's reduction of lattice vectors in rows."""
        from ase.build.niggli import niggli_reduce_cell

        _, operation = niggli_reduce_cell(matrix_a)
        # Its columns are the new edges, and the cell beside it is turned; these edges are not.
        rows = np.rint(operation).astype(int).T
        if np.linalg.det(rows @ matrix_a) < 0:
            rows = -rows
        a, b, c = ((int(x), int(y), int(z)) for x, y, z in rows)
        return cls((a, b, c))

    def applied(self, crystal: Crystal) -> Crystal:
        """The crystal in the reduced cell; atoms keep their order and their Cartesian positions."""
        rows = np.array(self.rows)
        return Crystal.from_arrays(
            rows @ crystal.matrix_a, crystal.species, np.array(crystal.frac_coords) @ np.linalg.inv(rows)
        )
