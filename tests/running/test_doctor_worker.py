"""What doctor says of a worker, from the report that its environment gives of itself."""

import json
import os
import subprocess
import sys

import pytest

from nawf.running.doctor import Mark
from nawf.running.doctor_worker import compared
from nawf.running.worker_report import BEGIN, versions


def report(folder, run_folder, **environment):
    """Of a process as a worker starts it, with the options of a job that was planned on another machine."""
    there = {k: v for k, v in os.environ.items() if not k.startswith("NAWF_")} | environment
    options = json.dumps({"run_folder": str(run_folder), "host": "where-it-was-planned"})
    command = [sys.executable, "-m", "nawf.running.worker_report", options]
    out = subprocess.run(command, cwd=folder, env=there, capture_output=True, text=True, check=True).stdout
    (line,) = [line for line in out.splitlines() if line.startswith(BEGIN)]
    return json.loads(line.removeprefix(BEGIN))


def checks(there):
    return {check.name: check for check in compared("worker w", versions(), there)}


def test_a_run_folder_that_means_nothing_there_is_red(tmp_path):
    found = checks(report(tmp_path, tmp_path / "home" / "runs"))
    assert found["run folder"].mark is Mark.BAD
    assert found["run folder"].found.startswith(f"{tmp_path}/home/runs means nothing there")
    assert "NAWF_RUN_FOLDER in pre_run" in found["run folder"].advice
    assert found["versions"].mark is Mark.GOOD


@pytest.mark.parametrize("is_set_there", [False, True])
def test_a_run_folder_that_is_known_there_is_named(tmp_path, is_set_there):
    runs = tmp_path / "runs"
    there = report(tmp_path, "/nowhere/runs", NAWF_RUN_FOLDER=str(runs)) if is_set_there else report(tmp_path, runs)
    found = checks(there)
    assert "run folder" not in found
    assert found["settings"].found.endswith(f"runs go to {runs}")


def test_versions_that_carry_records_are_red_and_others_are_named(tmp_path):
    there = report(tmp_path, "runs")
    there["versions"] |= {"numpy": "0.1"}
    found = checks(there)["versions"]
    assert found.mark is Mark.LOOK
    assert f"numpy {versions()['numpy']} here, 0.1 there" in found.found
    there["versions"] |= {"jobflow": "0.1"}
    assert checks(there)["versions"].mark is Mark.BAD
    del there["versions"]["ase"]
    assert "not there: ase" in checks(there)["versions"].found
