"""``nawf ingest``: finished runs of others, and one's own from elsewhere."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nawf.cli.context import library_for, settings_for
from nawf.cli.options import StoreOption, StructuresOption

if TYPE_CHECKING:
    from nawf.running.ingest import IngestSummary


def ingest(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders, searched with all below them; only read.")
    ],
    phase: Annotated[
        str | None, typer.Option("--phase", metavar="ID", help="The phase that all of it is; else structures tell.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")] = False,
    store: StoreOption = None,
    structures: StructuresOption = None,
) -> None:
    """Bring finished VASP runs and phonopy folders into the store; list the others, each with its reason."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from nawf.running.ingest import ingest as bring_in
    from nawf.running.ingest_files import check_folders
    from nawf.store.stores import open_stores, store_exists

    settings = settings_for(store, structures)
    library = library_for(settings)
    given = None if phase is None else library.get(phase)
    check_folders(folders)
    console = Console(stderr=True)
    columns = (TextColumn("reading"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    with ExitStack() as open_things:
        is_there = store_exists(settings.store)
        stores = None
        if is_there or not dry_run:
            stores = open_things.enter_context(open_stores(settings.store, read_only=dry_run))
        progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        open_things.enter_context(progress)
        bar = progress.add_task("", total=None)

        def tell(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        summary = bring_in(folders, stores, library, phase=given, dry_run=dry_run, tell=tell)
    _print(summary, dry_run=dry_run)


def _print(summary: IngestSummary, *, dry_run: bool) -> None:
    for item in summary.entered:
        typer.echo(f"{item.phase.id} {item.property}: {item.where}")
    for refused in summary.refused:
        typer.echo(f"not taken: {refused.where}: {refused.reason}", err=True)
    for problem in summary.not_built:
        typer.echo(f"not usable: {problem}", err=True)
    verb = "would enter" if dry_run else "entered"
    counts = [
        f"{len(summary.entered)} {verb}",
        f"{summary.unchanged} in the store already",
        f"{len(summary.refused)} not taken",
    ]
    more = {
        "copies of others": summary.copies,
        "continued by a later relaxation": summary.continued,
        "displaced cells of phonons": summary.displaced,
    }
    counts += [f"{number} {what}" for what, number in more.items() if number]
    typer.echo(", ".join(counts))
