"""The jobs in whole flows, through custodian, files and parsers, against the potential asked directly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

pytest.importorskip("atomate2")

from jobflow import Flow, run_locally
from monty.os.path import zpath
from pymatgen.io.vasp.inputs import Incar, Kpoints

from nawf.engines import vasp_jobs
from nawf.engines.base import Label
from nawf.engines.potential import plausible_start
from nawf.engines.registry import build_engine, engine_spec
from nawf.engines.vasp import METHODS, REHEARSAL
from nawf.engines.vasp_jobs import (
    forces_output,
    stresses_output,
)
from nawf.engines.vasp_outputs import CellOutput
from nawf.errors import CalculationError
from nawf.flows.elastic import elastic_result
from nawf.flows.phase import phase_flow
from nawf.flows.phonon import displaced_cells, phonon_result
from nawf.results.crystal import Crystal
from nawf.results.elastic import StrainedCells, StrainedState, StressesOutput
from nawf.results.methods import ElasticMethod, PhononMethod
from nawf.results.outputs import ForcesOutput, RunRecord
from nawf.results.strain import strained, strained_cells
from nawf.results.tasks import PhaseTask
from nawf.store.builder import build
from nawf.store.stores import open_stores

METHOD = METHODS.model_copy(
    update={
        "phonon": PhononMethod(min_length_a=6.0, mesh_length_a=40.0, displacement_a=0.01),
        "elastic": ElasticMethod(strains=(0.01,), polish_steps=0),
    }
)
LABEL = Label(phase="toy", campaign="test")
CARD = {"name": "toy", "formula": "NaS", "origin": "prototype", "tags": [], "reference": "", "card_hash": "0"}


def engine(protocol="mp24"):
    build_engine.cache_clear()
    return build_engine(engine_spec(REHEARSAL, protocol))


def run_flow(flow, stores):
    return run_locally(flow, store=stores.jobs, log=False, create_folders=True, allow_external_references=True)


@pytest.fixture
def stores(tmp_path):
    with open_stores(str(tmp_path / "nawf.db")) as opened:
        yield opened


def run_of(versions="6.4.2", host="node1", minute=0, converged=True):
    start = datetime(2026, 1, 1, 12, minute, tzinfo=UTC)
    return RunRecord(
        host=host,
        started_at=start,
        finished_at=start + timedelta(minutes=1),
        versions={"vasp": versions},
        electronic_converged=converged,
    )


def cell_output(crystal, forces=None, calculation=None, **changes):
    values = {
        "crystal": crystal,
        "energy_ev_per_atom": -1.0,
        "forces_ev_per_a": ((0.0, 0.0, 0.0),) * len(crystal) if forces is None else forces,
        "stress_gpa": (1.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        "n_steps": 1,
        "non_magnetic": None,
        "calculation": calculation or {"engine": "vasp", "smearing": "Gaussian 0.05 eV"},
        "run": run_of(),
    }
    return CellOutput(**(values | changes))


@pytest.mark.slow
def test_a_phase_from_start_to_stored_results(toy_vasp, stores):
    """Relaxed cell, energy, free energy and elastic tensor are those of the potential without VASP around it."""
    task = PhaseTask(
        phase="toy",
        campaign="test",
        properties=("relax", "static", "phonon", "elastic"),
        start=toy_vasp.crystal,
        methods=METHOD,
        card=CARD,
    )
    run_flow(phase_flow(task, engine()), stores)
    raw = list(stores.jobs.query({}, load=True))
    metadata = [document["metadata"]["nawf"] for document in raw]
    assert all(m["phase"] == "toy" and m["engine"] == REHEARSAL for m in metadata)
    assert {m["property"] for m in metadata} == {"relax", "static", "phonon", "elastic"}
    assert sum(m["final"] for m in metadata) == 4
    summary = build(stores)
    assert (len(summary.built), summary.refused) == (4, [])
    results = {d["property"]: d for d in stores.results.query({})}

    relaxed = Crystal.model_validate(results["static"]["result"]["crystal"])
    energy, _, stress = toy_vasp.evaluate(relaxed)
    assert abs(stress * 160.21766).max() < METHOD.relax.stress_gpa
    assert results["static"]["result"]["energy_ev_per_atom"] == pytest.approx(energy / 2, abs=1e-7)
    assert results["relax"]["result"]["space_group"]["number"] == 221

    cells = displaced_cells(relaxed, METHOD.phonon, METHOD.relax.symprec_a)
    forces = tuple(tuple(map(tuple, toy_vasp.evaluate(c)[1].tolist())) for c in cells.crystals())
    direct = phonon_result(cells, ForcesOutput(forces_ev_per_a=forces, calculation={}, run=run_of()), METHOD.relax)
    np.testing.assert_allclose(
        results["phonon"]["result"]["free_energy_ev_per_atom"], direct.free_energy_ev_per_atom, atol=2e-5
    )
    assert results["phonon"]["result"]["imaginary_fraction"] == 0

    # Both atoms are centres of inversion, so that no ion has anywhere to relax to.
    strains = strained_cells(relaxed, METHOD.elastic, METHOD.relax.symprec_a)
    states = tuple(state_at_rest(toy_vasp, strained(strains.crystal, strain)) for strain in strains.strains)
    direct = elastic_result(strains, StressesOutput(states=states, calculation={}, run=run_of()), METHOD.relax)
    np.testing.assert_allclose(results["elastic"]["result"]["stiffness_gpa"], direct.stiffness_gpa, atol=0.1)
    # Cauchy's relation for central forces in a crystal of inversion centres.
    c = np.array(results["elastic"]["result"]["stiffness_gpa"])
    assert c[0, 1] == pytest.approx(c[3, 3], rel=0.01)

    scales = {d["calculation_id"] for d in results.values()}
    assert len(scales) == 1
    spins = [Incar.from_file(folder / "INCAR.gz")["ISPIN"] for folder in toy_vasp.attempts("displaced")]
    assert spins == [2] + [1] * (len(cells.displacements) - 1)


def voigt_gpa(stress):
    xx, xy, xz, yy, yz, zz = stress[np.triu_indices(3)] * 160.21766
    return xx, yy, zz, yz, xz, xy


def state_at_rest(toy_vasp, crystal):
    _, forces, stress = toy_vasp.evaluate(crystal)
    assert abs(forces).max() < 1e-9
    return StrainedState(stress_gpa=voigt_gpa(stress), max_force_ev_per_a=0.0, n_steps=1, converged=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "failed", "spins"),
    [
        ("kill@1 once", None, [2, 2, 2, 2]),
        ("kill@1 2 times", 0, [2, 2, 2, 2]),
        ("kill@1 once when ISPIN=1", 1, [2, 1, 1]),
    ],
    ids=["the first, which goes on beside the others", "the first, for good", "another"],
)
def test_a_strained_cell_that_failed_is_missing_and_the_others_go_on(
    toy_vasp, stores, monkeypatch, tmp_path, fault, failed, spins
):
    monkeypatch.setenv("NAWF_REHEARSAL_FAULT", fault)
    (tmp_path / "counts").mkdir()
    monkeypatch.setenv("NAWF_REHEARSAL_COUNTS", str(tmp_path / "counts"))
    cells = strained_cells(toy_vasp.crystal, METHOD.elastic, 0.01)
    unit = engine().stresses_job(cells, LABEL)
    unit.update_metadata({"nawf": {"phase": "toy"}})
    run_flow(Flow([unit]), stores)
    found = StressesOutput.model_validate(stores.jobs.get_output(unit.uuid, load=True))
    assert [state is None for state in found.states] == [n == failed for n in range(len(cells.strains))]
    for strain, state in zip(cells.strains, found.states, strict=True):
        if state is not None:
            _, _, stress = toy_vasp.evaluate(strained(cells.crystal, strain))
            np.testing.assert_allclose(state.stress_gpa, voigt_gpa(stress), atol=1e-3)
            assert state.converged
    incars = [Incar.from_file(zpath(str(folder / "INCAR"))) for folder in toy_vasp.attempts("strained")]
    assert [incar["ISPIN"] for incar in incars] == spins
    assert not any("KSPACING" in incar for incar in incars)
    meshes = {str(Kpoints.from_file(zpath(str(f / "KPOINTS"))).kpts) for f in toy_vasp.attempts("strained")}
    assert len(meshes) == 1
    assert all(d["metadata"]["nawf"]["phase"] == "toy" for d in stores.jobs.query({}))

    # Repeated, only what failed is calculated.
    unit = engine().stresses_job(cells, LABEL)
    run_flow(Flow([unit]), stores)
    again = StressesOutput.model_validate(stores.jobs.get_output(unit.uuid, load=True))
    assert None not in again.states
    kept = [n for n in range(len(cells.strains)) if n != failed]
    assert [again.states[n] for n in kept] == [found.states[n] for n in kept]
    assert len(toy_vasp.attempts("strained")) == len(spins) + (failed is not None)


# Sodium off its site, in a cell without anything to hold it there.
SKEWED = Crystal.from_arrays(
    [[3.2, 0.1, 0.0], [0.0, 3.25, 0.05], [0.1, 0.0, 6.4]],
    ["S", "Na", "S", "Na"],
    [[0, 0, 0], [0.52, 0.47, 0.26], [0.02, 0.01, 0.51], [0.5, 0.52, 0.76]],
)


@pytest.mark.slow
def test_a_strained_cell_goes_on_until_its_forces_are_small_enough(toy_vasp, stores, monkeypatch):
    """With three steps to a run: as many runs as are allowed, and what was done is not done again."""
    monkeypatch.setattr(vasp_jobs, "STEPS_PER_RUN", 3)

    def state(max_steps):
        method = ElasticMethod(strains=(0.01,), polish_steps=0, force_ev_per_a=0.01, max_steps=max_steps)
        cells = StrainedCells(crystal=SKEWED, strains=((0.01, 0, 0, 0, 0, 0),), method=method)
        unit = vasp_jobs.vasp_strained(engine()._vasp(), cells, 1, True, LABEL)
        run_flow(Flow([unit]), stores)
        found = CellOutput.model_validate(plain_all(stores.jobs.get_output(unit.uuid, load=True)))
        return found, found.strained_state(method.force_ev_per_a)

    output, few = state(6)
    assert not few.converged
    assert (few.n_steps, output.non_magnetic) == (6, True)
    folders = {folder.parent.name.rsplit("-", 1)[0]: folder for folder in toy_vasp.attempts("strained")}
    spins = {name: Incar.from_file(folder / "INCAR.gz")["ISPIN"] for name, folder in folders.items()}
    assert spins == {"strained-01": 2, "strained-01-2": 1}

    output, many = state(60)
    assert many.converged
    assert many.max_force_ev_per_a <= 0.01
    assert 6 < many.n_steps <= 24
    assert all(folder.name == "attempt-01" for folder in toy_vasp.attempts("strained"))
    lattice = strained(SKEWED, (0.01, 0, 0, 0, 0, 0)).matrix_a
    np.testing.assert_allclose(output.crystal.matrix_a, lattice, atol=1e-7)
    _, forces, _ = toy_vasp.evaluate(output.crystal)
    assert np.linalg.norm(forces, axis=1).max() == pytest.approx(many.max_force_ev_per_a, abs=1e-5)


def plain_all(value):
    """The same for all that is in it."""
    if isinstance(value, dict):
        return {key: plain_all(item) for key, item in plain(value).items()}
    return [plain_all(item) for item in value] if isinstance(value, list) else value


@pytest.mark.slow
def test_the_potential_can_relax_first(toy_vasp, stores, monkeypatch):
    """Na2S, relaxed by the embedded engine; the toy potential then thinks otherwise, but that is its own affair."""
    pytest.importorskip("chgnet")
    monkeypatch.setenv("NAWF_VASP_START", "potential")
    unit = engine().relax_job(toy_vasp.crystal, METHOD.relax, LABEL)
    assert [job.name for job in unit.jobs] == ["run_relax", "vasp_relax_from_potential"]
    run_flow(Flow([unit]), stores)
    first, found = (stores.jobs.get_output(job.uuid, load=True) for job in unit.jobs)
    assert found["converged"]
    assert toy_vasp.attempts("pre-relax") == []
    # The run of the potential belongs to the record, and what became of its crystal.
    assert {"chgnet", "vasp", "custodian"} <= set(found["run"]["versions"])
    started, ended = (str(f["run"]["started_at"]) for f in (first, found))
    assert started[:19] == ended[:19]
    taken = plausible_start(toy_vasp.crystal, Crystal.model_validate(plain(first["crystal"]))) != toy_vasp.crystal
    handlers = [c["handler"] for c in found["run"]["corrections"]]
    assert handlers == ([] if taken else ["start"])


def plain(document):
    """A record without the names that JSON of monty adds."""
    return {key: value for key, value in document.items() if not key.startswith("@")}


def test_displacements_by_hand():
    crystal = Crystal.from_arrays(np.diag([2.0, 4.0, 5.0]), ["S", "Na"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    cells = displaced_cells(crystal, PhononMethod(min_length_a=4.0, displacement_a=0.02), 0.01)
    for moved, displacement in zip(cells.crystals(), cells.displacements, strict=True):
        shift = (np.array(moved.frac_coords) - np.array(cells.supercell.frac_coords)) @ cells.supercell.matrix_a
        np.testing.assert_allclose(shift[displacement.atom], displacement.vector_a, atol=1e-12)
        others = np.delete(shift, displacement.atom, axis=0)
        np.testing.assert_allclose(others, 0.0)
        assert np.linalg.norm(displacement.vector_a) == pytest.approx(0.02)
        assert moved.species == cells.supercell.species


def test_forces_are_collected_in_order(toy_vasp):
    rows = [((float(n), 0.0, 0.0), (-float(n), 0.0, 0.0)) for n in (1, 2, 3)]
    outputs = [cell_output(toy_vasp.crystal, row, run=run_of(minute=n)) for n, row in enumerate(rows)]
    found = forces_output(outputs, LABEL)
    assert found.forces_ev_per_a == tuple(rows)
    assert found.run.seconds == 180.0


def test_cells_that_were_not_calculated_alike_make_no_phonons(toy_vasp):
    other = {"engine": "vasp", "smearing": "Gaussian 0.2 eV"}
    outputs = [cell_output(toy_vasp.crystal), cell_output(toy_vasp.crystal, calculation=other)]
    with pytest.raises(CalculationError, match=r'not calculated alike: smearing: .*"Gaussian 0.2 eV" in cell 2'):
        forces_output(outputs, LABEL)


def test_strained_cells_that_were_calculated_otherwise_than_most_are_missing(toy_vasp):
    other = {"engine": "vasp", "smearing": "Gaussian 0.2 eV"}
    crystal = toy_vasp.crystal
    cells = StrainedCells(crystal=crystal, strains=((0.01, 0, 0, 0, 0, 0),) * 5, method=METHOD.elastic)
    outputs = [
        cell_output(crystal, calculation=other),
        cell_output(crystal),
        None,
        cell_output(crystal, ((0.0, 0.0, 0.0), (0.002, 0.0, 0.0))),
        cell_output(crystal, run=run_of(converged=False)),
    ]
    found = stresses_output(cells, outputs, LABEL)
    assert [state is None for state in found.states] == [True, False, True, False, False]
    assert [state.converged for state in found.states if state is not None] == [True, False, False]
    assert found.calculation == outputs[1].calculation
    with pytest.raises(CalculationError, match="toy elastic: no strained cell has a stress"):
        stresses_output(cells, [None] * 5, LABEL)
