"""Against oscillators whose functions are known in closed form, or by quadrature."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from nawf.errors import ReportError
from nawf.results.energetics import VibrationalFreeEnergy
from nawf.thermo.vibrations import (
    entropy_ev_per_k_per_atom,
    free_energy_ev_per_atom,
    heat_capacity_ev_per_k_per_atom,
)
from nawf.units import BOLTZMANN_EV_PER_K as K

GRID = tuple(float(t) for t in range(0, 1001, 10))


def einstein(theta_k, t):
    """F, S, C of one oscillator of temperature theta."""
    if t == 0:
        return K * theta_k / 2, 0.0, 0.0
    x = theta_k / t
    if x > 600:
        return K * theta_k / 2, 0.0, 0.0
    log = math.log1p(-math.exp(-x))
    entropy = K * (x / math.expm1(x) - log)
    return K * theta_k / 2 + K * t * log, entropy, K * x * x * math.exp(-x) / math.expm1(-x) ** 2


def debye(theta_k, t):
    """F, S, C per atom of a Debye solid, by quadrature over the modes."""
    weights = [
        3 * quad(lambda u, i=i: 3 * u * u * einstein(theta_k * u, t)[i], 0, 1, epsabs=1e-14, epsrel=1e-11)[0]
        for i in range(3)
    ]
    return tuple(weights)


def table(oscillators, grid=GRID):
    """Three modes per atom in all, of the given temperatures and weights."""
    rows = np.array([sum(w * np.array(f(t)) for f, w in oscillators) for t in grid])
    return VibrationalFreeEnergy(grid, *(tuple(column) for column in rows.T))


def modes(*thetas):
    return [(lambda t, theta=theta: einstein(theta, t), 3 / len(thetas)) for theta in thetas]


@given(st.lists(st.floats(50, 1500), min_size=1, max_size=4), st.floats(0, 1000))
def test_einstein_oscillators_between_the_grid_points(thetas, t):
    oscillators = modes(*thetas)
    vib = table(oscillators)
    f, s, c = sum(w * np.array(g(t)) for g, w in oscillators)
    assert free_energy_ev_per_atom(vib, t) == pytest.approx(f, abs=1e-6)
    assert entropy_ev_per_k_per_atom(vib, t) == pytest.approx(s, abs=0.01 * K)
    assert heat_capacity_ev_per_k_per_atom(vib, t) == pytest.approx(c, abs=0.05 * K)


@pytest.mark.parametrize("theta_k", [150.0, 420.0])
def test_debye_solid(theta_k):
    vib = table([(lambda t: debye(theta_k, t), 1.0)], GRID[:41])
    for t in (2.0, 5.0, 37.0, 298.15, 399.9):
        f, s, c = debye(theta_k, t)
        assert free_energy_ev_per_atom(vib, t) == pytest.approx(f, abs=1e-6)
        assert entropy_ev_per_k_per_atom(vib, t) == pytest.approx(s, abs=1e-3 * K)
        assert heat_capacity_ev_per_k_per_atom(vib, t) == pytest.approx(c, abs=0.02 * K)


def test_grid_points_come_back_exactly():
    vib = table(modes(200.0))
    assert [free_energy_ev_per_atom(vib, t) for t in GRID] == list(vib.free_energy_ev_per_atom)
    assert [entropy_ev_per_k_per_atom(vib, t) for t in GRID] == list(vib.entropy_ev_per_k_per_atom)
    capacity = [heat_capacity_ev_per_k_per_atom(vib, t) for t in GRID]
    assert capacity == pytest.approx(vib.heat_capacity_ev_per_k_per_atom, rel=1e-14)


@pytest.mark.parametrize("t", [1000.001, 2000.0, -1.0, math.nan])
def test_outside_the_grid_it_says_the_range(t):
    with pytest.raises(ReportError, match="from 0 to 1000 K"):
        free_energy_ev_per_atom(table(modes(200.0)), t)


def test_a_single_temperature_serves_that_temperature_only():
    vib = table(modes(200.0), (300.0,))
    assert free_energy_ev_per_atom(vib, 300.0) == vib.free_energy_ev_per_atom[0]
    with pytest.raises(ReportError, match="from 300 to 300 K"):
        free_energy_ev_per_atom(vib, 299.0)


def test_unusable_tables():
    good = table(modes(200.0), (0.0, 10.0))
    for bad in (
        replace(good, entropy_ev_per_k_per_atom=(0.0,)),
        replace(good, temperatures_k=(10.0, 10.0)),
        replace(good, free_energy_ev_per_atom=(0.0, math.nan)),
        VibrationalFreeEnergy((), (), (), ()),
    ):
        with pytest.raises(ReportError, match="free-energy table"):
            free_energy_ev_per_atom(bad, 5.0)
