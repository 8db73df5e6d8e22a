"""``nawf doctor``: a checklist of what nawf needs, with what to do about it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from nawf.cli.options import EngineOption, FormatOption, OutOption, StoreOption
from nawf.cli.output import emit_tables
from nawf.errors import InputError
from nawf.reports.tables import Column, Format, Table

if TYPE_CHECKING:
    from nawf.running.doctor import Check
    from nawf.settings import Settings

_SIGNS = {
    "good": ("✔", typer.colors.GREEN),
    "look": ("!", typer.colors.YELLOW),
    "bad": ("✘", typer.colors.RED),
    "unused": ("–", typer.colors.BRIGHT_BLACK),
}
_WORDS = {"good": "good", "look": "worth a look", "bad": "to be mended", "unused": "not used"}


def doctor(
    deep: Annotated[
        bool, typer.Option("--deep", help="Send a calculation of two atoms to where jobs run, and read it back.")
    ] = False,
    engine: EngineOption = None,
    patience: Annotated[float, typer.Option("--patience", min=1, help="Seconds that --deep waits in a queue.")] = 120,
    store: StoreOption = None,
    fmt: FormatOption = Format.TABLE,
    out: OutOption = None,
) -> None:
    """Check this machine, engines, store, SLURM, jobflow-remote with its workers, and FireWorks.

    What nobody has set up and nobody needs is grey. The exit code is 1 when something is red.
    """
    from nawf.running.doctor import Mark, examine

    settings, broken = _settings(store)
    show = fmt is Format.TABLE and out is None
    checks: list[Check] = []
    area = ""
    for check in (*broken, *examine(settings, deep=deep, engine=engine or "", patience_s=patience)):
        checks.append(check)
        if show:
            if check.area != area:
                area = check.area
                typer.secho(area, bold=True)
            _show(check)
    counts = Counter(check.mark for check in checks)
    summary = ", ".join(f"{counts[mark]} {_WORDS[mark]}" for mark in Mark if counts[mark])
    if show:
        typer.echo(f"\n{summary}")
    else:
        emit_tables([_table(checks, summary)], fmt, out)
    if counts[Mark.BAD]:
        raise typer.Exit(1)


def _settings(store: str | None) -> tuple[Settings, list[Check]]:
    """Settings; where they cannot be read, the defaults, and what is wrong with them."""
    from nawf.cli.context import settings_for
    from nawf.running.doctor import Check, Mark, without_secrets
    from nawf.settings import Settings

    try:
        return settings_for(store), []
    except InputError as error:
        found = without_secrets(str(error))
        return Settings(), [Check("settings", "settings", Mark.BAD, found, "the rest is checked with the defaults")]


def _show(check: Check) -> None:
    sign, colour = _SIGNS[check.mark]
    typer.echo("  " + typer.style(sign, fg=colour) + f" {check.name}: {check.found}")
    if check.advice:
        typer.echo(f"      → {check.advice}")


def _table(checks: list[Check], summary: str) -> Table:
    columns = [
        Column("mark", "mark"),
        Column("area", "area"),
        Column("name", "check"),
        Column("found", "found"),
        Column("advice", "what to do"),
    ]
    rows = [{c.key: str(getattr(check, c.key)) for c in columns} for check in checks]
    return Table("nawf doctor", columns, rows, [summary])
