"""``nawf status``: where a campaign stands; ``nawf retry``, ``resume`` and ``cancel``: what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nawf.cli.as_submitted import options_for, set_up_as_submitted
from nawf.cli.context import Setup, set_up, settings_for
from nawf.cli.options import (
    EngineOption,
    FormatOption,
    OutOption,
    PhasesOption,
    ProtocolOption,
    StoreOption,
    StructuresOption,
    comma_separated,
)
from nawf.cli.output import emit, emit_tables
from nawf.errors import InputError
from nawf.reports.tables import Format, Table, render

if TYPE_CHECKING:
    from nawf.campaigns.plan import Plan
    from nawf.running.backend import Backend, JobState, Outcome, Selection
    from nawf.running.status import Status
    from nawf.settings import Settings

QueuedCampaign = Annotated[
    str | None, typer.Argument(metavar="[CAMPAIGN]", help="Campaign; without it, everything in the queue.")
]
ViaOption = Annotated[
    str | None, typer.Option("--via", help="jobflow-remote or fireworks, instead of `via` of the settings.")
]
StepsOption = Annotated[
    str | None,
    typer.Option("--steps", metavar="NAME,NAME...", help="Only these: properties, or steps such as vasp_displaced."),
]
CauseOption = Annotated[
    str | None, typer.Option("--cause", metavar="NAME,NAME...", help="Only what failed so, such as walltime,node.")
]
_TAILS = 3
"""Of failed jobs, where nobody asked for failures."""


def status(
    campaign: QueuedCampaign = None,
    via: ViaOption = None,
    store: StoreOption = None,
    engine: EngineOption = None,
    protocol: ProtocolOption = None,
    phases: PhasesOption = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only what failed: all of it, with the end of the right file of each.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="List every phase and every job.")] = False,
    build: Annotated[bool, typer.Option("--build", help="Build what has finished first.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again and again, until Ctrl-C, which is no error: exit code 0.")
    ] = False,
    interval: Annotated[float, typer.Option("--interval", min=1.0, help="Seconds between looks.")] = 10.0,
    structures: StructuresOption = None,
    fmt: FormatOption = Format.TABLE,
    out: OutOption = None,
) -> None:
    """Say where a campaign stands: done, running, waiting, failed and why, and which command is next.

    It looks into the store and into the queue; a campaign has the engine that it was submitted with. With a store in
    a file, and no --via, there is no queue: it looks into the store and its log.
    """
    from nawf.campaigns.schema import load_campaign

    settings = settings_for(store, structures)
    if campaign:
        load_campaign(campaign)  # what is wrong with it is said first
    backend = _backend(settings, via)
    setup = None
    if campaign and (engine or protocol):
        setup = set_up(campaign, settings, engine=engine, protocol=protocol, phases=comma_separated(phases))
    elif campaign:
        setup = set_up_as_submitted(campaign, settings, phases, backend)
    if backend is None and setup is None:
        raise InputError(
            "which campaign?", hint="nawf status CAMPAIGN; nawf campaigns lists those that come with nawf"
        )

    def look() -> Status:
        return _look(setup, backend, settings, _selection(campaign, setup, phases), build)

    def tables(found: Status) -> list[Table]:
        return _tables(found, setup, backend, campaign, full=everything or fmt is not Format.TABLE, failed=failed)

    if watch:
        from nawf.cli.status_watch import watch as watch_it

        if out is not None or fmt is not Format.TABLE:
            raise InputError("--watch shows tables", hint="leave --format and --out out, or --watch")
        watch_it(lambda lines: _fitting(tables(look()), None if everything else lines), interval)
        return
    found = look()
    emit_tables(tables(found), fmt, out)
    if fmt is Format.TABLE and backend is not None:
        emit(_tails(found, backend, all_of_them=failed))


def _fitting(tables: list[Table], lines: int | None) -> str:
    """Text of tables; without the one of the phases where all do not fit on the screen."""
    from nawf.cli.status_tables import PHASES

    text = "\n".join(render(table) for table in tables)
    if lines is None or text.count("\n") <= lines:
        return text
    return "\n".join(render(table) for table in tables if table.title != PHASES)


def _backend(settings: Settings, via: str | None) -> Backend | None:
    from nawf.running.queues import open_backend
    from nawf.store.location import is_mongo

    if not via and not is_mongo(settings.store):
        return None
    return open_backend(settings.cluster, via)


def _selection(campaign: str | None, setup: Setup | None, phases: str | None, **more: tuple[str, ...]) -> Selection:
    """What is meant: of a campaign, its phases, whichever campaign they were submitted with."""
    from nawf.running.backend import Selection

    chosen = tuple(phase.id for phase in setup.phases) if setup is not None else comma_separated(phases)
    return Selection(phases=chosen, steps=more.get("steps", ()))


def _look(
    setup: Setup | None, backend: Backend | None, settings: Settings, selection: Selection, build: bool
) -> Status:
    from nawf.running.local_failures import local_failures
    from nawf.running.status import Status, status_of
    from nawf.store.location import log_path

    # The queue first: what ends in between is then seen as running, and not as missing.
    jobs = backend.jobs(selection) if backend is not None else ()
    plan = _plan(setup, build) if setup is not None else None
    found = status_of(plan, jobs)
    if backend is None:
        return Status(found.steps, local_failures(Path(log_path(settings.store)), set(found.phases)))
    return found


def _plan(setup: Setup, build: bool) -> Plan:
    """What the store has of a campaign; nothing is written unless it is to be built."""
    from nawf.campaigns.plan import make_plan
    from nawf.cli.run import plan_now
    from nawf.store.stores import open_stores, store_exists

    if build:
        return plan_now(setup)
    arguments = (setup.campaign, setup.phases, setup.engine)
    if not store_exists(setup.settings.store):
        return make_plan(*arguments, None)
    with open_stores(setup.settings.store, read_only=True) as stores:
        return make_plan(*arguments, stores.results)


def _tables(
    found: Status, setup: Setup | None, backend: Backend | None, campaign: str | None, *, full: bool, failed: bool
) -> list[Table]:
    from nawf.cli.status_tables import past_note, status_tables
    from nawf.running.status import next_commands

    counts = ", ".join(f"{n} {stage}" for stage, n in reversed(list(found.counts.items()))) or "nothing is there"
    notes = [f"{len(found.phases)} phases: {counts}"]
    if setup is not None:
        spec = setup.engine.spec
        notes.append(f"Engine {spec.name}, protocol {spec.protocol}")
    if found.past:
        notes.append(past_note(found.past))
    options = options_for(setup) if setup is not None else ""
    commands = next_commands(found, campaign or "", options)
    if backend is None:
        commands = (
            [f"nawf run {campaign}{options}"] if any(s.value in ("missing", "failed") for s in found.counts) else []
        )
    notes += [f"Next: {command}" for command in commands]
    title = f"Status of {setup.campaign.name}" if setup is not None else "Status of the queue"
    title += f" ({backend.name})" if backend is not None else ""
    return status_tables(found, title, notes, full=full, failed_only=failed)


def _tails(found: Status, backend: Backend, *, all_of_them: bool) -> str:
    from nawf.cli.status_tables import tails_text
    from nawf.running.backend import Stage

    failed = found.of_stage(Stage.FAILED)
    shown = failed if all_of_them else failed[:_TAILS]
    tails = [(job, tail) for job in shown if (tail := backend.tail(job)) is not None]
    return "\n" + tails_text(tails) if tails else ""


def retry(
    campaign: QueuedCampaign = None,
    via: ViaOption = None,
    phases: PhasesOption = None,
    steps: StepsOption = None,
    cause: CauseOption = None,
    store: StoreOption = None,
    structures: StructuresOption = None,
) -> None:
    """Begin failed jobs again. Runs of VASP and GPAW go on from their last geometry."""
    from nawf.running.backend import Stage

    _act("retry", (Stage.FAILED,), campaign, via, phases, steps, cause, store, structures)


def resume(
    campaign: QueuedCampaign = None,
    via: ViaOption = None,
    phases: PhasesOption = None,
    steps: StepsOption = None,
    cause: CauseOption = None,
    store: StoreOption = None,
    structures: StructuresOption = None,
) -> None:
    """Go on with what was cancelled or paused, and with what was cut off: by its time, its node, or killed.

    Runs of VASP and GPAW go on from their last geometry.
    """
    from nawf.running.backend import Stage

    _act("resume", (Stage.STOPPED, Stage.FAILED), campaign, via, phases, steps, cause, store, structures)


def cancel(
    campaign: QueuedCampaign = None,
    via: ViaOption = None,
    phases: PhasesOption = None,
    steps: StepsOption = None,
    store: StoreOption = None,
    structures: StructuresOption = None,
) -> None:
    """Take waiting and running jobs out of the queue, but for cells that a batch job is calculating.

    They can be resumed.
    """
    from nawf.running.backend import Stage

    _act("cancel", (Stage.WAITING, Stage.RUNNING), campaign, via, phases, steps, None, store, structures)


_DONE = {"retry": "begun again", "resume": "resumed", "cancel": "cancelled"}


def _act(
    action: str,
    stages: tuple[object, ...],
    campaign: str | None,
    via: str | None,
    phases: str | None,
    steps: str | None,
    cause: str | None,
    store: str | None,
    structures: Sequence[Path] | None,
) -> None:
    from nawf.campaigns.schema import load_campaign
    from nawf.cli.status_tables import past_note
    from nawf.running.queues import open_backend
    from nawf.running.status import newest, past_jobs

    settings = settings_for(store, structures)
    if campaign:
        load_campaign(campaign)  # what is wrong with it is said first
    backend = open_backend(settings.cluster, via)
    setup = set_up_as_submitted(campaign, settings, phases, backend) if campaign else None
    found = newest(backend.jobs(_selection(campaign, setup, phases, steps=comma_separated(steps))))
    causes = _causes(cause)
    jobs = [
        job
        for job in found
        if (job.stage in stages or (action == "resume" and job.stuck))
        and (not causes or job.cause in causes)
        and _is_for(action, job, bool(causes))
    ]
    # Of steps that are named, everything is meant.
    if jobs and action != "cancel" and not steps:
        past = past_jobs(_plan(setup, build=False) if setup is not None else None, found)
        jobs = [job for job in jobs if job not in past]
        if past:
            typer.echo(past_note(past), err=True)
    outcome: Outcome = getattr(backend, action)(jobs)
    _report(action, outcome)


def _is_for(action: str, job: JobState, by_cause: bool) -> bool:
    """Of what failed, ``resume`` takes what was cut off, unless it is told what."""
    from nawf.running.backend import Stage

    if action != "resume" or job.stuck or job.stage is Stage.STOPPED or by_cause:
        return True
    return job.cause is not None and job.cause.is_resumable


def _causes(text: str | None) -> tuple[object, ...]:
    from nawf.running.backend import Cause

    try:
        return tuple(Cause(name) for name in comma_separated(text))
    except ValueError:
        known = ", ".join(Cause)
        raise InputError(f"unknown cause in {text!r}", where="--cause", hint=f"choose from {known}") from None


def _report(action: str, outcome: Outcome) -> None:
    phases = {job.phase for job in outcome.changed}
    done = _DONE[action]
    typer.echo(f"{len(outcome.changed)} jobs of {len(phases)} phases {done}" if phases else f"nothing {done}")
    for job, reason in outcome.refused:
        typer.echo(f"  not {done}: {job.phase} {job.step}: {reason}", err=True)
    if outcome.refused:
        raise typer.Exit(1)
