"""Which file of a job says most; read by real shell commands."""

from __future__ import annotations

import subprocess
from pathlib import Path

from nawf.running.backend import JobState, Stage
from nawf.running.tails import tail_of


def execute(command: str) -> str:
    return subprocess.run(command, shell=True, capture_output=True, text=True, check=False).stdout  # noqa: S602


def job(folder: Path, stage: Stage, error: str = "") -> JobState:
    return JobState("1", "f", "na2s", "relax", "vasp_relax", stage, "", run_dir=str(folder), error=error)


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


def test_of_a_running_job_it_is_the_newest_run_of_its_phase(tmp_path):
    runs = tmp_path / "runs"
    for phase, name in (("na2s", "relax-1-abc"), ("na-bcc", "relax-1-def")):
        (runs / phase / name / "attempt-01").mkdir(parents=True)
        (runs / phase / name / "attempt-01" / "vasp.out").write_text(f"{phase}\n")
    run = tmp_path / "run"
    run.mkdir()
    (run / "queue.out").write_text("started\n")
    assert tail_of(job(run, Stage.RUNNING), execute).text == "started"
    (run / "jfremote_in.json").write_text(f'{{"options": {{"run_folder": "{runs}", "x": 1}}}}')
    found = tail_of(job(run, Stage.RUNNING), execute)
    assert found.text == "na2s"
