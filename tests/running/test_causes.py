"""Texts that SLURM, jobflow-remote, custodian and nawf write, by their sources and documentation; what they mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nawf.running.backend import Cause
from nawf.running.causes import MOST_LETTERS, classify

KILLED = (
    "The output file jfremote_out.json was downloaded, but it does not contain the response. The job was likely "
    "killed before completing"
)
VASP = "nawf.errors.CalculationError: na2s relax 1: VASP ended without a result: "
NOT_STARTED = VASP + "CONTCAR, OSZICAR and OUTCAR missing or empty after 0 ionic steps; VASP's last words: "
SEE = " (see /runs/na2s/relax-1-afa2ece65fd3/attempt-01; a repeated run goes on from its last geometry)"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-20T10:00:00 DUE TO TIME LIMIT ***", Cause.WALLTIME),
        ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-20T10:00:00 ***", Cause.KILLED),
        (
            "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-20T10:00:00 DUE TO NODE FAILURE, SEE SLURMCTLD "
            "LOG FOR DETAILS ***",
            Cause.NODE,
        ),
        (
            "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.batch. Some of your processes may have been "
            "killed by the cgroup out-of-memory handler.",
            Cause.MEMORY,
        ),
        (KILLED, Cause.KILLED),
        (
            "Remote error: submission failed. SubmissionResult(job_id=None, exit_code=1, stderr='sbatch: error: "
            "invalid partition specified: big')",
            Cause.QUEUE,
        ),
        ("pymongo.errors.ServerSelectionTimeoutError: 127.0.0.1:27017: [Errno 111] Connection refused", Cause.STORE),
        ("nawf.errors.EngineError: na2s relax: the command 'vasp_std' is not found", Cause.SETTINGS),
        ("nawf.errors.EngineError: na2s relax: a POTCAR of PBE_64 is missing, one of Na_pv, S", Cause.POTCAR),
        (VASP + "type information on POSCAR and POTCAR are incompatible" + SEE, Cause.POTCAR),
        (VASP + "vasprun.xml breaks off after 1 ionic step; VASP's last words: No space left on device", Cause.DISK),
        (VASP + "vasprun.xml breaks off after 2 ionic steps" + SEE, Cause.KILLED),
        (VASP + "CONTCAR missing or empty after 7 ionic steps" + SEE, Cause.KILLED),
        (VASP + "CONTCAR missing or empty in the first ionic step" + SEE, Cause.KILLED),
        (NOT_STARTED + "srun: error: n1: tasks 0-31: Killed" + SEE, Cause.KILLED),
        (NOT_STARTED + "= KILLED BY SIGNAL: 9 (Killed)" + SEE, Cause.KILLED),
        (NOT_STARTED + "mpirun noticed that process rank 3 exited on signal 15 (Terminated)" + SEE, Cause.KILLED),
        (NOT_STARTED + "vasp_std: error while loading shared libraries: libmkl_rt.so.2: cannot", Cause.SETTINGS),
        (NOT_STARTED + "Could not check out a license: no server" + SEE, Cause.SETTINGS),
        (NOT_STARTED + "srun: error: Unable to create step for job 7: More processors requested", Cause.SETTINGS),
        (NOT_STARTED + "srun: error: n1: task 0: Exited with exit code 127" + SEE, Cause.SETTINGS),
        (NOT_STARTED + "slurmstepd: error: execve(): vasp_std: No such file or directory" + SEE, Cause.SETTINGS),
        (NOT_STARTED + "srun: error: Node failure on n1" + SEE, Cause.NODE),
        (NOT_STARTED + "internal error in subroutine IBZKPT: Tetrahedron method fails" + SEE, Cause.CODE),
        (NOT_STARTED.partition(";")[0] + SEE, Cause.CODE),
        (VASP + "vasprun.xml breaks off after 2 ionic steps; VASP's last words: a cell too flat" + SEE, Cause.CODE),
        (VASP + "StdErrHandler found out_of_memory, and there is no correction left to try" + SEE, Cause.MEMORY),
        ("nawf.errors.InputError: runs/x: cannot be written: no space left on device", Cause.DISK),
        ("nawf.errors.InputError: runs/x: cannot be written: disk quota exceeded", Cause.DISK),
        ("nawf.errors.InputError: runs/x: cannot be written: read-only file system", Cause.DISK),
        ("nawf.errors.InputError: runs/x: cannot be written: permission denied", Cause.SETTINGS),
        (VASP + "VaspErrorHandler found zbrent 5 times, and the corrections did not help" + SEE, Cause.IONIC),
        (VASP + "VaspErrorHandler found pssyevx, and there is no correction left to try" + SEE, Cause.ELECTRONIC),
        (VASP + "VaspErrorHandler found edddav 5 times, and the corrections did not help" + SEE, Cause.ELECTRONIC),
        (
            VASP.replace("relax 1", "static") + "ElectronsUnconvergedHandler found Unconverged, and there is no "
            "correction left to try",
            Cause.ELECTRONIC,
        ),
        (
            "nawf.errors.CalculationError: na2s relax 1: VASP was asked to stop, as it is when the time of the batch "
            "job runs out (repeat it: it goes on from its last geometry)",
            Cause.WALLTIME,
        ),
        ("ModuleNotFoundError: No module named 'torch'", Cause.SETTINGS),
        ("/var/spool/slurmd/job7/slurm_script: line 9: jf: command not found", Cause.SETTINGS),
        ("RuntimeError: [enforce fail at alloc_cpu.cpp:83] DefaultCPUAllocator: can't allocate memory", Cause.MEMORY),
        ("ZeroDivisionError: division by zero", Cause.CODE),
        ("", Cause.CODE),
    ],
)
def test_class_of_one_text(text: str, cause: Cause) -> None:
    assert classify(text)[0] is cause


def test_the_queue_has_the_last_word() -> None:
    """A job that is ended at its time limit says in its own words only that it was killed."""
    limit = "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-20T10:00:00 DUE TO TIME LIMIT ***"
    for text in (f"{KILLED}\n{limit}", f"{limit}\n{KILLED}"):
        cause, reason = classify(text)
        assert cause is Cause.WALLTIME
        assert reason == "JOB 7 ON n1 CANCELLED AT 2026-11-20T10:00:00 DUE TO TIME LIMIT"


def test_frames_of_a_traceback_say_nothing() -> None:
    text = """Traceback (most recent call last):
  File "/lib/nawf/engines/vasp_run.py", line 1, in run
    raise CalculationError(f"a POTCAR of {family} is missing DUE TO TIME LIMIT")
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
KeyError: 'first'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/lib/x.py", line 2, in <module>
    No space left on device
pymatgen.core.OddError: the lattice is odd
"""
    assert classify(text) == (Cause.CODE, "OddError: the lattice is odd")


def test_own_errors_are_told_without_their_class() -> None:
    _, reason = classify(f"Traceback (most recent call last):\n  File 'x'\n{VASP}vasprun.xml breaks off{SEE}")
    assert reason == f"na2s relax 1: VASP ended without a result: vasprun.xml breaks off{SEE}"


def test_a_reason_is_one_line_and_not_endless() -> None:
    _, reason = classify("ValueError: " + 10_000 * "x")
    assert len(reason) == MOST_LETTERS
    assert reason.endswith(" ...")


@pytest.mark.parametrize("name", ["zbrent", "edddav", "nelm", "pssyevx", "brmix", "subspacematrix"])
def test_what_the_log_of_custodian_leads_to_has_a_class(name: str, tmp_path: Path) -> None:
    """The words are those that are made of custodian's own log."""
    errors = pytest.importorskip("custodian.custodian")
    from nawf.engines.vasp_failure import cause_of

    log = [{"corrections": [{"handler": {"@class": "VaspErrorHandler"}, "errors": [name]}]}]
    (tmp_path / "custodian.json").write_text(json.dumps(log))
    cause, _ = classify(VASP + cause_of(errors.MaxCorrectionsPerJobError("", True, 5, None), tmp_path))
    assert cause in (Cause.ELECTRONIC, Cause.IONIC)
    assert (cause is Cause.IONIC) == (name == "zbrent")
