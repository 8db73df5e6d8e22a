"""What a store file holds, and whether it is sound."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from nawf.errors import StoreFileError
from nawf.store.check import CollectionInfo, StoreInfo
from nawf.store.sqlite_documents import Collection, all_rows, find_collection, unpack
from nawf.store.sqlite_file import FileChangedError, StoreFile
from nawf.store.sqlite_format import SCHEMA_VERSION, wal_path
from nawf.store.sqlite_index import entries_of


def info(path: str | Path) -> StoreInfo:
    """Describe a store file without changing it.

    Raises
    ------
    StoreFileError
        If it is not a nawf store or cannot be read.
    """
    file = _opened(path)
    try:
        with file.read() as db:
            collections = tuple(_describe(db, name) for name in _collection_names(db))
        log = wal_path(file.path)
        size_bytes = file.path.stat().st_size + (log.stat().st_size if log.exists() else 0)
    finally:
        file.close()
    return StoreInfo(str(file.path), SCHEMA_VERSION, size_bytes, collections)


def verify(path: str | Path) -> list[str]:
    """Check a whole store file: SQLite's own check, every document, every index entry.

    Returns
    -------
    list of str
        What is wrong, one line each; empty if the file is sound.

    Raises
    ------
    StoreFileError
        If it is not a nawf store or cannot be opened at all.
    FileChangedError
        If another process changed it meanwhile.
    """
    file = _opened(path)
    try:
        with file.read() as db:
            problems = [f"SQLite: {row[0]}" for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
            for name in _collection_names(db):
                problems += [f"{name}: {problem}" for problem in _problems(db, name)]
            problems += _strays(db)
    except FileChangedError:
        raise
    except StoreFileError as error:
        return [error.what]
    finally:
        file.close()
    return problems


def _opened(path: str | Path) -> StoreFile:
    file = StoreFile(Path(path).absolute(), read_only=True)
    file.open()
    return file


def _collection_names(db: sqlite3.Connection) -> list[str]:
    return [row[0] for row in db.execute("SELECT name FROM collections ORDER BY name")]


def _describe(db: sqlite3.Connection, name: str) -> CollectionInfo:
    collection = _found(db, name)
    sql = "SELECT count(*) FROM documents WHERE collection = ?"
    return CollectionInfo(
        name,
        db.execute(sql, (collection.id,)).fetchone()[0],
        tuple(sorted(collection.fields)),
        tuple(sorted(field.name for field in collection.fields.values() if field.is_unique)),
    )


def _found(db: sqlite3.Connection, name: str) -> Collection:
    collection = find_collection(db, name)
    if collection is None:
        raise StoreFileError(f"collection {name} has lost its indexes", hint="go back to a copy")
    return collection


def _problems(db: sqlite3.Connection, name: str) -> Iterator[str]:
    collection = _found(db, name)
    expected: Counter[str] = Counter()
    present = "SELECT 1 FROM entries WHERE field = ? AND rank = ? AND value = ? AND document = ?"
    for row in all_rows(db, collection):
        try:
            document = unpack(row, collection)
        except StoreFileError as error:
            yield error.what
            continue
        for field in collection.fields.values():
            entries = entries_of(document, field.name)
            expected[field.name] += len(entries)
            if len(entries) > 1 and not field.is_multikey:
                yield f"the index on {field.name} is not marked as holding several values per document"
            for entry in entries:
                if db.execute(present, (field.id, *entry, row[0])).fetchone() is None:
                    yield f"document {row[0]} is missing from the index on {field.name}"
    for field in collection.fields.values():
        counted = db.execute("SELECT count(*) FROM entries WHERE field = ?", (field.id,)).fetchone()[0]
        if counted != expected[field.name]:
            yield f"the index on {field.name} has {counted} entries instead of {expected[field.name]}"
        if field.is_unique:
            sql = "SELECT 1 FROM entries WHERE field = ? GROUP BY rank, value HAVING count(*) > 1 LIMIT 1"
            if db.execute(sql, (field.id,)).fetchone() is not None:
                yield f"the index on {field.name} is unique and holds a value twice"


def _strays(db: sqlite3.Connection) -> list[str]:
    found = []
    for what, sql in (
        ("documents of no collection", "documents WHERE collection NOT IN (SELECT id FROM collections)"),
        ("entries of no index", "entries WHERE field NOT IN (SELECT id FROM fields)"),
    ):
        count = db.execute(f"SELECT count(*) FROM {sql}").fetchone()[0]
        if count:
            found.append(f"{what}: {count}")
    return found
