"""A MongoDB collection against maggma's MemoryStore: the same operations, the same answers.

With a real server this is left out: mongomock-ng, which is behind both MemoryStore and the stand-in, differs from
MongoDB in odd corners (True equals 1, a list sorts by its first item) that the random documents look for.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from maggma.stores import MemoryStore
from mongo_fixtures import VARIABLE
from store_scenarios import FIELDS, outcome, scenarios

from nawf.store.mongo import MongoDocuments
from nawf.store.mongo_indexes import Index
from nawf.store.sqlite import SQLiteStore

pytestmark = pytest.mark.skipif(bool(os.environ.get(VARIABLE)), reason="compares with mongomock-ng itself")

INDEXES = tuple(Index((field,)) for field in FIELDS)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(scenarios())
def test_answers_equal_memory_store_and_the_embedded_store(tmp_path, mongo_uri, scenario):
    first, steps = scenario
    path = tmp_path / "store.db"
    path.unlink(missing_ok=True)
    memory, embedded = MemoryStore(key="k"), SQLiteStore(path, "things", index_fields=FIELDS, key="k")
    database = MongoDocuments(mongo_uri, "things", key="k", indexes=INDEXES)
    for store in (memory, embedded, database):
        store.connect()
    database.remove_docs({})
    for operation in [("update", first, "k"), *steps, ("query", {}, None, None, 0, 0)]:
        expected, *found = [outcome(store, operation) for store in (memory, embedded, database)]
        if isinstance(expected, Exception):
            # mongomock-ng fails on some values that MongoDB takes; a store may do better, but not on writes.
            assert operation[0] not in ("update", "remove") or all(isinstance(f, Exception) for f in found)
        else:
            assert found == [expected, expected], operation
    embedded.close()
    database.close()
