"""Submissions at the same moment, from processes of their own: no step goes out twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from pymongo import MongoClient
from pymongo.uri_parser import parse_uri

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).with_name("submit_at_once.py")
PHASES = ("na", "s8", "na2s", "na2s2", "na2s4")
STEPS = ("relax", "static")


class Place:
    """A queue that is set up, and processes that submit to it."""

    def __init__(self, via, folder, uri):
        self.via, self.folder, self.uri = via, folder, uri
        self.env = dict(os.environ)
        self.processes = []
        getattr(self, "_" + via.replace("-", "_"))()

    def _fireworks(self):
        from fireworks import LaunchPad

        address = parse_uri(self.uri)
        host, port = address["nodelist"][0]
        values = {"host": host, "port": port, "name": address["database"], "logdir": None, "strm_lvl": "ERROR"}
        (self.folder / "my_launchpad.yaml").write_text(yaml.safe_dump(values))
        (self.folder / "FW_config.yaml").write_text(yaml.safe_dump({"CONFIG_FILE_DIR": str(self.folder)}))
        self.env["FW_CONFIG_FILE"] = str(self.folder / "FW_config.yaml")
        LaunchPad.from_file(str(self.folder / "my_launchpad.yaml")).reset("", require_password=False)

    def _jobflow_remote(self):
        address = parse_uri(self.uri)
        host, port = address["nodelist"][0]
        server = {"host": host, "port": port, "database": address["database"]}
        worker = {"type": "local", "scheduler_type": "shell", "work_dir": str(self.folder / "work")}
        project = {
            "name": "nawf",
            "workers": {"main": worker},
            "queue": {"store": {"type": "MongoStore", **server, "collection_name": "jobs"}},
            "jobstore": {"docs_store": {"type": "MongoStore", **server, "collection_name": "out"}},
        }
        (self.folder / "projects").mkdir()
        (self.folder / "projects" / "nawf.yaml").write_text(yaml.safe_dump(project))
        self.env["JFREMOTE_PROJECTS_FOLDER"] = str(self.folder / "projects")
        code = "from jobflow_remote import JobController as J; J.from_project_name('nawf').reset(reset_output=False)"
        subprocess.run([sys.executable, "-c", code], env=self.env, cwd=self.folder, check=True, capture_output=True)

    def start(self, phases=PHASES, steps=STEPS, stops=False):
        """A process that is ready to submit."""
        command = [
            sys.executable,
            SCRIPT,
            self.via,
            self.uri,
            ",".join(phases),
            ",".join(steps),
            "stops" if stops else "",
        ]
        pipe = subprocess.PIPE
        one = subprocess.Popen(command, env=self.env, cwd=self.folder, stdin=pipe, stdout=pipe, text=True)
        self.processes.append(one)
        return one

    def taken_by_queue(self):
        """How often the queue has each step of each phase."""
        with MongoClient(self.uri) as client:
            database = client.get_default_database()
            if self.via == "fireworks":
                found = [d["spec"]["nawf"] for d in database["fireworks"].find({})]
            else:
                found = [d["job"]["metadata"]["nawf"] for d in database["jobs"].find({})]
        return Counter((meta["phase"], meta["property"]) for meta in found)

    def age_by(self, time):
        """Make what was begun and not finished as old as that."""
        with MongoClient(self.uri) as client:
            database = client.get_default_database()
            name, key = ("nawf_flows", "at") if self.via == "fireworks" else ("flows", "created_on")
            for document in list(database[name].find({})):
                database[name].update_one({"_id": document["_id"]}, {"$set": {key: document[key] - time}})

    def end(self):
        for one in self.processes:
            one.kill()
            one.wait()
            one.stdin.close()
            one.stdout.close()


@pytest.fixture(params=["jobflow-remote", "fireworks"])
def place(request, tmp_path, mongo_uri):
    pytest.importorskip(request.param.replace("-", "_"))
    made = Place(request.param, tmp_path, mongo_uri)
    yield made
    made.end()


def await_line(process, words):
    for line in process.stdout:
        if line.startswith(words):
            return
    raise AssertionError(f"it ended before it said {words!r}")


def go(process):
    process.stdin.write("go\n")
    process.stdin.flush()


def said(process):
    """Phases that a process has submitted, and those that it was too late for."""
    *_, last = process.stdout
    assert process.wait(60) == 0
    return json.loads(last)


def test_several_at_the_same_moment_send_each_step_once(place):
    wanted = [STEPS, STEPS, ("relax",), STEPS]
    processes = [place.start(steps=steps) for steps in wanted]
    for process in processes:
        await_line(process, "ready")
    for process in processes:
        go(process)
    ends = [said(process) for process in processes]
    assert sorted(phase for sent, _ in ends for phase in sent) == sorted(PHASES)
    found = place.taken_by_queue()
    assert {phase for phase, _ in found} == set(PHASES)
    assert set(found.values()) == {1}


def test_one_that_comes_while_another_is_writing_sends_nothing(place):
    """The flow is in the queue by then and its jobs are not, or the other way round."""
    slow = place.start(phases=("na",), stops=True)
    quick = [place.start(phases=("na",)) for _ in range(3)]
    for process in (slow, *quick):
        await_line(process, "ready")
    go(slow)
    await_line(slow, "before writing")
    go(quick[0])
    assert said(quick[0]) == [[], ["na"]]
    go(slow)
    await_line(slow, "after writing")
    go(quick[1])
    sent, _ = said(quick[1])
    assert sent == []
    go(slow)
    assert said(slow) == [["na"], []]
    go(quick[2])
    assert said(quick[2]) == [[], []]  # it sees them in the queue
    assert place.taken_by_queue() == {("na", "relax"): 1, ("na", "static"): 1}


def test_the_uuid_of_one_who_died_while_writing_is_free_after_a_while(place):
    slow = place.start(phases=("na",), stops=True)
    late = [place.start(phases=("na",)) for _ in range(2)]
    for process in (slow, *late):
        await_line(process, "ready")
    go(slow)
    await_line(slow, "before writing")
    slow.kill()
    go(late[0])
    assert said(late[0]) == [[], ["na"]]
    place.age_by(timedelta(hours=1))
    go(late[1])
    assert said(late[1]) == [["na"], []]
    assert place.taken_by_queue() == {("na", "relax"): 1, ("na", "static"): 1}
