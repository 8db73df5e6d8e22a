"""Indexes of the embedded store: unique ones, the order they give, and when they are made."""

from __future__ import annotations

import itertools
from datetime import datetime

import pytest
from bson import ObjectId
from maggma.core import Sort
from maggma.stores import MemoryStore
from pymongo.errors import DuplicateKeyError

from nawf.store.sqlite import SQLiteStore
from nawf.store.sqlite_check import info


@pytest.fixture
def path(tmp_path):
    return tmp_path / "stores" / "store.db"


@pytest.fixture
def store(path):
    with SQLiteStore(path, key="k", index_fields=("k", "t", "t.x")) as opened:
        yield opened


def contents(store, **query):
    return [{k: v for k, v in d.items() if k != "_id"} for d in store.query(**query)]


def test_unique_index_refuses_a_second_document(store):
    store.update([{"k": i, "u": f"u{i}", "tags": [i, -i]} for i in range(1, 4)])
    assert store.ensure_index("u", unique=True)
    with pytest.raises(DuplicateKeyError, match="u2"):
        store.update([{"k": 8, "u": "new"}, {"k": 9, "u": "u2"}])
    with pytest.raises(DuplicateKeyError):
        store.update({"k": 1, "u": "u2"})
    store.update({"k": 1, "u": "free"})
    store.update({"k": 9, "u": "u1"})
    store.update({"k": 10})
    with pytest.raises(DuplicateKeyError):
        store.update({"k": 11, "u": None})
    assert sorted(store.distinct("k")) == [1, 2, 3, 9, 10]


def test_unique_index_on_lists_and_long_values(store):
    store.update([{"k": 1, "v": [1, 2]}, {"k": 2, "v": "x" * 1000}, {"k": 3, "v": {"a": [1]}}, {"k": 4, "v": True}])
    assert store.ensure_index("v", unique=True)
    for value in (2, [3, 1], "x" * 1000, {"a": [1]}, True):
        with pytest.raises(DuplicateKeyError):
            store.update({"k": 9, "v": value})
    for k, value in enumerate([3, "x" * 999, {"a": [2]}, False], start=10):
        store.update({"k": k, "v": value})
    assert store.count() == 8


def test_no_unique_index_over_duplicates(store, path):
    store.update([{"k": 1, "u": 1}, {"k": 2, "u": 1}])
    assert not store.ensure_index("u", unique=True)
    assert store.ensure_index("u")
    assert not store.ensure_index("u", unique=True)
    store.remove_docs({"k": 2})
    assert store.ensure_index("u", unique=True)
    assert store.ensure_index("u")
    store.close()
    assert info(path).collections[0].unique_fields == ("_id", "u")


def test_update_by_an_unindexed_key_indexes_it(store, path):
    store.update({"k": 1, "other": {"id": 2}}, key="other.id")
    assert "other.id" in info(path).collections[0].index_fields


MOMENTS = [datetime(2026, 1, day) for day in (3, 1, 2)]


@pytest.mark.parametrize(
    "more",
    [[], [[]], ["b" * 300, "b" * 299], [{"x": 1}, {"x": 0}], [[1, 9], [0]], [[[3], 1], 0], [b"xy", b"z"]],
    ids=["scalars", "empty list", "long texts", "mappings", "lists", "nested lists", "bytes"],
)
def test_sort_and_limit_by_index_with_every_type(store, more):
    memory = MemoryStore(key="k")
    memory.connect()
    values = [2, "b", None, 1.5, True, *MOMENTS, "a", 2.0, ObjectId("2" * 24), ObjectId("1" * 24), *more]
    for each in (memory, store):
        each.update([{"k": i, "t": t} for i, t in enumerate(values)] + [{"k": 99}])
    for field, way, limit in itertools.product(("t", "t.x"), (Sort.Ascending, Sort.Descending), (0, 1, 5, 50)):
        for criteria in ({}, {"t": {"$gt": 1}}, {"t": {"$ne": None}, "k": {"$lt": 8}}):
            query = {"criteria": criteria, "sort": {field: way}, "limit": limit, "skip": 1}
            assert contents(store, **query) == contents(memory, **query)
