"""Strained cells relaxed one after the other give what each gives alone."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones
from hypothesis import given
from hypothesis import strategies as st

from nawf.engines.ase_relax import crystal_of, relax_ions_with_ase, relax_with_ase
from nawf.engines.strained import predicted_shift, relax_strained_cells
from nawf.errors import CalculationError
from nawf.results.methods import ElasticMethod, RelaxMethod
from nawf.results.strain import strained, strained_cells
from nawf.results.symmetry import primitive_cell

METHOD = ElasticMethod(force_ev_per_a=1e-4)


@pytest.fixture(scope="module")
def calculator():
    return LennardJones(sigma=3.4, epsilon=0.1, rc=8.5, smooth=True)


@pytest.fixture(scope="module")
def cells(calculator):
    """A hexagonal close packing: its two atoms move against each other when it is sheared or stretched in plane."""
    start = crystal_of(bulk("Na", "hcp", a=3.8, c=6.2))
    relaxed = relax_with_ase(start, calculator, RelaxMethod(force_ev_per_a=1e-5, stress_gpa=1e-4)).crystal
    return strained_cells(primitive_cell(relaxed, 0.01), METHOD, 0.01)


def test_states_are_those_of_cells_relaxed_alone(cells, calculator):
    one_by_one = [relax_ions_with_ase(strained(cells.crystal, s), calculator, METHOD).state for s in cells.strains]
    in_turn = list(relax_strained_cells(cells, calculator))
    assert len(in_turn) == len(cells.strains)
    assert max(state.n_steps for state in one_by_one) > 1
    for state, alone in zip(in_turn, one_by_one, strict=True):
        assert state.converged
        assert state.max_force_ev_per_a <= METHOD.force_ev_per_a
        assert state.stress_gpa == pytest.approx(alone.stress_gpa, abs=1e-3)


def test_relaxed_ions_are_at_rest_in_the_given_cell(cells, calculator):
    cell = strained(cells.crystal, cells.strains[0])
    ions = relax_ions_with_ase(cell, calculator, METHOD)
    assert ions.crystal.matrix_a == pytest.approx(cell.matrix_a, abs=1e-12)
    again = relax_ions_with_ase(ions.crystal, calculator, METHOD, ions.hessian)
    assert again.state.n_steps == 0
    assert again.state.stress_gpa == pytest.approx(ions.state.stress_gpa, abs=1e-9)


def test_ions_that_run_out_of_steps_are_said_to_move(cells, calculator):
    moving = max(
        cells.strains, key=lambda s: relax_ions_with_ase(strained(cells.crystal, s), calculator, METHOD).state.n_steps
    )
    state = relax_ions_with_ase(
        strained(cells.crystal, moving), calculator, METHOD.model_copy(update={"max_steps": 1})
    ).state
    assert not state.converged
    assert state.max_force_ev_per_a > METHOD.force_ev_per_a


@given(
    st.lists(st.floats(-2, 2), min_size=6, max_size=6), st.floats(0.25, 3).flatmap(lambda x: st.sampled_from((x, -x)))
)
def test_a_shift_that_is_a_polynomial_of_the_size_is_foretold(coefficients, factor):
    first, second = np.reshape(coefficients, (2, 1, 3))
    direction = np.array([0.0, 0, 1, 0, 0, 0])
    known = [(size * direction, first * size + second * size**2) for size in (0.01, -0.01)]
    size = 0.01 * factor
    expected = first * size + second * size**2
    assert predicted_shift(size * direction, known) == pytest.approx(expected, abs=1e-9)


class Broken(LennardJones):
    """Gives no number where the cell is stretched."""

    def calculate(self, *arguments, **named):
        super().calculate(*arguments, **named)
        if self.atoms.get_volume() > self.parameters["largest_a3"]:
            self.results["forces"] = self.results["forces"] * np.nan


def test_a_cell_without_a_number_is_none_and_the_others_are_kept(cells):
    largest = cells.crystal.volume_a3 * 1.001
    states = list(
        relax_strained_cells(cells, Broken(sigma=3.4, epsilon=0.1, rc=8.5, smooth=True, largest_a3=largest))
    )
    for strain, state in zip(cells.strains, states, strict=True):
        stretched = strained(cells.crystal, strain).volume_a3 > largest
        assert (state is None) is stretched
    assert None in states
    assert any(states)
    with pytest.raises(CalculationError, match="not a finite number"):
        relax_with_ase(
            cells.crystal, Broken(sigma=3.4, epsilon=0.1, rc=8.5, smooth=True, largest_a3=0), RelaxMethod()
        )


def test_another_direction_foretells_nothing():
    known = [(np.array([0.01, 0, 0, 0, 0, 0]), np.ones((2, 3)))]
    assert not predicted_shift(np.array([0, 0.01, 0, 0, 0, 0]), known).any()
    assert not predicted_shift(np.array([0.01, 0.01, 0, 0, 0, 0]), known).any()
    assert predicted_shift(np.array([0.02, 0, 0, 0, 0, 0]), known) == pytest.approx(2 * np.ones((2, 3)))
