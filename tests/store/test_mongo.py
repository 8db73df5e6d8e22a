"""MongoDB collections: what goes beyond maggma's own stores, and that both read what the other wrote."""

from __future__ import annotations

import multiprocessing
from typing import Any

import pytest
from maggma.core import StoreError
from maggma.stores import GridFSStore, MongoStore
from pymongo import MongoClient
from pymongo.errors import BulkWriteError, DuplicateKeyError

from nawf.errors import StoreFileError
from nawf.store.location import database_name
from nawf.store.mongo import MongoDocuments
from nawf.store.mongo_indexes import Index
from nawf.store.stores import MONGO_DATA, MONGO_OUTPUTS, MONGO_RESULTS, open_stores

UUID = "8a1f"


def raw_database(uri: str) -> Any:
    return MongoClient(uri)[database_name(uri)]


# --- beside maggma's own stores ------------------------------------------------------------------------


def test_plain_maggma_stores_read_and_write_the_same_collections(mongo_uri: str) -> None:
    from jobflow import JobStore

    theirs = JobStore(
        MongoStore.from_uri(mongo_uri, MONGO_OUTPUTS),
        additional_stores={"data": GridFSStore.from_uri(mongo_uri, MONGO_DATA)},
        save={"data": ["rows"]},
    )
    theirs.connect()
    with open_stores(mongo_uri) as stores:
        theirs.update({"uuid": UUID, "index": 1, "output": {"rows": [1.5, 2.5], "n": 2}})
        assert stores.jobs.query_one({"uuid": UUID}, load=True)["output"] == {"rows": [1.5, 2.5], "n": 2}
        stores.jobs.update({"uuid": "other", "index": 1, "output": {"rows": [3, 4]}}, save={"data": ["rows"]})
        assert theirs.query_one({"uuid": "other"}, load=True)["output"] == {"rows": [3, 4]}
        assert theirs.get_output("other", load=True) == {"rows": [3, 4]}
    assert set(raw_database(mongo_uri).list_collection_names()) == {
        MONGO_OUTPUTS, MONGO_RESULTS, f"{MONGO_DATA}.files", f"{MONGO_DATA}.chunks",
    }  # fmt: skip
    theirs.close()


def test_an_unconnected_store_says_so(mongo_uri: str) -> None:
    with pytest.raises(StoreError, match="connect"):
        MongoDocuments(mongo_uri, "things").count()


# --- indexes -------------------------------------------------------------------------------------------


def test_indexes_are_made_and_some_are_unique(mongo_uri: str) -> None:
    with open_stores(mongo_uri):
        pass
    database = raw_database(mongo_uri)

    def indexed(name: str) -> dict[tuple[str, ...], bool]:
        found = database[name].index_information().values()
        return {tuple(field for field, _ in info["key"]): bool(info.get("unique")) for info in found}

    assert indexed(MONGO_OUTPUTS)["uuid", "index"]
    assert indexed(MONGO_OUTPUTS).keys() >= {("uuid",), ("metadata.nawf.phase",), ("metadata.nawf.final",)}
    assert indexed(MONGO_RESULTS)[("result_id",)]
    assert indexed(MONGO_RESULTS).keys() >= {("phase",), ("property",), ("last_updated",)}
    assert indexed(f"{MONGO_DATA}.files").keys() >= {("metadata.blob_uuid",), ("metadata.job_uuid",)}


def test_two_documents_of_one_name_are_told_when_the_index_is_made(mongo_uri: str) -> None:
    raw_database(mongo_uri)[MONGO_RESULTS].insert_many([{"result_id": "a"}, {"result_id": "a"}])
    with pytest.raises(StoreFileError, match="holds two documents with the same result_id"), open_stores(mongo_uri):
        pass
    with open_stores(mongo_uri, read_only=True) as stores:
        assert stores.results.count() == 2


def test_an_index_with_other_options_is_told(mongo_uri: str) -> None:
    raw_database(mongo_uri)[MONGO_RESULTS].create_index("result_id")
    with pytest.raises(StoreFileError, match="has another index in the place of"), open_stores(mongo_uri):
        pass


@pytest.mark.parametrize(
    ("info", "does"),
    [
        ({"key": [("a", 1), ("b", 1)], "unique": True}, True),
        ({"key": [("a", 1), ("b", 1)]}, False),
        ({"key": [("a", 1)], "unique": True}, False),
    ],
)
def test_which_index_does_for_a_unique_one(info: dict[str, Any], does: bool) -> None:
    assert Index(("a", "b"), is_unique=True).is_met_by(info) is does


# --- documents near the limit --------------------------------------------------------------------------


def test_a_large_output_goes_to_the_data_store(mongo_uri: str) -> None:
    output = {"@module": "m", "@class": "C", "rows": [[i, 0.5 * i, "x" * 20] for i in range(200_000)]}
    with open_stores(mongo_uri) as stores:
        for _ in range(2):
            stores.jobs.update({"uuid": UUID, "index": 1, "output": output, "metadata": {"nawf": {"phase": "p"}}})
        stored = raw_database(mongo_uri)[MONGO_OUTPUTS].find_one({"uuid": UUID})
        assert (stored["output"]["store"], stored["output"]["@class"]) == ("data", "C")
        assert stored["metadata"]["nawf"]["phase"] == "p"
        assert stores.jobs.query_one({"uuid": UUID}, load=True)["output"] == output
        assert stores.jobs.get_output(UUID, load=True)["rows"][7] == output["rows"][7]
        assert stores.data.count() == 1
        stores.jobs.remove_docs({"uuid": UUID})
        assert stores.data.count() == 0


def test_a_document_that_cannot_fit_is_one_line(mongo_uri: str) -> None:
    large = "x" * 17_000_000
    with open_stores(mongo_uri) as stores:
        with pytest.raises(StoreFileError, match=r"relax na: its document of 17 MB is larger"):
            stores.jobs.update({"uuid": UUID, "index": 1, "name": "relax na", "metadata": {"x": large}})
        with pytest.raises(StoreFileError, match=r"^a: its document of 17 MB is larger than the 16 MB"):
            stores.results.update({"result_id": "a", "x": large})
        assert stores.jobs.count() == stores.results.count() == 0


# --- several writers -----------------------------------------------------------------------------------

WRITERS, STEPS = 4, 25


def write(uri: str, me: int) -> None:
    with open_stores(uri) as stores:
        for step in range(STEPS):
            stores.results.update({"result_id": f"{me}-{step}", "by": me})
            stores.results.update([{"result_id": f"common-{step}", "by": me}, {"result_id": "last", "by": me}])
            stores.jobs.update({"uuid": f"{step}", "index": 1, "by": me})
            stores.data.update({"blob_uuid": f"{step}", "data": [me], "job_uuid": f"{step}", "job_index": 1})


def test_writers_lose_and_double_nothing(mongo_uri: str) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write, args=(mongo_uri, me)) for me in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    with open_stores(mongo_uri, read_only=True) as stores:
        assert stores.results.count() == WRITERS * STEPS + STEPS + 1
        assert len(stores.results.distinct("result_id")) == stores.results.count()
        assert stores.jobs.count() == STEPS
        assert sorted(stores.data.distinct("blob_uuid")) == sorted(map(str, range(STEPS)))
        for document in stores.data.query():
            assert document["data"][0] in range(WRITERS)
    chunks = raw_database(mongo_uri)[f"{MONGO_DATA}.chunks"].distinct("files_id")
    files = raw_database(mongo_uri)[f"{MONGO_DATA}.files"].distinct("_id")
    assert len(files) == STEPS
    assert set(chunks) == set(files)


class Racing:
    """A collection in which another writer is a moment faster, some times."""

    def __init__(self, collection: Any, times: int) -> None:
        self._collection, self.times = collection, times

    def bulk_write(self, requests: list[Any]) -> Any:
        if self.times:
            self.times -= 1
            problem = {"code": 11000, "errmsg": "E11000", "keyPattern": {"k": 1}, "op": {"q": {"k": 1}}}
            raise BulkWriteError({"writeErrors": [problem]})
        return self._collection.bulk_write(requests)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)


def test_a_lost_race_is_run_again_but_not_for_ever(mongo_uri: str) -> None:
    with MongoDocuments(mongo_uri, "things", key="k") as store:
        real = store._coll
        store._coll = Racing(real, 3)
        store.update({"k": 1, "n": 1})
        assert store.count() == 1
        store._coll = Racing(real, 100)
        with pytest.raises(DuplicateKeyError):
            store.update({"k": 1, "n": 2})
        store._coll = real
