"""Words of MongoDB's protocol and mongomock-ng's: criteria, batches, errors and greetings from one to the other."""

from __future__ import annotations

import datetime

import bson
from bson import Regex

LARGEST_DOCUMENT_BYTES = 16 * 2**20
LARGEST_BATCH_BYTES = 12_000_000


def apply(collection, criteria, change, options, *, multi=False):
    """Update by operators or a pipeline, or replace."""
    given = {"upsert": bool(options.get("upsert"))}
    if isinstance(change, dict) and not any(key.startswith("$") for key in change):
        return collection.replace_one(criteria, change, **given)
    if options.get("arrayFilters"):
        given["array_filters"] = options["arrayFilters"]
    return (collection.update_many if multi else collection.update_one)(criteria, criteria_of(change), **given)


def criteria_of(value):
    """Criteria with regular expressions as Python has them; BSON has a type of its own."""
    if value is None:
        return {}
    if isinstance(value, dict):
        return {key: item if item is None else criteria_of(item) for key, item in value.items()}
    if isinstance(value, list):
        return [item if item is None else criteria_of(item) for item in value]
    return value.try_compile() if isinstance(value, Regex) else value


def order(sort):
    return list(sort.items()) if sort else None


def batch(rest, size):
    """Take documents off the end of a list, as many as asked for and as fit into one message."""
    taken, held_bytes = [], 0
    while rest and len(taken) < size:
        length = len(bson.encode(rest[-1]))
        if taken and held_bytes + length > LARGEST_BATCH_BYTES:
            break
        taken.append(rest.pop())
        held_bytes += length
    return taken


def error_of(error):
    duplicate = "Duplicate" in type(error).__name__
    code = getattr(error, "code", None) or (11000 if duplicate else 8000)
    details = getattr(error, "details", None) or {}
    shown = {key: details[key] for key in ("keyPattern", "keyValue") if key in details}
    return {"code": code, "codeName": type(error).__name__, "errmsg": str(error) or type(error).__name__, **shown}


def greeting():
    return {
        "ismaster": True,
        "isWritablePrimary": True,
        "helloOk": True,
        "maxBsonObjectSize": LARGEST_DOCUMENT_BYTES,
        "maxMessageSizeBytes": 48_000_000,
        "maxWriteBatchSize": 100_000,
        "localTime": datetime.datetime.now(datetime.UTC),
        "logicalSessionTimeoutMinutes": 30,
        "connectionId": 1,
        "minWireVersion": 0,
        "maxWireVersion": 21,
        "readOnly": False,
        "ok": 1.0,
    }
