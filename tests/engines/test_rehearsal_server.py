"""The server of the rehearsal, with real processes: runs it serves are those that the command would do itself."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from ordinary_signals import ordinary_signals

pytest.importorskip("chgnet")
pytest.importorskip("psutil")

import psutil

from nawf.engines import rehearsal_server
from nawf.engines.rehearsal_server import VARIABLE, run_served, server
from nawf.engines.rehearsal_vasp import command
from nawf.rehearsal.potcar import stand_in

POSCAR = "salt\n1.0\n0 3 3\n3 0 3\n3 3 0\nNa S\n2 1\nDirect\n0.25 0.25 0.25\n0.75 0.75 0.75\n0.02 0 0\n"
RELAX = "NSW = 4\nIBRION = 2\nISIF = 3\nEDIFFG = -1E-9\nKSPACING = 0.5\n"
STARTER = """
import sys
from nawf.engines.rehearsal_server import server
with server() as path:
    print(path, flush=True)
    sys.stdin.read()
"""
SOON_S = 20.0
STARTS_S = 120.0


def write_input(folder, incar=RELAX):
    folder.mkdir()
    (folder / "INCAR").write_text(incar)
    (folder / "POSCAR").write_text(POSCAR)
    (folder / "POTCAR").write_text(stand_in("Na_pv", "PBE_64", 7.0) + stand_in("S", "PBE_64", 6.0))
    return folder


def environ(**more):
    foreign = ("NAWF_", "SLURM_", "PMI", "OMPI_")
    return {k: v for k, v in os.environ.items() if not k.startswith(foreign)} | {"OMP_NUM_THREADS": "1"} | more


@contextmanager
def started(folder, **more):
    """The command in a folder, its output in files as custodian has it."""
    with (folder / "vasp.out").open("wb") as out, (folder / "std_err.txt").open("wb") as err:
        process = subprocess.Popen(
            shlex.split(command()),
            cwd=folder,
            env=environ(**more),
            stdout=out,
            stderr=err,
            preexec_fn=ordinary_signals,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def code_of(folder, **more):
    with started(folder, **more) as process:
        return process.wait(STARTS_S)


def soon(condition, seconds=SOON_S):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def workers(folder):
    """Processes that work in a folder, without those that are over."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def hangs(folder):
    """Whether a run has come to where the fault ``hang`` stops it."""
    file = folder / "OSZICAR"
    return file.is_file() and re.search(r"^\w+:\s+3 ", file.read_text(), flags=re.MULTILINE) is not None


def contents(folder):
    """Files by name, with times, memory and their own place in them left out."""
    found = {}
    for path in folder.iterdir():
        text = path.read_bytes().replace(bytes(folder), b"")
        if path.name in ("OUTCAR", "vasprun.xml"):
            text = re.sub(rb"(date|time|\(sec\):|cpu time|real time|Maximum memory)[^\n]*", b"", text)
        found[path.name] = text
    return found


@pytest.fixture(scope="module")
def at():
    """Path of a server's socket."""
    with server() as path:
        yield path
    assert not Path(path).parent.exists()


@pytest.fixture
def no_torch(tmp_path):
    """Environment in which a process that has to load the network itself fails."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "torch.py").write_text("raise ImportError('not here')\n")
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(tmp_path / "broken"), os.environ.get("PYTHONPATH")]))}


def process_of(path):
    """Process of a server that this process has started."""
    return next(p for p in psutil.Process().children() if path in p.cmdline())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("incar", "fault", "code"),
    [
        (RELAX, "", 0),
        ("NSW = much\n", "", 1),
        (RELAX, "kill@3", -signal.SIGKILL),
    ],
)
def test_runs_are_the_same_with_and_without(at, no_torch, tmp_path, incar, fault, code):
    served, alone = write_input(tmp_path / "served", incar), write_input(tmp_path / "alone", incar)
    more = {"NAWF_REHEARSAL_FAULT": fault} if fault else {}
    assert code_of(served, **{VARIABLE: at}, **no_torch, **more) == code
    assert code_of(alone, **more) == code
    found = contents(served)
    assert found == contents(alone)
    assert len(found["vasp.out"]) > 100
    assert b"rehearsal date" in (served / "OUTCAR").read_bytes()


@pytest.mark.slow
def test_without_a_server_the_network_is_loaded(no_torch, tmp_path):
    assert code_of(write_input(tmp_path / "run"), **no_torch) == 1
    assert "not here" in (tmp_path / "run" / "std_err.txt").read_text()


def test_exit_codes_and_standard_error_come_through(at, no_torch, tmp_path):
    folder = write_input(tmp_path / "run")
    assert code_of(folder, **{VARIABLE: at, "NAWF_REHEARSAL_FAULT": "disk-full@2"}, **no_torch) == 38
    assert "severe (38)" in (folder / "std_err.txt").read_text()


def test_an_error_is_said_where_the_command_would_say_it(at, tmp_path):
    said = []
    for name, more in (("served", {VARIABLE: at}), ("alone", {})):
        folder = write_input(tmp_path / name)
        (folder / "OUTCAR").mkdir()
        assert code_of(folder, **more) == 1
        said.append((folder / "std_err.txt").read_text().splitlines()[-1].replace(name, ""))
    assert said[0] == said[1]
    assert said[0].startswith("IsADirectoryError")


def test_runs_at_the_same_time_do_not_meet(at, no_torch, tmp_path):
    first = write_input(tmp_path / "first")
    others = [write_input(tmp_path / f"other{n}") for n in range(3)]
    with started(first, **{VARIABLE: at, "NAWF_REHEARSAL_FAULT": "hang"}) as hanging:
        assert soon(lambda: hangs(first), STARTS_S)
        for folder in others:
            assert code_of(folder, **{VARIABLE: at}, **no_torch) == 0
        assert contents(others[0]) == contents(others[2])
        assert hanging.poll() is None
    assert soon(lambda: workers(first) == [])


def test_the_environment_is_that_of_the_command_to_the_byte(at, tmp_path):
    odd = os.fsdecode(b"hang when FORMULA=\xff\n")
    assert code_of(write_input(tmp_path / "run"), **{VARIABLE: at, "NAWF_REHEARSAL_FAULT": odd}) == 0
    wrong = write_input(tmp_path / "wrong")
    assert code_of(wrong, **{VARIABLE: at, "NAWF_REHEARSAL_FAULT": "no-such-fault"}) == 1
    assert "'no-such-fault' is no fault" in (wrong / "vasp.out").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_a_command_that_is_stopped_takes_its_run_with_it(at, tmp_path, number):
    folder = write_input(tmp_path / "run")
    with started(folder, **{VARIABLE: at, "NAWF_REHEARSAL_FAULT": "hang@2"}) as process:
        assert soon(lambda: (folder / "OSZICAR").is_file() and " 1 F=" in (folder / "OSZICAR").read_text(), STARTS_S)
        assert len(workers(folder)) == 2
        process.send_signal(number)
        assert process.wait(SOON_S) == -number
        # One that could not see its end coming leaves it to the server.
        assert soon(lambda: workers(folder) == [], SOON_S if number == signal.SIGKILL else 0)
    assert process_of(at).num_fds() < 20


def test_custodian_stops_a_served_run(at, tmp_path, monkeypatch):
    pytest.importorskip("custodian")
    from custodian.vasp.jobs import VaspJob

    folder = write_input(tmp_path / "run")
    monkeypatch.setenv(VARIABLE, at)
    monkeypatch.setenv("NAWF_REHEARSAL_FAULT", "hang")
    job = VaspJob(shlex.split(command()), auto_npar=False, auto_gamma=False)
    process = job.run(str(folder))
    assert soon(lambda: hangs(folder), STARTS_S)
    job.terminate(str(folder))
    assert process.poll() == -signal.SIGTERM
    assert workers(folder) == []


def test_the_end_of_a_job_ends_a_served_run(at, tmp_path):
    folder = write_input(tmp_path / "run")
    code = (
        "import subprocess, sys, time\n"
        "from nawf.engines.children import ending_with_us\n"
        "with ending_with_us():\n"
        "    subprocess.Popen(sys.argv[1:], start_new_session=True, stdout=subprocess.DEVNULL)\n"
        "    time.sleep(60)\n"
    )
    arguments = [sys.executable, "-c", code, *shlex.split(command())]
    variables = environ(**{VARIABLE: at, "NAWF_REHEARSAL_FAULT": "hang"})
    with subprocess.Popen(arguments, cwd=folder, env=variables) as job:
        assert soon(lambda: hangs(folder), STARTS_S)
        job.terminate()
        assert job.wait(SOON_S) == 128 + signal.SIGTERM
        assert workers(folder) == []


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["starter", "server"])
def test_nothing_outlives_one_that_was_killed(tmp_path, victim):
    folder = write_input(tmp_path / "run")
    arguments = [sys.executable, "-c", STARTER]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ()) as starter:
        path = Path(starter.stdout.readline().decode().strip())
        (served_by,) = psutil.Process(starter.pid).children()
        with started(folder, **{VARIABLE: str(path), "NAWF_REHEARSAL_FAULT": "hang"}) as process:
            assert soon(lambda: hangs(folder), STARTS_S)
            (starter if victim == "starter" else served_by).kill()
            assert process.wait(SOON_S) == -signal.SIGKILL
            assert soon(lambda: workers(folder) == [])
        if victim == "server":
            starter.stdin.close()
            assert starter.wait(SOON_S) == 0
        assert soon(lambda: not served_by.is_running() and not path.parent.exists())


def test_a_server_that_is_not_needed_any_more_ends_while_it_loads():
    began = time.monotonic()
    with server() as path:
        process = process_of(path)
    assert time.monotonic() - began < SOON_S
    assert not process.is_running()
    assert not Path(path).parent.exists()


def test_only_its_owner_may_speak_to_it_and_it_has_no_threads(at, tmp_path):
    assert code_of(write_input(tmp_path / "run"), **{VARIABLE: at}) == 0
    assert stat.S_IMODE(Path(at).stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(at).parent.stat().st_mode) == 0o700
    assert process_of(at).num_threads() == 1


def test_the_command_goes_on_by_itself_where_the_server_is_gone(tmp_path):
    folder = write_input(tmp_path / "run", "NSW = much\n")
    assert code_of(folder, **{VARIABLE: str(tmp_path / "gone")}) == 1
    assert "Error reading item 'NSW' from file INCAR." in (folder / "vasp.out").read_text()


@pytest.mark.parametrize("answers", [False, True])
def test_a_server_that_does_not_take_a_run_is_not_waited_for(monkeypatch, answers):
    monkeypatch.setattr(rehearsal_server, "PATIENCE_S", 0.3)
    with server_that(answers) as path:
        assert run_served({VARIABLE: path}) is None


@contextmanager
def server_that(answers):
    """A socket where nobody takes connections, or where they are closed at once."""
    import tempfile
    import threading

    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/socket")
        listener.listen()
        thread = threading.Thread(target=lambda: listener.accept()[0].close()) if answers else None
        if thread:
            thread.start()
        yield f"{folder}/socket"
        if thread:
            thread.join()


def test_a_long_path_of_temporary_files_does_no_harm(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with server() as path:
        assert Path(path).is_socket()


def test_the_command_itself_loads_nothing_heavy():
    code = "import sys, nawf.engines.rehearsal_vasp; print(sorted({n.split('.')[0] for n in sys.modules}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert {"nawf", "socket"} <= set(re.findall(r"\w+", found))
    assert not {"numpy", "torch", "pydantic", "pymatgen", "subprocess", "yaml"} & set(re.findall(r"\w+", found))
