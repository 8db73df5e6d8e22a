"""Which symmetries of a crystal GPAW is told of.

GPAW makes its grid as fine along each edge as all symmetries ask for together. An operation that mixes edges of
unlike lengths, as in the primitive cell of α-S8, then costs a grid of 70×70×70 points where 42×42×70 are enough. What
such operations save in k-points is often less.
"""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from nawf.engines.gpaw_protocols import Level

if TYPE_CHECKING:
    from ase import Atoms


def symmetry_choice(atoms: Atoms, mesh: tuple[int, int, int], level: Level) -> dict[str, Any]:
    """What to tell GPAW of symmetries so that it has the fewest grid points times k-points.

    Parameters
    ----------
    atoms : Atoms
        In the cell that GPAW is to see.
    mesh : tuple of int
        Divisions of the Γ-centred k-mesh along its edges.
    level : Level
        With the cut-off and the spacing of the grid.

    Returns
    -------
    dict
        Keywords of ``GPAW``: none for all symmetries, or ``symmetry`` with the ``rotations``, shape (n, 3, 3), that
        map the grid of the cut-off onto itself.
    """
    from gpaw.dft import MonkhorstPack
    from gpaw.new.symmetry import Symmetries, create_symmetries_object

    every = create_symmetries_object(atoms)
    grid, grid_of_all = _grid(atoms, level, None), _grid(atoms, level, every)
    if np.array_equal(grid, grid_of_all):
        return {}
    kept = [rotation for rotation in every.rotation_scc if not ((grid * rotation).T % grid).any()]
    some = Symmetries(cell=atoms.cell.array, rotations=kept)
    points = MonkhorstPack(size=mesh, gamma=True).build(atoms)
    work = [
        np.prod(shape, dtype=float) * len(points.reduce(symmetries, strict=False))
        for shape, symmetries in ((grid, some), (grid_of_all, every))
    ]
    return {"symmetry": {"rotations": kept}} if work[0] < work[1] else {}


def _grid(atoms: Atoms, level: Level, symmetries: Any) -> np.ndarray:
    """Points along the edges, as GPAW chooses them for symmetries or for none."""
    from ase.units import Bohr, Hartree
    from gpaw.utilities.gpts import get_number_of_grid_points

    spacing = None if level.grid_a is None else level.grid_a / Bohr
    mode = SimpleNamespace(name="pw", ecut=level.cutoff_ev / Hartree)
    with warnings.catch_warnings():
        # Of a grid that has to grow, which is the question here.
        warnings.simplefilter("ignore", UserWarning)
        return np.asarray(get_number_of_grid_points(atoms.cell.array / Bohr, spacing, mode, False, symmetries))
