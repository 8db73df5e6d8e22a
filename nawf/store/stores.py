"""Opening the stores: the raw store that jobs write to, and the phase store that reports read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nawf.errors import StoreFileError
from nawf.store.location import is_mongo, redacted

if TYPE_CHECKING:
    from jobflow import JobStore
    from maggma.core import Store

OUTPUTS, DATA, RESULTS = "outputs", "data", "results"
"""Collections of a file."""
MONGO_OUTPUTS, MONGO_DATA, MONGO_RESULTS = "nawf_outputs", "nawf_data", "nawf_results"
"""Collections of a MongoDB database; the second is GridFS: ``nawf_data.files`` and ``nawf_data.chunks``."""
DATA_STORE = "data"
"""Name of the store for large data among jobflow's additional stores."""

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
    """The stores of one location, connected; ``location`` is as it may be shown, without a password."""

    location: str
    jobs: JobStore
    results: Store

    @property
    def data(self) -> Store:
        """The store of large data that raw documents refer to."""
        return self.jobs.additional_stores[DATA_STORE]

    def close(self) -> None:
        self.jobs.close()
        self.results.close()


@contextmanager
def open_stores(location: str, *, read_only: bool = False) -> Iterator[Stores]:
    """Open the raw store and the phase store at ``location``: a file of the embedded store, or a MongoDB database.

    Parameters
    ----------
    location : str
        A file, or ``mongodb://user@host:27017/database?options`` (``mongodb+srv://`` likewise). A password is best
        given as ``NAWF_STORE_PASSWORD`` or in the file that the setting ``store_password_file`` names.
    read_only : bool
        Change nothing, indexes included.

    Raises
    ------
    StoreFileError
        When the file cannot be opened, is not a nawf store, or (read-only) is not there; when the server cannot be
        reached or does not let the user in, or (read-only) the database holds no nawf store.
    """
    made = _in_database(location, read_only) if is_mongo(location) else _in_file(location, read_only)
    with made as stores:
        try:
            stores.jobs.connect()
            stores.results.connect()
            yield stores
        finally:
            stores.close()


def store_exists(location: str) -> bool:
    """Whether there is a store; nothing is made.

    Raises
    ------
    StoreFileError
        When a server cannot be reached or does not let the user in.
    """
    if not is_mongo(location):
        return Path(location).exists()
    from nawf.store.mongo_connection import Connection

    connection = Connection(location)
    try:
        names = set(connection.acquire().list_collection_names())
    finally:
        connection.release()
    return bool(names & {MONGO_OUTPUTS, MONGO_RESULTS})


@contextmanager
def _in_file(location: str, read_only: bool) -> Iterator[Stores]:
    from jobflow import JobStore

    from nawf.store.sqlite import SQLiteStore

    if read_only and not Path(location).exists():
        raise StoreFileError("there is no such store", where=location, hint="nawf run CAMPAIGN makes one")
    path = str(Path(location).resolve())  # jobs change the current folder

    def collection(name: str, index: tuple[str, ...], key: str) -> SQLiteStore:
        return SQLiteStore(path, name, index_fields=index, key=key, read_only=read_only)

    docs, data = collection(OUTPUTS, RAW_INDEX, "uuid"), collection(DATA, DATA_INDEX, "blob_uuid")
    results = collection(RESULTS, RESULTS_INDEX, "result_id")
    yield Stores(location, JobStore(docs, additional_stores={DATA_STORE: data}), results)


@contextmanager
def _in_database(location: str, read_only: bool) -> Iterator[Stores]:
    from jobflow import JobStore

    from nawf.store.mongo import MongoDocuments
    from nawf.store.mongo_connection import Connection
    from nawf.store.mongo_data import MongoData
    from nawf.store.mongo_indexes import DATA_INDEXES, OUTPUT_INDEXES, RESULT_INDEXES
    from nawf.store.mongo_large import Spill

    connection = Connection(location)
    database = connection.acquire()
    try:
        with connection.plain_errors():
            if read_only and not {MONGO_OUTPUTS, MONGO_RESULTS} & set(database.list_collection_names()):
                hint = "nawf run CAMPAIGN makes one"
                raise StoreFileError("there is no nawf store in this database", where=redacted(location), hint=hint)
        data = MongoData(location, MONGO_DATA, indexes=DATA_INDEXES, read_only=read_only, connection=connection)
        docs = MongoDocuments(
            location,
            MONGO_OUTPUTS,
            "uuid",
            indexes=OUTPUT_INDEXES,
            read_only=read_only,
            connection=connection,
            spill=Spill(data, DATA_STORE),
        )
        results = MongoDocuments(
            location, MONGO_RESULTS, "result_id", indexes=RESULT_INDEXES, read_only=read_only, connection=connection
        )
        yield Stores(redacted(location), JobStore(docs, additional_stores={DATA_STORE: data}), results)
    finally:
        connection.release()
