"""How large and how long calculations of the engine ``gpaw`` will be, from cells and settings alone. Rough."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from nawf.engines.gpaw_cells import Reduction
from nawf.engines.gpaw_protocols import PROTOCOLS, Level, Step
from nawf.engines.preflight_size import (
    BYTES_OF_NUMBER,
    GB,
    WAVE_VECTOR_PER_A,
    RunSize,
    cell_of,
    irreducible_points,
    k_points,
    plane_waves,
)
from nawf.results.crystal import Crystal
from nawf.results.tasks import PhaseTask

VALENCE = {"Li": 3, "N": 5, "Na": 7, "O": 6, "P": 5, "S": 6, "Sb": 15, "Sn": 14}
"""Electrons of the PAW sets; an element that is not among them counts as 16."""

_STEP = {"relax": Step.RELAX, "static": Step.STATIC, "phonon": Step.DISPLACED, "elastic": Step.STRAINED}

_BASE_GB = 0.4
_GRID_ARRAYS = 20

# On one core of a server of the 2020s, from runs of 1 to 32 atoms with 3 to 165 k-points and grids of 20³ to 80³,
# which these figures give within a factor of two.
_S_PER_BAND_POINT = 3.5e-7
_S_PER_ATOM = 0.04
_START_S = 2.0
_ITERATIONS = 13


def run_sizes(protocol: str, task: PhaseTask) -> Iterator[RunSize]:
    """Sizes of the calculations of a task."""
    for prop in task.properties:
        level = PROTOCOLS[protocol].levels[_STEP[prop]]
        cell = cell_of(task, prop)
        crystal = Reduction.of(cell.matrix_a).applied(cell)
        n_k = k_points(level.k.mesh(crystal), crystal, prop, symmorphic=True)
        n_bands = bands(crystal)
        size = estimated_bytes(crystal, level, n_k, n_bands)
        yield RunSize(task.phase, prop, len(crystal), n_k, n_bands, size)


def bands(crystal: Crystal) -> int:
    """About as many as GPAW takes: the occupied ones, a fifth more, and some."""
    electrons = sum(VALENCE.get(element, 16) for element in crystal.species)
    return int(0.6 * electrons) + 4


def estimated_bytes(crystal: Crystal, level: Level, n_k: int, n_bands: int) -> float:
    """Memory of one calculation: wave functions, three more sets of one k-point, and arrays on the fine grid.

    Rough: within a factor of two of what runs of 1 to 32 atoms took.
    """
    waves = plane_waves(crystal.volume_a3, level.cutoff_ev) * n_bands * BYTES_OF_NUMBER
    spacing = min(level.grid_a or math.inf, 1.75 / _largest_wave_vector(level))
    points = 8 * crystal.volume_a3 / spacing**3
    return waves * (n_k + 3) + points * 8 * _GRID_ARRAYS + _BASE_GB * GB


def estimated_seconds(protocol: str, prop: str, cell: Crystal, n_cells: int = 1) -> float:
    """Core-seconds of a property: Fourier transforms of all bands, and the functional inside of all atoms.

    Parameters
    ----------
    protocol : str
    prop : str
    cell : Crystal
        Primitive, or the supercell of phonons.
    n_cells : int
        How many displaced or strained ones are made of it.
    """
    level = PROTOCOLS[protocol].levels[_STEP[prop]]
    crystal = Reduction.of(cell.matrix_a).applied(cell)
    mesh = level.k.mesh(crystal)
    # A displacement leaves some symmetry.
    if prop == "phonon":
        n_k = irreducible_points(mesh, _displaced(crystal), symmorphic=True)
    else:
        n_k = k_points(mesh, crystal, prop, symmorphic=True)
    work = n_k * bands(crystal) * grid_points(crystal, level)
    one = _START_S + _ITERATIONS * (_S_PER_BAND_POINT * work + _S_PER_ATOM * len(crystal))
    evaluations = {"relax": 4 + len(crystal) / 2, "static": 1, "phonon": n_cells, "elastic": 2 * n_cells}
    return one * evaluations[prop]


def grid_points(crystal: Crystal, level: Level) -> int:
    """Points of the grid of the wave functions, along edges of a reduced cell."""
    spacing = level.grid_a or math.pi / math.sqrt(2) / _largest_wave_vector(level)
    return math.prod(math.ceil(edge / spacing) for edge in np.linalg.norm(crystal.matrix_a, axis=1))


def _largest_wave_vector(level: Level) -> float:
    return WAVE_VECTOR_PER_A * math.sqrt(level.cutoff_ev)


def _displaced(crystal: Crystal) -> Crystal:
    moved = np.array(crystal.frac_coords)
    moved[0, 0] += 0.01
    return Crystal.from_arrays(crystal.matrix_a, crystal.species, moved)
