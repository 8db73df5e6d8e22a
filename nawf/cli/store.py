"""``nawf store`` and ``nawf build``: the store itself."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nawf.cli.context import library_for, settings_for
from nawf.cli.options import FormatOption, OutOption, StoreOption
from nawf.cli.output import emit_tables
from nawf.errors import StoreFileError
from nawf.reports.tables import Column, Format, Table

store_app = typer.Typer(help="The store that results are kept in.", no_args_is_help=True)


@store_app.command("info")
def info(store: StoreOption = None, fmt: FormatOption = Format.TABLE, out: OutOption = None) -> None:
    """Say what the store holds: collections, documents, size, schema version."""
    from nawf.store.sqlite_check import info as file_info

    location = settings_for(store).store
    found = file_info(location)
    rows: list[dict[str, Any]] = [
        {"collection": c.name, "documents": c.documents, "indexed": ", ".join(c.index_fields)}
        for c in found.collections
    ]
    columns = [
        Column("collection", "collection"),
        Column("documents", "documents", ",d"),
        Column("indexed", "indexed fields"),
    ]
    notes = [f"{found.size_bytes / 1e6:.1f} MB, schema version {found.schema_version}"]
    emit_tables([Table(f"Store {location}", columns, rows, notes)], fmt, out)


@store_app.command("verify")
def verify(store: StoreOption = None) -> None:
    """Check that the file is whole, every document can be read, and the indexes agree with the documents."""
    from nawf.store.sqlite_check import verify as verify_file

    location = settings_for(store).store
    problems = verify_file(location)
    for problem in problems:
        typer.echo(f"nawf: {location}: {problem}", err=True)
    if problems:
        raise StoreFileError(f"{len(problems)} problems found", where=location, hint="restore it from a backup")
    typer.echo(f"{location}: no problem found")


def build(
    store: StoreOption = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Build also what is up to date, for instance after an update of nawf.")
    ] = False,
) -> None:
    """Bring results up to date with finished jobs: settings fingerprint, checks, one document per result."""
    from nawf.store.builder import build as build_results
    from nawf.store.stores import open_stores

    settings = settings_for(store)
    with open_stores(settings.store) as stores:
        summary = build_results(stores, rebuild=rebuild, library=library_for(settings))
    typer.echo(f"{len(summary.built)} results built, {summary.unchanged} up to date")
    for refused in summary.refused:
        typer.echo(f"  not usable: {refused}", err=True)
