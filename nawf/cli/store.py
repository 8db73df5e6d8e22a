"""``nawf store`` and ``nawf build``: the store itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nawf.cli.context import library_for, settings_for
from nawf.cli.options import FormatOption, OutOption, StoreOption, comma_separated
from nawf.cli.output import emit_tables
from nawf.errors import InputError, StoreFileError, did_you_mean, names_like
from nawf.reports.tables import Column, Format, Table
from nawf.store.location import is_mongo, redacted

if TYPE_CHECKING:
    from nawf.store.stores import Stores
    from nawf.store.transfer import Counts

store_app = typer.Typer(help="The store that results are kept in.", no_args_is_help=True)

ArchiveArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The archive, such as results.nawf.zip.")]


@store_app.command("info")
def info(store: StoreOption = None, fmt: FormatOption = Format.TABLE, out: OutOption = None) -> None:
    """Say what the store holds: collections, documents, size, schema version, and indexes."""
    from nawf.store.check import info as store_info

    location = settings_for(store).store
    found = store_info(location)
    rows: list[dict[str, Any]] = [
        {
            "collection": c.name,
            "documents": c.documents,
            "size_mb": None if c.size_bytes is None else c.size_bytes / 1e6,
            "indexed": ", ".join(c.index_fields),
            "missing": ", ".join(c.missing_indexes) or None,
        }
        for c in found.collections
    ]
    columns = [Column("collection", "collection"), Column("documents", "documents", ",d")]
    if found.server:
        columns.append(Column("size_mb", "MB", ".2f"))
    columns.append(Column("indexed", "indexed fields"))
    if any(row["missing"] for row in rows):
        columns.append(Column("missing", "missing indexes"))
    notes = [f"{found.size_bytes / 1e6:.1f} MB, schema version {found.schema_version}"]
    notes += [found.server] if found.server else []
    emit_tables([Table(f"Store {redacted(location)}", columns, rows, notes)], fmt, out)


@store_app.command("verify")
def verify(store: StoreOption = None) -> None:
    """Check that the store is whole: every document and all data can be read, and the indexes are right."""
    from nawf.store.check import verify as verify_store

    location = settings_for(store).store
    shown = redacted(location)
    found = verify_store(location)
    for note in found.notes:
        typer.echo(f"{shown}: {note}")
    for problem in found.problems:
        typer.echo(f"nawf: {shown}: {problem}", err=True)
    if found.problems:
        hint = "what a line does not say how to mend comes back from a backup"
        raise StoreFileError(f"{_counted(len(found.problems), 'problem')} found", where=shown, hint=hint)
    typer.echo(f"{shown}: no problem found")


@store_app.command("copy")
def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help="A store: a file, or mongodb://...")],
    target: Annotated[str, typer.Argument(metavar="TO", help="Another one; it is made if it is not there.")],
) -> None:
    """Copy all documents and data from one store to another; nothing that is newer there is overwritten.

    It can be repeated, and goes on after it was interrupted.
    """
    from nawf.store.stores import open_stores
    from nawf.store.transfer import copy_stores, refuse_same_place

    refuse_same_place(source, target)
    with open_stores(source, read_only=True) as opened, open_stores(target) as there, _bar() as tell:
        done = copy_stores(opened, there, tell)
    _say(done, f"copied to {redacted(target)}")


@store_app.command("export")
def export(
    file: ArchiveArgument,
    store: StoreOption = None,
    results_only: Annotated[
        bool, typer.Option("--results-only", help="Only what reports need; without raw documents and data.")
    ] = False,
    phases: Annotated[str | None, typer.Option("--phases", metavar="ID,ID...", help="Only these phases.")] = None,
) -> None:
    """Write the store to one compressed archive with checksums; equal content gives an equal file."""
    from nawf.store.export import export_archive
    from nawf.store.stores import open_stores

    location = settings_for(store).store
    chosen = comma_separated(phases)
    with open_stores(location, read_only=True) as stores, _bar() as tell:
        _refuse_unknown(chosen, stores)
        manifest = export_archive(file, stores, results_only=results_only, phases=chosen or None, tell=tell)
    counts = ", ".join(
        f"{member.documents:,d} {name.removesuffix('.jsonl')}" for name, member in sorted(manifest.members.items())
    )
    size = f" {file.stat().st_size / 1e6:.2f} MB" if file.is_file() else ""
    typer.echo(f"{counts}:{size} written to {file}", err=not file.is_file())


def _refuse_unknown(phases: tuple[str, ...], stores: Stores) -> None:
    if not phases:
        return
    known = {*stores.results.distinct("phase"), *stores.jobs.docs_store.distinct("metadata.nawf.phase")}
    for phase in phases:
        if phase not in known:
            hint = did_you_mean(names_like(phase, known)) or "nawf query lists what is there"
            raise InputError(f"there are no documents of phase {phase!r}", where=stores.location, hint=hint)


@store_app.command("import")
def import_(
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="The archive; with --reference, an engine such as chgnet-r2scan."),
    ] = None,
    reference: Annotated[
        bool,
        typer.Option("--reference", help="The reference results that come with nawf: of all engines, or of one."),
    ] = False,
    store: StoreOption = None,
) -> None:
    """Bring an archive into the store; all of it is checked first, and nothing newer is overwritten.

    It can be repeated: what is there already is not written again.
    """
    from nawf.store.archive import open_archive
    from nawf.store.stores import open_stores
    from nawf.store.transfer import import_archive

    location = settings_for(store).store
    archives = _archives(file, reference)
    for archive in archives:
        open_archive(archive)  # before a store is made for it
    with open_stores(location) as stores, _bar() as tell:
        for archive in archives:
            done = import_archive(archive, stores, tell)
            _say(done, f"imported to {redacted(location)}", f"{archive.stem} " if reference else "")


def _archives(file: str | None, reference: bool) -> tuple[Path, ...]:
    """What is to be imported."""
    from nawf.store.reference import reference_archive, reference_archives

    if reference:
        return (reference_archive(file),) if file else reference_archives()
    if file is None:
        raise InputError("which archive?", hint="name a file, or --reference for the results that come with nawf")
    return (Path(file),)


@store_app.command("migrate")
def migrate(store: StoreOption = None) -> None:
    """Bring the store up to the schema of this nawf, after an update; a file is copied first."""
    from nawf.store.migrate import migrate as migrate_store

    settings = settings_for(store)
    shown = redacted(settings.store)
    done = migrate_store(settings.store, library_for(settings))
    if done.did_nothing:
        typer.echo(f"{shown}: up to date, nothing was changed")
        return
    if done.backup is not None:
        typer.echo(f"as it was before: {done.backup}")
    elif is_mongo(settings.store):
        typer.echo("a database is not copied; mongodump does that")
    for index in done.indexes:
        typer.echo(f"index made: {index}")
    steps = {
        "built anew from raw documents": done.built,
        "marked as of today's schema, which they fit": done.renewed,
        "removed, as newer ones of the same job stand for them": done.removed,
    }
    for what, number in steps.items():
        if number:
            typer.echo(f"{_counted(number, 'result')} {what}")
    for name in done.left:
        typer.echo(f"nawf: {name}: its raw document is missing; run the phase again", err=True)
    if done.left:
        raise typer.Exit(1)


def build(
    store: StoreOption = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Build also what is up to date, for instance after an update of nawf.")
    ] = False,
) -> None:
    """Bring results up to date with finished jobs: settings fingerprint, checks, one document per result."""
    from nawf.store.builder import build as build_results
    from nawf.store.stores import open_stores, store_exists

    settings = settings_for(store)
    if not store_exists(settings.store):
        hint = "nawf run CAMPAIGN makes one"
        raise StoreFileError("there is no such store", where=redacted(settings.store), hint=hint)
    with open_stores(settings.store) as stores:
        summary = build_results(stores, rebuild=rebuild, library=library_for(settings))
    typer.echo(f"{len(summary.built)} results built, {summary.unchanged} up to date")
    for refused in summary.refused:
        typer.echo(f"  not usable: {refused}", err=True)


def _say(done: Mapping[str, Counts], where: str, of: str = "") -> None:
    for title, counts in done.items():
        parts = [f"{counts.written:,d} {where}", f"{counts.unchanged:,d} there already"]
        parts += [f"{counts.kept:,d} left as they are there, which is not older"] if counts.kept else []
        typer.echo(f"{of}{title}: " + ", ".join(parts))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    """Bar on a terminal; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=None)
        yield lambda what, done, total: progress.update(bar, description=what, completed=done, total=total)
