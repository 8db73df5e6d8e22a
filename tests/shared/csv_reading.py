"""CSV as nawf prints it, read back."""

from __future__ import annotations

import csv
import io


def csv_rows(text: str) -> list[dict[str, str]]:
    """Rows below the comments, by column."""
    return list(csv.DictReader(line for line in io.StringIO(text) if not line.startswith("#")))
