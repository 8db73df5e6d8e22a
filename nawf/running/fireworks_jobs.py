"""What FireWorks' documents say of jobs, as records, and what the cluster's queue adds to it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nawf.flows.phase import METADATA_KEY
from nawf.running.backend import Cause, JobState, Place, Stage
from nawf.running.causes import classify

STOPPED_KEY = "stopped_by_user"
"""In the metadata of a job that :mod:`nawf.running.fireworks_actions` took out of the queue while it ran."""

STAGES: Mapping[str, Stage] = {
    "WAITING": Stage.WAITING,
    "READY": Stage.WAITING,
    "RESERVED": Stage.WAITING,
    "RUNNING": Stage.RUNNING,
    "COMPLETED": Stage.DONE,
    "FIZZLED": Stage.FAILED,
    "PAUSED": Stage.STOPPED,
    # By a job of the flow: a phase that did not pass its checks.
    "DEFUSED": Stage.BLOCKED,
}
_FORMAT = "%A|%T|%r|%N"
_USUAL = frozenset({"Priority", "Resources", "None", "Prolog", "BeginTime", "Dependency"})
_QUEUE_PATIENCE_S = 60
_MOST_LETTERS = 20_000


@dataclass(frozen=True)
class Launched:
    """A firework with its last launch, the flow it came with, and what it waits for."""

    firework: Mapping[str, Any]
    launch: Mapping[str, Any]
    flow: str
    parents: tuple[int, ...]


def fireworks_of(launchpad: Any, query: Mapping[str, Any]) -> list[Launched]:
    """Fireworks that match, oldest first."""
    fields = [
        "fw_id",
        "name",
        "state",
        f"spec.{METADATA_KEY}",
        "spec._category",
        "launches",
        "created_on",
        "updated_on",
    ]
    found = list(launchpad.fireworks.find({"state": {"$ne": "ARCHIVED"}, **query}, fields).sort("fw_id", 1))
    last = [f["launches"][-1] for f in found if f["launches"]]
    drop = {"fworker": 0, "trackers": 0}
    launches = {d["launch_id"]: d for d in launchpad.launches.find({"launch_id": {"$in": last}}, drop)}
    flows: dict[int, str] = {}
    parents: dict[int, list[int]] = {}
    nodes = [f["fw_id"] for f in found]
    for workflow in launchpad.workflows.find({"nodes": {"$in": nodes}}, ["nodes", "links", "metadata"]):
        name = workflow["metadata"].get(METADATA_KEY, {}).get("flow", "")
        flows |= dict.fromkeys(workflow["nodes"], name)
        for parent, children in workflow["links"].items():
            for child in children:
                parents.setdefault(child, []).append(int(parent))
    return [
        Launched(
            f,
            launches.get(f["launches"][-1], {}) if f["launches"] else {},
            flows.get(f["fw_id"], ""),
            tuple(parents.get(f["fw_id"], ())),
        )
        for f in found
    ]


def job_states(found: Sequence[Launched]) -> tuple[JobState, ...]:
    """Records of jobs; what waits behind a job that was stopped by its flow is blocked."""
    by_id = {one.firework["fw_id"]: one for one in found}
    known: dict[int, Stage] = {}

    def stage(one: Launched) -> Stage:
        own = _stage(one)
        if one.firework["state"] != "WAITING":
            return own
        for parent in one.parents:
            if parent in by_id:
                if parent not in known:
                    known[parent] = stage(by_id[parent])
                if known[parent] is Stage.BLOCKED:
                    return Stage.BLOCKED
        return own

    return tuple(_record(one, stage(one)) for one in found)


def _stage(one: Launched) -> Stage:
    state = one.firework["state"]
    if state == "FIZZLED" and one.firework["spec"][METADATA_KEY].get(STOPPED_KEY):
        return Stage.STOPPED
    return STAGES[state]


def _record(one: Launched, stage: Stage) -> JobState:
    firework, launch = one.firework, one.launch
    metadata = firework["spec"][METADATA_KEY]
    error = _error_text(launch) if stage is Stage.FAILED else ""
    cause, reason = classify(error) if error else (None, "")
    category = firework["spec"].get("_category") or ""
    return JobState(
        id=str(firework["fw_id"]),
        flow=one.flow,
        phase=metadata["phase"],
        property=metadata["property"],
        step=firework["name"].removesuffix(f" {metadata['phase']}"),
        stage=stage,
        backend_state=firework["state"],
        final=bool(metadata.get("final")) and not firework["name"].startswith("store_inputs"),
        campaign=metadata.get("campaign", ""),
        engine=metadata.get("engine", ""),
        protocol=metadata.get("protocol", ""),
        intent=metadata.get("intent", ""),
        place=Place(
            worker=category if isinstance(category, str) else ",".join(category),
            host=launch.get("host") or "" if firework["state"] in ("RUNNING", "COMPLETED", "FIZZLED") else "",
            queue_id=_queue_id(launch),
        ),
        since=_utc(firework.get("updated_on")),
        elapsed_s=_elapsed_s(launch, stage),
        run_dir=launch.get("launch_dir") or "",
        error=error,
        cause=cause,
        reason=reason,
    )


def _error_text(launch: Mapping[str, Any]) -> str:
    """What ended a launch: what the queue wrote of it, and the exception that FireWorks kept."""
    stored = ((launch.get("action") or {}).get("stored_data") or {}).get("_exception") or {}
    return "\n".join(filter(None, (_queue_error(launch), str(stored.get("_stacktrace") or "")))) or "Lost run"


def _queue_error(launch: Mapping[str, Any]) -> str:
    """What SLURM wrote into the error file of a job that it ended."""
    return "\n".join(line for line in _error_file(launch).splitlines() if "slurmstepd" in line or "oom" in line)


def _error_file(launch: Mapping[str, Any]) -> str:
    """End of the error file of the job of the cluster's queue; FireWorks has it in the folder of the launch."""
    number, folder = _queue_id(launch), launch.get("launch_dir")
    if not number or not folder:
        return ""
    texts = [f.read_text(encoding="utf-8", errors="replace") for f in Path(folder).glob(f"*-{number}.error")]
    return "\n".join(texts)[-_MOST_LETTERS:].strip()


def _queue_id(launch: Mapping[str, Any]) -> str:
    numbers = [entry.get("reservation_id") for entry in launch.get("state_history") or ()]
    return str(next((number for number in reversed(numbers) if number), ""))


def told_by_queue(jobs: Sequence[JobState], launchpad: Any) -> tuple[JobState, ...]:
    """Jobs with what SLURM says of them: why they wait, and that they are gone.

    FireWorks does not hear of a job that was killed: it stays in the launchpad as if it ran.
    """
    asked = [job for job in jobs if job.backend_state in ("RESERVED", "RUNNING") and job.place.queue_id]
    if not asked or shutil.which("squeue") is None:
        return tuple(jobs)
    facts = _squeue()
    if facts is None:
        return tuple(jobs)
    gone = [job for job in asked if job.place.queue_id not in facts]
    # What ended well since FireWorks was asked has another state by now.
    ids = [int(job.id) for job in gone]
    fields = ["fw_id", "state", "launches"]
    now = {str(d["fw_id"]): d for d in launchpad.fireworks.find({"fw_id": {"$in": ids}}, fields)}
    lost = {job.id: now[job.id] for job in gone if job.id in now and now[job.id]["state"] == job.backend_state}
    ended = {d["launches"][-1]: key for key, d in lost.items() if d["launches"]}
    launches = {ended[d["launch_id"]]: d for d in launchpad.launches.find({"launch_id": {"$in": list(ended)}})}
    return tuple(
        _lost(job, launches[job.id]) if job.id in launches else _told(job, facts.get(job.place.queue_id))
        for job in jobs
    )


def _squeue() -> dict[str, tuple[str, str, str]] | None:
    """State, reason and nodes of the jobs in the queue; None when it does not answer."""
    command = ["squeue", "--noheader", "--me", f"--format={_FORMAT}"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_QUEUE_PATIENCE_S)
    except subprocess.TimeoutExpired:
        return None
    if ended.returncode:
        return None
    rows = [line.split("|", 3) for line in ended.stdout.splitlines() if line.count("|") == 3]
    return {number: (state, reason, nodes) for number, state, reason, nodes in rows}


def _lost(job: JobState, launch: Mapping[str, Any]) -> JobState:
    error = _error_file(launch) or f"Lost run: job {job.place.queue_id} has left the queue, and has not said why"
    cause, reason = classify(error)
    return replace(job, stage=Stage.FAILED, error=error, cause=cause, reason=reason)


def _told(job: JobState, facts: tuple[str, str, str] | None) -> JobState:
    if facts is None:
        return job
    state, reason, nodes = facts
    place = replace(job.place, host=nodes)
    if job.stage is Stage.WAITING and state == "PENDING" and reason not in _USUAL:
        cause = Cause.NODE if "node" in reason.lower() else Cause.QUEUE
        return replace(job, place=place, cause=cause, reason=f"waits in the queue: {reason}")
    return replace(job, place=place)


def _elapsed_s(launch: Mapping[str, Any], stage: Stage) -> float | None:
    history: Iterable[Mapping[str, Any]] = launch.get("state_history") or ()
    start = next((_utc(entry.get("created_on")) for entry in history if entry.get("state") == "RUNNING"), None)
    if start is None:
        return None
    end = next((_utc(e.get("created_on")) for e in history if e.get("state") in ("COMPLETED", "FIZZLED")), None)
    if end is None and stage is Stage.RUNNING:
        end = datetime.now(UTC)
    return (end - start).total_seconds() if end else None


def _utc(time: Any) -> datetime | None:
    """FireWorks keeps times in UTC, some of them as text, without a time zone."""
    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    if not isinstance(time, datetime):
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time
