"""Retry, resume and cancel jobs of FireWorks, one by one: each either is changed, or says why not."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

from nawf.flows.phase import METADATA_KEY
from nawf.running.backend import JobState, Outcome
from nawf.running.fireworks_jobs import STOPPED_KEY

_STOPPED = f"spec.{METADATA_KEY}.{STOPPED_KEY}"


def retry(launchpad: Any, jobs: Sequence[JobState]) -> Outcome:
    """Begin failed jobs again; so are those that FireWorks takes to run, and that have left the queue."""
    return _each(jobs, lambda job: _again(launchpad, job))


def resume(launchpad: Any, jobs: Sequence[JobState]) -> Outcome:
    """Go on with jobs that were stopped; those that failed begin again, VASP from its last geometry."""

    def one(job: JobState) -> None:
        if _state(launchpad, job) == "PAUSED":
            launchpad.resume_fw(int(job.id))
        else:
            _again(launchpad, job)

    return _each(jobs, one)


def cancel(launchpad: Any, jobs: Sequence[JobState]) -> Outcome:
    """Take jobs out of the queue.

    What waits for others goes first: some steps may start when what they wait for is stopped.
    """

    def one(job: JobState) -> None:
        state = _state(launchpad, job)
        if state == "RUNNING":
            # Said before it is done: the job may find the time to write that it was killed.
            launchpad.fireworks.update_one({"fw_id": int(job.id)}, {"$set": {_STOPPED: True}})
            _scancel(job.place.queue_id)
            if _state(launchpad, job) == "RUNNING":
                launchpad.mark_fizzled(_launch_id(launchpad, job))
            return
        if state == "RESERVED":
            _scancel(job.place.queue_id)
            launchpad.cancel_reservation(_launch_id(launchpad, job))
        if launchpad.pause_fw(int(job.id)) is None:
            raise ValueError(f"it is {_state(launchpad, job)} by now")

    return _each(sorted(jobs, key=lambda job: job.backend_state != "WAITING"), one)


def _again(launchpad: Any, job: JobState) -> None:
    state = _state(launchpad, job)
    if state in ("WAITING", "READY"):
        return  # with another one that it comes after
    if state == "RESERVED":
        launchpad.cancel_reservation(_launch_id(launchpad, job))
    elif state == "RUNNING":
        launchpad.mark_fizzled(_launch_id(launchpad, job))
    elif state != "FIZZLED":
        raise ValueError(f"it is {state} by now")
    launchpad.fireworks.update_one({"fw_id": int(job.id)}, {"$unset": {_STOPPED: ""}})
    if state != "RESERVED":
        launchpad.rerun_fw(int(job.id))


def _each(jobs: Sequence[JobState], action: Callable[[JobState], None]) -> Outcome:
    from fireworks.core.launchpad import LockedWorkflowError

    changed: list[JobState] = []
    refused: list[tuple[JobState, str]] = []
    for job in jobs:
        try:
            action(job)
        except LockedWorkflowError:
            refused.append((job, "another process is at work on its workflow; try again in a minute"))
        except ValueError as error:
            refused.append((job, str(error).splitlines()[0]))
        else:
            changed.append(job)
    return Outcome(tuple(changed), tuple(refused))


def _scancel(number: str) -> None:
    """Take a job out of the cluster's queue; one that has just left it is no fault."""
    if number:
        with contextlib.suppress(FileNotFoundError):
            subprocess.run(["scancel", number], capture_output=True, check=False, timeout=60)


def _state(launchpad: Any, job: JobState) -> str:
    found = launchpad.fireworks.find_one({"fw_id": int(job.id)}, ["state"])
    if found is None:
        raise ValueError("it is not in the queue any more")
    return str(found["state"])


def _launch_id(launchpad: Any, job: JobState) -> int:
    found = launchpad.fireworks.find_one({"fw_id": int(job.id)}, ["launches"])
    if found is None or not found["launches"]:
        raise ValueError("it has never been started")
    return int(found["launches"][-1])
