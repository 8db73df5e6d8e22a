"""What may move, when it is enough, and the optimisers on known surfaces."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nawf.rehearsal.ions import Motion, driving_force, is_relaxed, make_optimiser, moved

SLANTED = np.array([[4.0, 0.0, 0.0], [-2.0, 3.5, 0.0], [0.3, 0.4, 5.0]])


@pytest.mark.parametrize(
    ("isif", "ions", "shape", "volume"),
    [
        (0, True, False, False),
        (1, True, False, False),
        (2, True, False, False),
        (3, True, True, True),
        (4, True, True, False),
        (5, False, True, False),
        (6, False, True, True),
        (7, False, False, True),
        (8, True, False, True),
    ],
)
def test_isif_is_the_table_of_the_wiki(isif: int, ions: bool, shape: bool, volume: bool) -> None:
    motion = Motion.of(isif, None)
    assert (motion.ions, motion.shape, motion.volume) == (ions, shape, volume)


def test_driving_forces_are_derivatives_of_the_energy(kit: Any) -> None:
    """Central differences along random steps of the very kind that optimisers take."""
    home = kit.cubic_na2s()
    springs = kit.Springs(home)
    start = home.from_arrays(home.matrix_a * 1.01, home.species, kit.shaken(home).frac_coords)
    random = np.random.default_rng(3)
    for isif in (2, 3, 4, 7):
        motion = Motion.of(isif, None)
        _, forces, stress = springs(start)
        force = driving_force(start, forces, stress, motion)
        step = random.normal(size=force.shape)
        step[-3:] += step[-3:].T
        step[-3:] = motion.allowed_strain(step[-3:])
        step[:-3] *= motion.ions
        h = 1e-5
        slope = (springs(moved(start, h * step))[0] - springs(moved(start, -h * step))[0]) / (2 * h)
        assert slope == pytest.approx(-(force * step).sum(), rel=1e-6)


def test_steps_that_keep_the_volume_keep_it_exactly(kit: Any) -> None:
    start = kit.na2s()
    motion = Motion.of(4, None)
    step = np.zeros((6, 3))
    step[-3:] = motion.allowed_strain(np.array([[0.3, 0.1, 0.0], [0.1, -0.4, 0.2], [0.0, 0.2, 0.5]]))
    assert np.linalg.norm(step) > 0.1
    assert moved(start, step).volume_a3 == pytest.approx(start.volume_a3, rel=1e-12)


def test_selective_dynamics_holds_components_along_the_lattice() -> None:
    free = np.array([[True, False, True], [False, False, False]])
    forces = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    allowed = Motion.of(2, free).allowed_forces(forces, SLANTED)
    along = allowed @ np.linalg.inv(SLANTED)
    wanted = forces @ np.linalg.inv(SLANTED)
    assert along == pytest.approx(np.where(free, wanted, 0.0), abs=1e-14)


@pytest.mark.parametrize(
    ("ediffg", "change_ev", "largest", "strain", "expected"),
    [
        (-0.02, None, 0.019, 0.0, True),
        (-0.02, None, 0.021, 0.0, False),
        (-0.02, None, 0.0, 0.039, True),  # eV of two atoms
        (-0.02, None, 0.0, 0.041, False),
        (0.001, None, 0.0, 0.0, False),
        (0.001, -0.0009, 5.0, 5.0, True),
        (0.001, 0.0011, 0.0, 0.0, False),
        (0.0, 0.0, 0.0, 0.0, False),
    ],
)
def test_ediffg(ediffg: float, change_ev: float | None, largest: float, strain: float, expected: bool) -> None:
    force = np.zeros((5, 3))
    force[1] = [0.6 * largest, 0.0, -0.8 * largest]
    force[3] = [0.0, strain / np.sqrt(2), 0.0]
    assert is_relaxed(force, change_ev, ediffg, 2) is expected


@pytest.mark.parametrize(("ibrion", "smass", "most"), [(1, -3.0, 12), (2, -3.0, 12), (3, -3.0, 60), (3, 0.6, 60)])
def test_optimisers_find_the_minimum_of_a_bowl(ibrion: int, smass: float, most: int) -> None:
    """A quadratic bowl with stiffnesses from 2 to 15 eV/Å²."""
    stiffness = np.linspace(2, 15, 12).reshape(4, 3)
    place = np.random.default_rng(0).normal(size=(4, 3)) * 0.1
    controls: Any = SimpleNamespace(ibrion=ibrion, potim=0.5, smass=smass)
    optimiser = make_optimiser(controls)
    for n in range(200):  # noqa: B007
        force = -stiffness * place
        if np.abs(force).max() < 0.01:
            break
        place = place + optimiser.send(force)
    assert n <= most


@pytest.mark.parametrize("ibrion", [1, 2, 3])
def test_steps_are_never_long(ibrion: int) -> None:
    controls: Any = SimpleNamespace(ibrion=ibrion, potim=0.5, smass=-3.0)
    optimiser = make_optimiser(controls)
    random = np.random.default_rng(0)
    for _ in range(20):
        step = optimiser.send(random.normal(size=(5, 3)) * 1000)
        assert np.linalg.norm(step, axis=1).max() <= 0.2 + 1e-12


def test_potim_sets_the_first_step() -> None:
    force = np.array([[0.1, 0.0, 0.0], [0.0, 0.0, 0.0]])
    for ibrion in (1, 2, 3):
        small, large = (
            make_optimiser(SimpleNamespace(ibrion=ibrion, potim=potim, smass=-3.0)).send(force)  # type: ignore[arg-type]
            for potim in (0.1, 0.5)
        )
        assert large == pytest.approx(5 * small)
