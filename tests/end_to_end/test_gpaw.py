"""Real r2SCAN: Na2S by GPAW from the command line, killed on the way, against GPAW called by hand and measurement."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version

import numpy as np
import pytest

from nawf.store.query import load_results
from nawf.store.stores import open_stores

pytest.importorskip("gpaw", reason="GPAW is not installed; deploy/install-gpaw does it")

from ase import Atoms
from gpaw import GPAW, get_libraries

CAMPAIGN = """
name: gpaw
title: Na2S by GPAW
phases: {ids: [na2s]}
properties: [relax, static, phonon]
engine: gpaw
protocol: coarse
temperatures_k: [0, 300]
"""
ARGUMENTS = ("run", "gpaw.yaml", "--workers", "1", "--threads", "1")
PATIENCE_S = 300


def lines(folder, step):
    """What was written down in a step, in its order."""
    paths = folder.glob(f"runs/na2s/gpaw-{step}-*/evaluations.jsonl")
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def evaluations(folder, step):
    """What GPAW has done in a step."""
    return [content for content in lines(folder, step) if "energy_ev" in content]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Folder in which the campaign was killed after GPAW's first geometry, and run again."""
    folder = tmp_path_factory.mktemp("gpaw")
    (folder / "gpaw.yaml").write_text(CAMPAIGN)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NAWF_")}
    environment |= {"NAWF_RUN_FOLDER": str(folder / "runs"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "nawf.cli.main", *ARGUMENTS]
    first = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, start_new_session=True)
    until = time.monotonic() + PATIENCE_S
    while not evaluations(folder, "relax") and first.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
    os.killpg(first.pid, signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL, first.stderr.read().decode()
    again = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    return folder


@pytest.fixture(scope="module")
def records(run):
    with open_stores(str(run / "nawf.db"), read_only=True) as stores:
        return {document.property: document.record() for document in load_results(stores.results)}


def test_what_was_done_before_the_kill_is_not_done_again(run, records):
    relaxed = evaluations(run, "relax")
    geometries = [json.dumps(e["crystal"]) for e in relaxed]
    assert len(set(geometries)) == len(geometries)
    # An attempt, what it did before it was killed, and another one that went on behind that.
    kinds = [next((k for k in ("attempt", "ended") if k in line), "geometry") for line in lines(run, "relax")]
    assert kinds == ["attempt", "geometry", "attempt", *["geometry"] * (len(relaxed) - 1), "ended"]
    assert [c.handler for c in records["relax"].run.corrections].count("resume") == 1
    assert records["relax"].converged


def test_the_energy_is_that_of_gpaw_called_by_hand(records):
    static = records["static"]
    side_a = (4 * static.crystal.volume_a3) ** (1 / 3)
    atoms = Atoms(
        "SNa2",
        cell=side_a / 2 * (np.ones((3, 3)) - np.eye(3)),
        scaled_positions=[[0, 0, 0], [0.25] * 3, [0.75] * 3],
        pbc=True,
    )
    atoms.calc = GPAW(
        mode={"name": "pw", "ecut": 340},
        xc="MGGA_X_R2SCAN+MGGA_C_R2SCAN",
        kpts={"size": (3, 3, 3), "gamma": True},
        occupations={"name": "fermi-dirac", "width": 0.05},
        mixer={"backend": "pulay", "beta": 0.1, "nmaxold": 5, "weight": 50},
        convergence={"density": 1e-5, "eigenstates": 1e-8},
        txt=None,
    )
    assert static.energy_ev_per_atom == pytest.approx(atoms.get_potential_energy() / 3, abs=2e-5)
    assert static.stress_gpa[:3] == pytest.approx(atoms.get_stress()[:3] * 160.2176634, abs=0.01)
    # With 600 eV and a dense mesh it is -6.2295; this is what a small basis costs.
    assert static.energy_ev_per_atom == pytest.approx(-6.2295, abs=0.03)


def test_the_lattice_is_the_measured_one(records):
    side_a = (4 * records["relax"].crystal.volume_a3) ** (1 / 3)
    assert side_a == pytest.approx(6.52, rel=0.007)
    assert records["relax"].max_stress_gpa <= records["relax"].method.stress_gpa


def test_the_lattice_vibrates_and_is_stable(records):
    phonon = records["phonon"]
    assert phonon.imaginary_fraction == 0.0
    assert phonon.lowest_frequency_thz > -0.05
    # Measured optical modes: 6 to 8 THz.
    assert 6.0 < phonon.highest_frequency_thz < 9.0
    at_300_k = list(phonon.temperatures_k).index(300.0)
    entropy_j_per_mol_k = 3 * 96485.33 * phonon.entropy_ev_per_k_per_atom[at_300_k]
    assert entropy_j_per_mol_k == pytest.approx(97.0, abs=10.0)
    # The real-space grid of a small basis, felt by an atom that moved by 0.05 Å, is removed and reported.
    assert 0.0 < phonon.net_force_ev_per_a < 0.02


def test_a_third_run_has_nothing_to_do(run, nawf, monkeypatch):
    monkeypatch.setenv("NAWF_RUN_FOLDER", str(run / "runs"))
    before = {p: p.stat().st_mtime_ns for p in run.glob("runs/na2s/*/evaluations.jsonl")}
    nawf(run, *ARGUMENTS)
    assert {p: p.stat().st_mtime_ns for p in run.glob("runs/na2s/*/evaluations.jsonl")} == before


def test_the_doctor_says_with_what_it_was_built(nawf, monkeypatch, tmp_path):
    monkeypatch.delenv("NAWF_GPAW_COMMAND", raising=False)
    (line,) = [line for line in nawf(tmp_path, "doctor").stdout.splitlines() if " gpaw: " in line]
    assert f"GPAW {version('gpaw')} with libxc {get_libraries()['libxc']}" in line
