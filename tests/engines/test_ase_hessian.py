"""First Hessians: against finite differences of the energy alone, elastic constants, and what they save."""

import numpy as np
import pytest
from scipy.linalg import expm

from nawf.engines.ase_hessian import first_hessian, softest
from nawf.engines.ase_relax import calculator_of, relax_with_ase
from nawf.results.crystal import Crystal
from nawf.results.methods import RelaxMethod

# Edges of unlike length, atoms off their sites: no curvature is zero by symmetry.
CRYSTAL = Crystal.from_arrays(np.diag([3.25, 3.3, 3.4]), ["Na", "S"], [[0.02, 0.0, 0.01], [0.5, 0.49, 0.5]])
METHOD = RelaxMethod(force_ev_per_a=1e-3, stress_gpa=1e-3, polish_steps=0)


@pytest.fixture
def evaluate(toy_potential):
    return toy_potential.evaluate


def energy_at(evaluate, crystal, shift):
    """Energy after a shift of shape (n + 3, 3) in the filter's coordinates, worked out without the filter."""
    n_atoms = len(crystal)
    deformation = expm(shift[n_atoms:] / n_atoms)
    positions = np.array(crystal.frac_coords) @ crystal.matrix_a + shift[:n_atoms]
    moved = Crystal.from_arrays(
        crystal.matrix_a @ deformation.T, crystal.species, positions @ np.linalg.inv(crystal.matrix_a)
    )
    return evaluate(moved)[0]


def test_it_is_the_second_derivative_of_the_energy(evaluate):
    relaxed = relax_with_ase(CRYSTAL, calculator_of(evaluate), METHOD).crystal
    hessian = first_hessian(relaxed, evaluate)
    values = np.linalg.eigvalsh(hessian / np.sqrt(np.outer(softest(relaxed), softest(relaxed))))
    rng = np.random.default_rng(1)
    rest = energy_at(evaluate, relaxed, np.zeros((5, 3)))
    for _ in range(5):
        shift = rng.normal(size=(5, 3))
        shift[:2] -= shift[:2].mean(axis=0)  # a shift of all atoms costs nothing, and is stiffened
        shift[2:] += shift[2:].T.copy()  # nor does a turn of the cell
        step = 0.01 * shift / np.linalg.norm(shift)
        both = energy_at(evaluate, relaxed, step) + energy_at(evaluate, relaxed, -step) - 2 * rest
        assert step.ravel() @ hessian @ step.ravel() == pytest.approx(both, rel=0.02)
    assert values.min() == pytest.approx(1.0)


def test_soft_and_imaginary_modes_are_raised_and_symmetry_is_kept(evaluate):
    def upside_down(crystal):
        energy, forces, stress = evaluate(crystal)
        return -energy, -forces, -stress

    relaxed = relax_with_ase(CRYSTAL, calculator_of(evaluate), METHOD).crystal
    right, wrong = first_hessian(relaxed, evaluate), first_hessian(relaxed, upside_down)
    assert np.allclose(right, wrong, atol=1e-6)
    assert np.array_equal(right, right.T) or np.allclose(right, right.T, atol=1e-12)
    assert np.linalg.eigvalsh(right).min() > 0


def test_a_relaxation_that_begins_with_it_ends_at_the_same_place_sooner(evaluate):
    plain = relax_with_ase(CRYSTAL, calculator_of(evaluate), METHOD)
    helped = relax_with_ase(CRYSTAL, calculator_of(evaluate), METHOD, first_hessian(CRYSTAL, evaluate))
    assert plain.converged
    assert helped.converged
    assert helped.n_steps < plain.n_steps
    assert helped.energy_ev_per_atom == pytest.approx(plain.energy_ev_per_atom, abs=1e-6)
    assert np.allclose(helped.crystal.matrix_a, plain.crystal.matrix_a, atol=2e-3)


def test_the_space_group_of_the_start_stays(toy_potential):
    cubic = Crystal.from_arrays(np.eye(3) * 3.5, ["Na", "S"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    hessian = first_hessian(cubic, toy_potential.evaluate)
    end = relax_with_ase(cubic, calculator_of(toy_potential.evaluate), METHOD, hessian)
    assert end.converged
    a, b, c = np.diag(end.crystal.matrix_a)
    assert (a, b) == (pytest.approx(c, abs=1e-9), pytest.approx(c, abs=1e-9))
    assert np.allclose(end.crystal.frac_coords, cubic.frac_coords, atol=1e-9)


def double_well(crystal):
    """The second atom between two wells 0.3 Å on either side of the middle of a cube of 3.2 Å, and a stiff cell."""
    r = np.diff(np.array(crystal.frac_coords), axis=0)[0] @ crystal.matrix_a
    aside, height = r[:2] - 1.6, r[2] - 1.6
    volume = crystal.volume_a3 - 3.2**3
    slope = np.append(4.0 * aside, 40.0 * height * (height**2 - 0.09))
    energy = 2.0 * float(aside @ aside) + 10.0 * (height**2 - 0.09) ** 2 + 0.05 * volume**2
    stress = np.diag(r * slope) / crystal.volume_a3 + 0.1 * volume * np.eye(3)
    return energy, np.array([slope, -slope]), stress


def test_one_that_leads_uphill_is_given_up():
    start = Crystal.from_arrays(3.2 * np.eye(3), ["Na", "S"], [[0, 0, 0], [0.5, 0.5, 0.5 + 0.4 / 3.2]])
    method = RelaxMethod(force_ev_per_a=0.002, stress_gpa=0.02, polish_steps=0)
    # So soft along z that the first step ends in the middle, on top of the barrier of 0.08 eV, where no force is.
    slope = 40.0 * 0.4 * (0.4**2 - 0.09)
    hessian = np.diag([50.0] * 6 + [1e6] * 9)
    hessian[2, 2] = hessian[5, 5] = slope / 0.2
    top = Crystal.from_arrays(3.2 * np.eye(3), ["Na", "S"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert relax_with_ase(top, calculator_of(double_well), method).energy_ev_per_atom == pytest.approx(0.0405)
    led = relax_with_ase(start, calculator_of(double_well), method, hessian)
    assert led.converged
    assert led.energy_ev_per_atom == pytest.approx(0.0, abs=1e-4)
    assert (hessian[2, 2], hessian[0, 0]) == (pytest.approx(slope / 0.2), 50.0)
