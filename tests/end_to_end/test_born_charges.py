"""A rehearsed campaign with Born charges, of a salt and a metal, against the embedded engine and phonopy by hand."""

from __future__ import annotations

import os

import numpy as np
import pytest

pytest.importorskip("chgnet")
pytest.importorskip("atomate2")

from phonopy import Phonopy

from nawf.engines.chgnet import ChgnetEngine
from nawf.engines.registry import engine_spec
from nawf.flows.phonon import displaced_cells
from nawf.store.query import load_results
from nawf.store.stores import open_stores

CAMPAIGN = """
name: born
title: Born charges of Na2S, and of sodium, which has none
phases: {ids: [na-bcc, na2s]}
properties: [phonon]
engine: vasp
protocol: mp24
phonon: {born: true, min_length_a: 6.5, mesh_length_a: 40}
"""
COULOMB_EV_A = 14.399645
FREE_ENERGY_EV_PER_ATOM = 2e-5
"""At 1000 K; forces of the network are of single precision."""


@pytest.fixture(scope="module")
def documents(nawf, tmp_path_factory):
    """Phonons by phase."""
    folder = tmp_path_factory.mktemp("born")
    (folder / "born.yaml").write_text(CAMPAIGN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        for name in [name for name in os.environ if name.startswith(("NAWF_", "ATOMATE2_", "PMG_"))]:
            patch.delenv(name)
        nawf(folder, "rehearse", "born.yaml", "--workers", "1")
    runs = {path.parent.name.rsplit("-", 1)[0] for path in (folder / "nawf-runs").glob("*/na-bcc/*/attempt-01")}
    assert "born-gap" in runs
    assert "born" not in runs
    with open_stores(str(folder / "nawf-rehearsal.db"), read_only=True) as stores:
        return {d.phase: d for d in load_results(stores.results, properties=["phonon"])}


@pytest.mark.slow
def test_a_metal_goes_without_and_says_so(documents):
    assert "no band gap with PBEsol" in "; ".join(documents["na-bcc"].verdict.messages())
    record = documents["na-bcc"].record()
    assert (record.born.gap_ev, record.born.charges_e, record.born.dielectric) == (0.0, None, None)
    assert record.highest_frequency_thz > 0


@pytest.mark.slow
def test_free_energies_are_those_of_phonopy_with_the_charges_of_the_files(documents):
    record = documents["na2s"].record()
    charges = np.array([{"Na": 1.0, "S": -2.0}[e] for e in record.crystal.species])[:, None, None] * np.eye(3)
    assert np.array(record.born.charges_e) == pytest.approx(charges)
    assert np.array(record.born.dielectric) == pytest.approx(4 * np.eye(3))
    assert (record.calculation["functional"], record.born.calculation["functional"]) == ("r2SCAN", "PBEsol")
    assert record.born.run.versions["vasp"] == "6.4.2-rehearsal"
    cells = displaced_cells(record.crystal, record.method, 0.01)
    phonon = Phonopy(record.crystal.to_phonopy(), supercell_matrix=record.supercell_matrix)
    phonon.generate_displacements(distance=record.method.displacement_a)
    phonon.forces = np.array(ChgnetEngine(engine_spec("chgnet-r2scan")).forces(cells).forces_ev_per_a)
    phonon.produce_force_constants()
    phonon.symmetrize_force_constants()
    free = []
    for params in (None, {"born": charges, "dielectric": 4 * np.eye(3), "factor": COULOMB_EV_A}):
        phonon.nac_params = params
        phonon.run_mesh(record.method.mesh_length_a)
        phonon.run_thermal_properties(temperatures=record.temperatures_k, cutoff_frequency=0.01)
        free.append(phonon.get_thermal_properties_dict()["free_energy"] / 96.48533212 / 3)
    assert record.free_energy_ev_per_atom == pytest.approx(free[1], abs=FREE_ENERGY_EV_PER_ATOM)
    assert np.abs(free[1] - free[0]).max() > 50 * FREE_ENERGY_EV_PER_ATOM
