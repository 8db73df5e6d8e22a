"""What is submitted, and what is left to the queue."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from nawf.running import submit as submission
from nawf.running.backend import AlreadySubmitted, JobState, Selection, Stage
from nawf.running.submit import Order, choose, dispatch, flow_uuid, held_by, stage_of

WAITING, RUNNING, DONE, FAILED, STOPPED, BLOCKED = Stage


def job(prop, stage, *, step="a", final=False, phase="na2s", flow="f1", intent="i-relax"):
    return JobState(f"{flow}{step}", flow, phase, prop, step, stage, "", final=final, intent=intent)


@pytest.mark.parametrize(
    ("stages", "found"),
    [
        ([DONE, DONE], DONE),
        ([DONE, WAITING], RUNNING),
        ([WAITING, WAITING], WAITING),
        ([RUNNING, WAITING], RUNNING),
        ([DONE, FAILED, WAITING], FAILED),
        ([FAILED, RUNNING, STOPPED, WAITING], FAILED),
        ([STOPPED, RUNNING, WAITING], STOPPED),
        ([BLOCKED, BLOCKED], BLOCKED),
        # A strained cell that failed, where the tensor was made without it.
        ([FAILED, DONE], DONE),
    ],
)
def test_stage_of_a_property(stages, found):
    jobs = [job("relax", stage, step=str(n)) for n, stage in enumerate(stages)]
    jobs[-1] = replace(jobs[-1], final=True)
    assert stage_of(jobs) is found


def test_what_is_over_is_not_held():
    jobs = [
        job("relax", DONE, final=True),
        job("static", BLOCKED, final=True, intent="i-static"),
        job("phonon", FAILED, final=True, intent="i-phonon"),
        job("elastic", WAITING, final=True, intent="i-elastic", phase="na-bcc"),
    ]
    assert held_by(jobs) == {
        ("na2s", "phonon", "i-phonon"): FAILED,
        ("na-bcc", "elastic", "i-elastic"): WAITING,
    }


def test_an_earlier_submission_that_is_held_counts_as_well():
    jobs = [
        job("static", RUNNING, final=True, flow="f1"),
        job("static", DONE, final=True, flow="f2"),
    ]
    assert held_by(jobs) == {("na2s", "static", "i-relax"): RUNNING}


class Task(SimpleNamespace):
    def model_copy(self, update):
        return Task(**{**vars(self), **update})


@pytest.fixture
def plan(monkeypatch):
    """A plan of two phases; the intended fingerprint of a property is called i-PROPERTY."""
    monkeypatch.setattr(submission, "intended_fingerprint", lambda engine, p, methods: SimpleNamespace(id=f"i-{p}"))

    def make(**properties):
        tasks = tuple(Task(phase=phase, properties=props, methods=None) for phase, props in properties.items())
        missing = tuple(
            SimpleNamespace(phase=t.phase, property=p, core_seconds=10.0) for t in tasks for p in t.properties
        )
        return SimpleNamespace(tasks=tasks, missing=missing, engine=None)

    return make


def test_what_is_held_stays_out_of_the_order(plan):
    made = plan(a=("relax", "static"), b=("static", "phonon"), c=("relax",))
    held = {("b", "static", "i-static"): FAILED, ("c", "relax", "i-relax"): RUNNING}
    found = choose(made, held)
    assert [(o.task.phase, o.task.properties, o.core_seconds) for o in found.orders] == [
        ("a", ("relax", "static"), 20.0),
        ("b", ("phonon",), 10.0),
    ]
    assert found.held == {("b", "static"): FAILED, ("c", "relax"): RUNNING}
    assert found.core_seconds == 30.0


def test_what_builds_on_a_relaxation_in_the_queue_has_to_wait(plan):
    found = choose(plan(a=("relax", "static", "phonon")), {("a", "relax", "i-relax"): WAITING})
    assert found.orders == ()
    assert found.later == (("a", "static"), ("a", "phonon"))


def test_other_settings_are_other_work(plan):
    found = choose(plan(a=("relax",)), {("a", "relax", "i-of-another-protocol"): RUNNING})
    assert [o.task.phase for o in found.orders] == ["a"]


class Queue:
    """A queue that notes the order of questions, and has some uuids already."""

    name = "queue"

    def __init__(self, taken=()):
        self.asked, self.taken, self.flows = [], set(taken), []

    def attempts(self, phases):
        self.asked.append("attempts")
        return dict.fromkeys(phases, 2)

    def jobs(self, selection):
        assert selection == Selection(phases=("a",))
        self.asked.append("jobs")
        return ()

    def submit(self, flow):
        if flow in self.taken:
            raise AlreadySubmitted("taken")
        self.flows.append(flow)
        return 3


def test_submissions_are_counted_before_jobs_and_jobs_before_results(plan):
    """Whatever comes in between is then seen twice rather than not at all."""
    queue = Queue()

    def plan_now():
        queue.asked.append("plan")
        return plan(a=("relax",))

    made, found, attempts = dispatch(plan_now, queue, ["a"])
    assert queue.asked == ["attempts", "jobs", "plan"]
    assert (len(found.orders), attempts) == (1, {"a": 2})
    assert made.tasks[0].phase == "a"


def test_what_someone_else_was_faster_with_is_told_and_the_rest_goes_out(monkeypatch):
    monkeypatch.setattr(submission, "make_flow", lambda task, engine, attempt: flow_uuid(task.phase, attempt))
    queue = Queue(taken={flow_uuid("b", 1)})
    orders = [Order(Task(phase=p), cost) for p, cost in (("a", 1.0), ("b", 3.0), ("c", 2.0))]
    told = []
    done = submission.submit(orders, None, queue, {"a": 0, "b": 1, "c": 5}, tell=lambda *said: told.append(said))
    assert done.taken == ["b"]
    assert done.jobs == {"c": 3, "a": 3}
    assert told == [("c", 3), ("a", 3)]
    assert queue.flows == [flow_uuid("c", 5), flow_uuid("a", 0)]


def test_uuids_differ_by_phase_and_attempt():
    assert len({flow_uuid(p, n) for p in ("na2s", "na2s2-alpha") for n in range(3)}) == 6
    assert flow_uuid("na2s", 0) == flow_uuid("na2s", 0)
