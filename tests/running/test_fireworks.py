"""FireWorks as a queue, with its own launchpad and rockets in this process: what is in it, and what can be done."""

from __future__ import annotations

import json
import math
import operator
import os
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import yaml

pytest.importorskip("fireworks")

from jobflow import Flow, JobConfig, OnMissing, job
from pymongo.uri_parser import parse_uri

from nawf.running.backend import AlreadySubmitted, Backend, Cause, QueueError, Selection, Stage
from nawf.running.fireworks import FireWorksQueue
from nawf.running.fireworks_claims import PATIENCE
from nawf.running.fireworks_store import TravellingJobStore
from nawf.running.step_kinds import StepKind
from nawf.settings import ClusterSettings
from nawf.store.stores import open_stores


@pytest.fixture
def files(tmp_path, mongo_uri, monkeypatch):
    """my_launchpad.yaml for a database of one's own, found by FireWorks."""
    from fireworks import fw_config

    address = parse_uri(mongo_uri)
    host, port = address["nodelist"][0]
    values = {"host": host, "port": port, "name": address["database"], "logdir": None, "strm_lvl": "ERROR"}
    file = tmp_path / "my_launchpad.yaml"
    file.write_text(yaml.safe_dump(values))
    for name, value in {"LAUNCHPAD_LOC": str(file), "FWORKER_LOC": None, "QUEUEADAPTER_LOC": None}.items():
        monkeypatch.setattr(fw_config, name, value)
    monkeypatch.chdir(tmp_path)
    return file


@pytest.fixture
def queue(files, mongo_uri):
    made = FireWorksQueue(ClusterSettings(via="fireworks"))
    made._launchpad.reset("", require_password=False)
    made.check(mongo_uri)
    return made


def flow_of(*jobs, phase="na", flow=None):
    metadata = {"campaign": "c", "phase": phase, "property": "static", "engine": "chgnet-r2scan", "intent": "i"}
    for unit in jobs:
        unit.update_metadata({"nawf": {**metadata, "final": unit is jobs[-1]}})
        unit.append_name(f" {phase}")
    return Flow(jobs, name=phase, uuid=flow or str(uuid.uuid4()), metadata={"nawf": metadata})


def launch(queue, times=1):
    from fireworks import FWorker
    from fireworks.core.rocket_launcher import launch_rocket

    for _ in range(times):
        launch_rocket(queue._launchpad, FWorker(), strm_lvl="CRITICAL")


def stages(queue, **selection):
    return {found.step: found.stage for found in queue.jobs(Selection(**selection))}


def test_it_is_a_backend(queue):
    assert isinstance(queue, Backend)


def test_jobs_run_in_order_and_their_output_is_in_nawfs_store(queue, mongo_uri):
    first = job(operator.add)(2, 3)
    second = job(math.sqrt)(first.output)
    flow = flow_of(first, second)
    assert queue.submit(flow) == 2
    assert stages(queue) == {"add": Stage.WAITING, "sqrt": Stage.WAITING}
    launch(queue)
    assert stages(queue) == {"add": Stage.DONE, "sqrt": Stage.WAITING}
    launch(queue)
    found = sorted(queue.jobs(Selection()), key=lambda f: f.step)
    assert [(f.step, f.stage, f.final, f.phase, f.campaign, f.flow) for f in found] == [
        ("add", Stage.DONE, False, "na", "c", flow.uuid),
        ("sqrt", Stage.DONE, True, "na", "c", flow.uuid),
    ]
    assert all(f.elapsed_s is not None and f.since is not None and f.place.host for f in found)
    with open_stores(mongo_uri) as stores:
        assert stores.jobs.get_output(second.uuid) == math.sqrt(5)
        assert stores.jobs.query_one({"uuid": second.uuid})["metadata"]["nawf"]["phase"] == "na"


def test_a_failed_job_says_why_and_can_be_begun_again(queue):
    reads, then = job(json.loads)("{"), job(len)([1])
    then.function_args = (reads.output,)
    queue.submit(flow_of(reads, then))
    launch(queue)
    failed, waits = sorted(queue.jobs(Selection()), key=lambda f: f.step, reverse=True)
    assert (failed.stage, failed.cause) == (Stage.FAILED, Cause.CODE)
    assert "JSONDecodeError" in failed.reason
    assert waits.stage is Stage.WAITING
    assert queue.jobs(Selection(causes=(Cause.CODE,))) == (failed,)
    outcome = queue.retry([failed])
    assert (outcome.changed, outcome.refused) == ((failed,), ())
    assert stages(queue) == {"loads": Stage.WAITING, "len": Stage.WAITING}
    launch(queue)
    assert stages(queue)["loads"] is Stage.FAILED  # it was begun again, and is as wrong as before


def test_what_was_made_without_a_cell_that_was_cut_off_is_made_again(queue, mongo_uri, tmp_path):
    """As with strained cells: what collects them does without one that failed."""
    folder = tmp_path / "run"
    cell = job(os.listdir)(str(folder))
    collect = job(str)(cell.output)
    collect.config = JobConfig(on_missing_references=OnMissing.NONE)
    analyse = job(len)(collect.output)
    queue.submit(flow_of(cell, collect, analyse))
    launch(queue, times=3)
    assert stages(queue) == {"listdir": Stage.FAILED, "str": Stage.DONE, "len": Stage.DONE}
    folder.mkdir()
    assert queue.resume(queue.jobs(Selection(stages=(Stage.FAILED,)))).refused == ()
    launch(queue, times=3)
    assert set(stages(queue).values()) == {Stage.DONE}
    with open_stores(mongo_uri) as stores:
        outputs = {d["name"]: d["output"] for d in stores.jobs.query({})}
    assert outputs == {"listdir na": [], "str na": "[]", "len na": 2}


def test_what_waits_is_cancelled_and_resumed(queue):
    first = job(operator.add)(1, 1)
    second = job(operator.neg)(first.output)
    queue.submit(flow_of(first, second))
    outcome = queue.cancel(queue.jobs(Selection()))
    assert len(outcome.changed) == 2
    assert set(stages(queue).values()) == {Stage.STOPPED}
    launch(queue)
    assert set(stages(queue).values()) == {Stage.STOPPED}  # nothing starts
    queue.resume(queue.jobs(Selection(stages=(Stage.STOPPED,))))
    launch(queue, times=2)
    assert set(stages(queue).values()) == {Stage.DONE}
    done = queue.jobs(Selection())
    assert len(queue.retry(done).refused) == 2  # nothing that has finished is begun again
    assert len(queue.cancel(done).refused) == 2


def test_what_was_stopped_by_its_flow_is_blocked_with_what_waits_for_it(queue):
    first, second = job(operator.add)(1, 1), job(operator.neg)(1)
    second.function_args = (first.output,)
    third = job(operator.pos)(second.output)
    queue.submit(flow_of(first, second, third))
    ids = {found.step: int(found.id) for found in queue.jobs(Selection())}
    launch(queue)
    queue._launchpad.defuse_fw(ids["neg"])
    assert stages(queue) == {"add": Stage.DONE, "neg": Stage.BLOCKED, "pos": Stage.BLOCKED}


def test_jobs_are_chosen_by_phase(queue):
    for phase in ("na", "s8"):
        queue.submit(flow_of(job(operator.add)(1, 1), phase=phase))
    assert [found.phase for found in queue.jobs(Selection(phases=("s8",)))] == ["s8"]
    assert queue.jobs(Selection(campaign="other")) == ()


def test_a_flow_is_taken_once_and_counted(queue):
    assert queue.attempts(["na", "s8"]) == {"na": 0, "s8": 0}
    name = str(uuid.uuid4())
    queue.submit(flow_of(job(operator.add)(1, 1), flow=name))
    with pytest.raises(AlreadySubmitted):
        queue.submit(flow_of(job(operator.add)(1, 1), flow=name))
    assert len(queue.jobs(Selection())) == 1
    assert queue.attempts(["na", "s8"]) == {"na": 1, "s8": 0}
    queue.forget(name)
    assert (queue.jobs(Selection()), queue.attempts(["na"])) == ((), {"na": 0})


def test_a_claim_of_someone_who_died_is_taken_over_after_a_while_and_never_with_a_workflow(queue):
    now = datetime.now(UTC).replace(tzinfo=None)
    name = str(uuid.uuid4())
    claims = queue._claims._claims
    claims.insert_one({"_id": name, "phase": "na", "at": now, "added": False})
    assert queue.attempts(["na"]) == {"na": 0}
    with pytest.raises(AlreadySubmitted):
        queue.submit(flow_of(job(operator.add)(1, 1), flow=name))
    claims.update_one({"_id": name}, {"$set": {"at": now - PATIENCE - timedelta(seconds=1)}})
    assert queue.submit(flow_of(job(operator.add)(1, 1), flow=name)) == 1
    # Died after the workflow and before it said so: the workflow counts, however old the claim is.
    claims.update_one({"_id": name}, {"$set": {"added": False, "at": now - 10 * PATIENCE}})
    with pytest.raises(AlreadySubmitted):
        queue.submit(flow_of(job(operator.add)(1, 1), flow=name))
    assert queue.attempts(["na"]) == {"na": 1}


def test_a_submission_that_fails_leaves_no_claim(queue):
    name = str(uuid.uuid4())
    with pytest.raises(KeyError), queue._claims.claimed(name, "na"):
        raise KeyError("the database went away")
    assert queue.submit(flow_of(job(operator.add)(1, 1), flow=name)) == 1


def test_resources_and_categories_go_by_the_kind_of_step(files, mongo_uri):
    cluster = ClusterSettings(
        via="fireworks",
        worker="big",
        analysis_worker="small",
        resources={"relax": {"partition": "long", "time": "24:00:00", "ntasks": 32}},
    )
    queue = FireWorksQueue(cluster)
    queue._launchpad.reset("", require_password=False)
    queue.check(mongo_uri)
    relax, other = job(operator.add)(1, 1), job(operator.neg)(1)
    relax.name = "run_relax"
    queue.submit(flow_of(relax, other))
    specs = {d["name"]: d["spec"] for d in queue._launchpad.fireworks.find({})}
    asked = {"queue": "long", "walltime": "24:00:00", "ntasks": 32}
    assert queue.resources(StepKind.RELAX) == specs["run_relax na"]["_queueadapter"] == asked
    assert specs["run_relax na"]["_category"] == "big"
    assert specs["neg na"]["_queueadapter"] == {}
    assert specs["neg na"]["_category"] == "small"


def test_results_go_to_a_database_and_the_launchpad_has_to_be_set_up(queue, mongo_uri):
    with pytest.raises(QueueError, match="is a file"):
        queue.check("nawf.db")
    queue._launchpad.fireworks.drop()
    with pytest.raises(QueueError, match="never been set up"):
        FireWorksQueue(ClusterSettings(via="fireworks")).check(mongo_uri)


def test_a_password_is_never_written_into_a_job(queue, mongo_uri, monkeypatch):
    secret = "correct-horse-battery"
    head, _, rest = mongo_uri.partition("://")
    queue._location = f"{head}://student:{secret}@{rest}"
    queue.submit(flow_of(job(operator.add)(1, 1)))
    [document] = queue._launchpad.fireworks.find({})
    assert secret not in json.dumps(document, default=str)
    assert rest in json.dumps(document, default=str)
    store = TravellingJobStore.from_dict(TravellingJobStore(queue._location).as_dict())
    assert secret not in str(vars(store))
    # What is set where the job runs goes first.
    monkeypatch.setenv("NAWF_STORE", mongo_uri)
    store.connect()
    assert store.count() == 0
    store.close()
