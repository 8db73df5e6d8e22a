"""A rehearsed campaign against the embedded engine asked directly: VASP's files lose nothing on the way."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("chgnet")
pytest.importorskip("atomate2")

from pymatgen.io.vasp import Vasprun

from nawf.engines.chgnet import ChgnetEngine
from nawf.engines.registry import engine_spec
from nawf.flows.elastic import elastic_result
from nawf.flows.phonon import displaced_cells, phonon_result
from nawf.results.crystal import Crystal
from nawf.results.elastic import StrainedState, StressesOutput
from nawf.results.strain import strained_cells
from nawf.store.query import load_results
from nawf.store.stores import open_stores
from nawf.units import GPA_PER_EV_PER_A3

CAMPAIGN = """
name: small
title: Two small phases, all properties
phases: {ids: [na-bcc, na2s]}
properties: [relax, static, phonon, elastic]
engine: vasp
protocol: mpscan
temperatures_k: [0, 300]
"""
PROPERTIES = ("relax", "static", "phonon", "elastic")

ENERGY_EV_PER_ATOM = 2e-6
"""The network is one of single precision; the files have eight decimals of the energy of a cell."""
FORCE_EV_PER_A = 2e-5
STRESS_GPA = 5e-5
FREE_ENERGY_EV_PER_ATOM = 1e-5
STIFFNESS_GPA = 1e-3
RELAXED_STIFFNESS_GPA = 0.15
"""Where the ions are relaxed anew by another optimiser, to the same 0.5 meV/Å."""


@pytest.fixture(scope="module")
def potential():
    return ChgnetEngine(engine_spec("chgnet-r2scan"))


@pytest.fixture(scope="module")
def rehearsed(nawf, tmp_path_factory):
    """Folder in which the campaign was rehearsed from a bare machine, twice: the second finds everything done."""
    folder = tmp_path_factory.mktemp("rehearsed")
    (folder / "small.yaml").write_text(CAMPAIGN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        for name in [name for name in os.environ if name.startswith(("NAWF_", "ATOMATE2_", "PMG_"))]:
            patch.delenv(name)
        first = nawf(folder, "rehearse", "small.yaml", "--workers", "1")
        again = nawf(folder, "rehearse", "small.yaml")
    assert "These are results of a rehearsal" in first.stderr
    assert "nothing to do" in again.stderr
    assert not (folder / "nawf.db").exists()
    assert {path.name for path in (folder / "nawf-runs" / "rehearsal").iterdir()} == {"potcars", "na-bcc", "na2s"}
    return folder


@pytest.fixture(scope="module")
def records(rehearsed):
    with open_stores(str(rehearsed / "nawf-rehearsal.db"), read_only=True) as stores:
        documents = load_results(stores.results)
    assert {(d.provenance.engine, d.provenance.protocol) for d in documents} == {("vasp-rehearsal", "mpscan")}
    assert {(d.phase, d.property) for d in documents} == {(f, p) for f in ("na-bcc", "na2s") for p in PROPERTIES}
    return documents


def of(records, prop):
    return [d.record() for d in records if d.property == prop]


def directly_evaluated(folder: Path, potential):
    """Energy, forces and stress of a run of VASP: those in its file, and those of the potential for its last cell."""
    run = Vasprun(folder / "vasprun.xml.gz", parse_potcar_file=False, parse_dos=False, parse_eigen=False)
    energy_ev, forces, stress = potential.evaluate(Crystal.from_structure(run.final_structure))
    last = run.ionic_steps[-1]
    return (
        (run.final_energy / len(run.final_structure), np.array(last["forces"]), np.array(last["stress"]) / -10),
        (energy_ev / len(run.final_structure), forces, stress * GPA_PER_EV_PER_A3),
    )


def check_runs(root: Path, potential) -> int:
    """Compare every r2SCAN run below a folder; how many there were."""
    runs = [path.parent for path in sorted(root.rglob("vasprun.xml.gz"))]
    for folder in runs:
        filed, direct = directly_evaluated(folder, potential)
        assert filed[0] == pytest.approx(direct[0], abs=ENERGY_EV_PER_ATOM), folder
        np.testing.assert_allclose(filed[1], direct[1], atol=FORCE_EV_PER_A, err_msg=str(folder))
        np.testing.assert_allclose(filed[2], direct[2], atol=STRESS_GPA, err_msg=str(folder))
    return len(runs)


def check_energy(record, potential):
    energy_ev, _, _ = potential.evaluate(record.crystal)
    assert record.energy_ev_per_atom == pytest.approx(energy_ev / len(record.crystal), abs=ENERGY_EV_PER_ATOM)


def check_free_energy(record, potential):
    cells = displaced_cells(record.crystal, record.method, record.relax_method.symprec_a)
    direct = phonon_result(cells, potential.forces(cells), record.relax_method)
    assert record.temperatures_k == direct.temperatures_k
    difference = np.array(record.free_energy_ev_per_atom) - direct.free_energy_ev_per_atom
    assert np.abs(difference).max() < FREE_ENERGY_EV_PER_ATOM
    assert record.highest_frequency_thz == pytest.approx(direct.highest_frequency_thz, abs=0.01)


def check_stiffness(record, potential, runs: Path):
    """The tensor from the potential's stresses at the last cells of VASP's files, and from ions relaxed directly."""
    cells = strained_cells(record.crystal, record.method, record.relax_method.symprec_a)
    assert cells.strains == record.strains
    at_files = []
    for number, state in enumerate(record.states, start=1):
        (folder,) = {path.parent for path in runs.glob(f"strained-{number:02d}-*/*/vasprun.xml.gz")}
        _, (_, _, stress) = directly_evaluated(folder, potential)
        (xx, xy, xz), (_, yy, yz), (_, _, zz) = stress.tolist()
        voigt = (xx, yy, zz, yz, xz, xy)
        at_files.append(StrainedState(**state.model_dump() | {"stress_gpa": voigt}))
    output = StressesOutput(states=tuple(at_files), calculation=record.calculation, run=record.run)
    direct = elastic_result(cells, output, record.relax_method)
    np.testing.assert_allclose(record.stiffness_gpa, direct.stiffness_gpa, atol=STIFFNESS_GPA)
    relaxed = elastic_result(cells, potential.stresses(cells), record.relax_method)
    np.testing.assert_allclose(record.stiffness_gpa, relaxed.stiffness_gpa, atol=RELAXED_STIFFNESS_GPA)


@pytest.mark.slow
def test_every_run_has_the_energy_forces_and_stress_of_the_potential(rehearsed, records, potential):
    assert check_runs(rehearsed / "nawf-runs", potential) > 15


@pytest.mark.slow
def test_static_energies_are_those_of_the_potential(records, potential):
    for record in of(records, "static"):
        check_energy(record, potential)


@pytest.mark.slow
def test_free_energies_are_those_of_the_potential(records, potential):
    for record in of(records, "phonon"):
        check_free_energy(record, potential)


@pytest.mark.slow
def test_elastic_tensors_are_those_of_the_potential(rehearsed, records, potential):
    for document in records:
        if document.property == "elastic":
            check_stiffness(document.record(), potential, rehearsed / "nawf-runs" / "rehearsal" / document.phase)
