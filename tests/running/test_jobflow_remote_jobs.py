"""Documents of jobflow-remote's jobs, as its runner leaves them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from nawf.running.backend import Cause, Stage
from nawf.running.jobflow_remote_jobs import STAGES, job_states

START = datetime(2026, 11, 20, 10, 0, 0)


def document(number, name, state, *, uuid=None, index=1, parents=(), prop="phonon", final=False, **more):
    metadata = {
        "campaign": "c",
        "phase": "na2s",
        "property": prop,
        "final": final,
        "engine": "vasp",
        "intent": "abc",
    }
    return {
        "db_id": str(number),
        "uuid": uuid or f"u{number}",
        "index": index,
        "worker": "main",
        "state": state,
        "parents": list(parents) or None,
        "remote": {"process_id": "77"},
        "job": {"name": f"{name} na2s", "hosts": ["inner", "flow"], "metadata": {"nawf": metadata}},
        "created_on": START + timedelta(seconds=number),
        "updated_on": START,
    } | more


def test_every_state_of_jobflow_remote_has_a_stage():
    states = pytest.importorskip("jobflow_remote.jobs.state")
    assert set(STAGES) == {state.value for state in states.JobState}
    running = {state.value for state in states.RUNNING_STATES}
    assert {name for name, stage in STAGES.items() if stage is Stage.RUNNING} <= running


def test_what_a_document_says():
    (job,) = job_states([document(1, "vasp_displaced 003", "RUNNING", start_time=START, run_dir="/w/1")])
    assert (job.phase, job.property, job.step, job.flow) == ("na2s", "phonon", "vasp_displaced 003", "flow")
    assert (job.stage, job.place.worker, job.place.queue_id) == (Stage.RUNNING, "main", "77")
    assert job.since == START.replace(tzinfo=UTC)
    assert job.elapsed_s > 0
    (ended,) = job_states([document(1, "x", "COMPLETED", start_time=START, end_time=START + timedelta(seconds=90))])
    assert ended.elapsed_s == 90


def test_what_waits_behind_a_stopped_job_is_blocked():
    """A phase that fails its checks stops what comes next; what comes after that waits for ever."""
    jobs = job_states(
        [
            document(1, "symmetrise_relaxed", "COMPLETED", prop="relax", final=True),
            document(2, "displace", "STOPPED", parents=["u1"]),
            document(3, "vasp_forces", "WAITING", parents=["u2"]),
            document(4, "analyse_phonons", "WAITING", parents=["u2", "u3"], final=True),
            document(5, "vasp_static", "WAITING", parents=["u6"], prop="static"),
            document(6, "vasp_relax", "FAILED", prop="relax"),
        ]
    )
    stages = {job.step: job.stage for job in jobs}
    assert stages["displace"] is stages["vasp_forces"] is stages["analyse_phonons"] is Stage.BLOCKED
    # Behind one that failed it waits for a retry.
    assert stages["vasp_static"] is Stage.WAITING


def test_a_replaced_job_counts_by_its_last():
    jobs = job_states(
        [
            document(1, "vasp_forces", "COMPLETED"),
            document(2, "vasp_displaced 001", "STOPPED"),
            document(3, "store_inputs", "WAITING", uuid="u1", index=2, parents=["u2"]),
            document(4, "analyse_phonons", "WAITING", parents=["u1"], final=True),
        ]
    )
    assert [job.stage for job in jobs] == [Stage.DONE, Stage.BLOCKED, Stage.BLOCKED, Stage.BLOCKED]
    assert [job.final for job in jobs] == [False, False, False, True]


def test_an_error_is_told_with_its_cause():
    remote = {
        "process_id": "77",
        "queue_err": "slurmstepd: error: *** JOB 77 ON n CANCELLED AT x DUE TO TIME LIMIT ***",
    }
    failed = document(1, "vasp_relax", "FAILED", remote=remote, error="The job was likely killed before completing")
    (job,) = job_states([failed])
    assert (job.stage, job.cause) == (Stage.FAILED, Cause.WALLTIME)
    assert "likely killed" in job.error
    (gone,) = job_states(
        [document(1, "vasp_relax", "REMOTE_ERROR", remote={"error": "Remote error: submission failed"})]
    )
    assert (gone.stage, gone.cause) == (Stage.FAILED, Cause.QUEUE)
    (fine,) = job_states([document(1, "vasp_relax", "COMPLETED")])
    assert (fine.cause, fine.reason, fine.error) == (None, "", "")
