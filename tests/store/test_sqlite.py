"""The embedded store beside other stores and under jobflow."""

from __future__ import annotations

import copy
import pickle
import sqlite3
from datetime import datetime, timedelta

import pytest
from jobflow import JobStore
from maggma.core import StoreError
from maggma.core.validator import Validator
from maggma.stores import MemoryStore
from monty.json import MontyDecoder, MontyEncoder
from pymongo.errors import DuplicateKeyError, OperationFailure

from nawf.store.sqlite import SQLiteStore


@pytest.fixture
def path(tmp_path):
    return tmp_path / "stores" / "store.db"


@pytest.fixture
def store(path):
    with SQLiteStore(path, key="k", index_fields=("k",)) as opened:
        yield opened


def contents(store, **query):
    return [{k: v for k, v in d.items() if k != "_id"} for d in store.query(**query)]


# --- jobflow -------------------------------------------------------------------------------------------


def test_job_store_survives_serialisation(path):
    jobs = JobStore(SQLiteStore(path), additional_stores={"data": SQLiteStore(path, "data")})
    again = MontyDecoder().decode(MontyEncoder().encode(jobs))
    assert again.docs_store == jobs.docs_store
    assert again.docs_store.key == "uuid"
    assert again.additional_stores["data"].collection_name == "data"


# --- the object ----------------------------------------------------------------------------------------


def test_round_trips_keep_every_setting(path):
    settings = {"index_fields": ("a", "b.c"), "key": "id", "busy_timeout_s": 3.5, "read_only": True}
    store = SQLiteStore(path, "phases", **settings, last_updated_field="touched", last_updated_type="isoformat")
    for again in (
        SQLiteStore.from_dict(store.as_dict()),
        MontyDecoder().decode(MontyEncoder().encode(store)),
        pickle.loads(pickle.dumps(store)),
        copy.deepcopy(store),
    ):
        assert again == store
        assert hash(again) == hash(store)
        assert again.as_dict() == store.as_dict()
        assert (again.index_fields, again.last_updated_field) == (("a", "b.c"), "touched")


def test_equality_is_of_file_and_collection(path, tmp_path, monkeypatch):
    assert SQLiteStore(path) == SQLiteStore(str(path), key="other")
    assert SQLiteStore(path) != SQLiteStore(path, "other")
    assert SQLiteStore(path) != MemoryStore("outputs")
    monkeypatch.chdir(tmp_path)
    assert SQLiteStore("stores/store.db") == SQLiteStore(path)


def test_a_pickled_open_store_opens_again(store):
    store.update({"k": 1})
    again = pickle.loads(pickle.dumps(store))
    with pytest.raises(StoreError, match="connect"):
        again.count()
    with again:
        assert again.count() == 1


def test_close_and_reconnect(store):
    store.update({"k": 1})
    store.close()
    store.close()
    with pytest.raises(StoreError, match="connect"):
        store.update({"k": 2})
    store.connect()
    store.connect(force_reset=True)
    store.update({"k": 2})
    assert store.distinct("k") == [1, 2]


# --- reading -------------------------------------------------------------------------------------------


def test_projection_as_mongodb_documents_it(store):
    # mongomock-ng fails where a list holds scalars beside sub-documents, and loses a scalar on an excluded path.
    document = {"k": 1, "a": [1, {"b": 2, "c": 3}, [{"b": 4}]], "n": {"x": 1, "y": {"z": 2}}, "s": 5}
    store.update(document)

    def projected(properties):
        return contents(store, properties=properties)[0]

    assert projected(["a.b", "s.x"]) == {"a": [{"b": 2}, [{"b": 4}]]}
    assert projected({"n.y.z": 1}) == {"n": {"y": {"z": 2}}}
    assert projected({"a.b": 0, "s.x": 0, "n.y": 0}) == {
        "k": 1, "a": [1, {"c": 3}, [{}]], "n": {"x": 1}, "s": 5,
    }  # fmt: skip
    assert projected({"a": {"$slice": 1}, "k": 1}) == {"k": 1, "a": [1]}
    assert set(store.query_one(properties=["k"])) == {"_id", "k"}
    assert store.query_one(properties={"_id": 0, "k": 1}) == {"k": 1}
    assert set(store.query_one(properties={"_id": 1})) == {"_id"}
    assert store.query_one(properties=[]) == store.query_one()
    with pytest.raises(ValueError, match="both"):
        projected({"a": 1, "k": 0})
    with pytest.raises(OperationFailure, match="collision"):
        projected(["n", "n.x"])


def test_malformed_criteria_are_refused_even_without_documents(store):
    for criteria in ({"k": {"$near": 1}}, {"k": {"$in": 3}}, {"$or": []}, {"$nonsense": 1}):
        with pytest.raises(OperationFailure):
            store.count(criteria)
        with pytest.raises(OperationFailure):
            list(store.query(criteria))
    store.update({"k": 1, "a": 1})
    with pytest.raises(OperationFailure):
        list(store.query({"a": {"$bogus": 1}, "k": 2}))
    with pytest.raises(TypeError):
        store.count("k")
    with pytest.raises(OperationFailure, match="run code"):
        store.count({"$and": [{"k": 1}, {"$where": "this.k == 1"}]})


def test_changing_the_store_while_reading_it(store):
    store.update([{"k": i, "state": "new"} for i in range(500)])
    for document in store.query({"state": "new"}):
        store.update({"k": document["k"], "state": "old"})
        store.update({"k": 1000 + document["k"], "state": "new"})
        if document["k"] % 2:
            store.remove_docs({"k": document["k"] + 1})
    assert store.count({"state": "new"}) == store.count({"k": {"$gte": 1000}})
    assert 250 <= store.count({"state": "new"}) <= 500


def test_aggregate(store):
    store.update([{"k": i, "phase": "ab"[i % 2], "e": float(i)} for i in range(6)])
    pipeline = [
        {"$match": {"k": {"$gt": 0}}},
        {"$group": {"_id": "$phase", "sum": {"$sum": "$e"}}},
        {"$sort": {"_id": 1}},
    ]
    assert store.aggregate(pipeline) == [{"_id": "a", "sum": 6.0}, {"_id": "b", "sum": 9.0}]
    with pytest.raises(OperationFailure, match="lookup"):
        store.aggregate([{"$lookup": {"from": "other", "localField": "k", "foreignField": "k", "as": "x"}}])


@pytest.mark.parametrize("kind", ["datetime", "isoformat"])
def test_last_updated_and_newer_in_equal_memory_store(path, kind):
    start = datetime(2026, 1, 1)
    moments = [start + timedelta(seconds=i) for i in range(6)]
    stamps = moments if kind == "datetime" else [m.isoformat(timespec="milliseconds") for m in moments]
    source = MemoryStore(key="k", last_updated_type=kind)
    source.connect()
    source.update([{"k": i, "last_updated": stamp} for i, stamp in enumerate(stamps)])
    answers = []
    for target in (
        MemoryStore(key="k", last_updated_type=kind),
        SQLiteStore(path, key="k", last_updated_type=kind),
    ):
        target.connect()
        empty = target.last_updated
        target.update([{"k": i, "last_updated": stamps[i]} for i in range(3)])
        newer = [sorted(target.newer_in(source, exhaustive=exhaustive)) for exhaustive in (False, True)]
        older = sorted(source.newer_in(target, exhaustive=True))
        answers.append((empty, target.last_updated, newer, older))
    assert answers[0] == answers[1]
    assert answers[1][2] == [[3, 4, 5], [3, 4, 5]]


# --- writing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad", [{"k": 2, "$set": 1}, {"no key": 1}, {"k": 2, "x": 2**70}, {"k": 2, "a\0b": 1}, {"k": 2, "x": "\ud800"}]
)
def test_a_batch_with_a_bad_document_changes_nothing(store, bad):
    store.update([{"k": 0}, {"k": 1}])
    with pytest.raises(Exception, match=r".") as caught:
        store.update([{"k": 1, "x": 1}, {"k": 5}, bad, {"k": 6}])
    assert not isinstance(caught.value, sqlite3.Error)
    assert contents(store) == [{"k": 0}, {"k": 1}]


class Positive(Validator):
    def __init__(self, strict=False):
        self._strict = strict

    @property
    def strict(self):
        return self._strict

    def is_valid(self, doc):
        return doc["x"] > 0

    def validation_errors(self, doc):
        return [f"x is {doc['x']}"]


def test_validator(path):
    documents = [{"k": 1, "x": 1}, {"k": 2, "x": -1}]
    with SQLiteStore(path, key="k", validator=Positive()) as store:
        store.update(documents)
        assert store.distinct("k") == [1]
    with SQLiteStore(path, key="k", validator=Positive(strict=True)) as store:
        with pytest.raises(ValueError, match="x is -1"):
            store.update([{"k": 3, "x": 1}, {"k": 2, "x": -1}])
        assert store.distinct("k") == [1]


def test_transaction_is_one_step(store):
    store.update({"k": 1, "n": 1})
    with store.transaction():
        n = store.query_one({"k": 1})["n"]
        store.update({"k": 1, "n": n + 1})
        with pytest.raises(KeyError):
            store.update([{"k": 7}, {"n": 1}])
    assert contents(store) == [{"k": 1, "n": 2}]
    store.ensure_index("n", unique=True)
    with store.transaction():
        store.update({"k": 2, "n": 3})
        with pytest.raises(DuplicateKeyError):
            store.update([{"k": 3, "n": 4}, {"k": 4, "n": 4}])
    assert store.distinct("k") == [1, 2]


def test_a_failed_transaction_leaves_nothing(store):
    store.update([{"k": 1}, {"k": 2}])

    def fail():
        with store.transaction():
            store.remove_docs({})
            assert store.count() == 0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert store.count() == 2
