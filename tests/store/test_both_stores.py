"""What every store does, be it a file or a MongoDB database: the same tests for both."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from bson import ObjectId
from jobflow import Flow, job, run_locally
from maggma.stores import MemoryStore
from monty.json import MontyDecoder
from pymatgen.core import Lattice, Structure
from pymongo.errors import DuplicateKeyError, OperationFailure, WriteError

from nawf.errors import StoreFileError
from nawf.store.check import verify
from nawf.store.stores import open_stores, store_exists


def contents(store, **query):
    return [{k: v for k, v in d.items() if k != "_id"} for d in store.query(**query)]


# --- under jobflow -------------------------------------------------------------------------------------


@job(data="frames")
def heavy(count):
    return {"frames": [[float(i), 0.5] for i in range(count)], "count": count}


@job
def light(previous):
    return previous["count"] + len(previous["frames"])


@job(data=Structure)
def strained(structure):
    return {"structure": structure.apply_strain(0.01, inplace=False), "note": "strained"}


def test_jobflow_runs_and_keeps_its_data_apart(place, tmp_path):
    with open_stores(place) as stores:
        run_a_flow(stores, tmp_path)
    assert verify(place).problems == []


def run_a_flow(stores, tmp_path):
    jobs, docs, data = stores.jobs, stores.jobs.docs_store, stores.data
    first = heavy(40)
    second = light(first.output)
    third = strained(Structure(Lattice.cubic(4.2), ["Na", "S"], [[0, 0, 0], [0.5, 0.5, 0.5]]))
    flow = Flow([first, second, third])
    flow.update_metadata({"phase": "nas"})

    run_locally(flow, store=jobs, root_dir=tmp_path, ensure_success=True, log=False)

    assert docs.count() == 3
    assert data.count() == 2
    assert jobs.get_output(second.uuid) == 80
    stored = docs.query_one({"uuid": first.uuid})["output"]
    assert stored["frames"]["store"] == "data"
    loaded = jobs.query_one({"uuid": first.uuid, "metadata.phase": "nas"}, load=True)["output"]
    assert loaded["frames"][39] == [39.0, 0.5]
    structure = MontyDecoder().process_decoded(jobs.get_output(third.uuid, load=True)["structure"])
    assert structure.lattice.a == pytest.approx(4.242)
    jobs.remove_docs({"uuid": first.uuid})
    assert (docs.count(), data.count()) == (2, 1)


def test_groupby_takes_what_memory_store_cannot(store):
    store.update([{"k": i, "g": g} for i, g in enumerate([None, "a", 1, "a", True])] + [{"k": 9}])
    groups = {repr(head["g"]): sorted(d["k"] for d in docs) for head, docs in store.groupby("g", properties=["k"])}
    assert groups == {"None": [0], "'a'": [1, 3], "1": [2, 4]}
    limited = list(store.groupby(["g"], {"g": "a"}, ["k"], sort={"k": -1}, limit=1))
    assert [[d["k"] for d in docs] for _, docs in limited] == [[3]]


def test_dotted_keys_name_documents(store):
    key = ["job.uuid", "job.index"]
    store.update([{"job": {"uuid": "u", "index": i}, "n": i} for i in (1, 2)], key=key)
    store.update({"job": {"uuid": "u", "index": 2}, "n": 5}, key=tuple(key))
    assert sorted(d["n"] for d in store.query()) == [1, 5]
    with pytest.raises(KeyError, match=r"job\.uuid"):
        store.update({"job": {"index": 2}}, key=key)


def test_id_is_kept_given_and_immutable(store):
    given = ObjectId()
    store.update({"k": 1, "_id": given})
    store.update({"k": 1, "x": 2})
    assert store.query_one({"_id": given}) == {"_id": given, "k": 1, "x": 2}
    document = store.query_one({"k": 1})
    store.update(document | {"x": 3})
    assert store.query_one({"_id": given})["x"] == 3
    with pytest.raises(WriteError, match="_id"):
        store.update({"k": 1, "_id": ObjectId()})
    with pytest.raises(DuplicateKeyError):
        store.update({"k": 2, "_id": given})
    store.update({"_id": "by name", "k": 3}, key="_id")
    store.update({"_id": "by name", "k": 4}, key="_id")
    assert sorted(store.distinct("k")) == [1, 4]


def test_documents_are_serialised_as_by_mongo_store(store):
    lattice = Lattice.cubic(3.0)
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    document = {"k": 1, "lattice": lattice, "when": moment, "raw": b"\0\1", 5: (1, 2), "oid": ObjectId("1" * 24)}
    memory = MemoryStore(key="k")
    memory.connect()
    for each in (memory, store):
        each.update(document)
    assert contents(store) == contents(memory)
    assert "lattice" in document
    assert document["lattice"] is lattice
    assert contents(store)[0]["when"] == datetime(2026, 1, 2, 3, 4, 5, 678000)


def test_long_documents_come_back_whole(store):
    document = {"k": 1, "text": "x" * 3_000_000, "rows": [[0.1 * i, -i] for i in range(20_000)]}
    store.update(document)
    assert contents(store) == [document]


# --- queries -------------------------------------------------------------------------------------------


DOCUMENTS = [
    {"k": 1, "a": 1, "n": {"x": "p"}, "l": [1, 2]},
    {"k": 2, "a": 2.5, "n": {"x": "q"}, "l": []},
    {"k": 3, "a": None, "n": {"x": "p", "y": 1}, "l": [{"b": 1}, {"b": 4}]},
    {"k": 4, "n": {}, "l": [5]},
    {"k": 5, "a": "text", "n": {"x": None}},
]


@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"a": 1}, [1]),
        ({"a": {"$gt": 1}}, [2]),
        ({"a": None}, [3, 4]),
        ({"a": {"$exists": False}}, [4]),
        ({"a": {"$ne": 1}}, [2, 3, 4, 5]),
        ({"a": {"$in": [1, "text"]}}, [1, 5]),
        ({"a": {"$nin": [1, None]}}, [2, 5]),
        ({"a": {"$type": "string"}}, [5]),
        ({"a": {"$regex": "^te"}}, [5]),
        ({"n.x": "p"}, [1, 3]),
        ({"n.x": None}, [4, 5]),
        ({"l": 2}, [1]),
        ({"l": {"$size": 0}}, [2]),
        ({"l.b": {"$gte": 4}}, [3]),
        ({"l": {"$elemMatch": {"b": 1}}}, [3]),
        ({"l": {"$all": [1, 2]}}, [1]),
        ({"$or": [{"a": 1}, {"n.y": 1}]}, [1, 3]),
        ({"$and": [{"k": {"$gt": 1}}, {"k": {"$lt": 3}}]}, [2]),
        ({"$nor": [{"k": {"$lt": 4}}]}, [4, 5]),
        ({"k": {"$not": {"$gt": 2}}}, [1, 2]),
    ],
)
def test_criteria_as_mongodb_documents_them(store, criteria, found):
    store.update(DOCUMENTS)
    assert [d["k"] for d in store.query(criteria, sort={"k": 1})] == found
    assert store.count(criteria) == len(found)
    assert sorted(store.distinct("k", criteria)) == found


def test_order_skip_and_limit(store):
    store.update(DOCUMENTS)
    assert [d["k"] for d in store.query(sort={"k": -1}, skip=1, limit=2)] == [4, 3]
    assert [d["k"] for d in store.query({"k": {"$lt": 4}}, sort={"n.x": 1, "k": -1})] == [3, 1, 2]
    assert store.query_one({"k": 7}) is None


def test_fields_asked_for(store):
    store.update(DOCUMENTS)
    assert store.query_one({"k": 1}, ["n.x"], sort={"k": 1}).keys() == {"_id", "n"}
    assert store.query_one({"k": 3}, {"_id": 0, "n": 0, "l": 0}) == {"k": 3, "a": None}
    assert store.query_one({"k": 3}, {"_id": 0, "l.b": 1}) == {"l": [{"b": 1}, {"b": 4}]}
    assert set(store.query_one({"k": 3}, [])) == {"_id", "k", "a", "n", "l"}


def test_unknown_operators_are_refused(store):
    store.update({"k": 1, "a": 1})
    for criteria in ({"a": {"$bogus": 1}}, {"a": {"$in": 3}}, {"$or": []}, {"$nonsense": 1}):
        with pytest.raises(OperationFailure):
            list(store.query(criteria))


def test_aggregate(store):
    store.update([{"k": i, "phase": "ab"[i % 2], "e": float(i)} for i in range(6)])
    pipeline = [
        {"$match": {"k": {"$gt": 0}}},
        {"$group": {"_id": "$phase", "sum": {"$sum": "$e"}}},
        {"$sort": {"_id": 1}},
    ]
    assert store.aggregate(pipeline) == [{"_id": "a", "sum": 6.0}, {"_id": "b", "sum": 9.0}]


# --- indexes -------------------------------------------------------------------------------------------


def test_a_unique_index_refuses_a_second_document(store):
    store.update([{"k": i, "u": f"u{i}"} for i in range(1, 4)])
    assert store.ensure_index("u", unique=True)
    assert store.ensure_index("u", unique=True)
    with pytest.raises(DuplicateKeyError):
        store.update({"k": 9, "u": "u2"})
    with pytest.raises(DuplicateKeyError):
        store.update({"k": 1, "u": "u2"})
    store.update({"k": 1, "u": "free"})
    assert sorted(store.distinct("u")) == ["free", "u2", "u3"]


def test_a_unique_index_over_equal_values_is_not_made(store):
    store.update([{"k": 1, "u": "same"}, {"k": 2, "u": "same"}])
    assert not store.ensure_index("u", unique=True)
    assert store.ensure_index("u")


# --- reading only --------------------------------------------------------------------------------------


def test_reading_only_changes_nothing(place):
    with open_stores(place) as stores:
        stores.results.update({"result_id": "a", "n": 1})
        stores.data.update({"blob_uuid": "b", "data": [1]})
    with open_stores(place, read_only=True) as stores:
        assert stores.results.query_one({"result_id": "a"})["n"] == 1
        assert next(stores.data.query({"blob_uuid": "b"}))["data"] == [1]
        assert stores.results.ensure_index("phase")
        assert not stores.results.ensure_index("of no use")
        for store in (stores.results, stores.jobs.docs_store, stores.data):
            for action in (store.update, store.remove_docs):
                with pytest.raises(StoreFileError, match="is open for reading only"):
                    action({"result_id": "a", "uuid": "a", "blob_uuid": "b"})
    with open_stores(place) as stores:
        assert (stores.results.count(), stores.jobs.count(), stores.data.count()) == (1, 0, 1)


def test_a_store_that_is_not_there_is_not_made_by_reading(place):
    assert not store_exists(place)
    with pytest.raises(StoreFileError, match="there is no"), open_stores(place, read_only=True):
        pass
    assert not store_exists(place)
    with open_stores(place):
        pass
    assert store_exists(place)


# --- large data ----------------------------------------------------------------------------------------


def test_data_come_back_with_their_types(place):
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000)
    data = {"when": moment, "oid": ObjectId("1" * 24), "rows": [[0.1, 1e300], [2**40, None]], "nan": float("nan")}
    with open_stores(place) as stores:
        stores.data.update({"blob_uuid": "b", "job_uuid": "j", "job_index": 1, "data": data})
        [found] = stores.data.query({"blob_uuid": {"$in": ["b", "c"]}}, properties=["blob_uuid", "data"])
        assert repr(found["data"]) == repr(data)
        assert {"blob_uuid", "job_uuid", "job_index", "data"} <= next(stores.data.query({"job_uuid": "j"})).keys()


def test_data_are_replaced_counted_and_removed(place):
    with open_stores(place) as stores:
        data = stores.data
        data.update([{"blob_uuid": b, "job_uuid": "j", "job_index": i, "data": [i]} for i, b in enumerate("abc")])
        data.update({"blob_uuid": "b", "job_uuid": "j", "job_index": 7, "data": "new"})
        assert data.count() == 3
        assert data.count({"job_index": 7}) == 1
        assert sorted(data.distinct("blob_uuid")) == ["a", "b", "c"]
        assert [d["data"] for d in data.query({"job_index": {"$gt": 0}}, sort={"blob_uuid": 1})] == ["new", [2]]
        assert len(list(data.query(skip=1, limit=1))) == 1
        data.remove_docs({"job_uuid": "j", "job_index": 7})
        assert sorted(d["blob_uuid"] for d in data.query({}, ["blob_uuid"])) == ["a", "c"]
