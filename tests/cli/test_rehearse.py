"""``nawf rehearse``, and what ``nawf plan`` and ``nawf run`` say before VASP is run."""

from __future__ import annotations

import json
import os

import pytest

pytest.importorskip("atomate2")

from pymatgen.core import SETTINGS

from nawf.rehearsal.potcar import make_potcar_library
from nawf.store.query import load_results
from nawf.store.stores import open_stores

CAMPAIGN = """
name: small
title: Two small phases
phases: {{ids: [na-bcc, na2s]}}
properties: [relax, static]
engine: {engine}
temperatures_k: [0, 300]
"""


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch):
    for key in ("PMG_VASP_PSP_DIR", "PMG_VASP_PSP_SUB_DIRS"):
        monkeypatch.delitem(SETTINGS, key, raising=False)
    for name in ("VASP_COMMAND", "POTCAR_FOLDER", "RUN_FOLDER", "VASP_REHEARSAL_COMMAND"):
        monkeypatch.delenv(f"NAWF_{name}", raising=False)


@pytest.fixture
def campaign(tmp_path):
    def write(engine="vasp", more=""):
        path = tmp_path / f"{engine}.yaml"
        path.write_text(CAMPAIGN.format(engine=engine) + more)
        return path

    return write


def results_in(path):
    with open_stores(str(path), read_only=True) as stores:
        return {(d.phase, d.property): d for d in load_results(stores.results)}


def test_a_plan_shows_what_would_stop_a_run(nawf, campaign, monkeypatch):
    monkeypatch.setenv("NAWF_VASP_COMMAND", "no-such-vasp")
    done = nawf("plan", campaign("vasp", "protocol: mpscan"), "--format", "json")
    assert done.code == 0
    notes = " ".join(json.loads(done.out)["notes"])
    assert "A run would be refused: the command 'no-such-vasp' is not found" in notes
    assert "A run would be refused: no POTCAR of PBE_54 for Na (Na_pv), S (S)" in notes
    assert "PMG_VASP_PSP_DIR" in notes
    assert "core-hours" in notes


def test_a_run_is_refused_before_anything_is_written(nawf, campaign, tmp_path, monkeypatch):
    monkeypatch.setenv("NAWF_VASP_COMMAND", "no-such-vasp")
    path = campaign()
    done = nawf("run", path)
    assert done.code == 2
    refusal = done.err.splitlines()[-1]
    assert refusal.startswith("nawf: engine vasp: the command 'no-such-vasp' is not found (set vasp_command")
    assert "and 1 more, see: nawf plan" in refusal
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_with_a_command_is_refused_for_its_potcars(nawf, campaign, tmp_path, monkeypatch):
    monkeypatch.setenv("NAWF_VASP_COMMAND", "true")
    monkeypatch.setenv("NAWF_POTCAR_FOLDER", str(make_potcar_library(tmp_path / "lib", ["PBE_64"], ["Na_pv"])))
    done = nawf("run", campaign(), "--phases", "na2s")
    assert done.code == 2
    assert "no POTCAR of PBE_64 for S (S)" in done.err
    assert f"potcar_folder is {tmp_path / 'lib'}" in done.err
    assert not (tmp_path / "nawf.db").exists()


@pytest.mark.slow
def test_a_rehearsal_gives_the_energies_of_the_potential(nawf, campaign, tmp_path, monkeypatch):
    """From a bare machine, end to end, twice: the second finds everything done."""
    pytest.importorskip("chgnet")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = dict(os.environ)
    path = campaign("vasp", "protocol: mpscan")
    done = nawf("rehearse", path, "--workers", "1")
    assert done.code == 0, done.err
    assert "These are results of a rehearsal" in done.err
    assert not (tmp_path / "nawf.db").exists()
    assert {p.name for p in (tmp_path / "nawf-runs" / "rehearsal").iterdir()} == {"potcars", "na-bcc", "na2s"}
    assert dict(os.environ) == before
    found = results_in(tmp_path / "nawf-rehearsal.db")
    assert set(found) == {(phase, prop) for phase in ("na-bcc", "na2s") for prop in ("relax", "static")}
    assert {(d.provenance.engine, d.provenance.protocol) for d in found.values()} == {("vasp-rehearsal", "mpscan")}

    from nawf.engines.chgnet import ChgnetEngine
    from nawf.engines.registry import engine_spec

    potential = ChgnetEngine(engine_spec("chgnet-r2scan"))
    for (_, prop), document in found.items():
        if prop == "static":
            record = document.record()
            energy_ev, _, _ = potential.evaluate(record.crystal)
            # vasprun.xml has eight decimals of the energy and of fractional coordinates; the network is one of
            # single precision.
            assert record.energy_ev_per_atom == pytest.approx(energy_ev / len(record.crystal), abs=2e-6)

    again = nawf("rehearse", path)
    assert again.code == 0
    assert "nothing to do" in again.err
