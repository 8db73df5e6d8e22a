"""``nawf rehearse``: a campaign with a stand-in for VASP, before core-hours are spent on it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nawf.cli.context import set_up, settings_for
from nawf.cli.options import (
    CampaignArgument,
    PhasesOption,
    PropertiesOption,
    ProtocolOption,
    StoreOption,
    StructuresOption,
    comma_separated,
)
from nawf.cli.run import ThreadsOption, WorkersOption, carry_out
from nawf.settings import PREFIX
from nawf.store.location import redacted

if TYPE_CHECKING:
    from nawf.campaigns.plan import Plan

REHEARSAL_STORE = "nawf-rehearsal.db"


def rehearse(
    campaign: CampaignArgument,
    store: StoreOption = None,
    protocol: ProtocolOption = None,
    phases: PhasesOption = None,
    properties: PropertiesOption = None,
    workers: WorkersOption = None,
    threads: ThreadsOption = None,
    structures: StructuresOption = None,
) -> None:
    """Rehearse a campaign for VASP: its inputs, jobs and outputs, with energies of the embedded engine.

    It needs neither VASP nor POTCARs. Its results go to nawf-rehearsal.db
    without --store, and its runs to a folder of their own.
    """
    from nawf.campaigns.schema import load_campaign
    from nawf.engines.rehearsal_server import server
    from nawf.engines.vasp import REHEARSAL

    store = store or REHEARSAL_STORE
    own = load_campaign(campaign)
    settings = settings_for(store, structures, workers=workers, threads=threads)
    setup = set_up(
        campaign,
        settings,
        engine=REHEARSAL,
        protocol=protocol or (own.protocol if own.engine in ("vasp", REHEARSAL) else None),
        phases=comma_separated(phases),
        properties=comma_separated(properties),
        workers=settings.workers,
    )
    runs = Path(settings.run_folder).expanduser().absolute() / "rehearsal"
    try:
        with (
            _settings_of_jobs(run_folder=str(runs), potcar_folder=str(runs / "potcars")),
            contextlib.ExitStack() as stack,
        ):

            def prepare(made: Plan) -> None:
                if not settings.vasp_rehearsal_command:
                    stack.enter_context(_settings_of_jobs(rehearsal_server=stack.enter_context(server())))
                _make_potcars(made, runs / "potcars")

            carry_out(setup, campaign, command="rehearse", prepare=prepare)
    except typer.Exit:
        _conclude(campaign, store, runs)
        raise
    _conclude(campaign, store, runs)


def _conclude(campaign: str, store: str, runs: Path) -> None:
    typer.echo(
        f"These are results of a rehearsal: of the jobs, not of VASP. They are in {redacted(store)}, and meet "
        f"no others in any report. Runs are in {runs}. "
        f"What VASP itself would need: nawf plan {campaign} --engine vasp",
        err=True,
    )


@contextlib.contextmanager
def _settings_of_jobs(**values: str) -> Iterator[None]:
    """Settings for jobs of this process and its workers, who read them anew where they run."""
    names = {f"{PREFIX}{key.upper()}": value for key, value in values.items()}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _make_potcars(made: Plan, folder: Path) -> None:
    """Stand-ins for the POTCARs of all that is missing."""
    from nawf.engines.vasp_preflight_potcar import potentials_needed
    from nawf.rehearsal.potcar import make_potcar_library

    needed = potentials_needed(made.engine.spec.protocol, made.tasks)
    for family in sorted({potential.family for potential in needed}):
        make_potcar_library(folder, [family], sorted({p.symbol for p in needed if p.family == family}))
