"""``nawf run``: do what a campaign lacks, on this machine."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from nawf.cli.context import set_up, settings_for
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
from nawf.cli.output import duration

if TYPE_CHECKING:
    from nawf.campaigns.plan import Plan
    from nawf.running.local import RunSummary


def run(
    campaign: CampaignArgument,
    store: StoreOption = None,
    engine: EngineOption = None,
    protocol: ProtocolOption = None,
    phases: PhasesOption = None,
    properties: PropertiesOption = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=0, help="Phases at a time; 0 chooses by the number of cores.")
    ] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=0, help="Threads for each worker.")] = None,
    device: Annotated[str | None, typer.Option("--device", help="cpu or cuda, for a potential.")] = None,
    structures: StructuresOption = None,
) -> None:
    """Run a campaign: only what is missing is calculated, and finished work is never lost.

    Stop it with Ctrl-C and run it again: it goes on where it was.
    """
    from nawf.campaigns.plan import make_plan
    from nawf.cli.progress import ProgressView
    from nawf.running.local import choose_workers, run_plan
    from nawf.store.builder import build
    from nawf.store.stores import open_stores

    settings = settings_for(store, structures, workers=workers, threads=threads, device=device)
    setup = set_up(
        campaign,
        settings,
        engine=engine,
        protocol=protocol,
        phases=comma_separated(phases),
        properties=comma_separated(properties),
        workers=settings.workers,
    )
    with open_stores(settings.store) as stores:
        build(stores, library=setup.library)  # what an interrupted run finished but did not build
        made = make_plan(setup.campaign, setup.phases, setup.engine, stores.results, properties=setup.properties)
    _announce(made, settings.store)
    if not made.tasks:
        return
    number, _ = choose_workers(len(made.tasks), settings.workers, settings.threads, settings.device)
    try:
        with _stopped_by_sigterm(), ProgressView(made) as view:
            summary = run_plan(made, settings.store, workers=number, listener=view.show, library=setup.library)
    except KeyboardInterrupt:
        typer.echo(f"stopped: finished work is kept; go on with: nawf run {campaign}", err=True)
        raise typer.Exit(130) from None
    _conclude(summary, settings.store)


@contextlib.contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Queue systems and shutdowns ask with SIGTERM for what a person asks for with Ctrl-C."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _announce(made: Plan, location: str) -> None:
    from nawf.campaigns.plan import StepState

    done = sum(step.state is StepState.DONE for step in made.steps)
    blocked = {step.phase: step.reason for step in made.steps if step.state is StepState.BLOCKED}
    spec = made.engine.spec
    typer.echo(f"{made.campaign.name}: {made.campaign.title} ({spec.name}, protocol {spec.protocol})", err=True)
    if made.missing:
        estimate = duration(made.core_seconds)
        typer.echo(f"{done} steps done, {len(made.missing)} to do, about {estimate} on one core", err=True)
    else:
        whole = "nothing that can be done is missing" if blocked else "nothing to do: all results are"
        typer.echo(f"{done} steps done, {whole} in {location}", err=True)
    for phase, reason in blocked.items():
        typer.echo(f"  {phase}: {reason}", err=True)


def _conclude(summary: RunSummary, location: str) -> None:
    from nawf.running.task import log_path

    typer.echo(f"{len(summary.built)} results in {location}", err=True)
    for refused in summary.refused:
        typer.echo(f"  not usable: {refused}", err=True)
    for failure in summary.failures:
        typer.echo(f"  failed: {failure.phase}, {failure.step}: {failure.message}", err=True)
    if summary.failures or summary.refused:
        typer.echo(f"details are in {log_path(location)}; run again to retry what failed", err=True)
        raise typer.Exit(1)
