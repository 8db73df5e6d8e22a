"""What is said of an installation of GPAW."""

import sys
import types

import pytest

import nawf.engines.gpaw_check as gpaw_check
from nawf.engines.gpaw_check import check_gpaw, launcher_findings, main, telling_line
from nawf.engines.gpaw_options import GpawOptions
from nawf.engines.gpaw_versions import potential_file


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with some GPAW."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAWF_GPAW_COMMAND", raising=False)

    def make(libxc="7.0.0", mpi=False):
        module = types.ModuleType("gpaw")
        module.cgpaw = types.SimpleNamespace(have_mpi=mpi)
        module.get_libraries = lambda: {"libxc": libxc}
        monkeypatch.setitem(sys.modules, "gpaw", module)
        monkeypatch.setattr(gpaw_check, "missing_packages", lambda: iter(()))
        monkeypatch.setattr(gpaw_check, "gpaw_version", lambda: "26.7.0")
        monkeypatch.setattr(gpaw_check, "potential_file", lambda element: tmp_path)
        return GpawOptions(run_folder="runs")

    return make


def test_versions_are_said(machine):
    (found,) = check_gpaw(machine(mpi=True))
    assert found.text == "GPAW 26.7.0 with libxc 7.0.0, with MPI"


@pytest.mark.parametrize(
    ("libxc", "limited"), [("5.2.3", True), ("6.2.2", True), ("7.0.0", False), ("10.1.0", False)]
)
def test_what_the_version_of_libxc_means(machine, libxc, limited):
    texts = [f.text for f in check_gpaw(machine(libxc)) if not f.stops]
    assert any("Fermi hole" in text for text in texts) == limited


def test_no_libxc_stops(machine):
    (found,) = check_gpaw(machine(libxc=""))
    assert found.stops
    assert "without libxc" in found.text


def test_no_gpaw_stops(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = check_gpaw(GpawOptions(run_folder="runs"))
    assert [f.what for f in found] == ["the package gpaw is not installed", "the package gpaw-data is not installed"]
    assert all(f.stops for f in found)


def test_a_gpaw_that_cannot_be_loaded_stops(machine, monkeypatch):
    options = machine()
    monkeypatch.setitem(sys.modules, "gpaw", None)
    (found,) = check_gpaw(options)
    assert found.stops
    assert "cannot be loaded" in found.text


@pytest.mark.parametrize(
    ("script", "stops", "words"),
    [
        ("echo processes 2; echo processes 2", False, "starts 2 processes of GPAW that work together"),
        ("echo processes 1; echo processes 1", True, "know nothing of each other"),
        ("echo There is no MPI >&2; exit 3", True, "There is no MPI"),
        ("exit 0", True, "it said nothing"),
    ],
)
def test_launchers_are_tried(tmp_path, script, stops, words):
    path = tmp_path / "mpiexec"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    (found,) = launcher_findings(f"{path} -n 2")
    assert found.stops == stops
    assert words in found.text


def test_the_telling_line_is_that_of_an_error():
    lines = ["Traceback", "gpaw.SomeError: no", "-----", "mpiexec ended, exit code: 1", "-----"]
    assert telling_line(lines) == "gpaw.SomeError: no"
    assert telling_line(lines[2:]) == "mpiexec ended, exit code: 1"


def test_a_fault_is_the_exit_code(machine, monkeypatch, capsys):
    machine(libxc="")
    assert main() == 2
    assert "without libxc" in capsys.readouterr().out
    machine()
    for energy_ev, code in ((-3.5, 0), (-1.2, 1)):
        monkeypatch.setattr(gpaw_check, "trial_energy_ev_per_atom", lambda energy_ev=energy_ev: energy_ev)
        assert main() == code


def test_potentials_are_looked_for_where_gpaw_does(tmp_path, monkeypatch):
    (tmp_path / "Xx.PBE.gz").write_text("")
    assert potential_file("Xx") is None
    monkeypatch.setenv("GPAW_SETUP_PATH", f"/nowhere:{tmp_path}")
    assert potential_file("Xx") == tmp_path / "Xx.PBE.gz"
