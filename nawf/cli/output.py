"""Printing, and writing to files, for all commands."""

from __future__ import annotations

from pathlib import Path

import typer

from nawf.reports.tables import Format, Table, render, render_csv


def emit(text: str, out: Path | None = None) -> None:
    """Print a text, or write it whole to a file and say so."""
    if out is None:
        typer.echo(text, nl=False)
        return
    from nawf.files import write_text_atomically
    from nawf.store.location import refuse_store_file

    refuse_store_file(out)
    write_text_atomically(out, text)
    typer.echo(f"written to {out}", err=True)


def emit_tables(tables: list[Table], fmt: Format, out: Path | None = None) -> None:
    """Print tables one below the other; JSON of several is one list, and CSV of the same columns one table."""
    if fmt is Format.CSV:
        emit(render_csv(*tables), out)
    elif fmt is Format.JSON and len(tables) > 1:
        body = ",\n".join(render(table, fmt).rstrip("\n") for table in tables)
        emit(f"[\n{body}\n]\n", out)
    else:
        emit("\n".join(render(table, fmt) for table in tables), out)


def duration(seconds: float) -> str:
    """Rough duration for people, such as ``40 s``, ``12 min`` or ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} d"
