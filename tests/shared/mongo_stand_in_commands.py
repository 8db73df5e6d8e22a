"""Commands of a MongoDB server, carried out by mongomock-ng one at a time."""

from __future__ import annotations

import itertools
import sys
import threading
import time
import traceback

import bson
import mongomock_ng
from bson import Int64
from mongo_stand_in_words import (
    LARGEST_DOCUMENT_BYTES,
    apply,
    batch,
    criteria_of,
    error_of,
    greeting,
    order,
)
from mongomock_ng import aggregate as pipelines
from pymongo.errors import PyMongoError

IDLE_CURSOR_S = 600
GREETINGS = ("hello", "ismaster")
WITHOUT_EFFECT = ("ping", "endsessions", "refreshsessions", "logout", "fsync")
INDEX_OPTIONS = ("unique", "sparse", "name", "partialFilterExpression", "expireAfterSeconds")


class CommandError(Exception):
    """A refusal with MongoDB's error code."""

    def __init__(self, code, name, message):
        super().__init__(message)
        self.code, self.name = code, name


class Server:
    """Databases and cursors. All commands take turns, so each is one step as seen by all others."""

    def __init__(self, kept=None, *, locked=False, verbose=False):
        self._client = mongomock_ng.MongoClient()
        self._kept = kept
        self._locked = locked
        self._verbose = verbose
        self._turn = threading.RLock()
        self._cursors = {}
        self._cursor_ids = itertools.count(1001)
        if kept is not None:
            kept.load(self._client)

    def run(self, command):
        """Reply to a command; errors become replies too."""
        name = next(iter(command), "")
        try:
            with self._turn:
                reply = self._dispatch(name.lower(), command)
        except CommandError as error:
            reply = {"ok": 0.0, "code": error.code, "codeName": error.name, "errmsg": str(error)}
        except (PyMongoError, NotImplementedError, ValueError, TypeError, KeyError, AssertionError) as error:
            if not isinstance(error, PyMongoError):
                traceback.print_exc()
            reply = {"ok": 0.0, **error_of(error)}
        if self._verbose:
            print(name, command.get("$db"), reply["ok"], reply.get("errmsg", ""), file=sys.stderr, flush=True)
        return reply

    def drop_idle_cursors(self):
        with self._turn:
            for key, cursor in list(self._cursors.items()):
                if time.monotonic() - cursor[2] > IDLE_CURSOR_S:
                    del self._cursors[key]

    def _dispatch(self, name, command):
        if name in GREETINGS:
            return greeting()
        if self._locked:
            if name in ("saslstart", "saslcontinue", "authenticate"):
                raise CommandError(18, "AuthenticationFailed", "Authentication failed.")
            if name not in WITHOUT_EFFECT:
                raise CommandError(13, "Unauthorized", f"Command {name} requires authentication")
        if "autocommit" in command or command.get("startTransaction"):
            message = "Transaction numbers are only allowed on a replica set member or mongos"
            raise CommandError(20, "IllegalOperation", message)
        if name in WITHOUT_EFFECT:
            return {"ok": 1.0}
        method = getattr(self, f"_do_{name}", None)
        if method is None:
            raise CommandError(59, "CommandNotFound", f"no such command: '{name}'")
        return method(self._client[command.get("$db", "admin")], command) | {"ok": 1.0}

    # --- the server ----------------------------------------------------------------------------------

    def _do_buildinfo(self, _db, _command):
        return {
            "version": "7.0.0",
            "versionArray": [7, 0, 0, 0],
            "gitVersion": "stand-in",
            "modules": [],
            "bits": 64,
            "maxBsonObjectSize": LARGEST_DOCUMENT_BYTES,
        }

    def _do_connectionstatus(self, _db, _command):
        return {"authInfo": {"authenticatedUsers": [], "authenticatedUserRoles": []}}

    def _do_listdatabases(self, _db, command):
        names = self._client.list_database_names()
        return {"databases": [{"name": n, "sizeOnDisk": 1, "empty": False} for n in names], "totalSize": len(names)}

    def _do_dropdatabase(self, db, _command):
        for name in db.list_collection_names():
            self._drop(db, name)
        return {"dropped": db.name}

    def _do_dbstats(self, db, _command):
        sizes = [self._do_collstats(db, {"collStats": name}) for name in db.list_collection_names()]
        total = {key: sum(s[key] for s in sizes) for key in ("size", "storageSize", "totalIndexSize")}
        return {
            "db": db.name,
            "collections": len(sizes),
            "objects": sum(s["count"] for s in sizes),
            "dataSize": float(total["size"]),
            "storageSize": float(total["storageSize"]),
            "indexSize": float(total["totalIndexSize"]),
        }

    # --- collections ---------------------------------------------------------------------------------

    def _do_listcollections(self, db, command):
        names = db.list_collection_names()
        wanted = (command.get("filter") or {}).get("name")
        if wanted is not None:
            names = [n for n in names if n in ([wanted] if isinstance(wanted, str) else wanted.get("$in", names))]
        entries = [{"name": n, "type": "collection", "options": {}, "info": {"readOnly": False}} for n in names]
        return self._cursor(f"{db.name}.$cmd.listCollections", entries, None)

    def _do_create(self, db, command):
        if command["create"] in db.list_collection_names():
            raise CommandError(48, "NamespaceExists", f"Collection {db.name}.{command['create']} already exists.")
        db.create_collection(command["create"])
        self._reshaped(db, command["create"])
        return {}

    def _do_drop(self, db, command):
        if command["drop"] not in db.list_collection_names():
            raise CommandError(26, "NamespaceNotFound", "ns not found")
        self._drop(db, command["drop"])
        return {"ns": f"{db.name}.{command['drop']}"}

    def _drop(self, db, name):
        db.drop_collection(name)
        self._reshaped(db, name)

    def _do_renamecollection(self, _db, command):
        old_db, _, old = command["renameCollection"].partition(".")
        new_db, _, new = command["to"].partition(".")
        db = self._client[old_db]
        if old_db != new_db or old not in db.list_collection_names():
            raise CommandError(26, "NamespaceNotFound", f"Source collection {old_db}.{old} does not exist")
        db[old].rename(new, dropTarget=bool(command.get("dropTarget")))
        self._reshaped(db, old)
        self._reshaped(db, new)
        return {}

    def _do_collstats(self, db, command):
        collection = db[command["collStats"]]
        sizes = [len(bson.encode(d)) for d in collection.find()]
        indexes = len(collection.index_information())
        return {
            "ns": f"{db.name}.{collection.name}",
            "count": len(sizes),
            "size": sum(sizes),
            "storageSize": sum(sizes),
            "nindexes": indexes,
            "totalIndexSize": 4096 * indexes,
        }

    def _do_createindexes(self, db, command):
        collection = db[command["createIndexes"]]
        before = len(collection.index_information())
        for spec in command["indexes"]:
            options = {key: spec[key] for key in INDEX_OPTIONS if key in spec}
            known = collection.index_information().get(spec.get("name"))
            same = known is not None and dict(known["key"]) == spec["key"]
            if known is not None and not (same and bool(known.get("unique")) == bool(spec.get("unique"))):
                message = f"An existing index has the same name as the requested index: {spec['name']}"
                raise CommandError(86, "IndexKeySpecsConflict", message)
            if known is None:
                collection.create_index(list(spec["key"].items()), **options)
        self._reshaped(db, collection.name)
        return {"numIndexesBefore": before, "numIndexesAfter": len(collection.index_information())}

    def _do_listindexes(self, db, command):
        name = command["listIndexes"]
        if name not in db.list_collection_names():
            raise CommandError(26, "NamespaceNotFound", f"ns does not exist: {db.name}.{name}")
        found = []
        for index, info in db[name].index_information().items():
            options = {key: info[key] for key in INDEX_OPTIONS if info.get(key) is not None and key != "name"}
            found.append({"v": 2, "key": dict(info["key"]), "name": index, **options})
        return self._cursor(f"{db.name}.{name}", found, None)

    def _do_dropindexes(self, db, command):
        collection, wanted = db[command["dropIndexes"]], command["index"]
        for index in [wanted] if not isinstance(wanted, list) else wanted:
            if index == "*":
                collection.drop_indexes()
            else:
                collection.drop_index(index if isinstance(index, str) else list(index.items()))
        self._reshaped(db, collection.name)
        return {}

    # --- reading -------------------------------------------------------------------------------------

    def _do_find(self, db, command):
        collection = db[command["find"]]
        limit = command.get("limit", 0)
        found = collection.find(
            criteria_of(command.get("filter")),
            command.get("projection") or None,
            sort=order(command.get("sort")),
            skip=command.get("skip", 0),
            limit=abs(limit),
        )
        size = None if not command.get("singleBatch") else sys.maxsize
        return self._cursor(f"{db.name}.{collection.name}", found, command.get("batchSize", size))

    def _do_aggregate(self, db, command):
        if not isinstance(command["aggregate"], str):
            raise CommandError(73, "InvalidNamespace", "aggregations of a whole database are not supported")
        collection, stages = db[command["aggregate"]], criteria_of(command["pipeline"])
        writes = any(stage.keys() & {"$out", "$merge"} for stage in stages)
        if stages and "$match" in stages[0] and not writes:
            # mongomock-ng would copy the whole collection first.
            found = list(collection.find(stages[0]["$match"]))
            found = list(pipelines.process_pipeline(found, db, stages[1:], None)) if stages[1:] else found
        else:
            found = list(collection.aggregate(stages))
        if writes:
            for name in db.list_collection_names():
                self._reshaped(db, name)
        return self._cursor(f"{db.name}.{collection.name}", found, (command.get("cursor") or {}).get("batchSize"))

    def _do_count(self, db, command):
        count = db[command["count"]].count_documents(criteria_of(command.get("query")))
        count = max(0, count - command.get("skip", 0))
        return {"n": min(count, abs(command["limit"])) if command.get("limit") else count}

    def _do_distinct(self, db, command):
        return {"values": db[command["distinct"]].distinct(command["key"], criteria_of(command.get("query")))}

    def _do_getmore(self, _db, command):
        key = int(command["getMore"])
        if key not in self._cursors:
            raise CommandError(43, "CursorNotFound", f"cursor id {key} not found")
        where, rest, _ = self._cursors[key]
        taken = batch(rest, command.get("batchSize") or sys.maxsize)
        if rest:
            self._cursors[key] = where, rest, time.monotonic()
        else:
            del self._cursors[key]
        return {"cursor": {"nextBatch": taken, "id": Int64(key if rest else 0), "ns": where}}

    def _do_killcursors(self, _db, command):
        killed = [key for key in command["cursors"] if self._cursors.pop(int(key), None) is not None]
        missing = [key for key in command["cursors"] if key not in killed]
        return {"cursorsKilled": killed, "cursorsNotFound": missing, "cursorsAlive": [], "cursorsUnknown": []}

    def _cursor(self, where, documents, size):
        rest = list(documents)[::-1]  # taken from the end
        taken = batch(rest, 101 if size is None else size)
        key = next(self._cursor_ids) if rest else 0
        if rest:
            self._cursors[key] = where, rest, time.monotonic()
        return {"cursor": {"firstBatch": taken, "id": Int64(key), "ns": where}}

    # --- writing -------------------------------------------------------------------------------------

    def _do_insert(self, db, command):
        collection, done, errors = db[command["insert"]], [], []
        for number, document in enumerate(command["documents"]):
            try:
                done.append(collection.insert_one(document).inserted_id)
            except PyMongoError as error:
                errors.append({"index": number, **error_of(error)})
                if command.get("ordered", True):
                    break
        self._changed(collection, done)
        return {"n": len(done)} | ({"writeErrors": errors} if errors else {})

    def _do_update(self, db, command):
        collection, counts, upserted, errors = db[command["update"]], [0, 0], [], []
        for number, statement in enumerate(command["updates"]):
            try:
                matched, modified, new = self._update(collection, statement)
            except PyMongoError as error:
                errors.append({"index": number, **error_of(error)})
                if command.get("ordered", True):
                    break
                continue
            counts[0] += matched + (new is not None)
            counts[1] += modified
            if new is not None:
                upserted.append({"index": number, "_id": new})
        reply = {"n": counts[0], "nModified": counts[1]}
        return reply | ({"upserted": upserted} if upserted else {}) | ({"writeErrors": errors} if errors else {})

    def _update(self, collection, statement):
        criteria, change, multi = criteria_of(statement["q"]), statement["u"], bool(statement.get("multi"))
        ids = self._ids(collection, criteria, multi=multi)
        done = apply(collection, criteria, change, statement, multi=multi)
        self._changed(collection, ids if done.upserted_id is None else [done.upserted_id])
        return done.matched_count, done.modified_count or 0, done.upserted_id

    def _do_delete(self, db, command):
        collection, count = db[command["delete"]], 0
        for statement in command["deletes"]:
            criteria, one = criteria_of(statement["q"]), statement.get("limit") == 1
            ids = self._ids(collection, criteria, multi=not one)
            count += (collection.delete_one if one else collection.delete_many)(criteria).deleted_count
            self._changed(collection, ids)
        return {"n": count}

    def _do_findandmodify(self, db, command):
        collection = db[command.get("findAndModify") or command["findandmodify"]]
        criteria = criteria_of(command.get("query"))
        fields, wants_new = command.get("fields") or None, bool(command.get("new"))
        found = next(collection.find(criteria, sort=order(command.get("sort")), limit=1), None)
        if found is None:
            if command.get("remove") or not command.get("upsert"):
                return {"value": None, "lastErrorObject": {"n": 0, "updatedExisting": False}}
            new = apply(collection, criteria, command["update"], command).upserted_id
            self._changed(collection, [new])
            value = collection.find_one({"_id": new}, fields) if wants_new else None
            return {"value": value, "lastErrorObject": {"n": 1, "updatedExisting": False, "upserted": new}}
        own = {"_id": found["_id"]}
        value = collection.find_one(own, fields)
        if command.get("remove"):
            collection.delete_one(own)
        else:
            apply(collection, criteria | own, command["update"], command | {"upsert": False})
            if wants_new:
                value = collection.find_one(own, fields)
        self._changed(collection, [found["_id"]])
        last = {"n": 1} if command.get("remove") else {"n": 1, "updatedExisting": True}
        return {"value": value, "lastErrorObject": last}

    # --- keeping -------------------------------------------------------------------------------------

    def _ids(self, collection, criteria, *, multi):
        """Ids of what a change will hit; asked for only if changes are kept."""
        if self._kept is None:
            return []
        return [d["_id"] for d in collection.find(criteria, {"_id": 1}, limit=0 if multi else 1)]

    def _changed(self, collection, ids):
        if self._kept is not None and ids:
            self._kept.changed(collection, ids)

    def _reshaped(self, db, name):
        if self._kept is not None:
            self._kept.reshaped(db, name)
