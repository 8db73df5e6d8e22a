"""``nawf plan`` and ``nawf campaigns``: what there is to do, and what it costs."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nawf.cli.context import refuse_unfit_phases, set_up, settings_for
from nawf.cli.options import (
    CampaignArgument,
    EngineOption,
    FormatOption,
    OutOption,
    PhasesOption,
    PropertiesOption,
    ProtocolOption,
    StoreOption,
    StructuresOption,
    comma_separated,
)
from nawf.cli.output import duration, emit_tables
from nawf.reports.tables import Column, Format, Table
from nawf.store.location import redacted

if TYPE_CHECKING:
    from nawf.campaigns.plan import Plan
    from nawf.engines.preflight import Finding


def plan(
    campaign: CampaignArgument,
    store: StoreOption = None,
    engine: EngineOption = None,
    protocol: ProtocolOption = None,
    phases: PhasesOption = None,
    properties: PropertiesOption = None,
    structures: StructuresOption = None,
    fmt: FormatOption = Format.TABLE,
    out: OutOption = None,
) -> None:
    """Say what of a campaign is done, what is missing, and what it will cost. Nothing is calculated."""
    from nawf.campaigns.plan import make_plan
    from nawf.engines.preflight import findings
    from nawf.store.stores import open_stores, store_exists

    setup = set_up(
        campaign,
        settings_for(store, structures),
        engine=engine,
        protocol=protocol,
        phases=comma_separated(phases),
        properties=comma_separated(properties),
    )
    refuse_unfit_phases(setup.phases)
    arguments = (setup.campaign, setup.phases, setup.engine)
    if store_exists(setup.settings.store):
        with open_stores(setup.settings.store, read_only=True) as stores:
            made = make_plan(*arguments, stores.results, properties=setup.properties)
    else:
        made = make_plan(*arguments, None, properties=setup.properties)
    found = findings(setup.engine, made.tasks)
    command = run_command(
        campaign,
        store=store,
        engine=engine,
        protocol=protocol,
        phases=phases,
        properties=properties,
        structures=structures,
    )
    emit_tables([plan_table(made, command, found)], fmt, out)


def run_command(campaign: object, **options: object) -> str:
    """The command that does what was planned with these options."""
    given = {
        name: value if isinstance(value, list) else [value] for name, value in options.items() if value is not None
    }
    words = [word for name, values in given.items() for value in values for word in (f"--{name}", str(value))]
    return shlex.join(map(redacted, ["nawf", "run", str(campaign), *words]))


def plan_table(made: Plan, command: str, found: Sequence[Finding]) -> Table:
    """One row for each phase, one column for each property; how to run it and what was found in the notes."""
    properties = list(dict.fromkeys(step.property for step in made.steps))
    rows = []
    for phase in dict.fromkeys(step.phase for step in made.steps):
        steps = [s for s in made.steps if s.phase == phase]
        row: dict[str, object] = {"phase": phase, "core_seconds": sum(s.core_seconds for s in steps) or None}
        for step in steps:
            row[step.property] = f"done ({step.verdict})" if step.verdict else str(step.state)
        row["note"] = next((s.reason for s in steps if s.reason), "")
        rows.append(row)
    counts = Counter(str(step.state) for step in made.steps)
    spec = made.engine.spec
    notes = [
        ", ".join(f"{counts[state]} {state}" for state in ("done", "missing", "blocked") if counts[state])
        + f"; {cost_text(made)} to do what is missing",
        f"Engine {spec.name}, protocol {spec.protocol}. Run it: {command}",
        *(("A run would be refused: " if f.stops else "Note: ") + f.text for f in found),
    ]
    columns = [
        Column("phase", "phase"),
        *(Column(p, p) for p in properties),
        Column("core_seconds", "core-s", ".0f"),
        Column("note", "note"),
    ]
    return Table(f"Plan of {made.campaign.name}: {made.campaign.title}", columns, rows, notes)


def cost_text(made: Plan, core_seconds: float | None = None) -> str:
    """Estimate for what is missing, or for a part of it; that of DFT is a guess, in core-hours."""
    from nawf.engines.registry import ENGINES
    from nawf.engines.vasp import REHEARSAL

    name = made.engine.spec.name
    seconds = made.core_seconds if core_seconds is None else core_seconds
    hours = seconds / 3600
    core_hours = f"{float(f'{hours:.2g}'):,.0f}" if hours >= 10 else f"{hours:.1g}"
    if name == REHEARSAL:
        return f"for which VASP itself would take about {core_hours} core-hours (a guess)"
    if name in ENGINES and ENGINES[name].is_dft:
        return f"about {core_hours} core-hours (a guess from the sizes of cells)"
    return f"about {duration(seconds)} on one core"


def campaigns(fmt: FormatOption = Format.TABLE, out: OutOption = None) -> None:
    """List the campaigns that come with nawf."""
    from nawf.campaigns.schema import load_campaign, shipped_campaigns

    loaded = [(load_campaign(path), path) for path in shipped_campaigns().values()]
    rows = [
        {
            "name": c.name,
            "title": c.title,
            "properties": ", ".join(c.properties),
            "engine": c.engine,
            "file": str(path),
        }
        for c, path in loaded
    ]
    columns = [Column(k, k) for k in ("name", "title", "properties", "engine", "file")]
    notes = ["To change one, copy its file: nawf run my-campaign.yaml"]
    emit_tables([Table("Campaigns", columns, rows, notes)], fmt, out)
