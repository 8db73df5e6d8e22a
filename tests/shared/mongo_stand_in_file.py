"""What the stand-in for MongoDB keeps on the disk: documents and indexes, each written as it changes."""

from __future__ import annotations

import sqlite3

import bson

_TABLES = """
CREATE TABLE IF NOT EXISTS documents (place INTEGER PRIMARY KEY, db TEXT, name TEXT, id BLOB, body BLOB,
    UNIQUE (db, name, id));
CREATE TABLE IF NOT EXISTS collections (db TEXT, name TEXT, PRIMARY KEY (db, name));
CREATE TABLE IF NOT EXISTS indexes (db TEXT, name TEXT, spec BLOB);
"""


class KeptFile:
    """A SQLite file. What has been written survives the death of this process, not that of the machine."""

    def __init__(self, path):
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(_TABLES)

    def load(self, client):
        """Put everything into a client of mongomock-ng."""
        for db, name in self._db.execute("SELECT db, name FROM collections"):
            client[db].create_collection(name)
        for db, name, body in self._db.execute("SELECT db, name, body FROM documents ORDER BY place"):
            client[db][name].insert_one(bson.decode(body), bypass_document_validation=True)
        for db, name, body in self._db.execute("SELECT db, name, spec FROM indexes"):
            spec = bson.decode(body)
            client[db][name].create_index(list(spec.pop("key").items()), **spec)

    def changed(self, collection, ids):
        """Write the documents with these ids as they are now; those that are gone are removed."""
        where = (collection.database.name, collection.name)
        self._db.execute("BEGIN")
        for each in ids:
            key = bson.encode({"_id": each})
            document = collection.find_one({"_id": each})
            if document is None:
                self._db.execute("DELETE FROM documents WHERE db = ? AND name = ? AND id = ?", (*where, key))
            else:
                self._db.execute(
                    "INSERT INTO documents (db, name, id, body) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (db, name, id) DO UPDATE SET body = excluded.body",
                    (*where, key, bson.encode(document)),
                )
        self._db.execute("COMMIT")

    def reshaped(self, database, name):
        """Write a collection with its indexes anew, or remove it if it is gone."""
        where = (database.name, name)
        self._db.execute("BEGIN")
        for table in ("collections", "indexes", "documents"):
            self._db.execute(f"DELETE FROM {table} WHERE db = ? AND name = ?", where)
        if name in database.list_collection_names():
            collection = database[name]
            self._db.execute("INSERT INTO collections VALUES (?, ?)", where)
            for index, info in collection.index_information().items():
                if index != "_id_":
                    options = {key: value for key, value in info.items() if key not in ("v", "key")}
                    spec = {"key": dict(info["key"]), "name": index, **options}
                    self._db.execute("INSERT INTO indexes VALUES (?, ?, ?)", (*where, bson.encode(spec)))
            rows = ((*where, bson.encode({"_id": d["_id"]}), bson.encode(d)) for d in collection.find())
            self._db.executemany("INSERT INTO documents (db, name, id, body) VALUES (?, ?, ?, ?)", rows)
        self._db.execute("COMMIT")
