"""Where a campaign stands: what the store has, what a queue has in its hands, what is missing; and what is next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from nawf.results.tasks import PROPERTIES
from nawf.running.backend import JobState, Stage
from nawf.running.submit import stage_of

if TYPE_CHECKING:
    from nawf.campaigns.plan import Plan

_HANDS_ON = "store_inputs"
"""Name of all jobs of jobflow that hand on the output of others."""


class StepStage(StrEnum):
    """Where a property of a phase stands, from the worst to the best.

    ``FINISHED`` is calculated and not built into the phase store yet. ``BLOCKED`` needs what did not pass its checks.
    """

    FAILED = "failed"
    STOPPED = "stopped"
    RUNNING = "running"
    WAITING = "waiting"
    MISSING = "missing"
    BLOCKED = "blocked"
    FINISHED = "finished"
    DONE = "done"


@dataclass(frozen=True)
class StepStatus:
    """One property of one phase.

    Attributes
    ----------
    phase, property : str
    stage : StepStage
    verdict : str
        Of the gate, where it is done.
    jobs_done, jobs : int
        Of the newest submission.
    """

    phase: str
    property: str
    stage: StepStage
    verdict: str = ""
    jobs_done: int = 0
    jobs: int = 0

    def __str__(self) -> str:
        """As in a cell of a table."""
        if self.stage is StepStage.DONE and self.verdict:
            return f"done ({self.verdict})"
        if self.stage in (StepStage.RUNNING, StepStage.FAILED, StepStage.STOPPED) and self.jobs > 1:
            return f"{self.stage} ({self.jobs_done}/{self.jobs})"
        return str(self.stage)


@dataclass(frozen=True)
class Status:
    """Steps of all phases, and the jobs that they are known by.

    Attributes
    ----------
    steps : tuple of StepStatus
    jobs : tuple of JobState
    past : tuple of JobState
        Jobs that failed or were stopped, of steps that were done without them or cannot be done: nothing comes of
        beginning them again.
    """

    steps: tuple[StepStatus, ...]
    jobs: tuple[JobState, ...]
    past: tuple[JobState, ...] = ()

    @property
    def phases(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(step.phase for step in self.steps))

    @property
    def counts(self) -> Mapping[StepStage, int]:
        """Steps by stage, worst first, those that there are."""
        found = Counter(step.stage for step in self.steps)
        return {stage: found[stage] for stage in StepStage if found[stage]}

    def of_stage(self, *stages: Stage) -> tuple[JobState, ...]:
        """Jobs of some stages."""
        return tuple(job for job in self.jobs if job.stage in stages)


def newest(jobs: Sequence[JobState]) -> tuple[JobState, ...]:
    """Jobs of the newest submission of every phase, property and intended fingerprint.

    A job that failed and whose submission has begun the same step anew is left out.

    Parameters
    ----------
    jobs : sequence of JobState
        Oldest submission first.
    """
    flows = {(job.phase, job.property, job.intent): job.flow for job in jobs}
    last = {(job.flow, job.phase, job.property, job.step): job for job in jobs}

    def is_anew(job: JobState) -> bool:
        is_one_of_many = job.step.startswith(_HANDS_ON)
        other = last[job.flow, job.phase, job.property, job.step]
        return job.stage is Stage.FAILED and not is_one_of_many and other is not job

    return tuple(job for job in jobs if flows[job.phase, job.property, job.intent] == job.flow and not is_anew(job))


def status_of(plan: Plan | None, jobs: Sequence[JobState]) -> Status:
    """Status of a campaign, or (without a plan) of everything in the queue.

    Parameters
    ----------
    plan : Plan or None
        Of what the store has; steps of the queue that it does not want are left out.
    jobs : sequence of JobState
        Oldest submission first.
    """
    current = newest(jobs)
    past = past_jobs(plan, current)
    over = {job.id for job in past}
    left = tuple(job for job in current if job.id not in over)
    queued: dict[tuple[str, str], list[JobState]] = {}
    for job in current:
        queued.setdefault((job.phase, job.property), []).append(job)
    steps = []
    if plan is None:
        keys = sorted(queued, key=lambda key: (key[0], PROPERTIES.index(key[1]) if key[1] in PROPERTIES else 99))
        steps = [_step(*key, queued[key], StepStage.MISSING) for key in keys]
        return Status(tuple(steps), left, past)
    for planned in plan.steps:
        stage = StepStage(planned.state.value)
        own = queued.get((planned.phase, planned.property), [])
        if stage is StepStage.DONE:
            steps.append(StepStatus(planned.phase, planned.property, stage, planned.verdict, *_progress(own)))
        elif stage is StepStage.BLOCKED:
            steps.append(StepStatus(planned.phase, planned.property, stage))
        else:
            steps.append(_step(planned.phase, planned.property, own, stage))
    wanted = {(step.phase, step.property) for step in steps}

    def of_these(found: Sequence[JobState]) -> tuple[JobState, ...]:
        return tuple(job for job in found if (job.phase, job.property) in wanted)

    return Status(tuple(steps), of_these(left), of_these(past))


def past_jobs(plan: Plan | None, jobs: Sequence[JobState]) -> tuple[JobState, ...]:
    """Jobs that failed or were stopped, and that nobody needs: what they were for is done, or cannot be done.

    A strained cell that was cut off is needed also where its submission has made the tensor without it: the cell goes
    on, and the tensor is made again.

    Parameters
    ----------
    plan : Plan or None
        Of what the store has; without it, what the queue says is all that is known.
    jobs : sequence of JobState
        Of the newest submission of each step.
    """
    settled = {
        (step.phase, step.property, step.intent)
        for step in (plan.steps if plan is not None else ())
        if step.state.value in (StepStage.DONE, StepStage.BLOCKED)
    }
    groups: dict[tuple[str, str, str], list[JobState]] = {}
    for job in jobs:
        groups.setdefault((job.phase, job.property, job.intent), []).append(job)
    made = {key for key, own in groups.items() if stage_of(own) is Stage.DONE}

    def is_past(job: JobState) -> bool:
        key = job.phase, job.property, job.intent
        if job.stage not in (Stage.FAILED, Stage.STOPPED):
            return False
        return not _was_cut_off(job) if key in made else key in settled

    return tuple(job for job in jobs if is_past(job))


def _was_cut_off(job: JobState) -> bool:
    return job.stage is Stage.FAILED and job.cause is not None and job.cause.is_resumable


def _step(phase: str, prop: str, jobs: Sequence[JobState], otherwise: StepStage) -> StepStatus:
    if not jobs:
        return StepStatus(phase, prop, otherwise)
    stage = stage_of(jobs)
    found = StepStage.FINISHED if stage is Stage.DONE else StepStage(stage.value)
    return StepStatus(phase, prop, found, "", *_progress(jobs))


def _progress(jobs: Sequence[JobState]) -> tuple[int, int]:
    return sum(job.stage is Stage.DONE for job in jobs), len(jobs)


def next_commands(status: Status, campaign: str, options: str = "") -> list[str]:
    """What to do next, most pressing first; empty when there is nothing.

    Parameters
    ----------
    status : Status
    campaign : str
        Empty for everything in the queue.
    options : str
        For commands that would else take the engine of the campaign.
    """
    name = f" {campaign}" if campaign else ""
    stages = status.counts
    failed = status.of_stage(Stage.FAILED)
    resumable = [job for job in failed if _was_cut_off(job)]
    lines = []
    stuck = any(job.stuck for job in status.jobs)
    if StepStage.STOPPED in stages or stuck or resumable:
        lines.append(f"nawf resume{name}: go on with what was stopped, cut off or held up")
    if len(resumable) < len(failed):
        lines.append(f"nawf retry{name}: begin again what failed, once its cause is seen to (--cause picks some)")
    if StepStage.FINISHED in stages:
        lines.append(f"nawf status{name}{options} --build: build what has finished")
    if StepStage.MISSING in stages and campaign:
        lines.append(f"nawf submit {campaign}{options}: submit what is missing")
    if not lines and campaign and set(stages) <= {StepStage.DONE, StepStage.BLOCKED}:
        lines.append(
            f"nawf report quality {campaign}{options.partition(' --protocol')[0]}: see what passed its checks"
        )
    return lines
