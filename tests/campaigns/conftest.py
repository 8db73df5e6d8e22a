"""A small analytic engine, and what is needed to carry out a plan with it by hand."""

from datetime import UTC, datetime

import numpy as np
import pytest
from ase.calculators.lj import LennardJones

from nawf.engines.ase_relax import atoms_of, relax_with_ase
from nawf.engines.base import EngineSpec, intended_fingerprint, run_record
from nawf.engines.in_process import InProcessEngine
from nawf.engines.strained import relax_strained_cells
from nawf.flows.elastic import elastic_result
from nawf.flows.phonon import displaced_cells, phonon_result
from nawf.phases.library import load_library
from nawf.results.elastic import StressesOutput
from nawf.results.methods import Methods, PhononMethod
from nawf.results.outputs import ForcesOutput, RelaxOutput, RelaxResult, StaticResult
from nawf.results.strain import strained_cells
from nawf.results.symmetry import primitive_cell, space_group, symmetrise
from nawf.units import GPA_PER_EV_PER_A3


class LennardJonesEngine(InProcessEngine):
    """Rare-gas-like sodium: hexagonal close packing is a minimum of its energy."""

    def __init__(self, spec=None, epsilon_ev=0.1):
        super().__init__(spec or EngineSpec(name="lennard-jones", protocol="tight"))
        self.epsilon_ev = epsilon_ev
        self._calculator = LennardJones(sigma=3.4, epsilon=epsilon_ev, rc=8.5, smooth=True)

    def calculation(self):
        return {"engine": self.spec.name, "functional": "12-6", "sigma_a": 3.4, "epsilon_ev": self.epsilon_ev}

    def methods(self):
        return Methods(phonon=PhononMethod(min_length_a=6.0, mesh_length_a=20.0, temperature_step_k=50.0))

    def relax(self, crystal, method):
        started_at = datetime.now(UTC)
        end = relax_with_ase(crystal, self._calculator, method)
        return RelaxOutput(**vars(end), calculation=self.calculation(), run=run_record(started_at))

    def static(self, crystal, method):
        started_at = datetime.now(UTC)
        atoms = atoms_of(crystal)
        atoms.calc = self._calculator
        return StaticResult(
            crystal=crystal,
            energy_ev_per_atom=atoms.get_potential_energy() / len(atoms),
            max_force_ev_per_a=np.linalg.norm(atoms.get_forces(), axis=1).max(),
            stress_gpa=tuple(atoms.get_stress() * GPA_PER_EV_PER_A3),
            calculation=self.calculation(),
            method=method,
            run=run_record(started_at),
        )

    def forces(self, cells):
        started_at = datetime.now(UTC)
        forces = []
        for displacement in cells.displacements:
            atoms = atoms_of(cells.supercell)
            atoms.positions[displacement.atom] += displacement.vector_a
            atoms.calc = self._calculator
            forces.append(tuple(map(tuple, atoms.get_forces())))
        return ForcesOutput(forces_ev_per_a=tuple(forces), calculation=self.calculation(), run=run_record(started_at))

    def stresses(self, cells):
        started_at = datetime.now(UTC)
        states = relax_strained_cells(cells, self._calculator)
        return StressesOutput(states=tuple(states), calculation=self.calculation(), run=run_record(started_at))

    def seconds(self, step, cell, n_cells=1):
        return 1e-4 * len(cell) * {"relax": 50, "static": 1, "phonon": n_cells, "elastic": 10 * n_cells}[step]


@pytest.fixture(scope="session")
def engine():
    return LennardJonesEngine()


@pytest.fixture(scope="session")
def other_engine():
    """The same engine with another parameter: another energy scale."""
    return LennardJonesEngine(epsilon_ev=0.2)


@pytest.fixture(scope="session")
def library():
    return load_library()


@pytest.fixture
def carry_out(records):
    """Do the tasks of a plan in this process, and put documents of their results into a store."""

    def do(plan, store):
        for task in plan.tasks:
            made = dict(_results(plan.engine, task))
            for prop, result in made.items():
                intent = intended_fingerprint(plan.engine, prop, task.methods)
                document = records.document(
                    task.phase, prop, result, card=task.card, engine=plan.engine.spec.name, protocol="tight"
                )
                assert document.fingerprint_id == document.provenance.intent == intent.id
                store.update(document.model_dump(mode="json"), key="result_id")

    return do


def _results(engine, task):
    crystal = task.relaxed
    if "relax" in task.properties:
        start = primitive_cell(task.start, task.methods.relax.symprec_a)
        relaxed = engine.relax(start, task.methods.relax)
        crystal, shift_a = symmetrise(relaxed.crystal, task.methods.relax.symprec_a)
        values = {name: getattr(relaxed, name) for name in RelaxOutput.model_fields if name != "crystal"}
        yield (
            "relax",
            RelaxResult(
                initial=start,
                crystal=crystal,
                initial_space_group=space_group(start, task.methods.relax.symprec_a),
                space_group=space_group(crystal, task.methods.relax.symprec_a),
                volume_change=crystal.volume_a3_per_atom / start.volume_a3_per_atom - 1,
                symmetrisation_shift_a=shift_a,
                method=task.methods.relax,
                **values,
            ),
        )
        if not relaxed.converged:
            return
    if "static" in task.properties:
        yield "static", engine.static(crystal, task.methods.relax)
    if "phonon" in task.properties:
        cells = displaced_cells(crystal, task.methods.phonon, task.methods.relax.symprec_a)
        yield "phonon", phonon_result(cells, engine.forces(cells), task.methods.relax)
    if "elastic" in task.properties:
        cells = strained_cells(crystal, task.methods.elastic, task.methods.relax.symprec_a)
        yield "elastic", elastic_result(cells, engine.stresses(cells), task.methods.relax)
