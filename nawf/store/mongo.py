"""MongoDB as a store: collections of documents, as maggma's MongoStore has them.

They read and write what maggma's own stores do, so that jobflow-remote and FireWorks can use the same collections.
Beyond those: one connection for all collections, a lost server or a refused user is one plain line without the
password, writes wait for a server that is being restarted, indexes are unique where two writers could otherwise make
two documents of one, and nothing is written where only reading was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import bson
from maggma.core import Sort
from maggma.stores import MongoStore
from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure, WriteError

from nawf.store.documents import grouped, key_value, sanitized
from nawf.store.matching import Document
from nawf.store.mongo_connection import Connection
from nawf.store.mongo_indexes import Index, create_indexes
from nawf.store.mongo_large import LARGEST_BYTES, SPILL_FROM_BYTES, too_large
from nawf.store.mongo_shared import Shared, ensure_index

if TYPE_CHECKING:
    from nawf.store.mongo_large import Spill

Properties = Mapping[str, Any] | list[str] | None
Order = Mapping[str, Sort | int] | None

_DUPLICATE_KEY: Final = 11000
_MOST_RACES: Final = 5
"""How often a write is repeated that another writer of the same new document was faster with."""


class MongoDocuments(Shared, MongoStore):
    """A collection of documents.

    An ``update`` that returned is on the server's disk. Unlike a file's, one that raised may have written a part of
    its documents; it can be repeated.

    Parameters
    ----------
    location : str
        MongoDB URI with a database.
    collection_name : str
    key : str
        Field that names a document, where ``update`` is not told otherwise.
    indexes : iterable of Index
        Made when it is opened for writing.
    read_only : bool
        Never write, and make no index.
    connection : Connection, optional
        One to share with other collections.
    spill : Spill, optional
        Where outputs go that are too large for a document.
    **kwargs
        As for maggma's Store.
    """

    def __init__(
        self,
        location: str,
        collection_name: str,
        key: str = "task_id",
        indexes: Iterable[Index] = (),
        read_only: bool = False,
        connection: Connection | None = None,
        spill: Spill | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__("", collection_name, key=key, **kwargs)
        self._set_up(location, connection, read_only)
        self.indexes = tuple(indexes)
        self.connection = None
        self.spill = spill

    def connect(self, force_reset: bool = False) -> None:
        """Open the database, and make the indexes that are missing.

        Raises
        ------
        StoreFileError
            If it cannot be reached, or an index cannot be made.
        """
        if self._coll is not None and not force_reset:
            return
        self.close()
        collection = self._connection.acquire()[self.collection_name]
        try:
            if not self.read_only:
                create_indexes(self._connection, collection, self.indexes)
        except BaseException:
            self._connection.release()
            raise
        self._coll = collection

    def close(self) -> None:
        """Close the connection, unless other collections use it."""
        if self._coll is not None:
            self._coll = None
            self._connection.release()

    # --- reading -----------------------------------------------------------------------------------------

    def count(self, criteria: Mapping[str, Any] | None = None, hint: Order = None) -> int:
        """Count the documents that match; always by counting, never from the server's estimate."""
        with self._connection.plain_errors():
            return int(self._collection.count_documents(dict(criteria or {})))

    def query(
        self,
        criteria: Mapping[str, Any] | None = None,
        properties: Properties = None,
        sort: Order = None,
        skip: int = 0,
        limit: int = 0,
        hint: Order = None,
        **kwargs: Any,
    ) -> Iterator[Document]:
        """Yield the documents that match, as maggma's MongoStore does."""
        with self._connection.plain_errors():
            yield from super().query(
                criteria, properties or None, sort=sort, hint=hint, skip=skip, limit=limit, **kwargs
            )

    def distinct(self, field: str, criteria: Mapping[str, Any] | None = None, all_exist: bool = False) -> list[Any]:
        """List the different values of a field; a list gives each of its items."""
        with self._connection.plain_errors():
            return list(super().distinct(field, criteria, all_exist))

    def groupby(
        self,
        keys: list[str] | str,
        criteria: Mapping[str, Any] | None = None,
        properties: Properties = None,
        sort: Order = None,
        skip: int = 0,
        limit: int = 0,
    ) -> Iterator[tuple[Document, list[Document]]]:
        """Group the documents that have all of the keys, as the embedded store does."""
        names = [keys] if isinstance(keys, str) else list(keys)
        yield from grouped(self.query(criteria, names + list(properties or ()), sort, skip, limit), names)

    def aggregate(self, pipeline: list[Document]) -> list[Document]:
        """Run an aggregation pipeline."""
        with self._connection.plain_errors():
            return list(self._collection.aggregate(pipeline))

    # --- writing -----------------------------------------------------------------------------------------

    def update(self, docs: list[Document] | Document, key: list[str] | str | None = None) -> None:
        """Put documents into the store, each in the place of the first with the same key, if there is one.

        Parameters
        ----------
        docs : dict or list of dict
            Documents; MSONable objects in them are serialised.
        key : str or list of str, optional
            Field or fields that tell documents apart, dotted where nested; the store's key by default.

        Raises
        ------
        KeyError
            If a document lacks a key field.
        ValueError
            If a strict validator refuses a document, or a field name begins with ``$``.
        DuplicateKeyError, WriteError
            If a unique index would be broken, or an ``_id`` changed.
        StoreFileError
            If the server stays away, or a document is too large for it.
        """
        self._refuse_writing()
        key = key or self.key
        names = [key] if isinstance(key, str) else list(key)
        requests = []
        for document in sanitized(self, docs if isinstance(docs, list) else [docs]):
            own = {name: key_value(document, name) for name in names}
            requests.append(ReplaceOne(own, self._fitting(document), upsert=True))
        if requests:
            self._write(requests)

    def _fitting(self, document: Document) -> Document:
        # What cannot be stored is said before anything is written.
        size_bytes = len(bson.encode(document))
        if self.spill is not None and size_bytes >= SPILL_FROM_BYTES:
            return self.spill.fitting(document)
        if size_bytes > LARGEST_BYTES:
            raise too_large(document, size_bytes)
        return document

    def _write(self, requests: list[ReplaceOne]) -> None:
        for race in range(_MOST_RACES + 1):
            try:
                with self._connection.plain_errors():
                    self._connection.patiently(lambda: self._collection.bulk_write(requests))
                return
            except BulkWriteError as error:
                problem = error.details["writeErrors"][0]
                # Two writers of one new document: the slower one finds it there when it tries again.
                if problem["code"] == _DUPLICATE_KEY and race < _MOST_RACES and _is_race(problem):
                    continue
                raise _single(problem) from error

    def remove_docs(self, criteria: Mapping[str, Any]) -> None:
        """Remove the documents that match."""
        self._refuse_writing()
        with self._connection.plain_errors():
            self._connection.patiently(lambda: self._collection.delete_many(dict(criteria)))

    def ensure_index(self, key: str, unique: bool = False) -> bool:
        """Index a field, and say whether it now is indexed as wished."""
        return ensure_index(self, self._collection, key, unique)


def _is_race(problem: Mapping[str, Any]) -> bool:
    """Whether the duplicate key is the one that was asked for, and not that of some other unique index."""
    asked = problem.get("op", {}).get("q", {})
    broken = problem.get("keyPattern") or {}
    return bool(broken) and set(broken) <= set(asked)


def _single(problem: Mapping[str, Any]) -> OperationFailure:
    """The error of one write, as the driver raises it for single writes."""
    kind = DuplicateKeyError if problem["code"] == _DUPLICATE_KEY else WriteError
    return kind(problem["errmsg"], problem["code"], dict(problem))
