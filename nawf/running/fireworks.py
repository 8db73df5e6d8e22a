"""The queue of FireWorks: phase flows as its workflows, which its queue launcher takes to the cluster.

FireWorks is used by its own files and classes; nawf adds what to run where, and reads. Commands of the cluster's
queue run where nawf is called, as FireWorks' own do.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from nawf.flows.phase import METADATA_KEY
from nawf.running.backend import JobState, Outcome, QueueError, Selection, Tail
from nawf.running.fireworks_actions import cancel, resume, retry
from nawf.running.fireworks_claims import Claims
from nawf.running.fireworks_files import find_files, open_launchpad
from nawf.running.fireworks_jobs import fireworks_of, job_states, told_by_queue
from nawf.running.fireworks_store import TravellingJobStore, can_travel
from nawf.running.step_kinds import MANY_CELLS, StepKind, calculations
from nawf.running.tails import tail_of
from nawf.settings import ClusterSettings, load_settings

_WORDS = {"partition": "queue", "time": "walltime"}
"""Resources that FireWorks' template for SLURM calls otherwise."""


class FireWorksQueue:
    """FireWorks as a queue (:class:`nawf.running.backend.Backend`)."""

    name = "fireworks"

    def __init__(self, cluster: ClusterSettings) -> None:
        """Find FireWorks' files.

        Raises
        ------
        QueueError
            When FireWorks is not installed, or has no ``my_launchpad.yaml``.
        """
        self._cluster = cluster
        self._files = find_files()
        self._location = ""

    @property
    def is_here(self) -> bool:
        return False

    def check(self, location: str) -> None:
        if not can_travel(location):
            raise QueueError(
                f"nawf's store {location} is a file, and jobs of a cluster write to a database",
                where="FireWorks",
                hint="set store: mongodb://... in nawf.yaml",
            )
        with self._reached():
            is_set_up = "fw_id_1" in self._launchpad.fireworks.index_information()
        if not is_set_up:
            raise QueueError("its database has never been set up", where="FireWorks", hint="lpad reset")
        self._location = location

    def attempts(self, phases: Sequence[str]) -> dict[str, int]:
        with self._reached():
            return self._claims.count(phases)

    def jobs(self, selection: Selection) -> tuple[JobState, ...]:
        query: dict[str, Any] = {f"spec.{METADATA_KEY}.phase": {"$exists": True}}
        if selection.campaign:
            query[f"spec.{METADATA_KEY}.campaign"] = selection.campaign
        if selection.phases:
            query[f"spec.{METADATA_KEY}.phase"] = {"$in": list(selection.phases)}
        with self._reached():
            found = told_by_queue(job_states(fireworks_of(self._launchpad, query)), self._launchpad)
        return tuple(job for job in found if selection.has(job))

    def submit(self, flow: Any) -> int:
        """Put the flow of a phase into the launchpad."""
        from jobflow.managers.fireworks import flow_to_workflow

        self.assign(flow)
        store = TravellingJobStore(self._location or load_settings().store)
        metadata = {METADATA_KEY: {**flow.metadata[METADATA_KEY], "flow": flow.uuid}}
        workflow = flow_to_workflow(flow, store, metadata=metadata)
        with self._reached(), self._claims.claimed(flow.uuid, flow.metadata[METADATA_KEY]["phase"]):
            self._launchpad.add_wf(workflow)
        return len(workflow.fws)

    def assign(self, flow: Any) -> None:
        """Give every job of a flow, and those that come of it later, its category and its resources."""
        engine = flow.metadata[METADATA_KEY]["engine"]
        for name, kind in [("", StepKind.ANALYSIS), *calculations(engine).items()]:
            config: dict[str, Any] = {"_queueadapter": self.resources(kind)}
            if category := self._category(kind):
                config["_category"] = category
            flow.update_config({"manager_config": config}, name_filter=name or None, dynamic=True)

    def resources(self, kind: StepKind) -> dict[str, Any]:
        """What a kind of step asks of the queue, in FireWorks' words."""
        own = self._cluster.resources.get(kind.value, {})
        return {_WORDS.get(key, key): value for key, value in own.items()}

    def tail(self, job: JobState, lines: int = 20) -> Tail | None:
        return tail_of(job, _execute, lines)

    def retry(self, jobs: Sequence[JobState]) -> Outcome:
        with self._reached():
            return retry(self._launchpad, jobs)

    def resume(self, jobs: Sequence[JobState]) -> Outcome:
        with self._reached():
            return resume(self._launchpad, jobs)

    def cancel(self, jobs: Sequence[JobState]) -> Outcome:
        with self._reached():
            return cancel(self._launchpad, jobs)

    def forget(self, flow: str) -> None:
        """Delete the workflow of a flow, and that it was ever submitted."""
        with self._reached():
            found = self._launchpad.workflows.find_one({f"metadata.{METADATA_KEY}.flow": flow}, ["nodes"])
            if found is not None:
                self._launchpad.fireworks.delete_many({"fw_id": {"$in": found["nodes"]}})
                self._launchpad.launches.delete_many({"fw_id": {"$in": found["nodes"]}})
                self._launchpad.workflows.delete_one({"_id": found["_id"]})
            self._claims.drop(flow)

    def _category(self, kind: StepKind) -> str:
        """Category of a kind of step; without any, each machine of FireWorks takes each job."""
        main = self._cluster.worker
        if kind is StepKind.ANALYSIS:
            return self._cluster.analysis_worker or main
        return (self._cluster.batch_worker if kind in MANY_CELLS else "") or main

    @cached_property
    def _launchpad(self) -> Any:
        return open_launchpad(self._files.launchpad)

    @property
    def _claims(self) -> Claims:
        return Claims(self._launchpad.db["nawf_flows"], self._launchpad.workflows)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Failures of the database as one line, without what may be secret in them."""
        from pymongo.errors import PyMongoError

        try:
            yield
        except PyMongoError as error:
            raise QueueError(
                f"the database of FireWorks does not answer ({type(error).__name__})",
                where=str(self._files.launchpad),
                hint="is MongoDB running?",
            ) from None


def _execute(command: str) -> str:
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60).stdout
