"""The project of jobflow-remote: where its jobs run, and what commands over ssh may read."""

from __future__ import annotations

import io
import sys

import pytest
import yaml

pytest.importorskip("jobflow_remote")

import jobflow_remote
from jobflow import Flow, job

from nawf.running.backend import Backend, QueueError
from nawf.running.jobflow_remote import JobflowRemote
from nawf.running.jobflow_remote_project import check_project, quietly
from nawf.settings import ClusterSettings

LOCAL = {"type": "local", "scheduler_type": "shell", "work_dir": "/tmp/nowhere", "max_jobs": 1}
STORE = {"type": "MongoStore", "uri": "mongodb://127.0.0.1:9", "database": "d", "collection_name": "jobs"}


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A queue whose project has these workers; nothing is connected to."""
    monkeypatch.setattr(jobflow_remote.SETTINGS, "projects_folder", str(tmp_path))

    def make(cluster=None, **workers):
        project = {"name": "p", "base_dir": str(tmp_path / "p"), "workers": workers, "queue": {"store": STORE}}
        (tmp_path / "p.yaml").write_text(yaml.safe_dump(project | {"jobstore": {"docs_store": STORE}}))
        return JobflowRemote(ClusterSettings(project="p", **(cluster or {})))

    return make


def test_jobs_run_here_only_where_a_worker_starts_them_as_they_are(queue):
    here = queue(first=LOCAL)
    assert isinstance(here, Backend)
    assert here.is_here
    far = LOCAL | {"type": "remote", "host": "far"}
    for other in (far, LOCAL | {"scheduler_type": "slurm"}, LOCAL | {"pre_run": "module load VASP"}):
        assert not queue(first=other, second=LOCAL).is_here
        assert queue({"worker": "second"}, first=other, second=LOCAL).is_here
    assert not queue({"worker": "third"}, first=LOCAL).is_here


def test_what_a_script_has_on_standard_input_is_left_there(monkeypatch):
    given = io.StringIO("for the next command\n")
    monkeypatch.setattr(sys, "stdin", given)
    with quietly():
        assert sys.stdin.read() == ""
    assert sys.stdin is given
    with pytest.raises(KeyError), quietly():
        raise KeyError
    assert sys.stdin.read() == "for the next command\n"


def test_someone_at_a_terminal_can_be_asked(monkeypatch):
    given = io.StringIO("secret\n")
    monkeypatch.setattr(given, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdin", given)
    with quietly():
        assert sys.stdin is given


SLURM = {"type": "local", "scheduler_type": "slurm", "work_dir": "/tmp/nowhere"}
LARGE = SLURM | {"resources": {"partition": "long", "nodes": 2, "ntasks": 32, "time": "24:00:00", "account": "group"}}
BATCH = LARGE | {"max_jobs": 1, "batch": {"jobs_handle_dir": "/tmp/nowhere/h", "work_dir": "/tmp/nowhere/b"}}


def scripts(queue, *names):
    """What the runner would submit for jobs of these names, by name: the lines for SLURM."""
    units = {}
    for name in names:
        units[name] = job(print)()
        units[name].name = name
    flow = Flow(list(units.values()), metadata={"nawf": {"engine": "vasp", "phase": "na2s"}})
    queue.assign(flow)
    found = {}
    for name, one in units.items():
        config = one.config.manager_config
        worker = queue._project.workers[config["worker"]]
        text = worker.get_scheduler_io().get_submission_script(["true"], config["resources"] or worker.resources)
        found[name] = {line.removeprefix("#SBATCH --") for line in text.splitlines() if line.startswith("#SBATCH")}
    return found


def test_resources_of_a_step_are_what_differs_from_the_worker(queue):
    own = {"relax": {"time": "48:00:00", "nodes": 4}, "static": {"account": None}}
    made = scripts(queue({"resources": own}, large=LARGE), "vasp_relax", "vasp_static", "vasp_born", "analyse")
    usual = {"partition=long", "nodes=2", "ntasks=32", "time=24:00:00", "account=group"}
    assert made["vasp_born"] == made["analyse"] == usual
    assert made["vasp_relax"] == {"partition=long", "nodes=4", "ntasks=32", "time=48:00:00", "account=group"}
    assert made["vasp_static"] == usual - {"account=group"}


def test_a_step_has_the_rest_from_its_own_worker(queue):
    small = SLURM | {"resources": {"partition": "short", "ntasks": 1}}
    names = {"worker": "large", "analysis_worker": "small"}
    made = scripts(queue(names | {"resources": {"analysis": {"time": "10"}}}, large=LARGE, small=small), "analyse")
    assert made["analyse"] == {"partition=short", "ntasks=1", "time=10"}


@pytest.mark.parametrize("kind", ["displacement", "strain"])
def test_resources_of_cells_that_share_a_batch_job_are_refused(queue, kind):
    """They would be without effect: a batch job has those of its worker."""
    cells = queue({"resources": {kind: {"time": "10"}}, "batch_worker": "cells"}, large=LARGE, cells=BATCH)
    with pytest.raises(QueueError, match=f"resources of {kind} have no effect.*'cells'"):
        check_project(cells._project, cells._cluster, None, "mongodb://127.0.0.1:9/d")
    # Without a batch worker each cell has a job of the queue of its own.
    alone = queue({"resources": {kind: {"time": "10"}}}, large=LARGE)
    name = {"displacement": "vasp_displaced 001", "strain": "vasp_strained 01"}[kind]
    assert "time=10" in scripts(alone, name)[name]
