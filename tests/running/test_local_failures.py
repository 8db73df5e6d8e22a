"""The last word on each step of local runs, from a log as jobflow writes it."""

from __future__ import annotations

from nawf.running.backend import Cause
from nawf.running.local_failures import local_failures

FAILED = """\
2026-11-20 09:58:51,583 18170 run_relax na2s failed with exception:
Traceback (most recent call last):
  File "/lib/jobflow/core/job.py", line 656, in run
    response = function()
nawf.errors.CalculationError: na2s relax: VASP ended without a result: vasprun.xml breaks off after 2 ionic steps

2026-11-20 09:58:51,600 18170 Finished executing jobs locally
"""
FINISHED = """\
2026-11-20 10:00:00,000 18170 Starting job - run_relax na2s (6cc1b54f-19bb-43d7-8d88-04c5704cb887)
2026-11-20 10:00:01,000 18170 Finished job - run_relax na2s (6cc1b54f-19bb-43d7-8d88-04c5704cb887)
"""


def found(tmp_path, text, phases=("na2s",)):
    (tmp_path / "nawf.log").write_text(text)
    return local_failures(tmp_path / "nawf.log", set(phases))


def test_a_failure_has_its_cause_and_its_traceback(tmp_path):
    (failure,) = found(tmp_path, FAILED)
    assert (failure.phase, failure.step, failure.cause) == ("na2s", "run_relax", Cause.KILLED)
    assert failure.reason.startswith("na2s relax: VASP ended")
    assert "Finished executing" not in failure.error


def test_what_ended_well_since_is_forgotten(tmp_path):
    assert found(tmp_path, FAILED + FINISHED) == ()
    assert len(found(tmp_path, FAILED + FINISHED + FAILED)) == 1
    assert len(found(tmp_path, FAILED + FAILED)) == 1
    assert len(found(tmp_path, FAILED + FINISHED.replace("run_relax na2s", "run_relax na2s2-alpha"))) == 1


def test_other_phases_and_no_log(tmp_path):
    assert found(tmp_path, FAILED, ("na-bcc",)) == ()
    assert local_failures(tmp_path / "none.log", {"na2s"}) == ()
