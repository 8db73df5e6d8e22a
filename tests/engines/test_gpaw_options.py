"""Settings of the machine for GPAW: those of the machine of a job go before those that travelled with it."""

from pathlib import Path

import pytest

from nawf.engines.gpaw_options import GpawOptions
from nawf.errors import InputError


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("NAWF_GPAW_COMMAND", "NAWF_GPAW_START", "NAWF_GPAW_HESSIAN", "NAWF_RUN_FOLDER"):
        monkeypatch.delenv(name, raising=False)


def test_settings_and_their_defaults(tmp_path, monkeypatch):
    options = GpawOptions.of_settings()
    assert (options.command, options.start, options.root) == ("", "given", tmp_path / "nawf-runs")
    monkeypatch.setenv("NAWF_GPAW_COMMAND", "mpiexec -n 4")
    (tmp_path / "nawf.yaml").write_text("gpaw_start: potential\nrun_folder: elsewhere\n")
    options = GpawOptions.of_settings()
    assert (options.command, options.start) == ("mpiexec -n 4", "potential")
    assert options.root == tmp_path / "elsewhere"


@pytest.mark.parametrize("name", ["gpaw_start", "gpaw_hessian"])
def test_another_start_is_refused(monkeypatch, name):
    monkeypatch.setenv(f"NAWF_{name.upper()}", "pbesol")
    with pytest.raises(InputError, match=name):
        GpawOptions.of_settings()


def test_relaxations_begin_with_the_hessian_of_the_potential_unless_told_otherwise(monkeypatch):
    assert GpawOptions.of_settings().hessian == "potential"
    monkeypatch.setenv("NAWF_GPAW_HESSIAN", "none")
    assert GpawOptions.of_settings().hessian == "none"


def test_the_machine_of_the_job_has_the_last_word(tmp_path, monkeypatch):
    travelled = GpawOptions(command="mpiexec -n 4", run_folder="/scratch/of/another", start="potential")
    assert travelled.here() == travelled
    monkeypatch.setenv("NAWF_GPAW_COMMAND", "srun")
    here = travelled.here()
    assert (here.command, here.start) == ("srun", "potential")
    # No such folder here: what is kept lies in the folder of the job.
    assert here.root == Path.cwd()


def test_a_folder_is_made_with_what_it_lies_in_on_the_machine_that_named_it(tmp_path, monkeypatch):
    monkeypatch.setenv("NAWF_RUN_FOLDER", str(tmp_path / "not" / "there" / "yet"))
    options = GpawOptions.of_settings()
    assert options.root == tmp_path / "not" / "there" / "yet"
    monkeypatch.delenv("NAWF_RUN_FOLDER")
    assert options.here().root == options.root
    # On another machine it means nothing, unless it is there too.
    elsewhere = options.model_copy(update={"host": "another"})
    assert (elsewhere.is_known, elsewhere.here().root) == (False, Path.cwd())
    (tmp_path / "not" / "there").mkdir(parents=True)
    assert elsewhere.root == options.root
