"""Ions of strained cells relaxed one after the other, each from where those before it point to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nawf.engines.ase_relax import relax_ions_with_ase
from nawf.errors import CalculationError
from nawf.results.crystal import Crystal
from nawf.results.elastic import StrainedCells, StrainedState
from nawf.results.strain import strained

_PARALLEL = 1e-9


def relax_strained_cells(cells: StrainedCells, calculator: Any) -> Iterator[StrainedState | None]:
    """States of all strained cells in the order of the strains, by an ASE calculator; None where it gives no number.

    How ions move inside a strained cell is a smooth function of the size of the strain, and nothing without strain:
    a polynomial through the sizes that are done says where to start the next one of the same direction. The Hessian
    is nearly the same for all. Both together take a quarter of the steps.
    """
    known: list[tuple[np.ndarray, np.ndarray]] = []
    hessian: np.ndarray | None = None
    for strain in cells.strains:
        affine = strained(cells.crystal, strain)
        moved = np.array(affine.frac_coords) + predicted_shift(np.array(strain), known)
        start = Crystal.from_arrays(affine.lattice_a, affine.species, moved)
        try:
            ions = relax_ions_with_ase(start, calculator, cells.method, hessian)
        except CalculationError:
            yield None
            continue
        if ions.state.is_usable:
            hessian = ions.hessian
            known.append((np.array(strain), np.array(ions.crystal.frac_coords) - np.array(affine.frac_coords)))
        yield ions.state


def predicted_shift(strain: np.ndarray, known: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Shift of the fractional coordinates that shifts under parallel strains let expect.

    Parameters
    ----------
    strain : numpy.ndarray, shape (6,)
    known : list of pairs
        Strains, and the shifts found with them, shape (atoms, 3).

    Returns
    -------
    numpy.ndarray, shape (atoms, 3), or a zero where nothing is known
    """
    size = float(np.linalg.norm(strain))
    direction = strain / size
    along = [(float(other @ direction), shift) for other, shift in known]
    same = [
        (along_it, shift)
        for (along_it, shift), (other, _) in zip(along, known, strict=True)
        if np.linalg.norm(other - along_it * direction) < _PARALLEL
    ]
    if not same:
        return np.zeros(())
    # Lagrange's polynomial through these points and the origin, where the shift is nothing.
    nodes = np.array([0.0, *(along_it for along_it, _ in same)])
    total = np.zeros_like(same[0][1])
    for i, (node, shift) in enumerate(same, start=1):
        others = np.delete(nodes, i)
        total += shift * float(np.prod((size - others) / (node - others)))
    return total
