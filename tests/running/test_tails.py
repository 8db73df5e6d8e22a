"""Which file of a job says most; read by real shell commands."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nawf.engines.word_left import OF_QUEUES, WORD, leave_word
from nawf.running.backend import Cause, JobState, Place, Stage
from nawf.running.tails import tail_of


def execute(command: str) -> str:
    return subprocess.run(command, shell=True, capture_output=True, text=True, check=False).stdout  # noqa: S602


def job(folder: Path, stage: Stage, error: str = "", cause: Cause | None = None, number: str = "") -> JobState:
    place = Place("main", "node1", number)
    return JobState(
        "1", "f", "na2s", "relax", "step", stage, "", run_dir=str(folder), error=error, cause=cause, place=place
    )


@pytest.fixture
def gone(tmp_path, monkeypatch):
    """Folders of a job in a queue and of the program that it has started, by the name of the queue's file."""

    def make(of_queue):
        run, attempt = tmp_path / "run dir", tmp_path / "runs" / "attempt-01"
        for folder in (run, attempt):
            folder.mkdir(parents=True)
        (run / of_queue).write_text("{}")
        monkeypatch.chdir(run)
        leave_word(attempt)
        return run, attempt

    return make


def test_the_error_stream_of_vasp_goes_first_where_the_error_names_its_folder(tmp_path):
    run, attempt = tmp_path / "run dir", tmp_path / "attempt-01"
    for folder in (run, attempt):
        folder.mkdir()
    (run / "queue.err").write_text("one\ntwo\n")
    found = tail_of(job(run, Stage.FAILED), execute)
    assert (found.file, found.text) == (f"{run}/queue.err", "one\ntwo")
    (attempt / "vasp.out").write_text("".join(f"line {n}\n" for n in range(100)))
    error = f"CalculationError: na2s relax: VASP ended (see {attempt}; a repeated run goes on)"
    found = tail_of(job(run, Stage.FAILED, error), execute, lines=3)
    assert found.file == f"{attempt}/vasp.out"
    assert found.text == "line 97\nline 98\nline 99"


def test_empty_files_say_nothing(tmp_path):
    (tmp_path / "queue.err").touch()
    assert tail_of(job(tmp_path, Stage.FAILED), execute) is None
    (tmp_path / "queue.out").write_text("hello\n")
    assert tail_of(job(tmp_path, Stage.FAILED), execute).text == "hello"
    assert tail_of(job(tmp_path / "gone", Stage.FAILED), execute) is None


@pytest.mark.parametrize("of_queue", OF_QUEUES)
def test_a_running_job_is_followed_to_where_its_program_runs(gone, of_queue):
    run, attempt = gone(of_queue)
    (run / "queue.out").write_text("started\n")
    assert tail_of(job(run, Stage.RUNNING), execute).text == "started"
    (attempt / "OSZICAR").write_text("step 1\n")
    # The newest run of the phase may be another job's.
    other = attempt.with_name("attempt-02")
    other.mkdir()
    (other / "vasp.out").write_text("not this one\n")
    assert tail_of(job(run, Stage.RUNNING), execute).file == f"{attempt}/OSZICAR"
    (attempt / "gpaw.txt").write_text("iter: 1\n")
    (attempt / "OSZICAR").unlink()
    assert tail_of(job(run, Stage.RUNNING), execute).text == "iter: 1"


@pytest.mark.parametrize("of_queue", OF_QUEUES)
def test_a_job_that_was_killed_without_a_word_is_followed_too(gone, of_queue):
    run, attempt = gone(of_queue)
    (run / "queue.err").write_text("slurmstepd: error: *** JOB 7 ON n CANCELLED\n")
    (attempt / "vasp.out").write_text("DAV: 3\n")
    assert tail_of(job(run, Stage.FAILED, cause=Cause.KILLED), execute).file == f"{attempt}/vasp.out"
    # Of a fault around the program, the program knows nothing.
    for cause in (Cause.CODE, Cause.STORE):
        assert tail_of(job(run, Stage.FAILED, cause=cause), execute).file == f"{run}/queue.err"


def test_fireworks_names_its_files_after_the_job_of_the_cluster(tmp_path):
    run = tmp_path / "launcher 1"
    run.mkdir()
    for number, kind in ((7, "out"), (7, "error"), (8, "error")):
        (run / f"nawf-{number}.{kind}").write_text(f"{kind} of {number}\n")
    assert tail_of(job(run, Stage.FAILED, number="7"), execute).text == "error of 7"
    assert tail_of(job(run, Stage.RUNNING, number="7"), execute).text == "out of 7"
    assert tail_of(job(run, Stage.FAILED, number="$(touch x)"), execute) is None


def test_word_is_left_in_folders_of_queues_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    leave_word(tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "FW.json").write_text("{}")
    leave_word(Path("runs"))
    assert (tmp_path / WORD).read_text() == f"{tmp_path}/runs\n"
