"""``nawf report``: energies, cells, elasticity and verdicts of what is in the store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nawf.cli.options import comma_separated
from nawf.cli.output import emit_tables
from nawf.cli.report_basis import basis_for, selected_for, survey_for
from nawf.cli.report_options import EnergyOptions, ReportOptions, report_command
from nawf.errors import InputError
from nawf.level import Level

if TYPE_CHECKING:
    from nawf.campaigns.schema import Campaign
    from nawf.reports.voltage import ProfileRequest

report_app = typer.Typer(
    help="Formation energies, hulls, voltages, windows, interfaces at any temperature; cells, elasticity, verdicts.",
    no_args_is_help=True,
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
VersusOption = Annotated[
    str | None,
    typer.Option("--versus", metavar="ID", help="Alloy that voltages are given against, such as na15sn4."),
]


@report_app.command("formation")
@report_command
def formation(options: EnergyOptions) -> None:
    """Formation (free) energies per atom."""
    from nawf.reports.basis import check_compounds
    from nawf.reports.formation import formation_table

    basis = basis_for(options).where_formed(check_compounds)
    emit_tables([formation_table(basis)], options.fmt, options.out)


@report_app.command("hull")
@report_command
def hull(options: EnergyOptions, plot: PlotOption = None) -> None:
    """Energies above the hull and hull depths."""
    from nawf.reports.basis import check_compounds
    from nawf.reports.figures import check_figure_path, hull_figure, save_figure
    from nawf.reports.hull import hull_table

    check_figure_path(plot)
    basis = basis_for(options).where_formed(check_compounds)
    table = hull_table(basis)
    if plot is not None:
        save_figure(hull_figure(basis), plot)
        typer.echo(f"drawn in {plot}", err=True)
    emit_tables([table], options.fmt, options.out)


@report_app.command("voltage")
@report_command
def voltage(
    options: EnergyOptions,
    host: HostOption = None,
    ion: Annotated[str, typer.Option("--ion", help="Working ion.")] = "Na",
    skip: SkipOption = None,
    skip_shallower_than: ShallowOption = None,
    versus: VersusOption = None,
    plot: PlotOption = None,
) -> None:
    """Voltage profiles of a host against an ion, equilibrium and kinetic paths side by side."""
    from nawf.reports.figures import check_figure_path, save_figure, voltage_figure
    from nawf.reports.voltage import make_profiles, voltage_table, where_formed

    check_figure_path(plot)
    asked = _requests(options.load_campaign(), host, ion, comma_separated(skip), skip_shallower_than)
    requests = [replace(request, versus=versus) for request in asked]
    if plot is not None and len(requests) > 1:
        hosts = ", ".join(r.host for r in requests)
        raise InputError("one picture shows one host", hint=f"choose one with --host: {hosts}")
    basis = basis_for(options)
    bases = [where_formed(basis, request) for request in requests]
    profiles = [make_profiles(one, request) for one, request in zip(bases, requests, strict=True)]
    tables = [voltage_table(one, of_it) for one, of_it in zip(bases, profiles, strict=True)]
    if plot is not None:
        save_figure(voltage_figure(bases[0], profiles[0]), plot)
        typer.echo(f"drawn in {plot}", err=True)
    emit_tables(tables, options.fmt, options.out)


@report_app.command("window")
@report_command
def window(
    options: EnergyOptions,
    electrolyte: Annotated[
        str | None,
        typer.Option(
            "--electrolyte", metavar="ID,ID...", help="Phases or formulas to show at all voltages; else all limits."
        ),
    ] = None,
    ion: Annotated[str, typer.Option("--ion", help="Ion that they conduct.")] = "Na",
    plot: PlotOption = None,
) -> None:
    """Electrochemical windows of electrolytes, and what they turn into beyond."""
    from nawf.reports.figures import check_figure_path, save_figure
    from nawf.reports.window import WindowRequest, make_windows, where_formed, window_tables
    from nawf.reports.window_figure import window_figure

    check_figure_path(plot)
    request = WindowRequest(comma_separated(electrolyte), ion)
    basis = where_formed(basis_for(options), request)
    windows = make_windows(basis, request)
    tables = window_tables(basis, request, windows)
    if plot is not None:
        save_figure(window_figure(basis, request, windows), plot)
        typer.echo(f"drawn in {plot}", err=True)
    emit_tables(tables, options.fmt, options.out)


@report_app.command("interface")
@report_command
def interface(
    options: EnergyOptions,
    between: Annotated[
        list[str] | None,
        typer.Option("--between", metavar="A,B", help="Two phases or formulas to show all reactions of; repeatable."),
    ] = None,
) -> None:
    """Reactions between two solids, such as an electrolyte and sodium."""
    from nawf.reports.interface import InterfaceRequest, interface_table, where_formed

    request = InterfaceRequest(tuple(_pair(text) for text in between or ()))
    basis = where_formed(basis_for(options), request)
    emit_tables([interface_table(basis, request)], options.fmt, options.out)


@report_app.command("elastic")
@report_command
def elastic(
    options: ReportOptions,
    tensor: Annotated[
        bool, typer.Option("--tensor", help="List the components of each tensor too, and how good the fit is.")
    ] = False,
    plot: PlotOption = None,
) -> None:
    """Elastic moduli, ductility, Debye temperatures, and stiff and soft directions."""
    from nawf.reports.elastic import elastic_tables
    from nawf.reports.elastic_figure import young_figure
    from nawf.reports.figures import check_figure_path, save_figure

    check_figure_path(plot)
    selected, _ = selected_for(options, "elastic")
    if plot is not None:
        save_figure(young_figure(selected), plot)
        typer.echo(f"drawn in {plot}", err=True)
    emit_tables(elastic_tables(selected, with_tensors=tensor), options.fmt, options.out)


@report_app.command("lattice")
@report_command
def lattice(
    options: ReportOptions,
    measured: Annotated[
        bool, typer.Option("--measured", help="List the measured cells and their sources too.")
    ] = False,
) -> None:
    """Relaxed cells and their deviation from measured ones."""
    from nawf.cli.context import library_for
    from nawf.reports.lattice import lattice_tables

    selected, found = selected_for(options, "relax")
    phases = {p.id: p for p in library_for(found.settings)}
    emit_tables(lattice_tables(selected, phases, with_measured=measured), options.fmt, options.out)


@report_app.command("quality")
@report_command
def quality(
    options: ReportOptions,
    level: Annotated[
        Level | None, typer.Option("--level", help="Only reasons of this level, and phases with a result of it.")
    ] = None,
    limits: Annotated[
        bool, typer.Option("--limits", help="List the rules, their limits and the reasons for them too.")
    ] = False,
) -> None:
    """Verdicts of all results with their reasons, of unlike settings too; of a campaign, also what is missing."""
    from nawf.reports.quality import quality_tables

    emit_tables(quality_tables(survey_for(options), level, with_limits=limits), options.fmt, options.out)


def _pair(text: str) -> tuple[str, str]:
    names = comma_separated(text)
    if len(names) != 2:
        raise InputError(f"--between {text!r} is not of the form A,B", hint="such as --between na3ps4-alpha,Na")
    return names[0], names[1]


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
