"""Memory and time of GPAW's calculations, against hand calculations and against runs."""

import math

import numpy as np
import pytest

from nawf.engines.ase_relax import atoms_of
from nawf.engines.gpaw_cells import Reduction
from nawf.engines.gpaw_protocols import PROTOCOLS, KLengths, Level, Step
from nawf.engines.gpaw_size import bands, estimated_bytes, estimated_seconds, grid_points, run_sizes
from nawf.engines.preflight_size import irreducible_points
from nawf.phases.library import load_library
from nawf.results.crystal import Crystal
from nawf.results.symmetry import primitive_cell, supercell, supercell_rows
from nawf.results.tasks import PhaseTask

METHODS = PROTOCOLS["fast"].methods
SYMPREC_A = 0.01


def primitive(phase):
    return primitive_cell(Crystal.from_structure(load_library().get(phase).structure()), SYMPREC_A)


def test_memory_of_wave_functions_and_grid_by_hand():
    # 1000 Å³ at 400 eV: G = 0.512317 · 20 = 10.246 /Å, 1000 · 10.246³ / 6π² = 18165 waves for a band at a k-point.
    crystal = Crystal.from_arrays(10.0 * np.eye(3), ["Na"], [[0, 0, 0]])
    level = Level(400.0, KLengths(1, 1, 1))
    difference = estimated_bytes(crystal, level, 7, 100) - estimated_bytes(crystal, level, 6, 100)
    assert difference == pytest.approx(18165 * 100 * 16, rel=1e-3)
    coarse, fine = (estimated_bytes(crystal, Level(400.0, KLengths(1, 1, 1), grid), 1, 1) for grid in (0.1, 0.05))
    assert fine - coarse == pytest.approx(8 * (200**3 - 100**3) * 8 * 20)


def test_displaced_cells_are_the_largest():
    crystal = Crystal.from_arrays(4.2 * np.eye(3), ["Na", "S"], [[0, 0, 0], [0.5] * 3])
    properties = ("relax", "phonon", "elastic")
    task = PhaseTask(phase="toy", campaign="c", properties=properties, start=crystal, methods=METHODS, card={})
    sizes = {s.step: s for s in run_sizes("fast", task)}
    assert sizes["phonon"].n_atoms == 16
    assert sizes["phonon"].bytes > sizes["relax"].bytes
    assert sizes["elastic"].n_k_points > sizes["relax"].n_k_points
    # 7 and 6 electrons: seven bands are occupied.
    assert sizes["relax"].n_bands > 7


# Of runs of GPAW: its own count of grid points, which it rounds up to what Fourier transforms like.
@pytest.mark.parametrize(("phase", "step", "points"), [("na-bcc", Step.RELAX, 20**3), ("na2s", Step.STATIC, 27**3)])
def test_grids_are_about_those_of_gpaw(phase, step, points):
    found = grid_points(primitive(phase), PROTOCOLS["accurate"].levels[step])
    assert 0.8 * points <= found <= points


# GPAW leaves out operations that have a translation of their own: spglib's own count is 16 for Na15Sn4.
@pytest.mark.parametrize(("phase", "points"), [("na15sn4", 40), ("sns", 74), ("na2s", 20), ("na2s4", 14)])
def test_k_points_are_those_that_gpaw_takes(phase, points):
    crystal = primitive(phase)
    crystal = Reduction.of(crystal.matrix_a).applied(crystal)
    mesh = PROTOCOLS["accurate"].levels[Step.STATIC].k.mesh(crystal)
    assert irreducible_points(mesh, crystal, symmorphic=True) == points
    pytest.importorskip("gpaw", reason="deploy/install-gpaw installs it")
    from gpaw.dft import MonkhorstPack
    from gpaw.new.symmetry import create_symmetries_object

    atoms = atoms_of(crystal)
    taken = MonkhorstPack(size=mesh, gamma=True).build(atoms).reduce(create_symmetries_object(atoms), strict=False)
    assert len(taken) == points


# Core-seconds of single runs with these settings; those of relaxations are of one geometry. The figures of the
# estimate were chosen by the first four; the others ran beside another calculation.
RUNS = {
    ("na-bcc", "relax"): 16,
    ("na2s", "static"): 44,
    ("na2s2-alpha", "relax"): 118,
    ("na2s", "phonon"): 1955,
    ("na-bcc", "phonon"): 2552,
    ("s-alpha", "static"): 415,
    ("p-black", "static"): 178,
    ("na3p-p63mmc", "static"): 116,
    ("na3ps4-alpha", "relax"): 103,
    ("na3ps4-alpha", "static"): 410,
}


@pytest.mark.parametrize(("phase", "prop"), RUNS)
def test_times_are_about_those_of_runs(phase, prop):
    cell = primitive(phase)
    if prop == "phonon":
        cell = supercell(cell, supercell_rows(cell, PROTOCOLS["accurate"].methods.phonon.min_length_a, SYMPREC_A))
    geometries = 4 + len(cell) / 2 if prop == "relax" else 1
    estimate = estimated_seconds("accurate", prop, cell) / geometries
    assert 0.5 <= estimate / RUNS[phase, prop] <= 2


@pytest.mark.parametrize("prop", ["relax", "static", "phonon", "elastic"])
def test_times_rise_with_the_cell_and_the_number_of_cells(prop):
    small, large = primitive("na2s"), primitive("na2s4")
    assert 0 < estimated_seconds("fast", prop, small) < estimated_seconds("fast", prop, large)
    if prop in ("phonon", "elastic"):
        one, ten = (estimated_seconds("fast", prop, small, n) for n in (1, 10))
        assert ten == pytest.approx(10 * one)
    assert bands(large) > bands(small)
    assert math.isfinite(estimated_seconds("coarse", prop, large))
