"""One table, four ways to print it: terminal, CSV, JSON, Markdown. Formatting is kept apart from content."""

from __future__ import annotations

import csv
import io
import json
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

_NOTE_WIDTH = 100


class Format(StrEnum):
    """Output formats that every listing command takes."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    MARKDOWN = "markdown"


def shown(value: float, spec: str) -> str:
    """Number for people: a true minus sign, and no sign before what rounds to zero."""
    text = format(value, spec)
    return text.replace("-", "−") if text.strip("+-0.,") else text.lstrip("+-")


@dataclass(frozen=True)
class Column:
    """A column: its key in the rows (and in CSV and JSON), its title for people, and how a number is shown.

    ``spec`` is a format specification such as ``.3f``; it is applied to numbers in tables only, CSV and JSON
    carry full precision. The standard error under ``error_key`` of a row and the text under ``marks_key`` are set
    right behind the cell; CSV and JSON have them in columns of their own. People do not see a column that is
    ``for_machines``.
    """

    key: str
    title: str
    spec: str = ""
    right: bool | None = None
    marks_key: str = ""
    error_key: str = ""
    for_machines: bool = False

    @property
    def is_right_aligned(self) -> bool:
        return bool(self.spec) if self.right is None else self.right

    def show(self, value: Any) -> str:
        """Text of a cell for a person; missing values are an en dash."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return "–"
        if self.spec and isinstance(value, int | float) and not isinstance(value, bool):
            return shown(value, self.spec)
        if isinstance(value, bool):
            return "yes" if value else "no"
        return str(value)

    def show_in(self, row: Mapping[str, Any]) -> str:
        """Text of this column's cell in a row, with its error and marks."""
        error = row.get(self.error_key)
        plus_minus = "" if error is None or math.isnan(error) else f" ± {shown(error, self.spec)}"
        return self.show(row.get(self.key)) + plus_minus + str(row.get(self.marks_key, ""))


@dataclass(frozen=True)
class Table:
    """Rows with a title above and notes below (settings, references, what was left out, the command)."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    notes: Sequence[str] = field(default=())

    @property
    def shown_columns(self) -> list[Column]:
        """Columns for people."""
        return [c for c in self.columns if not c.for_machines]

    def cells(self) -> list[list[str]]:
        """Texts of all cells for people, row by row."""
        return [[c.show_in(row) for c in self.shown_columns] for row in self.rows]

    def machine_keys(self) -> list[str]:
        """Keys of all columns for machines, those of errors and marks included."""
        return [key for c in self.columns for key in (c.key, c.error_key, c.marks_key) if key]


def render(table: Table, fmt: Format = Format.TABLE) -> str:
    """Text of ``table`` in the wanted format, with a newline at the end."""
    renderers: dict[Format, Callable[[Table], str]] = {
        Format.TABLE: render_terminal,
        Format.CSV: render_csv,
        Format.JSON: render_json,
        Format.MARKDOWN: render_markdown,
    }
    return renderers[fmt](table)


def render_terminal(table: Table) -> str:
    """Aligned text with rules above and below, readable without colour."""
    cells, columns = table.cells(), table.shown_columns
    widths = [max([len(c.title), *(len(row[i]) for row in cells)]) for i, c in enumerate(columns)]
    rule = "  ".join("─" * w for w in widths)

    def line(texts: Sequence[str]) -> str:
        padded = (
            t.rjust(w) if c.is_right_aligned else t.ljust(w) for t, w, c in zip(texts, widths, columns, strict=True)
        )
        return "  ".join(padded).rstrip()

    parts = [table.title, rule, line([c.title for c in columns]), rule]
    parts += [line(row) for row in cells] or ["(no rows)"]
    parts += [rule, *(_wrapped(note, max(len(rule), _NOTE_WIDTH)) for note in table.notes)]
    return "\n".join(parts) + "\n"


def _wrapped(note: str, width: int) -> str:
    return textwrap.fill(note, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def render_csv(*tables: Table) -> str:
    """CSV with the column keys (units in their names) as header; title and notes are comments before it.

    Comments are lines that begin with ``#`` (``pandas.read_csv(file, comment="#")`` passes over them). Tables of the
    same columns share one header; others follow after a blank line.
    """
    blocks: list[list[Table]] = []
    for table in tables:
        if blocks and blocks[-1][0].machine_keys() == table.machine_keys():
            blocks[-1].append(table)
        else:
            blocks.append([table])
    return "\n".join(_csv_block(block) for block in blocks)


def _csv_block(tables: Sequence[Table]) -> str:
    """Comments of all tables, then one header and all rows."""
    out = io.StringIO()
    for line in (line for table in tables for text in (table.title, *table.notes) for line in text.splitlines()):
        out.write(f"# {line}\n")
    plain = csv.writer(out, lineterminator="\n")
    quoted = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    keys = tables[0].machine_keys()
    for values in (keys, *([_plain(row.get(key)) for key in keys] for table in tables for row in table.rows)):
        # Inside quotation marks a # begins no comment.
        (quoted if any("#" in str(value) for value in values) else plain).writerow(values)
    return out.getvalue()


def render_json(table: Table) -> str:
    """JSON object with title, rows (full precision) and notes."""
    keys = table.machine_keys()
    rows = [{key: _finite(row.get(key)) for key in keys} for row in table.rows]
    document = {"title": table.title, "rows": rows, "notes": list(table.notes)}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def render_markdown(table: Table) -> str:
    """GitHub-flavoured Markdown; a pipe inside a cell is escaped."""

    def line(texts: Sequence[str]) -> str:
        return "| " + " | ".join(t.replace("|", "\\|") for t in texts) + " |"

    columns = table.shown_columns
    parts = [f"**{table.title}**", "", line([c.title for c in columns])]
    parts.append("|" + "|".join("--:" if c.is_right_aligned else ":--" for c in columns) + "|")
    parts += [line(row) for row in table.cells()]
    if table.notes:
        parts += ["", *(f"- {_not_a_list(note)}" for note in table.notes)]
    return "\n".join(parts) + "\n"


def _not_a_list(note: str) -> str:
    """A note that begins with a mark must not become a list of its own."""
    return "\\" + note if note.startswith(("*", "-", "+")) else note


def _plain(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else value


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
