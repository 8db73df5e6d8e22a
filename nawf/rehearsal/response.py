"""Made-up response to electric fields, so that parsers find Born charges and a dielectric tensor.

Nothing here is calculated: an interatomic potential knows no charges. Every atom has the valence of its group, and
the anions share what is left, so that the charges add up to zero and have the symmetry of every site.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nawf.rehearsal.bands import ANIONS

DIELECTRIC = 4.0
"""Relative to vacuum, the same in all directions."""

DIRECTIONS = 3
STEPS = 4
"""Of the made-up electronic loop for the field along one direction."""

_GROUPS = ("Li Na K Rb Cs Cu Ag", "Be Mg Ca Sr Ba Zn Cd", "B Al Ga In", "Si Ge Sn Pb", "P As Sb Bi")
VALENCE = {element: number for number, group in enumerate(_GROUPS, start=1) for element in group.split()}
"""Charge (e) of what is no anion; 2 for elements that are not listed."""


@dataclass(frozen=True)
class Response:
    """Dielectric tensor, shape (3, 3), and Born charges (e), shape (atoms, 3, 3)."""

    dielectric: np.ndarray
    charges_e: np.ndarray


def make_response(species: Sequence[str]) -> Response:
    """Response of a compound of an anion."""
    is_anion = np.array([element in ANIONS for element in species])
    charges = np.array([0.0 if anion else VALENCE.get(e, 2) for e, anion in zip(species, is_anion, strict=True)])
    charges[is_anion] = -charges.sum() / is_anion.sum()
    return Response(DIELECTRIC * np.eye(3), charges[:, None, None] * np.eye(3))
