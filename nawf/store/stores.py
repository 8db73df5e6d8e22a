"""Opening the stores: the raw store that jobs write to, and the phase store that reports read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nawf.errors import StoreFileError

if TYPE_CHECKING:
    from jobflow import JobStore
    from maggma.core import Store

OUTPUTS, DATA, RESULTS = "outputs", "data", "results"

RAW_INDEX = (
    "uuid",
    "index",
    "completed_at",
    "metadata.nawf.phase",
    "metadata.nawf.property",
    "metadata.nawf.final",
    "metadata.nawf.intent",
)
DATA_INDEX = ("blob_uuid", "job_uuid")
RESULTS_INDEX = (
    "result_id",
    "phase",
    "property",
    "fingerprint_id",
    "calculation_id",
    "chemical_system",
    "provenance.intent",
    "last_updated",
)


@dataclass(frozen=True)
class Stores:
    """The stores of one location, connected."""

    location: str
    jobs: JobStore
    results: Store

    def close(self) -> None:
        self.jobs.close()
        self.results.close()


@contextmanager
def open_stores(location: str, *, read_only: bool = False) -> Iterator[Stores]:
    """Open the raw store and the phase store at ``location``, a file of the embedded store.

    Raises
    ------
    StoreFileError
        When the file cannot be opened, is not a nawf store, or (read-only) is not there.
    """
    from jobflow import JobStore

    from nawf.store.sqlite import SQLiteStore

    if "://" in location:
        raise StoreFileError("only files can be opened as a store", where=location.split("://")[0] + "://...")
    if read_only and not Path(location).exists():
        raise StoreFileError("there is no such store", where=location, hint="nawf run CAMPAIGN makes one")
    path = str(Path(location).resolve())  # jobs change the current folder

    def collection(name: str, index: tuple[str, ...], key: str) -> SQLiteStore:
        return SQLiteStore(path, name, index_fields=index, key=key, read_only=read_only)

    docs, data = collection(OUTPUTS, RAW_INDEX, "uuid"), collection(DATA, DATA_INDEX, "blob_uuid")
    results = collection(RESULTS, RESULTS_INDEX, "result_id")
    stores = Stores(location, JobStore(docs, additional_stores={"data": data}), results)
    try:
        stores.jobs.connect()
        results.connect()
        yield stores
    finally:
        stores.close()
