"""The project of jobflow-remote: where its jobs run, and what commands over ssh may read."""

from __future__ import annotations

import io
import sys

import pytest
import yaml

pytest.importorskip("jobflow_remote")

import jobflow_remote

from nawf.running.backend import Backend
from nawf.running.jobflow_remote import JobflowRemote
from nawf.running.jobflow_remote_project import quietly
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
