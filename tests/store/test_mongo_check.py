"""Damage to a MongoDB store that only MongoDB can have, and that it is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pymongo import MongoClient

from nawf.errors import StoreFileError
from nawf.store.check import info, verify
from nawf.store.location import database_name
from nawf.store.stores import MONGO_DATA, MONGO_OUTPUTS, MONGO_RESULTS, open_stores

FILES, CHUNKS = f"{MONGO_DATA}.files", f"{MONGO_DATA}.chunks"


def cut_off_upload(database: Any) -> None:
    database[CHUNKS].insert_one({"files_id": "begun", "n": 0, "data": b"x"})


def doubled_results(database: Any) -> None:
    database[MONGO_RESULTS].drop_index("result_id_1")
    database[MONGO_RESULTS].insert_many([{"result_id": "twice", "schema_version": 0} for _ in range(2)])


DAMAGES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "an index lost": (lambda db: db[MONGO_OUTPUTS].drop_index("uuid_1_index_1"), "no index on uuid + index (unique)"),
    "results doubled": (doubled_results, "holds 2 documents with result_id twice"),
    "a piece lost": (lambda db: db[CHUNKS].delete_one({}), "is damaged"),
    "pieces swapped": (
        lambda db: db[FILES].update_one({"metadata.blob_uuid": "a"}, {"$set": {"metadata.blob_uuid": "c"}}),
        "data c hold what belongs to a",
    ),
    "a file lost": (lambda db: db[FILES].delete_one({"metadata.blob_uuid": "a"}), "its data are missing"),
}


@pytest.fixture
def database(mongo_uri: str) -> Any:
    with open_stores(mongo_uri) as stores:
        for name in "ab":
            stores.data.update({"blob_uuid": name, "data": [name] * 100, "job_uuid": name, "job_index": 1})
            reference = {"blob_uuid": name, "store": "data"}
            stores.jobs.update({"uuid": name, "index": 1, "output": {"rows": reference}})
    return MongoClient(mongo_uri)[database_name(mongo_uri)]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found(mongo_uri: str, database: Any, damage: str) -> None:
    assert verify(mongo_uri).problems == []
    harm, told = DAMAGES[damage]
    harm(database)
    problems = verify(mongo_uri).problems
    assert any(told in problem for problem in problems), problems


def test_an_upload_that_was_cut_off_is_a_note(mongo_uri: str, database: Any) -> None:
    cut_off_upload(database)
    found = verify(mongo_uri)
    assert found.problems == []
    assert found.notes[0].startswith("uploads of data that were cut off: 1")


def test_missing_indexes_are_told_and_made_by_opening(mongo_uri: str, database: Any) -> None:
    database[MONGO_RESULTS].drop_index("phase_1")

    def missing() -> dict[str, tuple[str, ...]]:
        return {c.name: c.missing_indexes for c in info(mongo_uri).collections if c.missing_indexes}

    assert missing() == {MONGO_RESULTS: ("phase",)}
    with open_stores(mongo_uri):
        pass
    assert missing() == {}


def test_a_database_without_a_store_is_refused(mongo_uri: str) -> None:
    for look in (info, verify):
        with pytest.raises(StoreFileError, match="there is no nawf store in this database"):
            look(mongo_uri)
