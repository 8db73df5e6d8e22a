"""Cancel, resume and retry with jobflow-remote's own controller and database; the runner's part is done by hand."""

from __future__ import annotations

import operator

import pytest
import yaml

pytest.importorskip("jobflow_remote")

import jobflow_remote
from jobflow import Flow, JobConfig, OnMissing, job
from pymongo.uri_parser import parse_uri

from nawf.running.backend import Selection
from nawf.running.jobflow_remote import JobflowRemote
from nawf.running.jobflow_remote_project import quietly
from nawf.settings import ClusterSettings


class Queue:
    """A project with one batch worker, and what its runner would have written."""

    def __init__(self, folder, uri, worker):
        (host, port), database = parse_uri(uri)["nodelist"][0], parse_uri(uri)["database"]
        server = {"type": "MongoStore", "host": host, "port": port, "database": database}
        self.handles = folder / "handles"
        batch = {"jobs_handle_dir": str(self.handles), "work_dir": str(folder / "batches")}
        common = {"scheduler_type": "shell", "work_dir": str(folder / "work"), "max_jobs": 1}
        project = {
            "name": "nawf",
            "base_dir": str(folder / "base"),
            "workers": {"cells": common | worker | {"batch": batch}},
            "queue": {"store": {**server, "collection_name": "jobs"}},
            "jobstore": {"docs_store": {**server, "collection_name": "outputs"}},
        }
        (folder / "projects").mkdir()
        (folder / "projects" / "nawf.yaml").write_text(yaml.safe_dump(project))
        self.backend = JobflowRemote(ClusterSettings(project="nawf"))
        self.controller = self.backend._controller
        with quietly():
            self.controller.reset()
        for name in ("submitted", "running", "run_finished", "lock"):
            (self.handles / name).mkdir(parents=True)

    def submit(self, *jobs):
        for unit in jobs:
            meta = {"campaign": "c", "phase": "na2s", "property": "phonon", "intent": "i", "final": unit is jobs[-1]}
            unit.update_metadata({"nawf": meta})
        jobflow_remote.submit_flow(Flow(jobs), worker="cells", project="nawf")

    def jobs(self):
        return self.backend.jobs(Selection())

    def states(self):
        return {j.step: j.backend_state for j in self.jobs()}

    def put(self, step, state, handle=""):
        """Leave a job as the runner does; its handle is in a folder of the batch worker."""
        found = self.controller.jobs.find_one({"job.name": step})
        self.controller.jobs.update_one({"_id": found["_id"]}, {"$set": {"state": state}})
        if handle:
            end = "" if handle == "submitted" else "_batch"
            (self.handles / handle / f"{found['uuid']}_1{end}").touch()

    def files(self):
        return sorted(str(p.relative_to(self.handles)) for p in self.handles.rglob("*") if p.is_file())


@pytest.fixture(params=["local", "over ssh"])
def worker(request):
    return {"type": "local"} if request.param == "local" else request.getfixturevalue("ssh_server")({}).worker


@pytest.fixture
def new_queue(tmp_path, mongo_uri, monkeypatch):
    monkeypatch.setattr(jobflow_remote.SETTINGS, "projects_folder", str(tmp_path / "projects"))
    return lambda worker=None: Queue(tmp_path, mongo_uri, worker or {"type": "local"})


def unit(name, *parents):
    """A job that does without parents that failed, as what collects strained cells does."""
    made = job(operator.add)(*([parent.output for parent in parents] or [1]), 1)
    made.name = name
    made.config = JobConfig(on_missing_references=OnMissing.NONE)
    return made


def words(outcome):
    """What was changed, and what was refused for which reason."""
    return [j.step for j in outcome.changed], {j.step: reason for j, reason in outcome.refused}


def test_a_cell_that_waits_for_a_batch_is_taken_back_and_one_that_runs_is_not(new_queue, worker, caplog):
    queue = new_queue(worker)
    queue.submit(unit("waits"), unit("runs"), unit("has run"))
    queue.put("waits", "BATCH_SUBMITTED", "submitted")
    queue.put("runs", "BATCH_SUBMITTED", "running")  # since the runner has looked
    queue.put("has run", "BATCH_RUNNING", "run_finished")
    changed, refused = words(queue.backend.cancel(queue.jobs()))
    assert changed == ["waits"]
    assert "cannot be cancelled" not in caplog.text  # jobflow-remote's own word on it
    assert refused["runs"] == "a batch job is calculating it, and goes on with it"
    assert refused["has run"] == "it has just ended"
    assert queue.states() == {"waits": "USER_STOPPED", "runs": "BATCH_SUBMITTED", "has run": "BATCH_RUNNING"}
    assert [name.partition("/")[0] for name in queue.files()] == ["run_finished", "running"]


def test_a_cell_that_is_not_stopped_stays_with_its_batch(new_queue):
    queue = new_queue()
    queue.submit(unit("waits"))
    queue.put("waits", "BATCH_SUBMITTED", "submitted")
    before, jobs = queue.files(), queue.jobs()
    queue.controller.jobs.update_one({}, {"$set": {"lock_id": "runner"}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nawf.running.jobflow_remote_actions.PATIENCE_S", 0)
        changed, refused = words(queue.backend.cancel(jobs))
    assert (changed, queue.files()) == ([], before)
    assert "the runner is at work on it" in refused["waits"]


def test_a_lost_cell_can_be_cancelled(new_queue):
    """Its handle is nowhere: the batch job died between taking it and saying so."""
    queue = new_queue()
    queue.submit(unit("lost"))
    queue.put("lost", "BATCH_SUBMITTED")
    assert words(queue.backend.cancel(queue.jobs())) == (["lost"], {})
    assert queue.states() == {"lost": "USER_STOPPED"}


@pytest.mark.parametrize("state", ["USER_STOPPED", "FAILED"])
def test_what_a_batch_still_has_is_not_begun_a_second_time(new_queue, worker, state):
    queue = new_queue(worker)
    queue.submit(unit("in its queue"), unit("running"), unit("ended"))
    for step, folder in (("in its queue", "submitted"), ("running", "running"), ("ended", "run_finished")):
        queue.put(step, state, folder)
    changed, refused = words(queue.backend.resume(queue.jobs()))
    assert sorted(changed) == ["ended", "in its queue"]
    assert refused["running"] == "a batch job is still calculating it; try again when it has ended"
    assert queue.states() == {"in its queue": "READY", "running": state, "ended": "READY"}
    # What is left of the others would be taken for the new run.
    assert [name.partition("/")[0] for name in queue.files()] == ["running"]


def test_a_worker_that_does_not_answer_is_a_reason(new_queue):
    queue = new_queue({"type": "remote", "host": "127.0.0.1", "port": 9, "user": "nobody"})
    queue.submit(unit("far"))
    queue.put("far", "BATCH_SUBMITTED")
    changed, refused = words(queue.backend.cancel(queue.jobs()))
    assert changed == []
    assert refused["far"].startswith("worker cells does not answer")
    assert queue.states() == {"far": "BATCH_SUBMITTED"}


@pytest.mark.parametrize("action", ["retry", "resume"])
@pytest.mark.parametrize("state", ["COMPLETED", "RUNNING", "SUBMITTED", "BATCH_RUNNING", "STOPPED", "DOWNLOADED"])
def test_what_has_gone_on_since_it_was_looked_at_is_left_alone(new_queue, action, state):
    queue = new_queue()
    queue.submit(unit("cell"))
    queue.put("cell", "FAILED")
    seen = queue.jobs()
    queue.put("cell", state)
    outcome = getattr(queue.backend, action)(seen)
    assert words(outcome) == ([], {"cell": f"it is {state} by now"})
    assert queue.states() == {"cell": state}


@pytest.mark.parametrize("state", ["READY", "WAITING"])
def test_what_another_one_has_put_back_counts_as_begun_again(new_queue, state):
    queue = new_queue()
    queue.submit(unit("cell"))
    queue.put("cell", "FAILED")
    seen = queue.jobs()
    queue.put("cell", state)
    assert words(queue.backend.retry(seen)) == (["cell"], {})
    assert queue.states() == {"cell": state}


@pytest.mark.parametrize("action", ["retry", "resume"])
def test_what_was_made_without_a_failed_cell_is_made_again(new_queue, action):
    queue = new_queue()
    cell = unit("cell")
    collect = unit("collect", cell)
    queue.submit(cell, collect, unit("analyse", collect))
    for step, state in (("cell", "FAILED"), ("collect", "COMPLETED"), ("analyse", "COMPLETED")):
        queue.put(step, state)
    failed = [found for found in queue.jobs() if found.step == "cell"]
    assert words(getattr(queue.backend, action)(failed)) == (["cell"], {})
    assert queue.states() == {"cell": "READY", "collect": "WAITING", "analyse": "WAITING"}
