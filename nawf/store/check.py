"""What a store holds and whether it is sound, wherever it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nawf.errors import StoreFileError
from nawf.results.documents import SCHEMA_VERSION, ResultDocument, result_id
from nawf.store.location import is_mongo
from nawf.store.query import as_document
from nawf.store.stores import Stores, open_stores

if TYPE_CHECKING:
    from maggma.core import Store


@dataclass(frozen=True)
class CollectionInfo:
    """One collection of a store."""

    name: str
    documents: int
    index_fields: tuple[str, ...]
    unique_fields: tuple[str, ...]
    size_bytes: int | None = None
    """Where collections have a size of their own."""
    missing_indexes: tuple[str, ...] = ()


@dataclass(frozen=True)
class StoreInfo:
    """A store at a glance."""

    path: str
    schema_version: int
    size_bytes: int
    """On the disk, indexes and a file's write-ahead log included."""
    collections: tuple[CollectionInfo, ...]
    server: str = ""


@dataclass
class Findings:
    """What a check found: problems, and what is worth knowing but harms nothing."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def info(location: str) -> StoreInfo:
    """Describe a store without changing it.

    Raises
    ------
    StoreFileError
        If there is none, or it cannot be read.
    """
    from nawf.store import mongo_check, sqlite_check

    return mongo_check.info(location) if is_mongo(location) else sqlite_check.info(location)


def verify(location: str) -> Findings:
    """Check a whole store: that it is whole and indexed, that all results can be read and all data found.

    Raises
    ------
    StoreFileError
        If there is none, or it cannot be opened at all.
    """
    from nawf.store import mongo_check, sqlite_check

    found = Findings()
    if is_mongo(location):
        found = mongo_check.verify(location)
    else:
        found.problems += sqlite_check.verify(location)
        if found.problems:
            return found  # what cannot be read is said already
    with ExitStack() as opened:
        stores = opened.enter_context(open_stores(location, read_only=True))
        _check_results(stores.results, found)
        _check_references(stores, found)
    return found


def _check_results(results: Store, found: Findings) -> None:
    """Every document of the phase store is a result of this schema, or of an older one."""
    older = 0
    for raw in results.query():
        version = raw.get("schema_version", 0)
        if isinstance(version, int) and version < SCHEMA_VERSION:
            older += 1
            continue
        try:
            document = as_document(raw)
            document.record()
        except (StoreFileError, ValueError, KeyError) as error:
            what = str(error).splitlines()[0]
            name = str(raw.get("result_id", raw.get("_id")))
            found.problems.append(f"results: {what if name in what else f'{name}: {what}'}")
            continue
        if not _is_named_rightly(document):
            found.problems.append(f"results: {document.result_id}: its settings are not those of its name")
    if older:
        found.notes.append(f"results of an older schema: {older}; nawf store migrate brings them up to date")


def _is_named_rightly(document: ResultDocument) -> bool:
    """Names are hashes of settings: after a change of either they no longer agree."""
    own = document.fingerprint
    ids = (document.fingerprint_id, document.calculation_id, document.result_id)
    return ids == (own.id, own.calculation_id, result_id(document.phase, document.property, own))


def _check_references(stores: Stores, found: Findings) -> None:
    """Every reference of a raw document to the data store leads somewhere."""
    there = {document["blob_uuid"] for document in stores.data.query({}, ["blob_uuid"])}
    wanted: set[str] = set()
    for raw in stores.jobs.docs_store.query({}, ["uuid", "index", "name", "output"]):
        own = set(references(raw.get("output")))
        wanted |= own
        if own - there:
            name = f"{raw.get('name', 'a job')} ({raw['uuid']})"
            found.problems.append(f"outputs: {name}: its data are missing; run its phase again")
    if there - wanted:
        some = ", ".join(sorted(there - wanted)[:3])
        more = " ..." if len(there - wanted) > 3 else ""
        found.notes.append(
            f"data that no job refers to, left by runs that were cut off: {len(there - wanted)} ({some}{more})"
        )


def references(output: Any) -> Iterator[str]:
    """Identifiers of all data that an output refers to."""
    if isinstance(output, dict):
        if "blob_uuid" in output and "store" in output:
            yield output["blob_uuid"]
        else:
            for value in output.values():
                yield from references(value)
    elif isinstance(output, list):
        for value in output:
            # Long arrays of numbers hold no references; looking at each number takes longer than all else.
            if isinstance(value, dict | list):
                yield from references(value)
