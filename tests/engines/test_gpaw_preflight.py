"""What the engine gpaw finds before a run; GPAW itself is not needed, nor loaded."""

import os
import subprocess
import sys

import numpy as np
import pytest

import nawf.engines.gpaw_preflight as preflight
from nawf.engines.gpaw_options import GpawOptions
from nawf.engines.gpaw_preflight import gpaw_findings
from nawf.engines.gpaw_protocols import PROTOCOLS
from nawf.engines.gpaw_size import run_sizes
from nawf.results.crystal import Crystal
from nawf.results.tasks import PhaseTask

METHODS = PROTOCOLS["fast"].methods


def task(species=("Na",), edge_a=4.2, properties=("relax", "static")):
    sites = np.arange(len(species))[:, None] * np.ones(3) / len(species)
    crystal = Crystal.from_arrays(edge_a * np.eye(3), species, sites)
    return PhaseTask(phase="toy", campaign="c", properties=properties, start=crystal, methods=METHODS, card={})


@pytest.fixture
def options(tmp_path, monkeypatch):
    """A machine with GPAW."""
    monkeypatch.chdir(tmp_path)
    for name in ("NAWF_GPAW_COMMAND", "NAWF_RUN_FOLDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(preflight, "missing_packages", lambda: iter(()))
    monkeypatch.setattr(preflight, "potential_file", lambda element: tmp_path)
    return GpawOptions(run_folder=str(tmp_path / "runs"))


def look(options, *tasks, protocol="fast"):
    found = gpaw_findings(protocol, options, tasks)
    return [f.text for f in found if f.stops], [f.text for f in found if not f.stops]


def test_a_machine_that_has_everything_is_told_the_memory(options):
    stops, notes = look(options, task())
    assert stops == []
    (memory,) = notes
    assert "of toy with 1 atoms" in memory
    assert "GB" in memory


def test_nothing_is_found_without_tasks(options):
    assert look(options) == ([], [])


def test_without_gpaw_nothing_can_be_run(options, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    stops, _ = look(options, task())
    assert any("gpaw-data is not installed" in text and "install-gpaw" in text for text in stops)


@pytest.mark.parametrize(("element", "words"), [("Cr", "without spin"), ("Na", "no PAW set")])
def test_elements_that_it_cannot_do_stop_a_run(options, monkeypatch, element, words):
    monkeypatch.setattr(preflight, "potential_file", lambda name: None if name == "Na" else options)
    stops, _ = look(options, task((element,)))
    assert [words in text for text in stops] == [True]


def test_a_folder_that_cannot_be_written_to_stops_a_run(options, tmp_path):
    (tmp_path / "file").write_text("")
    stops, _ = look(options.model_copy(update={"run_folder": str(tmp_path / "file")}), task())
    assert any("run folder" in text for text in stops)


def test_a_launcher_that_is_not_there_stops_a_run(options):
    stops, _ = look(options.model_copy(update={"command": "no-such-mpiexec -n 2"}), task())
    assert stops == ["the command 'no-such-mpiexec -n 2' is not found (set gpaw_command)"]


def test_a_calculation_that_does_not_fit_stops_a_run(options, monkeypatch):
    pages = os.sysconf("SC_PHYS_PAGES")
    monkeypatch.setattr(os, "sysconf", lambda name: 1 if name == "SC_PAGE_SIZE" else pages)
    stops, _ = look(options, task())
    assert any("this machine has 0 GB" in text for text in stops)


def test_calculations_that_do_not_fit_side_by_side_are_told(options, monkeypatch):
    both = (task(edge_a=9.0), task(edge_a=9.0))
    (size,) = [max(run_sizes("fast", t), key=lambda s: s.bytes).bytes for t in both[:1]]
    pages = 1.5 * size / os.sysconf("SC_PAGE_SIZE")
    page_size = os.sysconf("SC_PAGE_SIZE")
    monkeypatch.setattr(os, "sysconf", lambda name: page_size if name == "SC_PAGE_SIZE" else pages)
    monkeypatch.setenv("NAWF_WORKERS", "2")
    stops, notes = look(options, *both)
    assert stops == []
    assert "2 calculations at a time" in notes[-1]
    assert "--workers 1" in notes[-1]
    monkeypatch.setenv("NAWF_WORKERS", "1")
    assert len(look(options, *both)[1]) == 1


def test_gpaw_is_not_loaded():
    code = (
        "import sys, importlib; from nawf.engines.registry import ENGINES;"
        "importlib.import_module(ENGINES['gpaw'].module);"
        "import nawf.engines.gpaw_preflight, nawf.engines.gpaw_size, nawf.engines.gpaw_jobs, nawf.engines.gpaw_check;"
        "sys.exit('gpaw' in sys.modules or '_gpaw' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
