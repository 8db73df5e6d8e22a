"""Worker processes for local runs.

Each worker holds one engine and takes one phase at a time. A worker that dies (out of memory, killed) fails the
phase it had, and another takes its place: one bad phase does not end a campaign.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from nawf.engines.base import EngineSpec
from nawf.progress import Event, Listener, State
from nawf.results.tasks import PhaseTask
from nawf.running.task import job_log, run_task
from nawf.store.stores import open_stores

Finished = Callable[[str], None]

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    task: PhaseTask | None = None
    last: Event | None = None


def run_in_workers(
    tasks: Sequence[PhaseTask],
    spec: EngineSpec,
    location: str,
    n_workers: int,
    tell: Listener,
    finished: Finished,
) -> None:
    """Run tasks in worker processes; ``tell`` and ``finished`` are called in this one.

    Parameters
    ----------
    tasks : sequence of PhaseTask
        Taken in this order.
    spec : EngineSpec
        Engine of every worker; ``spec.threads`` threads each.
    location : str
        Store; every worker opens it for itself.
    n_workers : int
    tell : callable
        Gets every event.
    finished : callable
        Gets the identifier of every phase whose flow has ended.
    """
    waiting = list(reversed(tasks))
    workers: list[_Worker] = []
    try:
        while waiting or any(w.task for w in workers):
            while waiting and len(workers) < n_workers:
                workers.append(_start(spec, location))
            for worker in workers:
                if worker.task is None and waiting:
                    _give(worker, waiting.pop())
            for worker in _ready(workers):
                _listen(worker, workers, tell, finished)
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join()
            worker.pipe.close()


def _start(spec: EngineSpec, location: str) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_work, args=(theirs, spec.model_dump(), location), daemon=True, name="nawf-worker"
    )
    with _threads(spec.threads):
        process.start()
    theirs.close()
    return _Worker(process, ours)


@contextlib.contextmanager
def _threads(number: int) -> Iterator[None]:
    """Limit for the numerical libraries of a new process, which read it when they are loaded."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    if number:
        os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(number)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _give(worker: _Worker, task: PhaseTask) -> None:
    worker.task, worker.last = task, None
    # A worker that died in between is noticed when its pipe is read.
    with contextlib.suppress(BrokenPipeError):
        worker.pipe.send(task.model_dump())


def _ready(workers: list[_Worker]) -> list[_Worker]:
    pipes = set(wait([w.pipe for w in workers]))
    return [w for w in workers if w.pipe in pipes]


def _listen(worker: _Worker, workers: list[_Worker], tell: Listener, finished: Finished) -> None:
    try:
        message = worker.pipe.recv()
    except (EOFError, ConnectionResetError):
        _bury(worker, workers, tell, finished)
        return
    if isinstance(message, Event):
        worker.last = message
        tell(message)
    else:
        phase, worker.task = message, None
        finished(phase)


def _bury(worker: _Worker, workers: list[_Worker], tell: Listener, finished: Finished) -> None:
    workers.remove(worker)
    worker.process.join()
    worker.pipe.close()
    if worker.task is None:
        return
    step = worker.last.step if worker.last else "start"
    code = worker.process.exitcode
    how = f"killed by signal {-code}" if code is not None and code < 0 else f"ended with code {code}"
    tell(Event(worker.task.phase, step, State.FAILED, message=f"the worker process was {how}"))
    finished(worker.task.phase)


def _work(pipe: Connection, spec: dict[str, Any], location: str) -> None:
    """Body of a worker: take tasks until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    # The parent may turn SIGTERM into an orderly stop; a worker just ends, and what it saved is kept.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    engine = EngineSpec.model_validate(spec)
    with open_stores(location) as stores, job_log(location), contextlib.suppress(EOFError, ConnectionError):
        while True:
            task = PhaseTask.model_validate(pipe.recv())
            try:
                run_task(task, engine, stores, pipe.send)
            except Exception as error:  # noqa: BLE001 - reported to the parent, which shows and counts it
                message = f"{type(error).__name__}: {error}"
                pipe.send(Event(task.phase, "start", State.FAILED, message=message))
            pipe.send(task.phase)
