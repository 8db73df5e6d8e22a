"""A calculation of two atoms through the whole configured path, and back from the store."""

from __future__ import annotations

import contextlib
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from nawf.engines.base import Engine
from nawf.engines.preflight import findings, refuse
from nawf.engines.registry import build_engine, engine_spec
from nawf.results.outputs import StaticResult
from nawf.results.tasks import PhaseTask
from nawf.running.backend import Backend, Selection, Stage
from nawf.running.doctor import Check, Mark
from nawf.running.doctor_engines import SODIUM
from nawf.settings import Settings
from nawf.store.stores import Stores, open_stores, store_exists


@runtime_checkable
class Forgets(Protocol):
    """A queue that can delete a flow."""

    def forget(self, flow: str) -> None:
        """Delete a flow and its jobs."""
        ...


DEFAULT_ENGINE = "chgnet-r2scan"
_AREA = "whole path"
_POLL_S = 1.0
_ENDED = (Stage.FAILED, Stage.STOPPED, Stage.BLOCKED)


def two_atoms(settings: Settings, engine: str, patience_s: float) -> Iterator[Check]:
    """Static calculation of body-centred cubic sodium, where the settings say that jobs run."""
    built = build_engine(engine_spec(engine or DEFAULT_ENGINE, device=settings.device))
    task = PhaseTask(
        phase=f"nawf-doctor-{uuid.uuid4().hex[:8]}",
        campaign="nawf-doctor",
        properties=("static",),
        start=SODIUM,
        relaxed=SODIUM,
        methods=built.methods(),
        card={},
    )
    backend = _configured_backend(settings)
    started = time.monotonic()
    if backend is None:
        refuse(findings(built, [task]), built.spec.name, "nawf doctor")
        yield _here(task, built, settings, started)
    else:
        yield _through(backend, task, built, settings, patience_s, started)


def _configured_backend(settings: Settings) -> Backend | None:
    """The queue of the settings; None where nobody has set one up, and campaigns are run with ``nawf run``."""
    from nawf.running.queues import open_backend

    if settings.cluster.via == "fireworks":
        return open_backend(settings.cluster)
    import importlib.util

    if importlib.util.find_spec("jobflow_remote") is None:
        return None
    from jobflow_remote.config.manager import ConfigManager

    if not settings.cluster.project and not ConfigManager().projects:
        return None
    return open_backend(settings.cluster)


def _here(task: PhaseTask, engine: Engine, settings: Settings, started: float) -> Check:
    """Run in this process, with the store of the settings; one that is not there yet is not made for it."""
    from nawf.running.task import run_task

    with contextlib.ExitStack() as stack:
        location = settings.store
        if not store_exists(location):
            location = str(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nawf-doctor-"))) / "nawf.db")
        stores = stack.enter_context(open_stores(location))
        try:
            run_task(task, engine.spec, stores, lambda _event: None)
            result = _read_back(stores, task.phase)
        finally:
            _forget(stores, task.phase)
    if result is None:
        log = "the job failed; its error is in the log beside the store, or run with --debug"
        return Check(_AREA, "two atoms", Mark.BAD, f"{engine.spec.name}: no result came back", log)
    return _told(result, engine, "in this process", started)


def _through(
    backend: Backend, task: PhaseTask, engine: Engine, settings: Settings, patience_s: float, started: float
) -> Check:
    """Submit, wait, and read from the store."""
    from nawf.running.submit import make_flow

    backend.check(settings.store)
    flow = make_flow(task, engine, 0)
    backend.submit(flow)
    name = f"two atoms via {backend.name}"
    chosen = Selection(phases=(task.phase,))
    end = started + patience_s
    try:
        while True:
            jobs = backend.jobs(chosen)
            bad = next((job for job in jobs if job.stage in _ENDED), None)
            if bad is not None:
                found = f"{bad.step}: {bad.backend_state}: {bad.reason or bad.error[-200:]}"
                return Check(_AREA, name, Mark.BAD, found, f"its folder is {bad.run_dir or 'not known'}")
            if jobs and all(job.stage is Stage.DONE for job in jobs):
                break
            if time.monotonic() > end:
                states = ", ".join(sorted({job.backend_state for job in jobs}))
                advice = "is the runner running, and the queue of the cluster not full? --patience waits longer"
                return Check(_AREA, name, Mark.BAD, f"{states} after {patience_s:.0f} s", advice)
            time.sleep(_POLL_S)
        with open_stores(settings.store) as stores:
            result = _read_back(stores, task.phase)
        if result is None:
            advice = "compare jobstore of the project with store of nawf.yaml"
            return Check(_AREA, name, Mark.BAD, "the jobs are done, and nothing came into the store", advice)
        return _told(result, engine, f"via {backend.name}", started)
    finally:
        _clear(backend, flow.uuid, chosen, settings)
        if store_exists(settings.store):
            with open_stores(settings.store) as stores:
                _forget(stores, task.phase)


def _told(result: StaticResult, engine: Engine, how: str, started: float) -> Check:
    versions = f"nawf {result.run.versions.get('nawf', '?')}, Python {result.run.versions.get('python', '?')}"
    found = (
        f"{engine.spec.name}: {result.energy_ev_per_atom:.3f} eV/atom from {result.run.host} ({versions}) {how}, "
        f"read back after {time.monotonic() - started:.0f} s"
    )
    return Check(_AREA, "two atoms", Mark.GOOD, found)


def _read_back(stores: Stores, phase: str) -> StaticResult | None:
    document = stores.jobs.query_one({"metadata.nawf.phase": phase, "metadata.nawf.final": True}, load=True)
    return None if document is None else StaticResult.model_validate(_plain(document["output"]))


def _plain(output: Any) -> Any:
    return {k: v for k, v in output.items() if not k.startswith("@")} if isinstance(output, dict) else output


def _forget(stores: Stores, phase: str) -> None:
    """Leave nothing of it in the store."""
    uuids = [d["uuid"] for d in stores.jobs.query({"metadata.nawf.phase": phase}, properties=["uuid"])]
    if uuids:
        stores.data.remove_docs({"job_uuid": {"$in": uuids}})
        stores.jobs.docs_store.remove_docs({"uuid": {"$in": uuids}})


def _clear(backend: Backend, flow: str, chosen: Selection, settings: Settings) -> None:
    """Leave nothing of it in the queue: cancel what still waits or runs, and delete the flow."""
    live = [job for job in backend.jobs(chosen) if job.stage in (Stage.WAITING, Stage.RUNNING)]
    if live:
        backend.cancel(live)
    if isinstance(backend, Forgets):
        backend.forget(flow)
        return
    from jobflow_remote import JobController

    from nawf.running.jobflow_remote_project import load_project

    controller = JobController.from_project(load_project(settings.cluster.project))
    try:
        controller.delete_flows(flow_ids=flow)
    finally:
        controller.close()
