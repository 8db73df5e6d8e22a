"""What the embedded store says of a file, and the damage it finds."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

import bson
import pytest

from nawf.errors import StoreFileError
from nawf.store.sqlite import SQLiteStore
from nawf.store.sqlite_check import info, verify


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


def test_info(path):
    with SQLiteStore(path, "a", index_fields=("x",)) as a, SQLiteStore(path, "b", index_fields=()) as b:
        a.update([{"task_id": i} for i in range(3)])
        b.update({"task_id": 1})
        while_open = info(path)
    closed = info(path)
    assert [(c.name, c.documents, c.index_fields) for c in closed.collections] == [
        ("a", 3, ("_id", "task_id", "x")),
        ("b", 1, ("_id", "task_id")),
    ]
    assert while_open.collections == closed.collections
    assert closed.size_bytes == path.stat().st_size
    assert closed.schema_version == 1


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("UPDATE documents SET body = substr(body, 1, 20) WHERE id = 2", "document 2 is damaged"),
        ("UPDATE documents SET codec = 0 WHERE id = 2", "document 2 is damaged"),
        ("UPDATE documents SET codec = 3 WHERE id = 2", "document 2 is damaged"),
        ("UPDATE entries SET value = 77 WHERE document = 2 AND value = 1", "missing from the index on k"),
        ("DELETE FROM entries WHERE document = 3 AND rank = 10", "instead of 5"),
        ("INSERT INTO entries SELECT id, 10, 5, 1 FROM fields WHERE name = 'k'", "6 entries instead of 5"),
        ("INSERT INTO entries VALUES (999, 10, 5, 1)", "no index: 1"),
        ("INSERT INTO documents SELECT 50, 9, oid, codec, body FROM documents LIMIT 1", "no collection: 1"),
        ("UPDATE fields SET is_multikey = 0", "several values"),
        ("UPDATE fields SET is_unique = 1 WHERE name = 'same'", "holds a value twice"),
        ("DELETE FROM fields", "lost its indexes"),
    ],
)
def test_verify_finds_damage(path, damage, told):
    with SQLiteStore(path, key="k", index_fields=("same", "many")) as store:
        store.update([{"k": i, "same": "s", "many": [i, -i - 1]} for i in range(5)])
    assert verify(path) == []
    with sqlite3.connect(path) as db:
        db.execute(damage)
    db.close()
    problems = verify(path)
    assert any(told in problem for problem in problems), problems


def test_a_damaged_document_is_one_clear_line(path):
    with SQLiteStore(path, key="k") as store:
        store.update({"k": 1})
    with sqlite3.connect(path) as db:
        db.execute("UPDATE documents SET body = x'0102'")
    db.close()
    with (
        SQLiteStore(path, key="k") as store,
        pytest.raises(StoreFileError, match=r"store\.db: document 1 is damaged"),
    ):
        store.query_one({"k": 1})


@pytest.mark.parametrize("seed", range(3))
def test_no_changed_number_passes(path, seed):
    """One bit at a time, anywhere in the file: it is found, or no document has changed."""
    rng = random.Random(seed)
    documents = [{"_id": i, "k": i, "rows": [rng.random() for _ in range(30 * i)]} for i in range(10)]
    with SQLiteStore(path, key="k") as store:
        store.update(documents)
    sound, found = path.read_bytes(), 0
    for _ in range(150):
        place = rng.randrange(len(sound) * 8)
        path.write_bytes(sound[: place // 8] + bytes([sound[place // 8] ^ 1 << place % 8]) + sound[place // 8 + 1 :])
        try:
            problems = verify(path)
        except StoreFileError as error:
            problems = [str(error)]
        if problems:
            found += 1
            continue
        with SQLiteStore(path, key="k", read_only=True) as store:
            assert sorted(store.query(), key=lambda d: d["k"]) == documents, f"bit {place}"
    assert found > 30


@pytest.mark.parametrize("seed", range(2))
def test_whatever_is_damaged_is_said_in_one_line(path, seed):
    """Bytes of the first pages, which hold the schema: nothing but plain errors."""
    with SQLiteStore(path, key="k") as store:
        store.update([{"k": i} for i in range(3)])
    rng, sound = random.Random(seed), path.read_bytes()
    refused = []
    for _ in range(150):
        content = bytearray(sound)
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(100, 4096)] = rng.randrange(256)
        path.write_bytes(content)
        for look in (info, verify):
            try:
                look(path)
            except StoreFileError as error:
                refused.append(str(error))
    assert refused
    assert not any("\n" in line for line in refused)


def test_a_schema_that_is_no_text(path):
    with SQLiteStore(path, key="k") as store:
        store.update({"k": 1})
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute(
            "UPDATE sqlite_schema SET name = CAST(x'fffefd' AS TEXT), sql = 'CREATE T' WHERE name = 'documents'"
        )
    with pytest.raises(StoreFileError, match="is damaged"):
        info(path)
    assert verify(path) == ["is damaged"]


def test_short_documents_of_earlier_stores_are_read(path):
    with SQLiteStore(path, key="k") as store:
        store.update([{"_id": "a", "k": 1, "x": 0.5}, {"_id": "b", "k": 2, "x": 1.5}])
    with closing(sqlite3.connect(path)) as db, db:
        for k in (1, 2):
            body = bson.encode({"k": k, "x": k - 0.5})
            db.execute("UPDATE documents SET codec = 0, body = ? WHERE id = ?", (body, k))
    assert verify(path) == []
    with SQLiteStore(path, key="k") as store:
        assert [d["x"] for d in store.query()] == [0.5, 1.5]
        store.update({"k": 1, "x": 0.5})
        assert [d["x"] for d in store.query()] == [0.5, 1.5]
    assert verify(path) == []
