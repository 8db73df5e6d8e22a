"""Tables of ``nawf status``: a summary, the steps of each phase, and the jobs that run, fail or wait in vain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nawf.cli.output import duration
from nawf.reports.tables import Column, Table
from nawf.results.tasks import PROPERTIES
from nawf.running.backend import JobState, Stage
from nawf.running.status import Status, StepStage

if TYPE_CHECKING:
    from nawf.running.backend import Tail

PHASES = "Phases"
"""Title of the table that lists them."""
FEW_PHASES = 24
"""So many are listed one by one; of more, only those that are neither done nor untouched."""
MOST_LINES = 12
"""Of running and of failed jobs, unless all are asked for."""
_QUIET = frozenset({StepStage.DONE, StepStage.MISSING, StepStage.BLOCKED, StepStage.WAITING})


def status_tables(
    status: Status, title: str, notes: Sequence[str], *, full: bool = False, failed_only: bool = False
) -> list[Table]:
    """Tables for people and for machines.

    Parameters
    ----------
    status : Status
    title : str
    notes : sequence of str
        Below the first table.
    full : bool
        List every phase and every job.
    failed_only : bool
        List failures only, all of them.
    """
    tables = [] if failed_only else [_summary(status, title, notes), *_steps(status, full)]
    running = status.of_stage(Stage.RUNNING)
    if running and not failed_only:
        tables.append(_running(running, full))
    held_up = tuple(job for job in status.of_stage(Stage.WAITING, Stage.RUNNING) if job.reason)
    if held_up and not failed_only:
        tables.append(_held_up(held_up, full))
    failed = status.of_stage(Stage.FAILED)
    if failed or failed_only or full:
        tables.append(_failed(failed, full or failed_only, notes if failed_only else ()))
    if status.past and full and not failed_only:
        tables.append(_past(status.past))
    return tables


def past_note(past: Sequence[JobState]) -> str:
    """What a table says of jobs that ended badly and that nobody needs."""
    phases = len({job.phase for job in past})
    where = f"{phases} phase" + ("s" if phases > 1 else "")
    return f"{len(past)} jobs of {where} ended badly, and nothing needs them any more; --all lists them"


def _properties(status: Status) -> list[str]:
    there = {step.property for step in status.steps}
    return [p for p in PROPERTIES if p in there] + sorted(there - set(PROPERTIES))


def _summary(status: Status, title: str, notes: Sequence[str]) -> Table:
    properties = _properties(status)
    rows = []
    for stage in StepStage:
        counts = Counter(step.property for step in status.steps if step.stage is stage)
        if counts:
            rows.append({"stage": str(stage), "all": sum(counts.values()), **{p: counts[p] for p in properties}})
    columns = [
        Column("stage", "steps"),
        Column("all", "all", "d"),
        *(Column(p, p, "d") for p in properties),
    ]
    return Table(title, columns, rows[::-1], notes)


def _steps(status: Status, full: bool) -> list[Table]:
    by_phase: dict[str, dict[str, str]] = {}
    stages: dict[str, set[StepStage]] = {}
    for step in status.steps:
        by_phase.setdefault(step.phase, {})[step.property] = str(step)
        stages.setdefault(step.phase, set()).add(step.stage)
    shown = list(by_phase)
    notes = []
    if not full and len(by_phase) > FEW_PHASES:
        shown = [phase for phase in by_phase if not stages[phase] <= _QUIET]
        left = len(by_phase) - len(shown)
        notes = [f"{left} phases of which nothing runs or failed are left out; --all lists them"]
    if not shown:
        return []
    columns = [Column("phase", "phase"), *(Column(p, p) for p in _properties(status))]
    return [Table(PHASES, columns, [{"phase": phase, **by_phase[phase]} for phase in shown], notes)]


def _running(jobs: Sequence[JobState], full: bool) -> Table:
    longest = sorted(jobs, key=lambda job: -(job.elapsed_s or 0.0))
    return Table("Running", [*_JOB, Column("since", "for"), *_WHERE], *_cut([_row(j) for j in longest], full))


def _held_up(jobs: Sequence[JobState], full: bool) -> Table:
    columns = [*_JOB, Column("reason", "why"), *_WHERE]
    return Table("Held up", columns, *_cut([_row(j) for j in jobs], full))


def _failed(jobs: Sequence[JobState], full: bool, notes: Sequence[str]) -> Table:
    columns = [*_JOB, Column("cause", "cause"), Column("reason", "reason"), *_WHERE]
    causes = Counter(str(job.cause) for job in jobs)
    listed = ", ".join(f"{n} {cause}" for cause, n in causes.most_common())
    rows, more = _cut([_row(j) for j in jobs], full)
    return Table("Failed", columns, rows, [*([listed] if listed else []), *more, *notes])


def _past(jobs: Sequence[JobState]) -> Table:
    columns = [*_JOB, Column("stage", "job"), Column("cause", "cause"), Column("reason", "reason"), *_WHERE]
    note = "What they were for is done without them, or cannot be done; --steps begins them again all the same"
    return Table("Not needed any more", columns, [{**_row(j), "stage": str(j.stage)} for j in jobs], [note])


_JOB = (Column("phase", "phase"), Column("step", "step"))
_WHERE = (
    Column("worker", "worker"),
    Column("host", "host"),
    Column("queue_id", "job"),
    Column("elapsed_s", "", for_machines=True),
    Column("run_dir", "", for_machines=True),
)


def _row(job: JobState) -> Mapping[str, object]:
    return {
        "phase": job.phase,
        "step": job.step,
        "cause": str(job.cause) if job.cause else None,
        "reason": job.reason,
        "since": None if job.elapsed_s is None else duration(job.elapsed_s),
        "worker": job.place.worker,
        "host": job.place.host,
        "queue_id": job.place.queue_id,
        "elapsed_s": job.elapsed_s,
        "run_dir": job.run_dir,
    }


def _cut(rows: list[Mapping[str, object]], full: bool) -> tuple[list[Mapping[str, object]], list[str]]:
    if full or len(rows) <= MOST_LINES:
        return rows, []
    return rows[:MOST_LINES], [f"{len(rows) - MOST_LINES} more; --all lists them"]


def tails_text(tails: Sequence[tuple[JobState, Tail]]) -> str:
    """Ends of files, each under a line that says of what."""
    parts = [f"{job.phase} {job.step}: end of {tail.file}\n{_indented(tail.text)}\n" for job, tail in tails]
    return "\n".join(parts)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
