from __future__ import annotations

from pathlib import Path

import pytest

from nawf.engines.vasp_options import VaspOptions
from nawf.errors import InputError


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """An empty folder to plan in, without settings from outside."""
    for name in ("COMMAND", "GAMMA_COMMAND", "REHEARSAL_COMMAND", "START"):
        monkeypatch.delenv(f"NAWF_VASP_{name}", raising=False)
    for name in ("POTCAR_FOLDER", "RUN_FOLDER"):
        monkeypatch.delenv(f"NAWF_{name}", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_folders_are_meant_from_where_they_were_written(machine, monkeypatch):
    (machine / "nawf.yaml").write_text("run_folder: runs\npotcar_folder: ~/potcars\nvasp_command: srun vasp_std\n")
    options = VaspOptions.of_settings()
    assert options.run_folder == str(machine / "runs")
    assert options.potcar_folder == str(Path.home() / "potcars")
    assert options.command == "srun vasp_std"
    elsewhere = machine / "job"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert options.here() == options


def test_what_is_set_where_a_job_runs_goes_first(machine, monkeypatch):
    (machine / "nawf.yaml").write_text("vasp_command: here\npotcar_folder: /here\n")
    options = VaspOptions.of_settings()
    (machine / "nawf.yaml").unlink()
    monkeypatch.setenv("NAWF_VASP_COMMAND", "srun there")
    monkeypatch.setenv("NAWF_RUN_FOLDER", "/scratch/runs")
    there = options.here()
    assert (there.command, there.potcar_folder, there.run_folder) == ("srun there", "/here", "/scratch/runs")


def test_defaults_of_the_other_machine_do_not_hide_what_was_given(machine, monkeypatch):
    (machine / "nawf.yaml").write_text("run_folder: /kept/runs\nvasp_start: potential\n")
    options = VaspOptions.of_settings()
    (machine / "nawf.yaml").unlink()
    assert options.here().run_folder == "/kept/runs"
    assert options.here().start == "potential"


def test_runs_lie_beside_the_plan_where_that_is_known_and_with_the_job_elsewhere(machine, monkeypatch):
    options = VaspOptions.of_settings()
    assert options.root == machine / "nawf-runs"
    assert VaspOptions(run_folder="/no/such/project/nawf-runs").root == machine


def test_a_start_that_is_unknown_is_refused(machine):
    (machine / "nawf.yaml").write_text("vasp_start: pbe\n")
    with pytest.raises(InputError, match="vasp_start"):
        VaspOptions.of_settings()
