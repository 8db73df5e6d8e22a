"""Submitting what a plan lacks to a queue of jobs, and nothing twice.

What is done is not planned. What the queue has in its hands (waiting, running, failed, stopped) is left to it. Two
submissions at the same time make the same uuid for the flow of a phase, from the phase and the number of submissions
before, and the queue takes a uuid once. A submission counts from when all its jobs are in the queue
(:meth:`nawf.running.backend.Backend.attempts`).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nawf.engines.base import Engine, intended_fingerprint
from nawf.results.tasks import PROPERTIES, PhaseTask
from nawf.running.backend import LIVE, AlreadySubmitted, Backend, JobState, Selection, Stage

if TYPE_CHECKING:
    from nawf.campaigns.plan import Plan

_NAMESPACE = uuid.UUID("6a1c2e52-6f0b-5b0e-9d0c-0f5a8c4e7a11")

Held = Mapping[tuple[str, str, str], Stage]
"""Stage of what a queue has in its hands, by phase, property and intended fingerprint."""


@dataclass(frozen=True)
class Order:
    """What is to be submitted for a phase: its task, and its core-seconds."""

    task: PhaseTask
    core_seconds: float


@dataclass(frozen=True)
class Dispatch:
    """What of a plan goes out, what is held by the queue, and what has to wait for what is held.

    Attributes
    ----------
    orders : tuple of Order
    held : dict
        Stage by phase and property.
    later : tuple of (str, str)
        Phase and property of what builds on a relaxation that is in the queue and not finished.
    """

    orders: tuple[Order, ...]
    held: Mapping[tuple[str, str], Stage]
    later: tuple[tuple[str, str], ...]

    @property
    def core_seconds(self) -> float:
        return sum(order.core_seconds for order in self.orders)


@dataclass
class Submitted:
    """What came of a submission: phases with their number of jobs, and those that someone else was faster with."""

    jobs: dict[str, int] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)


def flow_uuid(phase: str, attempt: int) -> str:
    """Uuid of the flow of a phase, the same for all who submit it after as many submissions."""
    return str(uuid.uuid5(_NAMESPACE, f"{phase}/{attempt}"))


def held_by(jobs: Sequence[JobState]) -> dict[tuple[str, str, str], Stage]:
    """What the queue has in its hands: properties whose last job is still to end well.

    A property of which some job has failed is failed, whatever else of it waits.
    """
    groups: dict[tuple[str, str, str, str], list[JobState]] = {}
    for job in jobs:
        groups.setdefault((job.flow, job.phase, job.property, job.intent), []).append(job)
    held: dict[tuple[str, str, str], Stage] = {}
    for (_, *key), own in groups.items():
        stage = stage_of(own)
        if stage in LIVE:
            held[key[0], key[1], key[2]] = stage
    return held


def stage_of(jobs: Sequence[JobState]) -> Stage:
    """Stage of a property in one submission, from all its jobs."""
    stages = {job.stage for job in jobs}
    if any(job.final and job.stage is Stage.DONE for job in jobs):
        return Stage.DONE
    for stage in (Stage.FAILED, Stage.STOPPED, Stage.RUNNING):
        if stage in stages:
            return stage
    if Stage.BLOCKED in stages:
        return Stage.BLOCKED
    # Something of it is done and the rest waits: it is under way.
    return Stage.RUNNING if Stage.DONE in stages else Stage.WAITING


def choose(plan: Plan, held: Held) -> Dispatch:
    """What of a plan is to be submitted."""
    intents = {p: intended_fingerprint(plan.engine, p, t.methods).id for t in plan.tasks[:1] for p in PROPERTIES}
    costs = {(step.phase, step.property): step.core_seconds for step in plan.missing}
    orders: list[Order] = []
    kept: dict[tuple[str, str], Stage] = {}
    later: list[tuple[str, str]] = []
    for task in plan.tasks:
        own = {p: held[task.phase, p, intents[p]] for p in task.properties if (task.phase, p, intents[p]) in held}
        kept |= {(task.phase, p): stage for p, stage in own.items()}
        free = tuple(p for p in task.properties if p not in own)
        if "relax" in own:
            later += [(task.phase, p) for p in free]
        elif free:
            seconds = sum(costs.get((task.phase, p), 0.0) for p in free)
            orders.append(Order(task.model_copy(update={"properties": free}), seconds))
    return Dispatch(tuple(orders), kept, tuple(later))


def dispatch(
    plan_now: Callable[[], Plan], backend: Backend, phases: Sequence[str]
) -> tuple[Plan, Dispatch, dict[str, int]]:
    """Ask the queue, then the store, and choose; in this order, nothing that ends meanwhile is overlooked.

    Parameters
    ----------
    plan_now : callable
        Builds what has finished, and makes the plan.
    backend : Backend
    phases : sequence of str

    Returns
    -------
    Plan, Dispatch, dict
        The last are the submissions of each phase so far.
    """
    attempts = backend.attempts(phases)
    jobs = backend.jobs(Selection(phases=tuple(phases)))
    plan = plan_now()
    return plan, choose(plan, held_by(jobs)), attempts


def submit(
    orders: Sequence[Order],
    engine: Engine,
    backend: Backend,
    attempts: Mapping[str, int],
    *,
    tell: Callable[[str, int], None] | None = None,
) -> Submitted:
    """Submit phases, the most expensive first.

    Parameters
    ----------
    orders : sequence of Order
    engine : Engine
    backend : Backend
    attempts : mapping
        Submissions of each phase so far.
    tell : callable, optional
        Gets each phase, and how many jobs of it are in the queue.
    """
    done = Submitted()
    for order in sorted(orders, key=lambda order: -order.core_seconds):
        phase = order.task.phase
        try:
            done.jobs[phase] = backend.submit(make_flow(order.task, engine, attempts.get(phase, 0)))
        except AlreadySubmitted:
            done.taken.append(phase)
            continue
        if tell is not None:
            tell(phase, done.jobs[phase])
    return done


def make_flow(task: PhaseTask, engine: Engine, attempt: int) -> Any:
    """Flow of a phase under the uuid of an attempt, with metadata of its own."""
    from jobflow import Flow

    from nawf.flows.phase import METADATA_KEY, phase_flow

    metadata = {
        "campaign": task.campaign,
        "phase": task.phase,
        "properties": list(task.properties),
        "engine": engine.spec.name,
        "protocol": engine.spec.protocol,
    }
    flow = phase_flow(task, engine)
    return Flow([flow], name=task.phase, uuid=flow_uuid(task.phase, attempt), metadata={METADATA_KEY: metadata})
