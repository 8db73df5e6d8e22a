"""What goes wrong with jobs of FireWorks, for real: the cause is named, and retry or resume finishes the campaign.

VASP's stand-in hangs in the second ionic step of its relaxation, so that there is something to hit.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from fireworks_site import all_done
from hanging_relaxation import CAMPAIGN, HANG, STEPS, is_hanging

pytest.importorskip("fireworks")
pytest.importorskip("atomate2")

import psutil

from nawf.store.query import load_results
from nawf.store.stores import open_stores

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


class Struck:
    """A site whose relaxation hangs once."""

    def __init__(self, site: Any) -> None:
        self.site, self.folder, self.slurm = site, site.folder, site.slurm

    def wait_for_hang(self) -> dict[str, Any]:
        """The job of the relaxation, once it is in its second step."""
        self.site.wait(lambda jobs: is_hanging(self.folder))
        return dict(self.site.wait(lambda jobs: in_stage(jobs, "vasp_relax", "running")))

    def assert_named(self, words: str, command: str) -> str:
        """What is shown of a failure: class, words, the end of the right file, and what to do."""
        shown = str(self.site.nawf("status", "toy.yaml").stdout)
        assert "1 killed" in shown, shown
        assert re.search(words, shown), shown
        assert re.search(r"vasp_relax: end of \S*/runs/toy-nas/relax-\S*/attempt-01/", shown), shown
        assert f"Next: nawf {command} toy.yaml" in shown
        assert "failed in the queue: toy-nas relax" in self.site.nawf("submit", "toy.yaml").stderr
        return shown

    def assert_done(self) -> None:
        """Only the relaxation was started twice, it went on from its last geometry, and each result is there once."""
        self.site.wait(all_done)
        assert "1 phases: 2 done" in self.site.nawf("status", "toy.yaml", "--build").stdout
        assert len((self.folder / "starts").read_text().split()) == len(STEPS) + 1
        attempts = sorted(path.name for path in self.folder.glob("runs/toy-nas/relax-*/attempt-*"))
        assert attempts[:2] == ["attempt-01", "attempt-02"]
        with open_stores(self.site.mongo_uri, read_only=True) as stores:
            found = load_results(stores.results)
        assert sorted(d.property for d in found) == ["relax", "static"]
        (relax,) = [d for d in found if d.property == "relax"]
        assert "start: CONTCAR of attempt 1" in str([c.actions for c in relax.record().run.corrections])


@pytest.fixture
def struck(new_fireworks_site: Any, vasp_machine: Any, tmp_path: Any) -> Struck:
    (tmp_path / "counts").mkdir()
    lines = [
        f"export {vasp_machine.exports}",
        f"export NAWF_REHEARSAL_FAULT='{HANG}' NAWF_REHEARSAL_COUNTS={tmp_path}/counts",
        f"pwd >> {tmp_path}/starts",
    ]
    site = new_fireworks_site(vasp_machine.settings, lines)
    (site.folder / "toy.yaml").write_text(CAMPAIGN)
    site.start_launcher()
    site.nawf("submit", "toy.yaml")
    return Struck(site)


def in_stage(jobs: list[dict[str, Any]], step: str, stage: str) -> dict[str, Any] | None:
    return next((job for job in jobs if job["step"] == step and job["stage"] == stage), None)


def end_processes(number: int, slurm: Any) -> None:
    """Kill the launcher of a rocket and all that it has started."""
    for pid in slurm.processes(number):
        if psutil.pid_exists(pid) and any("rlaunch" in word for word in psutil.Process(pid).cmdline()[:2]):
            process = psutil.Process(pid)
            for one in [*process.children(recursive=True), process]:
                one.kill()


def test_scancel_of_a_running_job_and_retry(struck: Struck) -> None:
    job = struck.wait_for_hang()
    struck.slurm.run("scancel", job["place"]["queue_id"])
    failed = struck.site.wait(lambda jobs: in_stage(jobs, "vasp_relax", "failed"))
    assert failed["cause"] == "killed", failed
    struck.assert_named(r"JOB \d+ ON \S+ CANCELLED AT", "resume")
    done = struck.site.nawf("retry", "toy.yaml", "--cause", "killed")
    assert done.stdout == "1 jobs of 1 phases begun again\n"
    struck.assert_done()


def test_a_process_that_is_killed_and_resume(struck: Struck) -> None:
    job = struck.wait_for_hang()
    end_processes(int(job["place"]["queue_id"]), struck.slurm)
    failed = struck.site.wait(lambda jobs: in_stage(jobs, "vasp_relax", "failed"))
    assert failed["cause"] == "killed", failed
    struck.assert_named("(?i)killed", "resume")
    assert struck.site.nawf("resume", "toy.yaml").stdout == "1 jobs of 1 phases resumed\n"
    struck.assert_done()


def test_a_running_job_is_followed_and_cancelled_and_resumed(struck: Struck) -> None:
    job = struck.wait_for_hang()
    assert "vasp_relax" in struck.site.nawf("status", "toy.yaml").stdout
    struck.site.nawf("cancel", "toy.yaml")
    stopped = struck.site.wait(lambda jobs: in_stage(jobs, "vasp_relax", "stopped") and jobs)
    assert {one["stage"] for one in stopped} == {"done", "stopped"}
    assert until_gone(struck.slurm, int(job["place"]["queue_id"]))
    assert "Next: nawf resume toy.yaml" in struck.site.nawf("status", "toy.yaml").stdout
    assert struck.site.nawf("retry", "toy.yaml").stdout == "nothing begun again\n"
    struck.site.nawf("resume", "toy.yaml")
    struck.assert_done()


def until_gone(slurm: Any, number: int, most_s: float = 60) -> bool:
    end = time.monotonic() + most_s
    is_there: Callable[[], bool] = lambda: number in slurm.jobs()  # noqa: E731
    while is_there() and time.monotonic() < end:
        time.sleep(0.5)
    return not is_there()
