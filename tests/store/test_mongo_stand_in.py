"""The stand-in for MongoDB that other tests lean on: commands, restarts, and several processes at once."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable
from typing import Any

import gridfs
import pytest
from pymongo import ASCENDING, MongoClient, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure


@pytest.fixture
def database(stand_in: Callable[..., Any]) -> Any:
    return MongoClient(stand_in().uri)["things"]


def test_cursors_of_several_batches(database: Any) -> None:
    database.a.insert_many([{"n": n, "text": "x" * 200_000} for n in range(200)])
    assert [d["n"] for d in database.a.find(batch_size=7)] == list(range(200))
    assert [d["n"] for d in database.a.find({"n": {"$gt": 5}}, {"n": 1}, sort=[("n", -1)], skip=1, limit=3)] == [
        198, 197, 196,
    ]  # fmt: skip
    assert len(list(database.a.find())) == 200  # 40 MB take several messages
    cursor = database.a.find(batch_size=2)
    next(cursor)
    cursor.close()
    assert database.a.count_documents({"n": {"$lt": 3}}) == 3
    assert database.a.estimated_document_count() == 200
    assert database.a.distinct("n", {"text": re.compile("^x"), "n": {"$lt": 2}}) == [0, 1]


def test_updates_are_one_step_and_may_be_pipelines(database: Any) -> None:
    database.jobs.insert_many([{"n": n, "state": "ready", "remote": {"tries": n}} for n in range(3)])
    change = [{"$set": {"state": {"$cond": [{"$gt": ["$remote.tries", 1]}, "late", "locked"]}}}]
    taken = database.jobs.find_one_and_update(
        {"state": "ready"},
        change,
        sort=[("n", -1)],
        projection={"state": 1, "_id": 0},
        return_document=ReturnDocument.AFTER,
    )
    assert taken == {"state": "late"}
    before = database.jobs.find_one_and_update({"n": 0}, {"$set": {"state": "x"}, "$inc": {"n": 10}})
    assert (before["state"], database.jobs.find_one({"n": 10})["state"]) == ("ready", "x")
    made = database.counters.find_one_and_update(
        {"_id": "next"}, {"$inc": {"id": 2}}, upsert=True, return_document=ReturnDocument.AFTER
    )
    assert made == {"_id": "next", "id": 2}
    assert database.counters.find_one_and_delete({"_id": "next"}) == made
    assert database.counters.find_one_and_update({"_id": "gone"}, {"$set": {"a": 1}}) is None
    database.lists.insert_one({"_id": 1, "items": [{"k": 1, "v": 0}, {"k": 2, "v": 0}]})
    database.lists.update_one({"items.k": 2}, {"$set": {"items.$.v": 5}})
    assert database.lists.find_one()["items"][1] == {"k": 2, "v": 5}
    assert database.jobs.update_many({}, {"$set": {"all": True}}).modified_count == 3


def test_joins_and_groups(database: Any) -> None:
    database.flows.insert_many([{"_id": 1, "jobs": ["a", "b"]}, {"_id": 2, "jobs": ["c"]}])
    database.jobs.insert_many([{"uuid": u, "state": s} for u, s in zip("abc", "xyx", strict=True)])
    joined = database.flows.aggregate(
        [
            {"$match": {"_id": 1}},
            {
                "$lookup": {
                    "from": "jobs",
                    "localField": "jobs",
                    "foreignField": "uuid",
                    "as": "found",
                    "pipeline": [{"$project": {"_id": 0, "state": 1}}],
                }
            },
        ]
    )
    assert next(joined)["found"] == [{"state": "x"}, {"state": "y"}]
    groups = database.jobs.aggregate([{"$group": {"_id": "$state", "n": {"$sum": 1}}}, {"$sort": {"_id": 1}}])
    assert list(groups) == [{"_id": "x", "n": 2}, {"_id": "y", "n": 1}]


def test_unique_indexes_and_errors_of_bulk_writes(database: Any) -> None:
    database.a.create_index([("x", ASCENDING), ("y", ASCENDING)], unique=True)
    database.a.create_index([("x", ASCENDING), ("y", ASCENDING)], unique=True)
    database.a.insert_one({"x": 1, "y": 1})
    with pytest.raises(DuplicateKeyError) as caught:
        database.a.insert_one({"x": 1, "y": 1})
    assert caught.value.details["keyPattern"] == {"x": 1, "y": 1}
    with pytest.raises(BulkWriteError) as many:
        database.a.bulk_write(
            [UpdateOne({"x": n}, {"$set": {"y": 1}}, upsert=True) for n in (2, 3)]
            + [UpdateOne({"x": 2}, {"$set": {"x": 1}}), UpdateOne({"x": 4}, {"$set": {"y": 1}}, upsert=True)],
            ordered=False,
        )
    assert [(e["index"], e["code"]) for e in many.value.details["writeErrors"]] == [(2, 11000)]
    assert many.value.details["nUpserted"] == 3
    assert sorted(database.a.distinct("x")) == [1, 2, 3, 4]
    database.b.insert_many([{"u": 1}, {"u": 1}])
    with pytest.raises(DuplicateKeyError):
        database.b.create_index("u", unique=True)
    database.b.create_index("u")
    with pytest.raises(OperationFailure):
        database.b.create_index("u", unique=True)
    assert set(database.b.index_information()) == {"_id_", "u_1"}
    database.b.drop_indexes()
    assert set(database.b.index_information()) == {"_id_"}


def test_collections_files_and_what_it_cannot_do(database: Any) -> None:
    files = gridfs.GridFS(database, "blobs")
    content = bytes(range(256)) * 8000
    key = files.put(content, metadata={"a": 1})
    assert files.get(key).read() == content
    assert files.find_one({"metadata.a": 1})._id == key
    assert set(database.list_collection_names()) == {"blobs.files", "blobs.chunks"}
    assert database.command("collStats", "blobs.chunks")["count"] > 1
    database["blobs.files"].rename("old")
    database.drop_collection("blobs.chunks")
    database.drop_collection("never was")
    assert database.list_collection_names() == ["old"]
    assert database.client.server_info()["version"].startswith("7.")
    with pytest.raises(OperationFailure, match="no such command"):
        database.command("frobnicate")
    session = database.client.start_session()
    session.start_transaction()
    with pytest.raises(OperationFailure, match="replica set"):
        database.old.insert_one({"a": 1}, session=session)
    session.abort_transaction()
    database.client.drop_database("things")
    assert "things" not in database.client.list_database_names()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_nothing_is_lost_when_it_is_started_again(stand_in: Callable[..., Any], how: str) -> None:
    server = stand_in(keeps=True)
    with MongoClient(server.uri) as client:
        database = client["things"]
        database.a.create_index("n", unique=True)
        database.a.insert_many([{"n": n} for n in range(20)])
        database.a.update_many({"n": {"$lt": 5}}, {"$set": {"small": True}})
        database.a.delete_many({"n": {"$gte": 15}})
        database.a.find_one_and_update({"n": 50}, {"$inc": {"hits": 1}}, upsert=True)
        database.a.find_one_and_delete({"n": 3})
        database.a.replace_one({"n": 4}, {"n": 4, "new": [1, {"b": None}]})
        database.gone.insert_one({"a": 1})
        database.gone.drop()
        database.create_collection("empty")
        before = list(database.a.find())
        getattr(server, how)()
        server.start()
        assert list(database.a.find()) == before
        assert len(before) == 15
        assert set(database.list_collection_names()) == {"a", "empty"}
        with pytest.raises(DuplicateKeyError):
            database.a.insert_one({"n": 1})


def count(uri: str, steps: int) -> None:
    with MongoClient(uri) as client:
        for step in range(steps):
            client["things"].a.find_one_and_update({"_id": "c"}, {"$inc": {"n": 1}}, upsert=True)
            client["things"].b.insert_one({"text": "x" * 50_000, "step": step})


def test_several_processes_at_once(stand_in: Callable[..., Any]) -> None:
    uri, context = stand_in(keeps=True).uri, multiprocessing.get_context("fork")
    workers = [context.Process(target=count, args=(uri, 40)) for _ in range(5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 5
    with MongoClient(uri) as client:
        assert client["things"].a.find_one() == {"_id": "c", "n": 200}
        assert client["things"].b.count_documents({}) == 200
