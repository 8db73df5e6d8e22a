"""What ``nawf plan`` and ``nawf run`` say before VASP is run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

pytest.importorskip("atomate2")

from pymatgen.core import SETTINGS

from nawf.cli.plan import run_command
from nawf.rehearsal.potcar import make_potcar_library

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


def test_a_plan_shows_what_would_stop_a_run(nawf, campaign, monkeypatch):
    monkeypatch.setenv("NAWF_VASP_COMMAND", "no-such-vasp")
    done = nawf("plan", campaign("vasp", "protocol: mpscan"), "--format", "json")
    assert done.code == 0
    notes = " ".join(json.loads(done.out)["notes"])
    assert "A run would be refused: the command 'no-such-vasp' is not found" in notes
    assert "A run would be refused: no POTCAR of PBE_54 for Na (Na_pv), S (S)" in notes
    assert "PMG_VASP_PSP_DIR" in notes
    assert "core-hours" in notes


def test_a_plan_names_the_command_that_does_what_was_planned(nawf, campaign, tmp_path):
    path = campaign("vasp", "protocol: mpscan")
    folders = [str(tmp_path / name) for name in ("own", "my own")]
    for folder in folders:
        Path(folder).mkdir()
    asked = (path, "--protocol", "mp24", "--phases", "na-bcc", "--store", "my results.db")
    asked += tuple(word for folder in folders for word in ("--structures", folder))
    notes = json.loads(nawf("plan", *asked, "--format", "json").out)["notes"]
    (note,) = [note for note in notes if "Run it: " in note]
    assert note.startswith("Engine vasp, protocol mp24.")
    command = shlex.split(note.partition("Run it: ")[2])
    assert command[:3] == ["nawf", "run", str(path)]
    pairs = [list(zip(words[::2], words[1::2], strict=True)) for words in (command[3:], asked[1:])]
    assert sorted(pairs[0]) == sorted(pairs[1])


def test_a_plan_names_no_password():
    said = run_command("na-s", store="mongodb://me:secret@example.org/nawf", engine=None)
    assert said.startswith("nawf run na-s --store ")
    assert "secret" not in said
    assert "--engine" not in said


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


@pytest.mark.parametrize("command", ["plan", "run"])
def test_born_charges_are_refused_where_there_are_none(nawf, campaign, tmp_path, command):
    path = campaign("chgnet-r2scan", "phonon: {born: true}\n")
    path.write_text(path.read_text().replace("[relax, static]", "[phonon]"))
    done = nawf(command, path)
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("nawf: engine chgnet-r2scan has no Born charges (leave out `born`")
    assert list(tmp_path.iterdir()) == [path]
