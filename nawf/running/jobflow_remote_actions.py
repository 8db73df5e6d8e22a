"""Retry, resume and cancel jobs of jobflow-remote, one by one: each either is changed, or says why not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nawf.running.backend import JobState, Outcome
from nawf.running.jobflow_remote_batches import STATES as WITH_A_BATCH
from nawf.running.jobflow_remote_batches import let_go, taken_back
from nawf.running.jobflow_remote_locks import release

PATIENCE_S = 10
"""For a lock of the runner, which holds one while it advances a job."""

_STEPS_BEFORE_A_RUN = frozenset({"CHECKED_OUT", "UPLOADED", "SUBMITTED", "RUNNING", "RUN_FINISHED", "DOWNLOADED"})
_FAILED = frozenset({"FAILED", "REMOTE_ERROR"})
_FILE_IS_GONE = "does not exist"
_WAS_GONE_ON_FROM = "The child of Job"
"""Begins jobflow-remote's refusal of a job whose children have done without it."""


def retry(controller: Any, jobs: Sequence[JobState]) -> Outcome:
    """Begin failed jobs again, or repeat the step at which the runner gave up."""
    return _each(jobs, lambda job: _retried(controller, job))


def resume(controller: Any, jobs: Sequence[JobState]) -> Outcome:
    """Go on with jobs that were stopped, or are held; those that failed begin again, VASP from its last geometry."""

    def one(job: JobState) -> None:
        if job.stuck:
            release(controller, job)
        elif (info := _info(controller, job)).state.value in ("PAUSED", "USER_STOPPED"):
            let_go(controller.project, info)
            controller.resume_job(db_id=job.id, wait=PATIENCE_S)
        else:
            _retried(controller, job)

    return _each(jobs, one)


def cancel(controller: Any, jobs: Sequence[JobState]) -> Outcome:
    """Take jobs out of the queue, but for those that a batch job of it is calculating.

    What waits for others goes first: some steps may start when what they wait for is stopped.
    """
    by_kind = sorted(jobs, key=lambda job: job.backend_state != "WAITING")

    def one(job: JobState) -> None:
        info = _info(controller, job)
        if info.state.value == "WAITING":
            controller.pause_job(db_id=job.id, wait=PATIENCE_S)
        elif info.state.value in WITH_A_BATCH:
            with taken_back(controller.project, info):
                controller.stop_job(db_id=job.id, wait=PATIENCE_S)
        else:
            controller.stop_job(db_id=job.id, wait=PATIENCE_S)

    return _each(by_kind, one)


def _retried(controller: Any, job: JobState) -> None:
    info = _info(controller, job)
    state = info.state.value
    if state in ("WAITING", "READY"):
        return  # with another one that it comes after
    before = info.previous_state.value if info.previous_state else ""
    error = info.remote.error or ""
    if state == "REMOTE_ERROR" and before in _STEPS_BEFORE_A_RUN and _FILE_IS_GONE not in error:
        controller.retry_job(db_id=job.id, wait=PATIENCE_S)
        return
    if state not in _FAILED:
        raise ValueError(f"it is {state} by now")
    let_go(controller.project, info)
    try:
        controller.rerun_job(db_id=job.id, wait=PATIENCE_S)
    except ValueError as refusal:
        if not str(refusal).startswith(_WAS_GONE_ON_FROM) or _info(controller, job).state.value not in _FAILED:
            raise
        # What builds on it did without it (the strained cells that collecting them may lack): it is repeated too.
        controller.rerun_job(db_id=job.id, wait=PATIENCE_S, force=True)


def _each(jobs: Sequence[JobState], action: Callable[[JobState], None]) -> Outcome:
    from jobflow_remote.utils.db import LockedDocumentError

    changed: list[JobState] = []
    refused: list[tuple[JobState, str]] = []
    for job in jobs:
        try:
            action(job)
        except LockedDocumentError:
            refused.append((job, "the runner is at work on it; try again in a minute"))
        except ValueError as error:
            refused.append((job, _why(str(error))))
        else:
            changed.append(job)
    return Outcome(tuple(changed), tuple(refused))


def _why(message: str) -> str:
    if "not the last index" in message or "not the highest index" in message:
        return "what came of it has been calculated already"
    return message.splitlines()[0] if message else "jobflow-remote refuses"


def _info(controller: Any, job: JobState) -> Any:
    found = controller.get_job_info(db_id=job.id)
    if found is None:
        raise ValueError("it is not in the queue any more")
    return found
