"""What the documents of jobflow-remote's jobs say, as records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from nawf.flows.phase import METADATA_KEY
from nawf.running.backend import Cause, JobState, Place, Stage
from nawf.running.causes import classify

PROJECTION = [
    "db_id",
    "uuid",
    "index",
    "worker",
    "state",
    "previous_state",
    "parents",
    "remote",
    "error",
    "run_dir",
    "start_time",
    "end_time",
    "updated_on",
    "created_on",
    "lock_id",
    "lock_time",
    "job.name",
    "job.hosts",
    f"job.metadata.{METADATA_KEY}",
]

STALE_LOCK_S = 600.0
"""A runner holds a job for seconds while it moves it on; one that was killed holds it for ever."""

STAGES: Mapping[str, Stage] = {
    "WAITING": Stage.WAITING,
    "READY": Stage.WAITING,
    "CHECKED_OUT": Stage.WAITING,
    "UPLOADED": Stage.WAITING,
    "SUBMITTED": Stage.WAITING,
    "BATCH_SUBMITTED": Stage.WAITING,
    "RUNNING": Stage.RUNNING,
    "BATCH_RUNNING": Stage.RUNNING,
    "RUN_FINISHED": Stage.RUNNING,
    "DOWNLOADED": Stage.RUNNING,
    "COMPLETED": Stage.DONE,
    "FAILED": Stage.FAILED,
    "REMOTE_ERROR": Stage.FAILED,
    "PAUSED": Stage.STOPPED,
    "USER_STOPPED": Stage.STOPPED,
    # By a job of the flow: a phase that did not pass its checks.
    "STOPPED": Stage.BLOCKED,
}


def job_states(documents: Iterable[Mapping[str, Any]]) -> tuple[JobState, ...]:
    """Records of jobs, oldest first; what waits behind a job that was stopped by its flow is blocked.

    A job that was replaced by a flow is in the database twice, under one uuid: what comes after waits for the last.
    """
    ordered = sorted(documents, key=lambda d: (d["created_on"], d["index"]))
    last = {d["uuid"]: d for d in ordered}
    ends: dict[str, Stage] = {}
    return tuple(_record(d, _stage(d, last, ends)) for d in ordered)


def _stage(document: Mapping[str, Any], last: Mapping[str, Mapping[str, Any]], ends: dict[str, Stage]) -> Stage:
    stage = STAGES[document["state"]]
    if document["state"] != "WAITING":
        return stage
    for uuid in document["parents"] or ():
        parent = last.get(uuid)
        if parent is None or parent is document:
            continue
        if uuid not in ends:
            ends[uuid] = _stage(parent, last, ends)
        if ends[uuid] is Stage.BLOCKED:
            return Stage.BLOCKED
    return stage


def _record(document: Mapping[str, Any], stage: Stage) -> JobState:
    metadata = document["job"]["metadata"][METADATA_KEY]
    remote = document.get("remote") or {}
    error = error_text(document) if stage is Stage.FAILED else remote.get("error") or ""
    cause, reason = classify(error) if error else (None, "")
    held_since = _utc(document.get("lock_time")) if document.get("lock_id") else None
    stuck = held_since is not None and (datetime.now(UTC) - held_since).total_seconds() > STALE_LOCK_S
    if stuck:
        cause, reason = Cause.QUEUE, f"held since {held_since:%Y-%m-%d %H:%M} UTC by a runner that is gone"
    return JobState(
        id=str(document["db_id"]),
        flow=document["job"]["hosts"][-1],
        phase=metadata["phase"],
        property=metadata["property"],
        step=document["job"]["name"].removesuffix(f" {metadata['phase']}"),
        stage=stage,
        backend_state=document["state"],
        final=bool(metadata.get("final")) and not document["job"]["name"].startswith("store_inputs"),
        campaign=metadata.get("campaign", ""),
        engine=metadata.get("engine", ""),
        protocol=metadata.get("protocol", ""),
        intent=metadata.get("intent", ""),
        place=Place(worker=document["worker"], queue_id=str(remote.get("process_id") or "")),
        since=_utc(document["updated_on"]),
        elapsed_s=_elapsed_s(document, stage),
        run_dir=document.get("run_dir") or "",
        error=error,
        cause=cause,
        reason=reason,
        stuck=stuck,
    )


def error_text(document: Mapping[str, Any]) -> str:
    """All that is held of an error: of the queue first, whose word on a killed job is the last."""
    remote = document.get("remote") or {}
    parts: Sequence[str | None] = (
        remote.get("queue_err"),
        document.get("error"),
        remote.get("error"),
        remote.get("queue_out"),
    )
    return "\n".join(part.strip() for part in parts if part and part.strip())


def _elapsed_s(document: Mapping[str, Any], stage: Stage) -> float | None:
    start = _utc(document.get("start_time"))
    if start is None:
        return None
    end = _utc(document.get("end_time")) or (datetime.now(UTC) if stage is Stage.RUNNING else None)
    return (end - start).total_seconds() if end else None


def _utc(time: datetime | None) -> datetime | None:
    """MongoDB keeps times in UTC and gives them without a time zone."""
    if time is None:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time
