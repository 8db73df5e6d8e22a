"""The embedded engine against chgnet's own interfaces, called directly."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest

from nawf.engines.chgnet import ChgnetEngine
from nawf.engines.registry import engine_spec
from nawf.phases.library import load_library
from nawf.progress import Event, State, listening, step_of
from nawf.results.crystal import Crystal
from nawf.results.methods import PhononMethod, RelaxMethod
from nawf.results.outputs import DisplacedCells, Displacement
from nawf.results.symmetry import primitive_cell, space_group


@pytest.fixture(scope="module")
def engine() -> ChgnetEngine:
    return ChgnetEngine(engine_spec("chgnet-r2scan", batch_size=3))


@pytest.fixture(scope="module")
def model() -> Any:
    from chgnet.model import CHGNet

    with contextlib.redirect_stdout(io.StringIO()):
        return CHGNet.load(model_name="r2scan", use_device="cpu", verbose=False)


def crystal_of(phase: str) -> Crystal:
    return primitive_cell(Crystal.from_structure(load_library().get(phase).structure()), 0.01)


@pytest.mark.parametrize("phase", ["na-bcc", "na2s", "na2s2-alpha"])
def test_static_agrees_with_a_direct_prediction(engine: ChgnetEngine, model: Any, phase: str) -> None:
    crystal = crystal_of(phase)
    result = engine.static(crystal, RelaxMethod())
    direct = model.predict_structure(crystal.to_structure())
    assert result.energy_ev_per_atom == pytest.approx(float(direct["e"]), abs=1e-5)
    assert result.max_force_ev_per_a == pytest.approx(np.linalg.norm(direct["f"], axis=1).max(), abs=1e-4)
    xx, yy, zz, yz, xz, xy = result.stress_gpa
    full = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    assert full == pytest.approx(np.asarray(direct["s"]), abs=2e-3)


def test_batched_forces_are_those_of_single_cells(engine: ChgnetEngine, model: Any) -> None:
    supercell = Crystal.from_structure(crystal_of("na2s2-alpha").to_structure() * (2, 1, 1))
    vectors = [(0.01, 0.0, 0.0), (0.0, -0.02, 0.0), (0.0, 0.0, 0.03), (0.01, 0.01, -0.01)]
    cells = DisplacedCells(
        unitcell=crystal_of("na2s2-alpha"),
        supercell_matrix=((2, 0, 0), (0, 1, 0), (0, 0, 1)),
        supercell=supercell,
        displacements=tuple(Displacement(atom=i, vector_a=v) for i, v in enumerate(vectors)),
        method=PhononMethod(),
    )
    forces = np.array(engine.forces(cells).forces_ev_per_a)
    assert forces.shape == (4, len(supercell), 3)
    for i, vector in enumerate(vectors):
        moved = supercell.to_structure()
        moved.translate_sites([i], vector, frac_coords=False)
        assert forces[i] == pytest.approx(np.asarray(model.predict_structure(moved)["f"]), abs=2e-5)


def test_relaxation_keeps_the_space_group_and_ends_in_a_minimum(engine: ChgnetEngine, model: Any) -> None:
    start = crystal_of("na2s2-alpha")
    method = engine.methods().relax
    end = engine.relax(start, method)
    assert end.converged
    assert end.max_force_ev_per_a <= method.force_ev_per_a
    assert end.max_stress_gpa <= method.stress_gpa
    assert space_group(end.crystal, 1e-3).number == space_group(start, 1e-3).number == 189
    # Independent: chgnet's own optimiser, from the same start, without any symmetry.
    from chgnet.model import StructOptimizer

    with contextlib.redirect_stdout(io.StringIO()):
        optimiser = StructOptimizer(model=model, use_device="cpu")
        direct = optimiser.relax(start.to_structure(), fmax=0.005, steps=300, verbose=False)
    energy = direct["trajectory"].energies[-1] / len(start)
    assert end.energy_ev_per_atom == pytest.approx(energy, abs=5e-4)
    assert end.crystal.volume_a3 == pytest.approx(direct["final_structure"].volume, rel=0.01)


def test_a_relaxation_that_runs_out_of_steps_says_so(engine: ChgnetEngine) -> None:
    end = engine.relax(crystal_of("na2s2-alpha"), RelaxMethod(force_ev_per_a=1e-4, max_steps=3))
    assert not end.converged
    assert end.n_steps == 3


def test_progress_is_told(engine: ChgnetEngine) -> None:
    events: list[Event] = []
    with listening(events.append), step_of("na2s2-alpha", "relax"):
        engine.relax(crystal_of("na2s2-alpha"), RelaxMethod(force_ev_per_a=0.05, stress_gpa=0.5))
    assert {e.phase for e in events} == {"na2s2-alpha"}
    done = [e.done for e in events if e.state is State.ADVANCED]
    assert done == sorted(done)
    assert len(done) >= 2


def test_the_calculation_names_the_weights(engine: ChgnetEngine) -> None:
    calculation = engine.calculation()
    assert calculation["functional"] == "r2SCAN"
    assert len(str(calculation["model_sha256"])) == 64


def test_isolated_atoms_are_an_error_not_a_number(engine: ChgnetEngine) -> None:
    lonely = Crystal.from_arrays(np.eye(3) * 12.0, ["Na"], [[0, 0, 0]])
    with pytest.raises(ValueError, match="isolated"):
        engine.static(lonely, RelaxMethod())


@pytest.mark.parametrize("phase", ["na2s5-epsilon", "p2s7-p1"])
def test_phases_on_which_the_forces_jump_are_relaxed_all_the_same(engine: ChgnetEngine, phase: str) -> None:
    """The first gets no further than 0.5 meV/Å; the cell of the second swells so far that the filter misjudges."""
    end = engine.relax(crystal_of(phase), engine.methods().relax)
    assert end.converged
    assert end.n_steps < engine.methods().relax.max_steps
    # What is reported is what the crystal has: the best step was kept, not the last.
    again = engine.static(end.crystal, RelaxMethod())
    assert again.max_force_ev_per_a == pytest.approx(end.max_force_ev_per_a, abs=5e-5)
    assert again.energy_ev_per_atom == pytest.approx(end.energy_ev_per_atom, abs=1e-6)
