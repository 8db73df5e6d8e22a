"""``nawf report``: formation energies, hull and voltages of what is in the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nawf.cli.options import comma_separated
from nawf.cli.output import emit_tables
from nawf.cli.report_basis import basis_for
from nawf.cli.report_options import ReportOptions, report_command
from nawf.errors import InputError

if TYPE_CHECKING:
    from nawf.campaigns.schema import Campaign
    from nawf.reports.voltage import ProfileRequest

report_app = typer.Typer(
    help="Formation energies, hull depths and voltages, static and at any temperature.", no_args_is_help=True
)

PlotOption = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE", help="Draw a picture too: .png, .svg or .pdf.")
]
HostOption = Annotated[str | None, typer.Option("--host", help="Formula or phase that takes up the ion, such as S.")]
SkipOption = Annotated[
    str | None, typer.Option("--skip", metavar="ID,ID...", help="Phases that the kinetic path leaves out.")
]
ShallowOption = Annotated[
    float | None,
    typer.Option(
        "--skip-shallower-than", metavar="MEV", min=0, help="Hull depth (meV/atom) below which a phase is skipped."
    ),
]


@report_app.command("formation")
@report_command
def formation(options: ReportOptions) -> None:
    """Formation (free) energies per atom."""
    from nawf.reports.formation import formation_table

    emit_tables([formation_table(basis_for(options))], options.fmt, options.out)


@report_app.command("hull")
@report_command
def hull(options: ReportOptions, plot: PlotOption = None) -> None:
    """Energies above the hull and hull depths."""
    from nawf.reports.figures import check_figure_path, hull_figure, save_figure
    from nawf.reports.hull import hull_table

    check_figure_path(plot)
    basis = basis_for(options)
    table = hull_table(basis)
    if plot is not None:
        save_figure(hull_figure(basis), plot)
        typer.echo(f"drawn in {plot}", err=True)
    emit_tables([table], options.fmt, options.out)


@report_app.command("voltage")
@report_command
def voltage(
    options: ReportOptions,
    host: HostOption = None,
    ion: Annotated[str, typer.Option("--ion", help="Working ion.")] = "Na",
    skip: SkipOption = None,
    skip_shallower_than: ShallowOption = None,
    plot: PlotOption = None,
) -> None:
    """Voltage profiles of a host against an ion, equilibrium and kinetic paths side by side."""
    from nawf.reports.figures import check_figure_path, save_figure, voltage_figure
    from nawf.reports.voltage import make_profiles, voltage_table

    check_figure_path(plot)
    requests = _requests(options.load_campaign(), host, ion, comma_separated(skip), skip_shallower_than)
    if plot is not None and len(requests) > 1:
        hosts = ", ".join(r.host for r in requests)
        raise InputError("one picture shows one host", hint=f"choose one with --host: {hosts}")
    basis = basis_for(options)
    profiles = [make_profiles(basis, request) for request in requests]
    tables = [voltage_table(basis, one) for one in profiles]
    if plot is not None:
        save_figure(voltage_figure(basis, profiles[0]), plot)
        typer.echo(f"drawn in {plot}", err=True)
    emit_tables(tables, options.fmt, options.out)


def _requests(
    campaign: Campaign | None, host: str | None, ion: str, skip: tuple[str, ...], limit: float | None
) -> list[ProfileRequest]:
    """Profiles asked for on the command line, or else those of the campaign."""
    from nawf.reports.voltage import ProfileRequest

    tasks = campaign.voltage if campaign else ()
    if host is not None:
        tasks = tuple(t for t in tasks if (t.host, t.ion) == (host, ion))
        if not tasks or skip or limit is not None:
            return [ProfileRequest(host, ion, skip, limit)]
    if not tasks:
        raise InputError("which host takes up the ion?", hint="name it with --host, such as --host S")
    return [
        ProfileRequest(
            t.host,
            t.ion,
            skip or t.skip,
            t.skip_shallower_than_mev if limit is None else limit,
        )
        for t in tasks
    ]
