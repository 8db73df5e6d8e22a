"""A crystal of known elastic constants, which the tests of elastic tensors share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from scipy.spatial.transform import Rotation

from nawf.flows.elastic import elastic_result
from nawf.phases.library import load_library
from nawf.results.crystal import Crystal
from nawf.results.elastic import ElasticResult, StrainedCells, StrainedState, StressesOutput
from nawf.results.methods import ElasticMethod, RelaxMethod
from nawf.results.outputs import RunRecord
from nawf.results.strain import strained, strained_cells
from nawf.results.symmetry import primitive_cell

SYMPREC_A = 0.01
PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
LATTICES = {88: Lattice.tetragonal(5.5, 7.3), 162: Lattice.hexagonal(5.5, 7.3)}


@cache
def crystal_of(phase: str | int) -> Crystal:
    """Primitive cell of a shipped phase, or of atoms on general positions of a space group; turned somehow."""
    if isinstance(phase, int):
        places = [[0.11, 0.23, 0.37], [0.41, 0.07, 0.19]]
        structure = Structure.from_spacegroup(phase, LATTICES[phase], ["Na", "S"], places)
    else:
        structure = load_library().get(phase).structure()
    crystal = primitive_cell(Crystal.from_structure(structure), SYMPREC_A)
    return _turned(crystal, Rotation.from_euler("xyz", [0.3, 1.1, -0.7]).as_matrix())


def _turned(crystal: Crystal, rotation: np.ndarray) -> Crystal:
    return Crystal.from_arrays(crystal.matrix_a @ rotation.T, crystal.species, crystal.frac_coords)


def _rotate(tensor: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    for axis in range(tensor.ndim):
        tensor = np.moveaxis(np.tensordot(rotation, tensor, axes=(1, axis)), 0, axis)
    return tensor


def _cartesian(voigt: np.ndarray) -> np.ndarray:
    """Tensor of 2 n Cartesian indices of one in Voigt notation, as for stress and stiffness."""
    index = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
    return voigt[np.ix_(*[index.ravel()] * voigt.ndim)].reshape((3,) * (2 * voigt.ndim))


def _voigt(stiffness: np.ndarray) -> np.ndarray:
    return np.array([[stiffness[*one, *other] for other in PAIRS] for one in PAIRS])


def _symmetrised(tensor: np.ndarray) -> np.ndarray:
    return np.mean([np.transpose(tensor, order) for order in permutations(range(tensor.ndim))], axis=0)


class Material:
    """A crystal whose energy has random derivatives to fourth order, as Cartesian tensors in ``constants``.

    These are in the axes that the crystal has: rest stress, stiffness, third and fourth order.
    """

    def __init__(self, crystal: Crystal, *, anharmonic: bool = True, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        operations = SpacegroupAnalyzer(crystal.to_structure(), SYMPREC_A).get_point_group_operations(cartesian=True)
        root = rng.normal(size=(6, 6))
        tensors = [
            0.01 * rng.normal(size=6),
            4 * root @ root.T + 3 * np.eye(6),
            150 * _symmetrised(rng.normal(size=(6, 6, 6))),
            1000 * _symmetrised(rng.normal(size=(6, 6, 6, 6))),
        ]
        self.crystal = crystal
        self.constants = [
            np.mean([_rotate(_cartesian(tensor), operation.rotation_matrix) for operation in operations], axis=0)
            for tensor in tensors
        ]
        if not anharmonic:
            self.constants = [np.zeros((3, 3)), self.constants[1]]

    def turned(self, rotation: np.ndarray) -> Material:
        """The same material, turned with all that belongs to it."""
        material = Material(_turned(self.crystal, rotation))
        material.constants = [_rotate(constant, rotation) for constant in self.constants]
        return material

    def set_stiffness(self, cells: StrainedCells, voigt: np.ndarray) -> None:
        """Give it a stiffness, in the axes of its strained cells."""
        self.constants[1] = _rotate(_cartesian(voigt), self._rotation(cells).T)

    def _rotation(self, cells: StrainedCells) -> np.ndarray:
        return np.linalg.solve(self.crystal.matrix_a, cells.crystal.matrix_a).T

    def rest_stress(self, cells: StrainedCells) -> np.ndarray:
        """Stress at zero strain, shape (3, 3), in the axes of strained cells."""
        return _rotate(self.constants[0], self._rotation(cells))

    def stiffness(self, cells: StrainedCells) -> np.ndarray:
        """Voigt notation, in the axes of strained cells."""
        return _voigt(_rotate(self.constants[1], self._rotation(cells)))

    def cells(self, method: ElasticMethod | None = None) -> StrainedCells:
        return strained_cells(self.crystal, method or ElasticMethod(), SYMPREC_A)

    def cauchy(self, cells: StrainedCells) -> np.ndarray:
        """Cauchy stresses F S Fᵀ / det F of strained cells, shape (strains, 3, 3), from the lattices alone."""
        constants = [_rotate(constant, self._rotation(cells)) for constant in self.constants]
        stresses = []
        for strain in cells.strains:
            gradient = np.linalg.solve(cells.crystal.matrix_a, strained(cells.crystal, strain).matrix_a).T
            green = (gradient.T @ gradient - np.eye(3)) / 2
            stress = np.zeros((3, 3))
            for order, constant in enumerate(constants):
                term = constant
                for k in range(order):
                    term = np.tensordot(term, green) / (k + 1)
                stress += term
            stresses.append(gradient @ stress @ gradient.T / np.linalg.det(gradient))
        return np.array(stresses)

    @staticmethod
    def output(stresses: Any) -> StressesOutput:
        """What an engine would hand on that found these stresses, shape (strains, 3, 3)."""
        now = datetime.now(UTC)
        states = tuple(
            StrainedState(
                stress_gpa=tuple(stress[i, j] for i, j in PAIRS), max_force_ev_per_a=1e-4, n_steps=3, converged=True
            )
            for stress in stresses
        )
        run = RunRecord(host="here", started_at=now, finished_at=now, versions={})
        return StressesOutput(states=states, calculation={"engine": "tensors"}, run=run)

    def result(self, cells: StrainedCells, stresses: Any = None) -> ElasticResult:
        """Elastic tensor from given stresses, or its own."""
        output = self.output(self.cauchy(cells) if stresses is None else stresses)
        return elastic_result(cells, output, RelaxMethod(symprec_a=SYMPREC_A))


@pytest.fixture(scope="session")
def material() -> Callable[..., Material]:
    """Material with the structure of a shipped phase, or of a space group by its number."""

    def build(phase: str | int, **options: Any) -> Material:
        return Material(crystal_of(phase), **options)

    return build
