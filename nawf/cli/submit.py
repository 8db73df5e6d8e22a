"""``nawf submit``: hand what a campaign lacks to a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nawf.cli.context import Setup, refuse_unfit_phases, set_up, settings_for
from nawf.cli.options import (
    CampaignArgument,
    EngineOption,
    PhasesOption,
    PropertiesOption,
    ProtocolOption,
    StoreOption,
    StructuresOption,
    comma_separated,
)
from nawf.cli.output import emit_tables
from nawf.cli.plan import cost_text
from nawf.reports.tables import Column, Format, Table

if TYPE_CHECKING:
    from nawf.campaigns.plan import Plan
    from nawf.engines.preflight import Finding
    from nawf.running.submit import Dispatch

ViaOption = Annotated[
    str | None, typer.Option("--via", help="jobflow-remote or fireworks, instead of `via` of the settings.")
]


def submit(
    campaign: CampaignArgument,
    via: ViaOption = None,
    store: StoreOption = None,
    engine: EngineOption = None,
    protocol: ProtocolOption = None,
    phases: PhasesOption = None,
    properties: PropertiesOption = None,
    worker: Annotated[
        str | None, typer.Option("--worker", help="Worker for calculations, instead of that of the settings.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be submitted and what it costs; submit nothing.")
    ] = False,
    structures: StructuresOption = None,
) -> None:
    """Submit a campaign to a cluster: only what is missing, and not what is in the queue already.

    Do it again at any time. Follow it with: nawf status
    """
    from nawf.running.queues import open_backend

    settings = settings_for(store, structures)
    setup = set_up(
        campaign,
        settings,
        engine=engine,
        protocol=protocol,
        phases=comma_separated(phases),
        properties=comma_separated(properties),
    )
    refuse_unfit_phases(setup.phases)
    cluster = settings.cluster.model_copy(update={"worker": worker} if worker else {})
    backend = open_backend(cluster, via)
    backend.check(settings.store)
    from nawf.cli.run import plan_now
    from nawf.engines.preflight import elsewhere, findings, refuse
    from nawf.running import submit as submission

    plan, dispatch, attempts = submission.dispatch(
        lambda: plan_now(setup), backend, [phase.id for phase in setup.phases]
    )
    tasks = [order.task for order in dispatch.orders]
    found = findings(setup.engine, tasks)
    if not backend.is_here:
        found = elsewhere(found)
    if dry_run:
        emit_tables([_table(setup, plan, dispatch, found, backend.name)], Format.TABLE)
        return
    refuse(found, setup.engine.spec.name, f"nawf plan {campaign} --engine {setup.engine.spec.name}")
    for finding in found:
        typer.echo(f"  note: {finding.text}", err=True)
    done = submission.submit(
        dispatch.orders,
        setup.engine,
        backend,
        attempts,
        tell=lambda phase, jobs: typer.echo(f"{phase}: {jobs} jobs", err=True),
    )
    for phase in done.taken:
        typer.echo(f"{phase}: was submitted by someone else just now", err=True)
    for line in _held_back(dispatch, campaign):
        typer.echo(line, err=True)
    if done.jobs:
        count = sum(done.jobs.values())
        typer.echo(
            f"{len(done.jobs)} phases with {count} jobs submitted via {backend.name}; follow them: "
            f"nawf status {campaign}",
            err=True,
        )
    else:
        typer.echo("nothing to submit", err=True)


def _held_back(dispatch: Dispatch, campaign: str) -> list[str]:
    """What was not submitted, and why, in a line for each reason."""
    from nawf.running.backend import Stage

    lines = []
    for stage, command in ((Stage.FAILED, "retry"), (Stage.STOPPED, "resume")):
        names = [f"{phase} {prop}" for (phase, prop), held in dispatch.held.items() if held is stage]
        if names:
            lines.append(f"{stage} in the queue: {_listed(names)}; go on with: nawf {command} {campaign}")
    under_way = sum(held in (Stage.WAITING, Stage.RUNNING) for held in dispatch.held.values())
    if under_way:
        lines.append(f"{under_way} steps are in the queue already")
    if dispatch.later:
        names = [f"{phase} {prop}" for phase, prop in dispatch.later]
        lines.append(f"to be submitted again when their relaxations are done: {_listed(names)}")
    return lines


def _listed(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _table(setup: Setup, plan: Plan, dispatch: Dispatch, found: tuple[Finding, ...], via: str) -> Table:
    rows = [
        {
            "phase": order.task.phase,
            "steps": ", ".join(order.task.properties),
            "core_hours": order.core_seconds / 3600,
        }
        for order in dispatch.orders
    ]
    spec = setup.engine.spec
    steps = sum(len(order.task.properties) for order in dispatch.orders)
    notes = [
        f"{len(rows)} phases, {steps} steps via {via}: {cost_text(plan, dispatch.core_seconds)}",
        f"Engine {spec.name}, protocol {spec.protocol}; results go to the store of the settings",
        *_held_back(dispatch, setup.campaign.name),
        *(("It would be refused: " if f.stops else "Note: ") + f.text for f in found),
    ]
    columns = [Column("phase", "phase"), Column("steps", "steps"), Column("core_hours", "core-h", ".3g")]
    return Table(f"Dry run: what would be submitted of {setup.campaign.name}", columns, rows, notes)
