"""Time of single writes and indexed queries of the embedded store, by the number of documents in it.

Run ``python tests/benchmarks/bench_store.py``; ``--help`` lists the options. Each time is the median of
some repetitions, each update a transaction of its own, on the disk when it returns. The file lies in a
temporary folder (``TMPDIR``): put it on the disk that matters.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bson

from nawf.reports.tables import Column, Table, render
from nawf.store.sqlite import SQLiteStore
from nawf.store.sqlite_check import info, verify

PHASES = 100
SITE_BYTES = 235
KEY = ["uuid", "index"]
START = datetime(2026, 1, 1, tzinfo=UTC)

COLUMNS = (
    Column("documents", "documents", ",d"),
    Column("insert", "insert", ".2f"),
    Column("replace", "replace", ".2f"),
    Column("one", "one by uuid, index", ".2f"),
    Column("phase", "20 of a phase", ".2f"),
    Column("newest", "10 newest", ".2f"),
    Column("since", "20 in a time span", ".2f"),
    Column("open", "open", ".2f"),
    Column("fill", "fill, per doc", ".2f"),
    Column("size", "file (MB)", ".1f"),
)


def numbers(rng: random.Random) -> list[float]:
    """Three random numbers, such as a position or a force."""
    return [rng.gauss(0.0, 1.0) for _ in range(3)]


def document(rng: random.Random, serial: int, size_bytes: int) -> dict[str, Any]:
    """Make a document shaped as jobflow keeps a relaxation; random numbers hardly compress, as real ones."""
    sites = [
        {"species": [{"element": "Na", "occu": 1}], "abc": numbers(rng), "xyz": numbers(rng), "label": "Na"}
        for _ in range(max(1, size_bytes // SITE_BYTES))
    ]
    return {
        "uuid": str(uuid.UUID(int=rng.getrandbits(128))),
        "index": 1,
        "name": ("relax", "static", "phonon")[serial % 3],
        "completed_at": (START + timedelta(seconds=serial)).isoformat(),
        "metadata": {"phase": f"phase-{serial % PHASES}", "campaign": "benchmark"},
        "output": {
            "structure": {"@module": "pymatgen.core.structure", "@class": "Structure", "sites": sites},
            "energy_ev": rng.uniform(-30, 0),
            "forces_ev_per_angstrom": [numbers(rng) for _ in sites],
        },
    }


class Bench:
    """A store that grows, and measurements on it."""

    def __init__(self, path: Path, size_bytes: int, repetitions: int) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self.repetitions = repetitions
        self.rng = random.Random(0)
        self.known: list[dict[str, Any]] = []
        fields = ("uuid", "index", "name", "completed_at", "metadata.phase")
        self.store = SQLiteStore(path, index_fields=fields, key="uuid")
        self.store.connect()

    def grow(self, size: int) -> float:
        """Fill up to a number of documents, in batches; return the time per document in ms."""
        missing, begin = size - len(self.known), time.perf_counter()
        while len(self.known) < size:
            batch = self.documents(min(500, size - len(self.known)))
            self.store.update(batch, key=KEY)
            self.remember(batch)
        return (time.perf_counter() - begin) * 1e3 / max(1, missing)

    def documents(self, count: int) -> list[dict[str, Any]]:
        return [document(self.rng, len(self.known) + i, self.size_bytes) for i in range(count)]

    def remember(self, documents: list[dict[str, Any]]) -> None:
        self.known.extend({k: d[k] for k in (*KEY, "completed_at")} for d in documents)

    def median_ms(self, action: Callable[[Any], object], arguments: list[Any]) -> float:
        times = []
        for argument in arguments:
            begin = time.perf_counter()
            action(argument)
            times.append(time.perf_counter() - begin)
        return statistics.median(times) * 1e3

    def row(self, size: int) -> dict[str, Any]:
        """Fill up to a number of documents and measure there."""
        fill_ms = self.grow(size)
        store, fresh = self.store, self.documents(self.repetitions)
        chosen = [self.rng.choice(self.known) for _ in fresh]
        keys = [{k: c[k] for k in KEY} for c in chosen]
        replacements = [d | k for d, k in zip(self.documents(len(keys)), keys, strict=True)]
        spans = [{"completed_at": time_span(c["completed_at"])} for c in chosen]
        phases = [{"metadata.phase": f"phase-{i % PHASES}"} for i in range(len(keys))]
        row = {
            "documents": size,
            "insert": self.median_ms(lambda d: store.update(d, key=KEY), fresh),
            "replace": self.median_ms(lambda d: store.update(d, key=KEY), replacements),
            "one": self.median_ms(store.query_one, keys),
            "phase": self.median_ms(lambda criteria: list(store.query(criteria, limit=20)), phases),
            "newest": self.median_ms(lambda _: list(store.query(sort={"completed_at": -1}, limit=10)), keys),
            "since": self.median_ms(lambda criteria: list(store.query(criteria)), spans),
            "open": self.median_ms(lambda _: store.connect(force_reset=True), keys),
            "fill": fill_ms,
        }
        self.remember(fresh)
        return row | {"size": info(self.path).size_bytes / 1e6}


def time_span(begin: str) -> dict[str, str]:
    """Criteria for the documents of 20 seconds, of which there is one each."""
    return {"$gte": begin, "$lt": (datetime.fromisoformat(begin) + timedelta(seconds=20)).isoformat()}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 10_000, 100_000], help="documents in the store")
    parser.add_argument("--document-kb", type=float, default=4.0, help="size of a document as BSON")
    parser.add_argument("--repetitions", type=int, default=50, help="of each operation")
    parser.add_argument("--verify", action="store_true", help="check the whole file at the end")
    options = parser.parse_args()
    size_bytes = int(options.document_kb * 1e3)
    with tempfile.TemporaryDirectory(prefix="nawf-bench-") as folder:
        path = Path(folder) / "store.db"
        bench = Bench(path, size_bytes, options.repetitions)
        rows = [bench.row(size) for size in sorted(options.sizes)]
        bench.store.close()
        notes = ["median times in ms; insert and replace are one update() each, committed to the disk"]
        if options.verify:
            notes.append(f"problems found by verify: {len(verify(path))}")
    actual_bytes = len(bson.encode(document(random.Random(0), 0, size_bytes)))
    print(render(Table(f"Embedded store, documents of {actual_bytes / 1e3:.1f} kB", COLUMNS, rows, notes)))


if __name__ == "__main__":
    main()
