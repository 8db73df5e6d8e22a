"""Releasing jobs that a killed runner of jobflow-remote holds.

The runner locks a job while it moves it on. One that is killed between handing a job to SLURM and writing its number
down leaves a job that runs and seems not to: released as it is, it would run twice. So the queue and the
folder of the job are asked first.
"""

from __future__ import annotations

import shlex
from typing import Any

from nawf.running.backend import JobState


def release(controller: Any, job: JobState) -> None:
    """Unlock a job and its flow, in the state that it is in by now."""
    values = _state_by_now(controller, job) if job.backend_state == "UPLOADED" else {}
    if values:
        controller.set_job_doc_properties(values, db_id=job.id, break_lock=True)
    controller.unlock_jobs(db_ids=[job.id])
    controller.unlock_flows(db_ids=[job.id])


def _state_by_now(controller: Any, job: JobState) -> dict[str, str]:
    """What to write of a job whose files are where it runs: submitted, run, or (empty) none of it."""
    from jobflow_remote.utils.remote import SharedHosts

    worker = controller.project.workers[job.place.worker]
    if worker.scheduler_type != "slurm" or not job.run_dir:
        return {}
    with SharedHosts(controller.project) as hosts:
        host = hosts.get_host(job.place.worker)
        queued, _, code = host.execute("squeue -h -o '%A|%Z'")
        # The folder of a job that is begun again is emptied first, so what is there is of this time.
        _, _, not_run = host.execute(f"test -e {shlex.quote(job.run_dir)}/jfremote_out.json")
    if code:
        raise ValueError("the queue of the cluster does not answer, and it may have the job")
    for line in queued.splitlines():
        number, _, folder = line.partition("|")
        if folder == job.run_dir:
            return {"state": "SUBMITTED", "remote.process_id": number}
    if not_run:
        return {}
    return {"state": "DOWNLOADED" if worker.is_local else "RUN_FINISHED"}
