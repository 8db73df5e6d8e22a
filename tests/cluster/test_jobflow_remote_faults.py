"""What goes wrong on a cluster, for real: nothing is lost, nothing that had finished runs twice, and it goes on.

VASP's stand-in hangs in the second ionic step of its relaxation, so that there is something to hit. Every job writes
down that it has started, so that what ran twice is seen.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hanging_relaxation import CAMPAIGN, HANG, STEPS, is_hanging

pytest.importorskip("jobflow_remote")
pytest.importorskip("atomate2")

import psutil

from nawf.running.backend import Cause, Stage
from nawf.store.query import load_results
from nawf.store.stores import open_stores

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
asked_for = pytest.mark.skipif(
    not os.environ.get("NAWF_TEST_CLUSTER_FAULTS"), reason="takes minutes; NAWF_TEST_CLUSTER_FAULTS=1 asks for it"
)


class Struck:
    """A site whose relaxation hangs once."""

    def __init__(self, site: Any, fault: str) -> None:
        self.site, self.nawf, self.folder, self.slurm = site, site.nawf, site.folder, site.slurm
        (site.folder / "toy.yaml").write_text(CAMPAIGN)
        self.fault = fault

    def submit(self) -> None:
        assert self.nawf("submit", "toy.yaml").code == 0

    def wait_for_hang(self) -> Any:
        self.site.wait_for(lambda: is_hanging(self.folder), 180)
        return self.site.wait_for(lambda: self.in_stage("vasp_relax", Stage.RUNNING))

    def in_stage(self, step: str, stage: Stage) -> Any:
        job = self.site.job("toy-nas", step)
        return job if job.stage is stage else None

    def starts(self) -> dict[str, int]:
        """How often each step has been started on a node."""
        lines = (self.folder / "starts").read_text().split()
        names = {job.run_dir: job.step for job in self.site.jobs()}
        return dict(Counter(names[line] for line in lines))

    def attempts(self, step: str) -> list[str]:
        return sorted(p.name for p in self.folder.glob(f"runs/toy-nas/{step}/attempt-*"))

    def status(self, *options: str) -> str:
        done = self.nawf("status", "toy.yaml", *options)
        assert done.code == 0, done.err
        return str(done.out)

    def assert_done(self, **starts: int) -> None:
        """All is done, each step was started once unless said otherwise, and there is one result of each."""
        assert "1 phases: 2 done" in self.status("--build")
        assert self.starts() == dict.fromkeys(STEPS, 1) | starts
        with open_stores(self.site.settings["store"], read_only=True) as stores:
            found = load_results(stores.results)
            raw = Counter(d["name"] for d in stores.jobs.query({}, properties=["name"]))
        assert sorted(d.property for d in found) == ["relax", "static"]
        assert not any(d.verdict.failed for d in found)
        assert set(raw.values()) == {1}

    def corrections(self) -> str:
        """What the result of the relaxation says of how it came about."""
        with open_stores(self.site.settings["store"], read_only=True) as stores:
            (relax,) = load_results(stores.results, properties={"relax"})
        return str([(c.errors, c.actions) for c in relax.record().run.corrections])


@pytest.fixture
def struck(new_site: Any, vasp_machine: Any, tmp_path: Any) -> Callable[..., Struck]:
    def make(fault: str = HANG, **options: Any) -> Struck:
        told = f"NAWF_REHEARSAL_FAULT='{fault}' NAWF_REHEARSAL_COUNTS={tmp_path}/counts"
        (tmp_path / "counts").mkdir()
        site = new_site(pre_run=f"export {vasp_machine.exports} {told}\npwd >> {tmp_path}/starts", **options)
        site.settings |= vasp_machine.settings
        site.write()
        return Struck(site, fault)

    return make


def end_processes(job: int, slurm: Any) -> None:
    """Kill the Python of a job and the VASP that it has started."""
    for pid in slurm.processes(job):
        if not psutil.pid_exists(pid):
            continue
        process = psutil.Process(pid)
        if "execution" in process.cmdline():
            for child in [*process.children(recursive=True), process]:
                child.kill()


def assert_resumed(struck: Struck, cause: Cause, words: str, command: str = "resume") -> None:
    """The failure has its cause and its words; the command goes on from the last geometry, to the end."""
    failed = struck.site.job("toy-nas", "vasp_relax")
    assert (failed.stage, failed.cause) == (Stage.FAILED, cause), failed.error
    shown = struck.status()
    assert f"1 {cause}" in shown
    assert re.search(words, shown), shown
    assert f"Next: nawf {command} toy.yaml" in shown
    assert "failed in the queue: toy-nas relax" in struck.nawf("submit", "toy.yaml").err
    done = struck.nawf(command, "toy.yaml")
    assert done.code == 0, done.err
    assert done.out.startswith("1 jobs of 1 phases")
    struck.site.run()
    struck.assert_done(vasp_relax=2)
    assert struck.attempts("relax-1-*")[:2] == ["attempt-01", "attempt-02"]
    assert "start: CONTCAR of attempt 1" in struck.corrections()


def test_a_process_that_is_killed(struck: Callable[..., Struck]) -> None:
    hit = struck()
    hit.submit()
    runner = hit.site.start_runner()
    job = hit.wait_for_hang()
    assert hit.site.backend().tail(job).file.endswith("vasp.out")
    end_processes(int(job.place.queue_id), hit.slurm)
    assert runner.wait(300) == 0
    assert_resumed(hit, Cause.KILLED, "killed")


@asked_for
def test_scancel(struck: Callable[..., Struck]) -> None:
    hit = struck()
    hit.submit()
    runner = hit.site.start_runner()
    hit.slurm.run("scancel", hit.wait_for_hang().place.queue_id)
    assert runner.wait(300) == 0
    assert_resumed(hit, Cause.KILLED, r"JOB \d+ ON \S+ CANCELLED AT")


@asked_for
def test_a_time_limit(struck: Callable[..., Struck]) -> None:
    hit = struck()
    hit.site.settings["cluster"]["resources"] = {"relax": {"partition": hit.slurm.partition, "time": "0:01:00"}}
    hit.site.write()
    hit.submit()
    hit.site.run()
    assert_resumed(hit, Cause.WALLTIME, "TIME LIMIT|asked to stop")


@asked_for
def test_a_drained_node(struck: Callable[..., Struck]) -> None:
    """What runs there runs on; what comes next waits, says why, and goes on by itself when the node is back."""
    hit = struck("")
    hit.slurm.set_node("drain")
    try:
        hit.submit()
        runner = hit.site.start_runner()
        job = hit.site.wait_for(lambda: (j := hit.site.job("toy-nas", "vasp_pre_relax")).reason and j)
        assert (job.stage, job.cause) == (Stage.WAITING, Cause.NODE)
        assert "waits in the queue" in hit.status()
    finally:
        hit.slurm.set_node("resume")
    assert runner.wait(300) == 0
    hit.assert_done()


@asked_for
def test_a_runner_that_is_killed(struck: Callable[..., Struck]) -> None:
    """The job runs on without it; the next runner takes up where it was."""
    hit = struck()
    hit.submit()
    first = hit.site.start_runner()
    job = hit.wait_for_hang()
    first.kill()
    first.wait()
    hit.slurm.run("scancel", job.place.queue_id)
    time.sleep(3)
    assert hit.in_stage("vasp_relax", Stage.RUNNING)
    hit.site.run()
    assert_resumed(hit, Cause.KILLED, "CANCELLED")


@asked_for
@pytest.mark.parametrize("moment", [0.5, 1.5, 3.0, 6.0])
def test_a_runner_that_is_killed_again_and_again(
    struck: Callable[..., Struck], moment: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    hit = struck("")
    hit.submit()
    monkeypatch.setattr("nawf.running.jobflow_remote_jobs.STALE_LOCK_S", 1.0)
    for _ in range(6):
        runner = hit.site.start_runner()
        time.sleep(8 + moment)
        runner.kill()
        runner.wait()
        time.sleep(1.5)
        if held := [job for job in hit.site.jobs() if job.stuck]:
            assert "by a runner that is gone" in hit.status()
            assert hit.nawf("resume", "toy.yaml").out.startswith(f"{len(held)} jobs of 1 phases resumed")
    hit.site.run()
    hit.assert_done()


@asked_for
def test_a_database_that_is_stopped_and_started(struck: Callable[..., Struck], stand_in: Any) -> None:
    server = stand_in(keeps=True)
    hit = struck("", server=server.uri)
    hit.submit()
    runner = hit.site.start_runner()
    hit.site.wait_for(lambda: hit.in_stage("vasp_pre_relax", Stage.RUNNING))
    server.stop()
    refused = hit.nawf("status", "toy.yaml")
    assert refused.code == 2
    assert "Traceback" not in refused.err
    time.sleep(10)
    server.start()
    if runner.wait(300) != 0:
        hit.site.run()  # as supervisord does with the daemon's
    failed = [job for job in hit.site.jobs() if job.stage is Stage.FAILED]
    if failed:
        assert {job.cause for job in failed} <= {Cause.STORE}
        assert hit.nawf("retry", "toy.yaml").code == 0
        hit.site.run()
    hit.assert_done()


@asked_for
def test_a_second_runner(struck: Callable[..., Struck]) -> None:
    hit = struck("")
    hit.submit()
    runners = [hit.site.start_runner() for _ in range(2)]
    assert [runner.wait(600) for runner in runners] == [0, 0]
    hit.assert_done()


@asked_for
def test_cancel_and_resume(struck: Callable[..., Struck]) -> None:
    """What runs is ended in the queue of the cluster too, and what waits does not start meanwhile."""
    hit = struck()
    hit.submit()
    runner = hit.site.start_runner()
    job = hit.wait_for_hang()
    cancelled = hit.nawf("cancel", "toy.yaml")
    assert cancelled.out == "3 jobs of 1 phases cancelled\n"
    assert runner.wait(60) == 0
    hit.slurm.wait(int(job.place.queue_id), "CANCELLED")
    assert {j.stage for j in hit.site.jobs()} == {Stage.DONE, Stage.STOPPED}
    assert "stopped in the queue: toy-nas relax" in hit.nawf("submit", "toy.yaml").err
    assert "Next: nawf resume toy.yaml" in hit.status()
    assert hit.nawf("retry", "toy.yaml").out == "nothing begun again\n"
    assert hit.nawf("resume", "toy.yaml").out == "3 jobs of 1 phases resumed\n"
    hit.site.run()
    hit.assert_done(vasp_relax=2)
    assert "start: CONTCAR of attempt 1" in hit.corrections()


@asked_for
def test_a_failure_of_vasp_is_told_and_retried(struck: Callable[..., Struck]) -> None:
    """What no handler can mend; retried when its cause is seen to."""
    fault = "pssyevx@2 when METAGGA=R2SCAN NSW=99"
    hit = struck(fault)
    hit.submit()
    hit.site.run()
    shown = hit.status("--failed")
    assert re.search("(?i)pssyevx", shown), shown
    assert hit.nawf("resume", "toy.yaml").out == "nothing resumed\n"
    assert hit.nawf("retry", "toy.yaml", "--cause", "disk").out == "nothing begun again\n"
    for worker in hit.site.project["workers"].values():
        worker["pre_run"] = worker["pre_run"].replace(fault, "")
    hit.site.write()
    assert_resumed(hit, Cause.ELECTRONIC, "(?i)pssyevx", "retry")
