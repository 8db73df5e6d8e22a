"""Stress of a strained crystal as a series in the strain, with the symmetry of the crystal.

S = S0 + C : E + 1/2 D : E : E + 1/6 Q : E : E : E, with the second Piola-Kirchhoff stress S and the Green-Lagrange
strain E. S0, C, D and Q are derivatives of one energy, so that each is symmetric in all its Mandel indices, and the
point group keeps it. C is what is wanted; the others are there so that a rest stress and the bends of the curve pass
neither for elasticity nor for scatter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import factorial

import numpy as np

from nawf.results.crystal import Crystal
from nawf.results.elastic import Voigt
from nawf.results.mandel import mandel_strain
from nawf.results.point_group import invariant_tensors, mandel_operations, maps

NEGLIGIBLE = 1e-5
"""Singular values of a design matrix below this fraction of the largest count as zero."""

REST, STIFFNESS, THIRD_ORDER, FOURTH_ORDER = 1, 2, 3, 4
"""Derivatives of the energy, by their order: S0, C, D, Q."""


@dataclass(frozen=True)
class Design:
    """What strains say about the constants of the model, which is linear in them.

    Attributes
    ----------
    free : tuple of numpy.ndarray, shape (k, 6)
        For each strain, an orthonormal basis of the stresses that symmetry lets it have. Rows of the design are these
        components, strain after strain.
    blocks : dict of int to numpy.ndarray, shape (components, constants)
        Design matrix by order. A column is one constant, in GPa times ``unit`` to the power of its order less one,
        which makes columns of like size.
    unit : float
    """

    free: tuple[np.ndarray, ...]
    blocks: dict[int, np.ndarray]
    unit: float

    def up_to(self, order: int) -> Design:
        """The same strains in a shorter series."""
        return replace(self, blocks={other: block for other, block in self.blocks.items() if other <= order})

    def components(self, stresses: np.ndarray) -> np.ndarray:
        """Free components of stresses, shape (strains, 6), Mandel notation, in the order of the rows."""
        return np.concatenate([free @ stress for free, stress in zip(self.free, stresses, strict=True)])

    def stresses(self, components: np.ndarray) -> np.ndarray:
        """Stresses, shape (strains, 6), Mandel notation, that have these free components and no others."""
        parts = np.split(components, np.cumsum([len(free) for free in self.free])[:-1])
        return np.array([part @ free for part, free in zip(parts, self.free, strict=True)])

    @cached_property
    def matrix(self) -> np.ndarray:
        """All columns, in rising order."""
        return np.hstack([self.blocks[order] for order in sorted(self.blocks)])

    def without(self, order: int) -> np.ndarray:
        """Columns of the other orders."""
        return np.hstack([self.blocks[other] for other in sorted(self.blocks) if other != order])

    @cached_property
    def n_spare(self) -> int:
        """Rows beyond those that the constants take up: the degrees of freedom of a fit."""
        return len(self.matrix) - rank(self.matrix)

    def n_determined(self, order: int) -> int:
        """How many constants of an order are determined, whatever those of the others are."""
        return rank(self.matrix) - rank(self.without(order))

    def determines(self, order: int) -> bool:
        """Whether all constants of an order are determined, whatever those of the others are."""
        return self.n_determined(order) == self.blocks[order].shape[1]


@dataclass(frozen=True)
class ElasticModel:
    """The model for one crystal; ``operations`` are those of its point group on Mandel vectors, shape (n, 6, 6)."""

    operations: np.ndarray
    _constants: dict[int, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, crystal: Crystal, symprec_a: float) -> ElasticModel:
        """Model of a crystal.

        Raises
        ------
        CalculationError
            When spglib finds no symmetry.
        """
        return cls(mandel_operations(crystal, symprec_a))

    def constants(self, order: int) -> np.ndarray:
        """Orthonormal basis of the tensors of an order that symmetry allows, shape (constants, 6, ...)."""
        if order not in self._constants:
            self._constants[order] = invariant_tensors(self.operations, order)
        return self._constants[order]

    @cached_property
    def n_constants(self) -> int:
        """Independent components of C."""
        return len(self.constants(STIFFNESS))

    def free_components(self, strain: Voigt) -> np.ndarray:
        """Orthonormal basis of the stresses that a strained crystal can have by its own symmetry, shape (k, 6)."""
        mandel = mandel_strain(strain)
        return invariant_tensors(self.operations[maps(self.operations, mandel, mandel)], REST)

    def design(self, strains: Sequence[Voigt], highest: int) -> Design:
        """Design matrix of a least-squares fit, up to an order."""
        unit = max(float(np.abs(strain).max()) for strain in strains)
        blocks: dict[int, list[np.ndarray]] = {order: [] for order in range(1, highest + 1)}
        frees = tuple(self.free_components(strain) for strain in strains)
        for strain, free in zip(strains, frees, strict=True):
            relative = mandel_strain(strain) / unit
            for order, rows in blocks.items():
                stresses = self.constants(order)
                for _ in range(order - 1):
                    stresses = stresses @ relative
                rows.append(free @ stresses.T / factorial(order - 1))
        return Design(frees, {order: np.vstack(rows) for order, rows in blocks.items()}, unit)

    def n_determined(self, strains: Sequence[Voigt]) -> int:
        """How many constants of C the stresses of these strains determine, whatever S0 and D are."""
        return self.design(strains, THIRD_ORDER).n_determined(STIFFNESS) if strains else 0


def rank(matrix: np.ndarray) -> int:
    """Rank of a design matrix, numerical noise left aside."""
    return int(np.linalg.matrix_rank(matrix, rtol=NEGLIGIBLE))
