"""What the queue of the cluster says of jobs that wait or run: where they run, and what they wait for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nawf.running.backend import Cause, JobState, Stage

_FORMAT = "%A|%T|%r|%N"
_USUAL = frozenset({"Priority", "Resources", "None", "Prolog", "BeginTime", "Dependency"})
"""Reasons to wait that pass by themselves."""


def with_queue_facts(jobs: Sequence[JobState], project: Any) -> tuple[JobState, ...]:
    """Jobs with the host that they run on, and with why they wait where that does not pass by itself.

    Workers that are not SLURM's, or cannot be reached, tell nothing.
    """
    asked: dict[str, list[JobState]] = defaultdict(list)
    for job in jobs:
        if job.place.queue_id and job.backend_state in ("SUBMITTED", "RUNNING", "BATCH_RUNNING"):
            asked[job.place.worker].append(job)
    known: dict[str, JobState] = {}
    for worker, own in asked.items():
        facts = _facts(project, worker, sorted({job.place.queue_id for job in own}))
        known |= {job.id: _told(job, facts[job.place.queue_id]) for job in own if job.place.queue_id in facts}
    return tuple(known.get(job.id, job) for job in jobs)


def _facts(project: Any, worker: str, numbers: Sequence[str]) -> dict[str, tuple[str, str, str]]:
    """State, reason and nodes of jobs of SLURM by their number."""
    from jobflow_remote.utils.remote import SharedHosts

    config = project.workers.get(worker)
    if config is None or config.scheduler_type != "slurm":
        return {}
    with SharedHosts(project) as hosts:
        out, _, code = hosts.get_host(worker).execute(f"squeue -h -o '{_FORMAT}' -j {','.join(numbers)}")
    if code:
        return {}
    rows = [line.split("|", 3) for line in out.splitlines() if line.count("|") == 3]
    return {number: (state, reason, nodes) for number, state, reason, nodes in rows}


def _told(job: JobState, facts: tuple[str, str, str]) -> JobState:
    state, reason, nodes = facts
    place = replace(job.place, host=nodes)
    if not job.stuck and job.stage is Stage.WAITING and state == "PENDING" and reason not in _USUAL:
        down = "node" in reason.lower()
        return replace(
            job, place=place, cause=Cause.NODE if down else Cause.QUEUE, reason=f"waits in the queue: {reason}"
        )
    return replace(job, place=place)
