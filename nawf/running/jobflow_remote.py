"""The queue of jobflow-remote: phase flows in its database, which its runner takes to the workers.

Everything goes through jobflow-remote's own classes, by its project file; nawf adds what to run where, and reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from nawf.flows.phase import METADATA_KEY
from nawf.running.backend import (
    AlreadySubmitted,
    JobState,
    Outcome,
    Selection,
    Tail,
)
from nawf.running.jobflow_remote_actions import cancel, resume, retry
from nawf.running.jobflow_remote_jobs import PROJECTION, job_states
from nawf.running.jobflow_remote_project import check_project, load_project, quietly, reached
from nawf.running.jobflow_remote_queue import with_queue_facts
from nawf.running.step_kinds import MANY_CELLS, StepKind, calculations
from nawf.running.tails import tail_of
from nawf.settings import ClusterSettings

PATIENCE = timedelta(minutes=10)
"""Between writing a flow and writing its jobs."""
_META = f"job.metadata.{METADATA_KEY}"


class JobflowRemote:
    """A project of jobflow-remote as a queue (:class:`nawf.running.backend.Backend`)."""

    name = "jobflow-remote"

    def __init__(self, cluster: ClusterSettings) -> None:
        """Read the project file.

        Raises
        ------
        QueueError
            When jobflow-remote is not installed, or the project is not there or not usable.
        """
        self._cluster = cluster
        self._project = load_project(cluster.project)

    @property
    def is_here(self) -> bool:
        """Nodes of a cluster are other machines, and ``pre_run`` may load what is not loaded here."""
        worker = self._project.workers.get(self._worker(StepKind.RELAX))
        return worker is not None and worker.is_local and worker.scheduler_type == "shell" and not worker.pre_run

    def check(self, location: str) -> None:
        check_project(self._project, self._cluster, self._controller, location)

    def attempts(self, phases: Sequence[str]) -> dict[str, int]:
        key = f"metadata.{METADATA_KEY}.phase"
        fields = ["metadata", "jobs", "created_on"]
        with self._reached():
            flows = list(self._controller.flows.find({key: {"$in": list(phases)}}, projection=fields))
            unfinished = self._coming_in(flows)
        counts = dict.fromkeys(phases, 0)
        for flow in flows:
            if flow["_id"] not in unfinished:
                counts[flow["metadata"][METADATA_KEY]["phase"]] += 1
        return counts

    def _coming_in(self, flows: Sequence[Mapping[str, Any]]) -> set[Any]:
        """Flows of which someone is about to write the jobs: they are not counted, so that their uuid is refused.

        Who takes longer than ``PATIENCE`` is taken to have died.
        """
        now = datetime.now(UTC)
        new = [flow for flow in flows if now - flow["created_on"].replace(tzinfo=UTC) < PATIENCE]
        wanted = [uuid for flow in new for uuid in flow["jobs"]]
        if not wanted:
            return set()
        there = set(self._controller.jobs.distinct("uuid", {"uuid": {"$in": wanted}}))
        return {flow["_id"] for flow in new if not there.issuperset(flow["jobs"])}

    def jobs(self, selection: Selection) -> tuple[JobState, ...]:
        query: dict[str, Any] = {f"{_META}.phase": {"$exists": True}}
        if selection.campaign:
            query[f"{_META}.campaign"] = selection.campaign
        if selection.phases:
            query[f"{_META}.phase"] = {"$in": list(selection.phases)}
        with self._reached():
            documents = list(self._controller.get_jobs(query, PROJECTION))
        with quietly():
            found = with_queue_facts(job_states(documents), self._project)
        return tuple(job for job in found if selection.has(job))

    def submit(self, flow: Any) -> int:
        """Put the flow of a phase into the database, each job with its worker and resources.

        jobflow-remote's database has a unique index on the uuid of flows: of two submissions of one uuid, it takes
        one. Both write their flow before their jobs, so nothing is left of the one that it refuses; and a flow counts
        as an attempt once its jobs are there, so nobody makes the next uuid without seeing them.
        """
        from jobflow_remote import submit_flow

        self.assign(flow)
        with self._reached():
            try:
                return len(submit_flow(flow, worker=self._worker(StepKind.RELAX), project=self._project.name))
            except ValueError as error:
                if "uplicate" not in str(error):
                    raise
                raise AlreadySubmitted(
                    "was submitted by someone else just now", where=flow.name, hint="see nawf status"
                ) from error

    def assign(self, flow: Any) -> None:
        """Give every job of a flow, and those that come of it later, its worker and its resources."""
        from jobflow_remote import set_run_config

        # Of a job that is replaced by others they would get all settings, whatever they are.
        flow.update_config({"pass_manager_config": False}, attributes="pass_manager_config", dynamic=True)
        engine = flow.metadata[METADATA_KEY]["engine"]
        for name, kind in [("", StepKind.ANALYSIS), *calculations(engine).items()]:
            set_run_config(
                flow,
                name_filter=name,
                worker=self._worker(kind),
                resources=self._resources(kind),
                dynamic=True,
            )

    def tail(self, job: JobState, lines: int = 20) -> Tail | None:
        from jobflow_remote.utils.remote import SharedHosts

        if not job.run_dir or not job.place.worker:
            return None
        with quietly(), SharedHosts(self._project) as hosts:
            host = hosts.get_host(job.place.worker)
            return tail_of(job, lambda command: host.execute(command)[0], lines)

    def retry(self, jobs: Sequence[JobState]) -> Outcome:
        with self._reached():
            return retry(self._controller, jobs)

    def resume(self, jobs: Sequence[JobState]) -> Outcome:
        with self._reached():
            return resume(self._controller, jobs)

    def cancel(self, jobs: Sequence[JobState]) -> Outcome:
        with self._reached():
            return cancel(self._controller, jobs)

    def _worker(self, kind: StepKind) -> str:
        """Worker of a kind of step."""
        main = self._cluster.worker or next(iter(self._project.workers), "")
        if kind is StepKind.ANALYSIS:
            return self._cluster.analysis_worker or main
        return (self._cluster.batch_worker if kind in MANY_CELLS else "") or main

    def _resources(self, kind: StepKind) -> dict[str, Any]:
        """What a kind of step asks of the queue: what its worker does, but for what the settings say.

        Empty means those of the worker; nothing would mean those of the job that makes others.
        """
        own = self._cluster.resources.get(kind.value)
        worker = self._project.workers.get(self._worker(kind))
        if not own or worker is None:
            return {}
        return {key: value for key, value in {**(worker.resources or {}), **own}.items() if value is not None}

    @cached_property
    def _controller(self) -> Any:
        from jobflow_remote import JobController

        with reached(self._project.name):
            return JobController.from_project(self._project)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        with reached(self._project.name):
            yield
