"""Check of the store: whether it can be reached and written, what it holds, whether its indexes are there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from nawf.running.doctor import Check, Mark
from nawf.settings import Settings
from nawf.store.location import is_mongo, redacted
from nawf.store.stores import Stores, open_stores, store_exists

_AREA = "store"


def store(settings: Settings) -> Iterator[Check]:
    """A file or a database, as the settings say."""
    location = settings.store
    if not store_exists(location):
        yield _new_database(location) if is_mongo(location) else _new_file(Path(location).absolute())
        return
    with open_stores(location, read_only=True) as stores:
        jobs, results = stores.jobs.docs_store.count(), stores.results.count()
        yield Check(_AREA, "store", Mark.GOOD, f"{stores.location}: {jobs} finished jobs, {results} results")
        if is_mongo(location):
            yield from _indexes(stores)
    if not is_mongo(location) and not os.access(location, os.W_OK):
        yield Check(_AREA, "writing", Mark.BAD, f"{location} is read-only for you", "see its owner and permissions")


def _new_database(location: str) -> Check:
    found = f"{redacted(location)} answers; the first run makes nawf's collections"
    return Check(_AREA, "store", Mark.GOOD, found)


def _new_file(path: Path) -> Check:
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return Check(_AREA, "store", Mark.GOOD, f"{path} is not there yet; the first run makes it")
    return Check(
        _AREA, "store", Mark.BAD, f"{path} cannot be made: no permission in {folder}", "set store in nawf.yaml"
    )


def _indexes(stores: Stores) -> Iterator[Check]:
    """Without them every query reads all documents, and two writers may store one result twice."""
    from nawf.store.mongo_indexes import DATA_INDEXES, OUTPUT_INDEXES, RESULT_INDEXES, missing_indexes

    missing = [
        f"{store.name} on {index}"
        for store, collection, wanted in (
            (stores.jobs.docs_store, stores.jobs.docs_store._collection, OUTPUT_INDEXES),
            (stores.data, stores.data._files_collection, DATA_INDEXES),
            (stores.results, stores.results._collection, RESULT_INDEXES),
        )
        for index in missing_indexes(collection, wanted)
    ]
    if missing:
        advice = "a user who may write makes them with: nawf build"
        yield Check(_AREA, "indexes", Mark.LOOK, f"missing: {', '.join(missing)}", advice)
    else:
        yield Check(_AREA, "indexes", Mark.GOOD, "all are there")
