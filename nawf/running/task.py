"""Running the flow of one phase in this process, with a log of its jobs."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator

from nawf.engines.base import EngineSpec
from nawf.engines.registry import build_engine
from nawf.flows.phase import phase_flow
from nawf.progress import Listener, listening
from nawf.results.tasks import PhaseTask
from nawf.running.watched import WatchedJobStore
from nawf.store.location import log_path
from nawf.store.stores import Stores


def run_task(task: PhaseTask, spec: EngineSpec, stores: Stores, listener: Listener) -> None:
    """Run the flow of one phase in this process."""
    from jobflow import run_locally

    flow = phase_flow(task, build_engine(spec))
    store = WatchedJobStore.over(stores.jobs, listener)
    with listening(listener), tempfile.TemporaryDirectory(prefix="nawf-") as scratch:
        run_locally(flow, log=False, store=store, root_dir=scratch, allow_external_references=True)


@contextlib.contextmanager
def job_log(location: str) -> Iterator[None]:
    """Log of the jobs, with tracebacks of failures and libraries' warnings, in a file beside the store."""
    handler = logging.FileHandler(log_path(location), delay=True, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(message)s"))
    loggers = [logging.getLogger("jobflow"), logging.getLogger("py.warnings")]
    before = [(logger.level, logger.propagate) for logger in loggers]
    # Error handlers of VASP runs log under many names; without a handler Python shows that on the terminal.
    logging.getLogger().addHandler(handler)
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
        logging.getLogger().removeHandler(handler)
        handler.close()
