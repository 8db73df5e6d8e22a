"""What a MongoDB store holds, and whether its collections and indexes are sound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import bson
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from nawf.errors import StoreFileError
from nawf.results.documents import SCHEMA_VERSION
from nawf.store.check import CollectionInfo, Findings, StoreInfo
from nawf.store.mongo import MongoDocuments
from nawf.store.mongo_data import MongoData
from nawf.store.mongo_indexes import DATA_INDEXES, OUTPUT_INDEXES, RESULT_INDEXES, Index, missing_indexes
from nawf.store.stores import MONGO_DATA, MONGO_OUTPUTS, MONGO_RESULTS, Stores, open_stores

if TYPE_CHECKING:
    from nawf.store.mongo_connection import Connection

FILES: Final = f"{MONGO_DATA}.files"
CHUNKS: Final = f"{MONGO_DATA}.chunks"
INDEXES: Final[dict[str, tuple[Index, ...]]] = {
    MONGO_OUTPUTS: OUTPUT_INDEXES,
    FILES: DATA_INDEXES,
    CHUNKS: (Index(("files_id", "n"), is_unique=True),),
    MONGO_RESULTS: RESULT_INDEXES,
}
_MOST_SHOWN: Final = 10


def info(location: str) -> StoreInfo:
    """Describe a MongoDB store without changing it.

    Raises
    ------
    StoreFileError
        If there is none, or it cannot be read.
    """
    with _opened(location) as (stores, connection):
        names = set(connection.database.list_collection_names())
        collections = tuple(_describe(connection.database, name) for name in INDEXES if name in names)
        sizes = sum(c.size_bytes or 0 for c in collections)
        indexes = sum(_statistics(connection.database, c.name).get("totalIndexSize", 0) for c in collections)
        version = connection.database.client.server_info()["version"]
        return StoreInfo(stores.location, SCHEMA_VERSION, int(sizes + indexes), collections, f"MongoDB {version}")


def verify(location: str) -> Findings:
    """Check the collections of a MongoDB store: every document, every piece of data, every index.

    Raises
    ------
    StoreFileError
        If there is none, or it cannot be read.
    """
    found = Findings()
    with _opened(location) as (stores, connection):
        database = connection.database
        there = set(database.list_collection_names())
        for name, wanted in INDEXES.items():
            if name in there:
                found.problems += [f"{name}: {problem}" for problem in _index_problems(database[name], wanted)]
                if name != CHUNKS:
                    found.problems += [f"{name}: {problem}" for problem in _undecodable(database[name])]
        assert isinstance(stores.data, MongoData)
        found.problems += [f"{MONGO_DATA}: {problem}" for problem in _damaged(stores.data, database[FILES])]
        stray = _stray_chunks(database)
        if stray:
            found.notes.append(f"uploads of data that were cut off: {stray}; their pieces in {CHUNKS} harm nothing")
    return found


@contextmanager
def _opened(location: str) -> Iterator[tuple[Stores, Connection]]:
    with open_stores(location, read_only=True) as stores:
        assert isinstance(stores.results, MongoDocuments)
        with stores.results.connection_in_use() as connection, connection.plain_errors():
            yield stores, connection


def _describe(database: Any, name: str) -> CollectionInfo:
    collection, statistics = database[name], _statistics(database, name)
    there = [tuple(field for field, _ in info["key"]) for info in collection.index_information().values()]
    unique = [
        tuple(field for field, _ in info["key"])
        for info in collection.index_information().values()
        if info.get("unique")
    ]
    return CollectionInfo(
        name,
        collection.count_documents({}),
        tuple(sorted(" + ".join(fields) for fields in there)),
        tuple(sorted(" + ".join(fields) for fields in unique)),
        statistics.get("size"),
        tuple(str(index) for index in missing_indexes(collection, INDEXES[name])),
    )


def _statistics(database: Any, name: str) -> dict[str, Any]:
    """Sizes as the server knows them; nothing where the user may not ask."""
    try:
        return dict(database.command("collStats", name))
    except OperationFailure:
        return {}


def _index_problems(collection: Any, wanted: tuple[Index, ...]) -> Iterator[str]:
    for index in missing_indexes(collection, wanted):
        yield f"has no index on {index}; it is made when the store is opened for writing, by nawf build for instance"
        if index.is_unique:
            yield from _duplicates(collection, index)


def _duplicates(collection: Any, index: Index) -> Iterator[str]:
    own = {str(number): f"${field}" for number, field in enumerate(index.fields)}
    pipeline = [
        {"$group": {"_id": own, "count": {"$sum": 1}}},
        {"$match": {"count": {"$gt": 1}}},
        {"$limit": _MOST_SHOWN},
    ]
    for group in collection.aggregate(pipeline):
        named = ", ".join(f"{field} {group['_id'].get(str(n))}" for n, field in enumerate(index.fields))
        yield f"holds {group['count']} documents with {named}"


def _undecodable(collection: Any) -> Iterator[str]:
    raw = collection.with_options(codec_options=CodecOptions(document_class=RawBSONDocument))
    for number, document in enumerate(raw.find(), start=1):
        try:
            bson.decode(document.raw)
        except (BSONError, ValueError, OverflowError) as error:
            yield f"document {number} cannot be read ({error})"


def _damaged(data: MongoData, files: Any) -> Iterator[str]:
    for file in files.find():
        try:
            content = data.read(file)
        except StoreFileError as error:
            yield error.what
            continue
        name = file.get("metadata", {}).get("blob_uuid")
        if content is not None and content.get("blob_uuid") != name:
            yield f"data {name} hold what belongs to {content.get('blob_uuid')}"


def _stray_chunks(database: Any) -> int:
    whole = {file["_id"] for file in database[FILES].find({}, ["_id"])}
    begun = {group["_id"] for group in database[CHUNKS].aggregate([{"$group": {"_id": "$files_id"}}])}
    return len(begun - whole)
