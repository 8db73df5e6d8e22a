from __future__ import annotations

import signal
import subprocess
import sys
import time

import psutil
import pytest
from ordinary_signals import ordinary_signals

from nawf.engines.children import ending_with_us

CODE = """
import subprocess, sys, time
from pathlib import Path
from nawf.engines.children import ending_with_us
folder = Path(sys.argv[1])
subprocess.Popen(["sleep", "60"], cwd="/", start_new_session=True)
with ending_with_us():
    subprocess.Popen({command!r}, cwd=folder, start_new_session=True)
    print("ready", flush=True)
    time.sleep(60)
"""
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
]


def working_in(folder):
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_program_does_not_outlive_who_started_it(tmp_path, asked):
    parent = subprocess.Popen(
        [sys.executable, "-c", CODE.format(command=["sleep", "60"]), str(tmp_path)],
        stdout=subprocess.PIPE,
        preexec_fn=ordinary_signals,
    )
    assert parent.stdout.readline() == b"ready\n"
    others = [p for p in psutil.Process(parent.pid).children() if p.cwd() == "/"]
    assert len(working_in(tmp_path)) == 1
    parent.send_signal(asked)
    assert parent.wait(timeout=30) != 0
    assert working_in(tmp_path) == []
    # What was there before is none of its business.
    assert [p.is_running() for p in others] == [True]
    others[0].kill()


def test_one_that_does_not_listen_is_ended(tmp_path):
    hurry = "import nawf.engines.children\nnawf.engines.children.PATIENCE_S = 0.5\nfolder = "
    code = CODE.format(command=STUBBORN).replace("folder = ", hurry)
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b"ready\n"
    time.sleep(0.5)
    others = [p for p in psutil.Process(parent.pid).children() if p.cwd() == "/"]
    parent.send_signal(signal.SIGTERM)
    parent.wait(timeout=30)
    others[0].kill()
    assert working_in(tmp_path) == []


def test_signals_are_as_they_were_afterwards():
    def mine(number, frame):
        raise AssertionError

    before = signal.getsignal(signal.SIGTERM)
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with ending_with_us():
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        signal.signal(signal.SIGTERM, mine)
        with ending_with_us():
            assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_error_ends_what_was_started_and_nothing_else():
    programs = [subprocess.Popen(["sleep", "60"])]

    @ending_with_us()
    def fail():
        programs.append(subprocess.Popen(["sh", "-c", "sleep 60 & wait"]))
        raise ValueError("x")

    try:
        with pytest.raises(ValueError, match="x"):
            fail()
        before, started = programs
        assert started.poll() is not None
        assert before.poll() is None
    finally:
        for program in programs:
            program.kill()
            program.wait()
