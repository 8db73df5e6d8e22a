"""Running a plan on this machine: one phase at a time, or several in worker processes.

Every finished job is committed to the raw store before the next one starts. Stopping at any moment, by Ctrl-C or
by force, loses at most the job that was running.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nawf.campaigns.plan import Plan
from nawf.engines.launchers import available_cores, usual_workers
from nawf.phases.library import Library
from nawf.progress import Event, Listener, State
from nawf.results.tasks import PhaseTask
from nawf.running.pool import run_in_workers
from nawf.running.task import job_log, run_task
from nawf.store.builder import build
from nawf.store.stores import open_stores


@dataclass(frozen=True)
class Failure:
    """A step that ended without a result."""

    phase: str
    step: str
    message: str


@dataclass
class RunSummary:
    """What a run did."""

    failures: list[Failure] = field(default_factory=list)
    built: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def choose_workers(
    n_tasks: int, workers: int, threads: int, device: str, processes: int | None = 1
) -> tuple[int, int]:
    """Workers and threads for each, where 0 asks for a good choice: cores are shared out, a GPU has one worker.

    Parameters
    ----------
    n_tasks, workers, threads : int
    device : str
    processes : int or None
        Of one calculation, see :func:`nawf.engines.launchers.usual_workers`.
    """
    cores = available_cores()
    if workers == 0:
        workers = usual_workers(processes) if device == "cpu" else 1
    workers = max(1, min(workers, n_tasks))
    return workers, threads or max(1, cores // workers)


def run_plan(
    plan: Plan,
    location: str,
    *,
    workers: int = 1,
    listener: Listener | None = None,
    library: Library | None = None,
) -> RunSummary:
    """Do what a plan lacks.

    Parameters
    ----------
    plan : Plan
    location : str
        Store that jobs write to and results are built in.
    workers : int
        Phases calculated at a time, each in a process of its own if more than one.
    listener : callable, optional
        Is told of every :class:`nawf.progress.Event`.
    library : Library, optional
        Where to look for the phase that a relaxed crystal may have become; the shipped phases, if not given.

    Returns
    -------
    RunSummary
        Failed steps do not stop the other phases.
    """
    summary = RunSummary()
    tasks = sorted(plan.tasks, key=lambda task: -_cost(plan, task))

    def tell(event: Event) -> None:
        if event.state is State.FAILED:
            summary.failures.append(Failure(event.phase, event.step, event.message))
        if listener is not None:
            listener(event)

    with open_stores(location) as stores:

        def finished(phase: str) -> None:
            done = build(stores, phases=[phase], library=library)
            summary.built += done.built
            summary.refused += done.refused

        if workers <= 1:
            with job_log(location):
                for task in tasks:
                    try:
                        run_task(task, plan.engine.spec, stores, tell)
                    finally:
                        finished(task.phase)
        else:
            run_in_workers(tasks, plan.engine.spec, location, workers, tell, finished)
    return summary


def _cost(plan: Plan, task: PhaseTask) -> float:
    return sum(s.core_seconds for s in plan.missing if s.phase == task.phase)
