"""Where steps stand, from a plan and the jobs of a queue; and what is next."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from nawf.campaigns.plan import PlannedStep, StepState
from nawf.cli.status_tables import FEW_PHASES, MOST_LINES, status_tables
from nawf.reports.tables import render
from nawf.running.backend import Cause, JobState, Place, Stage
from nawf.running.status import StepStage, StepStatus, newest, next_commands, status_of


def job(phase, prop, stage, *, step="run", flow="f", final=True, intent="i", **more):
    return JobState(f"{flow}/{phase}/{step}", flow, phase, prop, step, stage, "", final=final, intent=intent, **more)


def plan(*steps):
    return SimpleNamespace(steps=tuple(replace(PlannedStep(*step), intent="i") for step in steps))


def test_store_and_queue_together():
    found = status_of(
        plan(
            ("a", "relax", StepState.DONE, "pass"),
            ("a", "static", StepState.MISSING),
            ("a", "phonon", StepState.MISSING),
            ("b", "relax", StepState.DONE, "fail"),
            ("b", "static", StepState.BLOCKED),
            ("c", "relax", StepState.MISSING),
            ("c", "static", StepState.MISSING),
        ),
        [
            job("a", "relax", Stage.FAILED, flow="old"),
            job("a", "relax", Stage.DONE, flow="f"),
            job("a", "static", Stage.DONE),
            job("a", "phonon", Stage.DONE, step="displace", final=False),
            job("a", "phonon", Stage.RUNNING, step="forces", final=False),
            job("a", "phonon", Stage.WAITING, step="analyse"),
            job("c", "relax", Stage.FAILED, cause=Cause.DISK),
            job("c", "static", Stage.WAITING),
            job("c", "elastic", Stage.RUNNING),
        ],
    )
    assert {(s.phase, s.property): str(s) for s in found.steps} == {
        ("a", "relax"): "done (pass)",
        ("a", "static"): "finished",
        ("a", "phonon"): "running (1/3)",
        ("b", "relax"): "done (fail)",
        ("b", "static"): "blocked",
        ("c", "relax"): "failed",
        ("c", "static"): "waiting",
    }
    # What the campaign does not want, and what was submitted anew, is left out.
    assert [(j.phase, j.property) for j in found.of_stage(Stage.FAILED, Stage.RUNNING)] == [
        ("a", "phonon"),
        ("c", "relax"),
    ]
    assert found.counts == {
        StepStage.FAILED: 1,
        StepStage.RUNNING: 1,
        StepStage.WAITING: 1,
        StepStage.BLOCKED: 1,
        StepStage.FINISHED: 1,
        StepStage.DONE: 2,
    }


def test_without_a_campaign_it_is_what_the_queue_has():
    found = status_of(None, [job("b", "static", Stage.DONE), job("a", "phonon", Stage.WAITING)])
    assert [(s.phase, s.property, str(s)) for s in found.steps] == [
        ("a", "phonon", "waiting"),
        ("b", "static", "finished"),
    ]


def test_a_submission_of_other_settings_does_not_replace_one():
    jobs = [
        job("a", "relax", Stage.FAILED, flow="f1", intent="i1"),
        job("a", "relax", Stage.DONE, flow="f2", intent="i2"),
    ]
    assert newest(jobs) == tuple(jobs)
    again = [*jobs, job("a", "relax", Stage.RUNNING, flow="f3", intent="i1")]
    assert [j.flow for j in newest(again)] == ["f2", "f3"]


@pytest.mark.parametrize(
    ("jobs", "words"),
    [
        ([job("a", "relax", Stage.FAILED, cause=Cause.WALLTIME)], ["nawf resume c"]),
        ([job("a", "relax", Stage.FAILED, cause=Cause.ELECTRONIC)], ["nawf retry c"]),
        (
            [job("a", "relax", Stage.FAILED, cause=Cause.NODE), job("b", "relax", Stage.FAILED, cause=Cause.CODE)],
            ["nawf resume c", "nawf retry c"],
        ),
        ([job("a", "relax", Stage.STOPPED)], ["nawf resume c"]),
        ([job("a", "relax", Stage.WAITING, stuck=True)], ["nawf resume c"]),
        ([job("a", "relax", Stage.WAITING)], []),
        ([job("a", "relax", Stage.DONE)], ["nawf status c --build"]),
        ([], ["nawf submit c"]),
    ],
)
def test_the_next_command(jobs, words):
    steps = [("a", "relax", StepState.MISSING)] + [("b", "relax", StepState.MISSING)] * (len(jobs) > 1)
    commands = next_commands(status_of(plan(*steps), jobs), "c")
    assert [command.partition(":")[0] for command in commands] == words


def test_when_all_is_done_there_are_reports():
    found = status_of(plan(("a", "relax", StepState.DONE, "pass")), [])
    assert next_commands(found, "c") == ["nawf report quality c: see what passed its checks"]


def test_a_failed_job_of_a_step_that_is_done_is_over():
    """It ended well otherwise: on another machine, or with one strained cell less."""
    failed = [
        job("a", "relax", Stage.FAILED, cause=Cause.WALLTIME),
        job("a", "relax", Stage.STOPPED, step="second"),
        job("a", "static", Stage.FAILED, cause=Cause.CODE, step="static"),
    ]
    found = status_of(plan(("a", "relax", StepState.DONE, "pass"), ("a", "static", StepState.BLOCKED)), failed)
    assert (found.jobs, found.past) == ((), tuple(failed))
    assert found.counts == {StepStage.DONE: 1, StepStage.BLOCKED: 1}
    assert [c.partition(":")[0] for c in next_commands(found, "c")] == ["nawf report quality c"]
    titles = [table.title for table in status_tables(found, "Status", [], full=True)]
    assert titles == ["Status", "Phases", "Failed", "Not needed any more"]
    assert status_tables(found, "Status", [], failed_only=True)[0].rows == []
    # A failure that is still in the way is told beside it.
    both = status_of(plan(("a", "relax", StepState.DONE, "pass"), ("a", "static", StepState.MISSING)), failed)
    assert (both.jobs, both.past) == ((failed[2],), tuple(failed[:2]))
    assert [c.partition(":")[0] for c in next_commands(both, "c")] == ["nawf retry c"]


def test_a_cell_that_failed_is_over_when_the_tensor_was_made_without_it():
    cell = job("a", "elastic", Stage.FAILED, cause=Cause.IONIC, step="strained", final=False)
    tensor = job("a", "elastic", Stage.DONE, step="analyse")
    for made in (None, plan(("a", "elastic", StepState.MISSING))):
        found = status_of(made, [cell, tensor])
        assert (found.past, found.counts) == ((cell,), {StepStage.FINISHED: 1})
        assert not any("retry" in command for command in next_commands(found, "c"))
    # Without the tensor it is in the way.
    assert status_of(None, [cell, job("a", "elastic", Stage.WAITING, step="analyse")]).past == ()


@pytest.mark.parametrize("cause", [Cause.WALLTIME, Cause.NODE, Cause.KILLED])
def test_a_cell_that_was_cut_off_goes_on_although_the_tensor_was_made_without_it(cause):
    cell = job("a", "elastic", Stage.FAILED, cause=cause, step="vasp_strained 02", final=False)
    tensor = job("a", "elastic", Stage.DONE, step="analyse")
    for state in (StepState.MISSING, StepState.DONE):
        found = status_of(plan(("a", "elastic", state)), [cell, tensor])
        assert (found.past, found.of_stage(Stage.FAILED)) == ((), (cell,))
        assert next_commands(found, "c")[0].startswith("nawf resume c: ")
    # Where the tensor comes from elsewhere, nothing is made of the cell.
    found = status_of(plan(("a", "elastic", StepState.DONE)), [cell, replace(tensor, stage=Stage.WAITING)])
    assert found.past == (cell,)


def test_a_step_that_its_own_flow_has_begun_anew_is_the_new_one():
    """The first strained cell, which the others wait for, goes on beside them where it was cut off."""
    first = job("a", "elastic", Stage.FAILED, cause=Cause.WALLTIME, step="vasp_strained 01", final=False)
    for stage in (Stage.WAITING, Stage.RUNNING, Stage.DONE, Stage.FAILED):
        again = replace(first, id="again", stage=stage)
        assert newest([first, again]) == (again,)
    other = replace(first, id="other", step="vasp_strained 02")
    assert newest([first, other]) == (first, other)
    # Jobs of jobflow that only hand on have one name.
    handing_on = [replace(first, id=n, step="store_inputs") for n in "ab"]
    assert newest(handing_on) == tuple(handing_on)


def test_a_failed_job_of_other_settings_is_not_over():
    other = job("a", "relax", Stage.FAILED, cause=Cause.CODE, intent="of other settings")
    found = status_of(plan(("a", "relax", StepState.DONE, "pass")), [other])
    assert (found.jobs, found.past) == ((other,), ())


@pytest.fixture
def many():
    """94 phases, of which one runs and fifteen failed."""
    steps = [(f"p{n:02d}", "relax", StepState.DONE, "pass") for n in range(78)]
    steps += [(f"q{n:02d}", "relax", StepState.MISSING) for n in range(16)]
    failed = [
        job(f"q{n:02d}", "relax", Stage.FAILED, cause=Cause.DISK, reason="No space left", run_dir="/w")
        for n in range(15)
    ]
    running = job("q15", "relax", Stage.RUNNING, elapsed_s=7200.0, place=Place("main", "node1", "77"))
    return status_of(plan(*steps), [*failed, running])


def test_many_phases_stay_readable(many):
    text = "\n".join(render(table) for table in status_tables(many, "Status", ["94 phases"]))
    assert "p00" not in text
    assert "78 phases of which nothing runs or failed are left out" in text
    assert "2.0 h" in text or "120 min" in text
    assert f"{15 - MOST_LINES} more; --all lists them" in text
    assert "15 disk" in text
    assert len(status_tables(many, "Status", [], full=True)[1].rows) == 94 > FEW_PHASES
    assert [table.title for table in status_tables(many, "Status", [], failed_only=True)] == ["Failed"]
    assert len(status_tables(many, "Status", [], failed_only=True)[0].rows) == 15


def test_machines_get_where_and_how_long(many):
    tables = status_tables(many, "Status", [], full=True)
    assert [table.title for table in tables] == ["Status", "Phases", "Running", "Failed"]
    (row,) = tables[2].rows
    assert (row["elapsed_s"], row["host"], row["queue_id"]) == (7200.0, "node1", "77")
    assert {row["cause"] for row in tables[3].rows} == {"disk"}


def test_progress_is_shown_where_it_tells_something():
    assert str(StepStatus("a", "phonon", StepStage.WAITING, "", 0, 9)) == "waiting"
    assert str(StepStatus("a", "relax", StepStage.RUNNING, "", 0, 1)) == "running"
