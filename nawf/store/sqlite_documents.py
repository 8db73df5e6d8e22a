"""Documents and their index entries as rows: reading, writing and removing within a transaction."""

from __future__ import annotations

import itertools
import sqlite3
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import bson
from bson import ObjectId
from bson.errors import BSONError
from pymongo.errors import DuplicateKeyError, WriteError

from nawf.errors import StoreFileError
from nawf.store.matching import Document, Matcher
from nawf.store.sqlite_index import IndexField, candidate_ids, entries_of

PLAIN: Final = 0
"""Short documents of earlier stores, whose bytes nothing vouches for."""
ZLIB: Final = 1

ID_FIELD: Final = "_id"
_IMMUTABLE_FIELD: Final = 66
"""MongoDB's error code for a changed ``_id``."""

_ROW: Final = "id, oid, codec, body"
_INSERT_ENTRY: Final = "INSERT INTO entries (field, rank, value, document) VALUES (?, ?, ?, ?)"
_DELETE_ENTRY: Final = "DELETE FROM entries WHERE field = ? AND rank = ? AND value = ? AND document = ?"

_ROWS_AT_ONCE: Final = 32
_PAGE_BYTES: Final = 16 * 2**20

Packed = tuple[int, bytes]
Row = tuple[int, bytes, int, bytes]


@dataclass(frozen=True)
class Collection:
    """A collection and its indexed fields, as they are in the file at one moment."""

    id: int
    path: str
    fields: dict[str, IndexField] = field(default_factory=dict)


def pack(document: Document) -> Packed:
    """Encode a document without its ``_id`` as compressed BSON; zlib's checksum comes with it, for short ones too."""
    body = bson.encode({key: value for key, value in document.items() if key != ID_FIELD})
    return ZLIB, zlib.compress(body, 1)


def unpack(row: Row, collection: Collection) -> Document:
    """Decode a row to the document it holds.

    Raises
    ------
    StoreFileError
        If its bytes are damaged.
    """
    row_id, oid, codec, body = row
    try:
        if codec not in (PLAIN, ZLIB):
            raise zlib.error(f"codec {codec} is unknown")
        content = bson.decode(zlib.decompress(body) if codec == ZLIB else body)
        return {ID_FIELD: bson.decode(oid)[ID_FIELD], **content}
    except (BSONError, zlib.error, KeyError) as error:
        raise StoreFileError(
            f"document {row_id} is damaged ({error})", where=collection.path, hint="go back to a copy"
        ) from error


# --- reading -------------------------------------------------------------------------------------------


def find_collection(db: sqlite3.Connection, name: str) -> Collection | None:
    """Look up a collection by name; None if nothing was ever kept in it."""
    rows = db.execute(
        "SELECT c.id, f.id, f.name, f.is_unique, f.is_multikey FROM collections AS c"
        " JOIN fields AS f ON f.collection = c.id WHERE c.name = ?",
        (name,),
    ).fetchall()
    if not rows:
        return None
    fields = {row[2]: IndexField(row[1], row[2], bool(row[3]), bool(row[4])) for row in rows}
    return Collection(rows[0][0], _path_of(db), fields)


def _path_of(db: sqlite3.Connection) -> str:
    return str(db.execute("PRAGMA database_list").fetchone()[2])


def all_rows(
    db: sqlite3.Connection, collection: Collection, after: int = 0, last: int | None = None
) -> Iterator[Row]:
    """Rows of a collection in natural order, those above ``after`` and up to ``last``.

    They are read a few at a time, so that what has been read may be removed on the way.
    """
    sql = f"SELECT {_ROW} FROM documents WHERE collection = ? AND id > ? AND id <= ? ORDER BY id LIMIT ?"
    last = last_id(db, collection) if last is None else last
    while rows := db.execute(sql, (collection.id, after, last, _ROWS_AT_ONCE)).fetchall():
        yield from rows
        after = rows[-1][0]


def last_id(db: sqlite3.Connection, collection: Collection) -> int:
    """Row id of the newest document; 0 if there is none."""
    sql = "SELECT max(id) FROM documents WHERE collection = ?"
    return db.execute(sql, (collection.id,)).fetchone()[0] or 0


def rows_of(db: sqlite3.Connection, collection: Collection, ids: Iterable[int]) -> Iterator[Row]:
    """Rows with these ids, in their order; ids that are gone are left out."""
    sql = f"SELECT {_ROW} FROM documents WHERE id = ? AND collection = ?"
    for row_id in ids:
        if (row := db.execute(sql, (row_id, collection.id)).fetchone()) is not None:
            yield row


def page_of(
    db: sqlite3.Connection, collection: Collection, size: int, after: int, last: int, ids: list[int] | None
) -> list[Row]:
    """Read some rows above ``after``, up to ``last`` or those of the given ids.

    As many as asked for, but not much more than a few megabytes.
    """
    if ids is None:
        rows = all_rows(db, collection, after, last)
    else:
        rows = rows_of(db, collection, ids[bisect_right(ids, after) :])
    page: list[Row] = []
    held_bytes = 0
    for row in itertools.islice(rows, size):
        page.append(row)
        held_bytes += len(row[3])
        if held_bytes >= _PAGE_BYTES:
            break
    return page


def matches(
    db: sqlite3.Connection, collection: Collection | None, matcher: Matcher, ids: Iterable[int] | None = None
) -> Iterator[tuple[Row, Document]]:
    """Matching documents with their rows, in natural order or in the order of the given candidates."""
    seen = False
    if collection is not None:
        if ids is None:
            ids = candidate_ids(db, collection.fields, matcher.spec)
        for row in all_rows(db, collection) if ids is None else rows_of(db, collection, ids):
            seen = True
            document = unpack(row, collection)
            if matcher(document):
                yield row, document
    if not seen:
        matcher.check()


# --- writing -------------------------------------------------------------------------------------------


def create_collection(db: sqlite3.Connection, name: str) -> Collection:
    """Find a collection or make it, with its unique index on ``_id``."""
    if (found := find_collection(db, name)) is not None:
        return found
    collection_id = db.execute("INSERT INTO collections (name) VALUES (?)", (name,)).lastrowid
    assert collection_id is not None
    return add_field(db, Collection(collection_id, _path_of(db)), ID_FIELD, unique=True)


def add_field(db: sqlite3.Connection, collection: Collection, name: str, *, unique: bool) -> Collection:
    """Index a field of a collection, or make its index unique.

    Raises
    ------
    DuplicateKeyError
        If the index is to be unique and two documents share a value.
    """
    known = collection.fields.get(name)
    if known is None:
        cursor = db.execute(
            "INSERT INTO fields (collection, name, is_unique) VALUES (?, ?, ?)", (collection.id, name, unique)
        )
        assert cursor.lastrowid is not None
        known = IndexField(cursor.lastrowid, name, unique, False)
        for row in all_rows(db, collection):
            known = _enter(db, known, row[0], entries_of(unpack(row, collection), name))
    elif unique and not known.is_unique:
        _refuse_duplicates(db, known)
        db.execute("UPDATE fields SET is_unique = 1 WHERE id = ?", (known.id,))
        known = replace(known, is_unique=True)
    return replace(collection, fields={**collection.fields, name: known})


def _refuse_duplicates(db: sqlite3.Connection, indexed: IndexField) -> None:
    sql = "SELECT rank, value FROM entries WHERE field = ? GROUP BY rank, value HAVING count(*) > 1 LIMIT 1"
    if (entry := db.execute(sql, (indexed.id,)).fetchone()) is not None:
        raise _duplicate(indexed, entry[1])


def _enter(
    db: sqlite3.Connection, indexed: IndexField, row_id: int, entries: Iterable[tuple[int, Any]], count: int = 0
) -> IndexField:
    added = list(entries)
    if indexed.is_unique:
        sql = "SELECT 1 FROM entries WHERE field = ? AND rank = ? AND value = ? LIMIT 1"
        for rank, value in added:
            if db.execute(sql, (indexed.id, rank, value)).fetchone() is not None:
                raise _duplicate(indexed, value)
    db.executemany(_INSERT_ENTRY, [(indexed.id, rank, value, row_id) for rank, value in added])
    if max(count, len(added)) > 1 and not indexed.is_multikey:
        db.execute("UPDATE fields SET is_multikey = 1 WHERE id = ?", (indexed.id,))
        return replace(indexed, is_multikey=True)
    return indexed


def _duplicate(indexed: IndexField, value: Any) -> DuplicateKeyError:
    details = {"keyPattern": {indexed.name: 1}}
    return DuplicateKeyError(f"two documents with the same {indexed.name}: {value!r}", 11000, details)


def insert(db: sqlite3.Connection, collection: Collection, document: Document, packed: Packed) -> None:
    """Add a document and its packed form; one without ``_id`` gets a new one.

    Raises
    ------
    DuplicateKeyError
        If a unique index has one of its values already.
    """
    oid = document.get(ID_FIELD)
    oid = ObjectId() if oid is None else oid
    row_id = db.execute(
        "INSERT INTO documents (collection, oid, codec, body) VALUES (?, ?, ?, ?)",
        (collection.id, bson.encode({ID_FIELD: oid}), *packed),
    ).lastrowid
    assert row_id is not None
    for name, indexed in collection.fields.items():
        entries = entries_of({**document, ID_FIELD: oid}, name)
        collection.fields[name] = _enter(db, indexed, row_id, entries)


def overwrite(
    db: sqlite3.Connection, collection: Collection, row: Row, old: Document, document: Document, packed: Packed
) -> None:
    """Put a document in the place of another; ``_id`` stays, and so does its place in natural order.

    Raises
    ------
    WriteError
        If the new document brings another ``_id``.
    DuplicateKeyError
        If a unique index has one of its values already.
    """
    oid = old[ID_FIELD]
    if document.get(ID_FIELD, oid) not in (None, oid):
        raise WriteError(f"the _id of a document cannot change from {oid} to {document[ID_FIELD]}", _IMMUTABLE_FIELD)
    if packed == row[2:]:
        return
    db.execute("UPDATE documents SET codec = ?, body = ? WHERE id = ?", (*packed, row[0]))
    for name, indexed in collection.fields.items():
        before, after = entries_of(old, name), entries_of({**document, ID_FIELD: oid}, name)
        db.executemany(_DELETE_ENTRY, [(indexed.id, rank, value, row[0]) for rank, value in before - after])
        collection.fields[name] = _enter(db, indexed, row[0], after - before, len(after))


def delete(db: sqlite3.Connection, collection: Collection, row: Row, document: Document) -> None:
    """Remove a document and its entries."""
    db.execute("DELETE FROM documents WHERE id = ?", (row[0],))
    for name, indexed in collection.fields.items():
        gone = [(indexed.id, rank, value, row[0]) for rank, value in entries_of(document, name)]
        db.executemany(_DELETE_ENTRY, gone)
