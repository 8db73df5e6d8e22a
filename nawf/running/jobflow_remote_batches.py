"""Jobs that a batch worker of jobflow-remote has, and taking them back.

A batch job of the cluster's queue finds its jobs as files in a folder, one file for each job: first in ``submitted``,
then in ``running``, then in ``run_finished``. Who removes a file from ``submitted`` has the job. jobflow-remote stops
such a job in its database only, and the batch job would calculate it all the same.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STATES = frozenset({"BATCH_SUBMITTED", "BATCH_RUNNING"})

_MOVE_S = 1.0
"""A file is nowhere for an instant, between two folders."""


@contextmanager
def taken_back(project: Any, job: Any) -> Iterator[None]:
    """Take a job from its batch worker; it goes back there if what is done meanwhile fails.

    Raises
    ------
    ValueError
        When a batch job has it already.
    """
    with _handles(project, job) as (host, folders):
        name = f"{job.uuid}_{job.index}"
        was_there = _removed(host, folders.submitted_dir / name)
        if not was_there:
            _refuse_if_taken(folders, job)
        # jobflow-remote would warn that the job cannot be taken from its worker.
        logger = logging.getLogger("jobflow_remote.jobs.jobcontroller")
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            yield
        except BaseException:
            if was_there:
                host.write_text_file(folders.submitted_dir / name, "")
            raise
        finally:
            logger.setLevel(level)


def let_go(project: Any, job: Any) -> None:
    """See that no batch job has a job, nor takes it as it was before; nothing is done where no batch worker is.

    Raises
    ------
    ValueError
        When a batch job is calculating it.
    """
    worker = project.workers.get(job.worker)
    if worker is None or worker.batch is None:
        return
    with _handles(project, job) as (host, folders):
        _removed(host, folders.submitted_dir / f"{job.uuid}_{job.index}")
        if _is_in(folders.get_running(), job):
            raise ValueError("a batch job is still calculating it; try again when it has ended")
        folders.delete_run_finished([one for one in folders.get_run_finished() if one[:2] == (job.uuid, job.index)])


def _refuse_if_taken(folders: Any, job: Any) -> None:
    """In the order in which a file moves; what is nowhere is looked for once more."""
    for pause in (_MOVE_S, 0.0):
        if _is_in(folders.get_running(), job):
            number = job.remote.process_id
            ending = f" (scancel {number} ends it with all that it has)" if number else ""
            raise ValueError(f"a batch job is calculating it, and goes on with it{ending}")
        if _is_in(folders.get_run_finished(), job):
            raise ValueError("it has just ended")
        time.sleep(pause)


def _is_in(listed: list[tuple[str, int, str]], job: Any) -> bool:
    return any((uuid, index) == (job.uuid, job.index) for uuid, index, _ in listed)


def _removed(host: Any, path: Any) -> bool:
    try:
        host.remove(path)
    except FileNotFoundError:
        return False
    return True


@contextmanager
def _handles(project: Any, job: Any) -> Iterator[tuple[Any, Any]]:
    """Host of a worker, and the folders with its files."""
    from jobflow_remote.jobs.batch import RemoteBatchManager
    from jobflow_remote.utils.remote import SharedHosts
    from paramiko.ssh_exception import SSHException

    worker = project.workers[job.worker]
    try:
        with SharedHosts(project) as hosts:
            host = hosts.get_host(job.worker)
            yield host, RemoteBatchManager(host, worker.batch.jobs_handle_dir)
    except (OSError, EOFError, SSHException) as error:
        raise ValueError(f"worker {job.worker} does not answer ({type(error).__name__})") from error
