"""``nawf run``: do what a campaign lacks, on this machine."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
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
from nawf.cli.plan import cost_text
from nawf.store.location import log_path, redacted

if TYPE_CHECKING:
    from nawf.campaigns.plan import Plan
    from nawf.engines.preflight import Finding
    from nawf.running.local import RunSummary


WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=0, help="Phases at a time; 0 chooses by the number of cores.")
]
ThreadsOption = Annotated[int | None, typer.Option("--threads", min=0, help="Threads for each worker.")]


def run(
    campaign: CampaignArgument,
    store: StoreOption = None,
    engine: EngineOption = None,
    protocol: ProtocolOption = None,
    phases: PhasesOption = None,
    properties: PropertiesOption = None,
    workers: WorkersOption = None,
    threads: ThreadsOption = None,
    device: Annotated[str | None, typer.Option("--device", help="cpu or cuda, for a potential.")] = None,
    structures: StructuresOption = None,
) -> None:
    """Run a campaign: only what is missing is calculated, and finished work is never lost.

    Stop it with Ctrl-C and run it again: it goes on where it was.
    """
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
    carry_out(setup, campaign)


def carry_out(
    setup: Setup, campaign: str, *, command: str = "run", prepare: Callable[[Plan], None] | None = None
) -> None:
    """Plan a campaign, see whether it can be run, run it, and say what came of it.

    Parameters
    ----------
    setup : Setup
    campaign : str
        As it was given on the command line.
    command : str
        Which command to go on with.
    prepare : callable, optional
        Gets the plan before anything is looked for or calculated.

    Raises
    ------
    EngineError, StructureError
        When the engine cannot run here, or a phase is not fit to be calculated; nothing has been written then.
    typer.Exit
        With code 1 after failed steps, and 130 when it was stopped.
    """
    from nawf.cli.progress import ProgressView
    from nawf.engines.launchers import processes_of
    from nawf.engines.preflight import findings, refuse
    from nawf.running.local import choose_workers, run_plan
    from nawf.store.stores import open_stores

    settings = setup.settings
    refuse_unfit_phases(setup.phases)
    made = plan_now(setup)
    if made.tasks and prepare is not None:
        prepare(made)
    found = findings(setup.engine, made.tasks)
    refuse(found, setup.engine.spec.name, f"nawf plan {campaign} --engine {setup.engine.spec.name}")
    if made.tasks:
        with open_stores(settings.store):
            pass  # a store that cannot be used is said before anything else
    _announce(made, redacted(settings.store), found)
    if not made.tasks:
        return
    processes = processes_of(setup.engine)
    number, _ = choose_workers(len(made.tasks), settings.workers, settings.threads, settings.device, processes)
    try:
        with _stopped_by_signals(), ProgressView(made) as view:
            summary = run_plan(made, settings.store, workers=number, listener=view.show, library=setup.library)
    except KeyboardInterrupt:
        typer.echo(f"stopped: finished work is kept; go on with: nawf {command} {campaign}", err=True)
        raise typer.Exit(130) from None
    _conclude(summary, settings.store)


def plan_now(setup: Setup) -> Plan:
    """Plan against the store, with what has finished built first; one that is not there yet is not made for it."""
    from nawf.campaigns.plan import make_plan
    from nawf.store.builder import build
    from nawf.store.stores import open_stores, store_exists

    arguments = (setup.campaign, setup.phases, setup.engine)
    if not store_exists(setup.settings.store):
        return make_plan(*arguments, None, properties=setup.properties)
    with open_stores(setup.settings.store) as stores:
        build(stores, library=setup.library)  # what an interrupted run finished but did not build
        return make_plan(*arguments, stores.results, properties=setup.properties)


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM of queue systems and SIGHUP of a terminal that closes ask for what a person asks for with Ctrl-C.

    What is shut out, as SIGHUP is by ``nohup``, stays so.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    asked = [s for s in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(s) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in asked}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _announce(made: Plan, location: str, found: Sequence[Finding]) -> None:
    from nawf.campaigns.plan import StepState

    done = sum(step.state is StepState.DONE for step in made.steps)
    blocked = {step.phase: step.reason for step in made.steps if step.state is StepState.BLOCKED}
    spec = made.engine.spec
    typer.echo(f"{made.campaign.name}: {made.campaign.title} ({spec.name}, protocol {spec.protocol})", err=True)
    if made.missing:
        typer.echo(f"{done} steps done, {len(made.missing)} to do, {cost_text(made)}", err=True)
    else:
        whole = "nothing that can be done is missing" if blocked else "nothing to do: all results are"
        typer.echo(f"{done} steps done, {whole} in {location}", err=True)
    for phase, reason in blocked.items():
        typer.echo(f"  {phase}: {reason}", err=True)
    for finding in found:
        if not finding.stops:
            typer.echo(f"  note: {finding.text}", err=True)


def _conclude(summary: RunSummary, location: str) -> None:
    typer.echo(f"{len(summary.built)} results in {redacted(location)}", err=True)
    for refused in summary.refused:
        typer.echo(f"  not usable: {refused}", err=True)
    for failure in summary.failures:
        typer.echo(f"  failed: {failure.phase}, {failure.step}: {failure.message}", err=True)
    if summary.failures or summary.refused:
        typer.echo(f"details are in {log_path(location)}; run again to retry what failed", err=True)
        raise typer.Exit(1)
