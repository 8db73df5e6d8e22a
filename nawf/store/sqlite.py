"""The embedded store: a maggma Store in one SQLite file, with several collections and no server.

It answers as maggma's MongoStore and MemoryStore do, and serves as jobflow's docs store, as its store for
large data, and as the phase store. Documents are kept as BSON; indexes only narrow down the candidates,
which are then always matched again, so an index changes how long an answer takes and nothing else.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import mongomock_ng
from maggma.core import Sort, Store, StoreError
from pymongo.errors import DuplicateKeyError, OperationFailure

from nawf.store.documents import grouped, key_value, sanitized
from nawf.store.matching import Document, Matcher, Projection, distinct_values, mentions, sort_key
from nawf.store.sqlite_documents import (
    Collection,
    Row,
    add_field,
    create_collection,
    delete,
    find_collection,
    insert,
    last_id,
    matches,
    overwrite,
    pack,
    page_of,
    unpack,
)
from nawf.store.sqlite_file import StoreFile
from nawf.store.sqlite_index import candidate_ids, ids_in_order

JOBFLOW_FIELDS: Final = ("uuid", "index", "name", "completed_at", "blob_uuid", "job_uuid", "job_index")
"""What jobflow looks documents and their data up by."""

_FIRST_PAGE_ROWS: Final = 32
_LAST_PAGE_ROWS: Final = 1024
_STAGES_OF_SEVERAL: Final = ("$lookup", "$graphLookup", "$unionWith", "$out", "$merge")

Properties = Mapping[str, Any] | list[str] | None
Order = Mapping[str, Sort | int] | None


class SQLiteStore(Store):
    """A maggma Store in one collection of a SQLite file.

    Any number of threads and processes of one machine may use the file at once. An ``update`` that
    returned is on the disk, and one that raised has changed nothing. A ``query`` reads in pages, each
    from one state of the file; documents added after it began are not returned.

    Parameters
    ----------
    path : str or Path
        The file, on a disk of this machine; made with its folder if it is not there.
    collection_name : str
        Collection within the file.
    index_fields : iterable of str
        Fields to index, dotted where nested, besides ``key`` and ``_id``.
    key : str
        Field that names a document, where ``update`` is not told otherwise.
    busy_timeout_s : float
        How long to wait for other processes that write, in seconds.
    read_only : bool
        Never create, change or migrate the file.
    **kwargs
        As for maggma's Store: ``last_updated_field``, ``last_updated_type``, ``validator``.
    """

    def __init__(
        self,
        path: str | Path,
        collection_name: str = "outputs",
        index_fields: Iterable[str] = JOBFLOW_FIELDS,
        key: str = "task_id",
        busy_timeout_s: float = 30.0,
        read_only: bool = False,
        **kwargs: Any,
    ) -> None:
        # Jobs change their working folder, so a relative path is settled now.
        self.path = str(Path(path).expanduser().absolute())
        self.collection_name = collection_name
        self.index_fields = tuple(index_fields)
        self.busy_timeout_s = busy_timeout_s
        self.read_only = read_only
        self.kwargs = kwargs
        self._file = StoreFile(Path(self.path), busy_timeout_s=busy_timeout_s, read_only=read_only)
        super().__init__(key=key, **kwargs)

    @property
    def name(self) -> str:
        """Where the documents are, in the form of a URL."""
        return f"sqlite://{self.path}/{self.collection_name}"

    @property
    def _collection(self) -> StoreFile:
        if not self._file.is_open:
            raise StoreError("Must connect the SQLite store before attempting to use it")
        return self._file

    def connect(self, force_reset: bool = False) -> None:
        """Open the file, making it and its indexes if need be.

        Raises
        ------
        StoreFileError
            If the file is not a nawf store, is from a newer schema, or cannot be read or written.
        """
        if self._file.is_open and not force_reset:
            return
        self._file.close()
        self._file.open()
        try:
            self._prepare()
        except BaseException:
            self._file.close()
            raise

    def _prepare(self) -> None:
        with self._file.read() as db:
            collection = find_collection(db, self.collection_name)
        missing = {*self.index_fields, self.key} - set(collection.fields if collection else ())
        if missing and not self.read_only:
            with self._file.write() as db:
                collection = create_collection(db, self.collection_name)
                for field in sorted(missing):
                    collection = add_field(db, collection, field, unique=False)

    def close(self) -> None:
        """Close the connection; ``connect`` opens it again."""
        self._file.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what is read and written inside one step: nobody else writes to the file meanwhile.

        On an exception nothing of it remains. Another store object on the same file has to wait, so use
        none inside.
        """
        with self._collection.write():
            yield

    # --- reading -----------------------------------------------------------------------------------------

    def count(self, criteria: Mapping[str, Any] | None = None, hint: Order = None) -> int:
        """Count the documents that match; ``hint`` is taken for MongoStore's sake and not needed."""
        matcher = Matcher(criteria)
        with self._collection.read() as db:
            collection = find_collection(db, self.collection_name)
            if collection is not None and not matcher.spec:
                sql = "SELECT count(*) FROM documents WHERE collection = ?"
                return int(db.execute(sql, (collection.id,)).fetchone()[0])
            return sum(1 for _ in matches(db, collection, matcher))

    def query(
        self,
        criteria: Mapping[str, Any] | None = None,
        properties: Properties = None,
        sort: Order = None,
        skip: int = 0,
        limit: int = 0,
        hint: Order = None,
    ) -> Iterator[Document]:
        """Yield the documents that match.

        Parameters
        ----------
        criteria : mapping, optional
            A MongoDB filter.
        properties : list of str or mapping, optional
            Fields to return, or a MongoDB projection.
        sort : mapping of str to Sort or int, optional
            Field to direction, 1 up and -1 down; natural order without.
        skip, limit : int
            Documents to leave out at first, and to return at most (0: all).
        hint : mapping, optional
            Taken for MongoStore's sake and not needed.

        Raises
        ------
        OperationFailure, ValueError
            If criteria, projection or sort are malformed.
        StoreFileError
            If the file cannot be read.
        """
        matcher = Matcher(criteria)
        project = Projection(properties, matcher)
        if skip < 0:
            raise ValueError("skip must not be negative")
        stop = skip + abs(limit) if limit else None
        order = [(field, Sort(getattr(way, "value", way)).value) for field, way in (sort or {}).items()]
        if order:
            yield from self._sorted(matcher, order, project, stop)[skip:]
        else:
            yield from map(project, itertools.islice(self._stream(matcher, stop), skip, stop))

    def _stream(self, matcher: Matcher, stop: int | None) -> Iterator[Document]:
        """Matching documents in natural order, in pages, with nothing held open between them."""
        seen = False
        for collection, rows in self._pages(matcher, stop or _FIRST_PAGE_ROWS):
            for row in rows:
                seen = True
                document = unpack(row, collection)
                if matcher(document):
                    yield document
        if not seen:
            matcher.check()

    def _pages(self, matcher: Matcher, size: int) -> Iterator[tuple[Collection, list[Row]]]:
        with self._collection.read() as db:
            collection = find_collection(db, self.collection_name)
            if collection is None:
                return
            ids = candidate_ids(db, collection.fields, matcher.spec)
            last = last_id(db, collection)
            page = page_of(db, collection, size, 0, last, ids)
        while page:
            yield collection, page
            size = max(size, min(4 * size, _LAST_PAGE_ROWS))
            with self._collection.read() as db:
                page = page_of(db, collection, size, page[-1][0], last, ids)

    def _sorted(
        self, matcher: Matcher, order: list[tuple[str, int]], project: Projection, stop: int | None
    ) -> list[Document]:
        key = sort_key(order)
        with self._collection.read() as db:
            collection = find_collection(db, self.collection_name)
            if stop is not None and collection is not None:
                ids = ids_in_order(db, collection.fields, matcher.spec, order)
                if ids is not None:
                    found = (document for _, document in matches(db, collection, matcher, ids))
                    return [project(document) for document in itertools.islice(found, stop)]
            # Keys are taken before the projection: it may drop what is sorted by.
            keyed = ((key(document), project(document)) for _, document in matches(db, collection, matcher))
            if stop is None:
                pairs = sorted(keyed, key=lambda pair: pair[0])
            else:
                pairs = heapq.nsmallest(stop, keyed, key=lambda pair: pair[0])
        return [document for _, document in pairs]

    def distinct(self, field: str, criteria: Mapping[str, Any] | None = None, all_exist: bool = False) -> list[Any]:
        """List the different values of a field; a list gives each of its items.

        ``all_exist`` is part of maggma's interface and, as in its MongoStore, changes nothing.
        """
        matcher = Matcher(criteria)
        with self._collection.read() as db:
            collection = find_collection(db, self.collection_name)
            return distinct_values(field, (document for _, document in matches(db, collection, matcher)))

    def groupby(
        self,
        keys: list[str] | str,
        criteria: Mapping[str, Any] | None = None,
        properties: Properties = None,
        sort: Order = None,
        skip: int = 0,
        limit: int = 0,
    ) -> Iterator[tuple[Document, list[Document]]]:
        """Group the documents that have all of the keys, as maggma's MemoryStore does.

        Documents come with the keys and the properties only. Unlike there, ``sort``, ``skip`` and
        ``limit`` count, and values of a key may be of several types.
        """
        names = [keys] if isinstance(keys, str) else list(keys)
        yield from grouped(self.query(criteria, names + list(properties or ()), sort, skip, limit), names)

    def aggregate(self, pipeline: list[Document]) -> list[Document]:
        """Run an aggregation pipeline of MongoDB on this collection, in memory.

        Raises
        ------
        OperationFailure
            If a stage reads or writes another collection.
        """
        for stage in _STAGES_OF_SEVERAL:
            if mentions(pipeline, stage):
                raise OperationFailure(f"{stage} is not supported: it goes beyond one collection")
        criteria = pipeline[0].get("$match") if pipeline else None
        documents = list(self._stream(Matcher(criteria), None))
        collection = mongomock_ng.MongoClient().db.documents
        if documents:
            collection.insert_many(documents)
        return list(collection.aggregate(pipeline))

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
            If the file cannot be written. In every case nothing at all is written.
        """
        key = key or self.key
        names = [key] if isinstance(key, str) else list(key)
        wanted = [
            (document, pack(document), Matcher({name: key_value(document, name) for name in names}))
            for document in sanitized(self, docs if isinstance(docs, list) else [docs])
        ]
        if not wanted:
            return
        with self._collection.write() as db:
            collection = create_collection(db, self.collection_name)
            if not collection.fields.keys() & set(names):
                # Without any index the cost of each update would grow with the collection.
                for name in names:
                    collection = add_field(db, collection, name, unique=False)
            for document, packed, matcher in wanted:
                row, old = next(matches(db, collection, matcher), (None, None))
                if row is None or old is None:
                    insert(db, collection, document, packed)
                else:
                    overwrite(db, collection, row, old, document, packed)

    def remove_docs(self, criteria: Mapping[str, Any]) -> None:
        """Remove the documents that match, all of them or, on any error, none."""
        matcher = Matcher(criteria)
        with self._collection.write() as db:
            collection = find_collection(db, self.collection_name)
            for row, document in matches(db, collection, matcher):
                assert collection is not None
                delete(db, collection, row, document)

    def ensure_index(self, key: str, unique: bool = False) -> bool:
        """Index a field, and say whether it now is indexed as wished.

        A unique index refuses two documents with the same value, a missing one counting as null. It
        cannot be made where there are such documents, nor can any index in a file open for reading.
        """
        with self._collection.read() as db:
            collection = find_collection(db, self.collection_name)
        known = collection.fields.get(key) if collection else None
        if known is not None and known.is_unique >= unique:
            return True
        if self.read_only:
            return False
        try:
            with self._collection.write() as db:
                add_field(db, create_collection(db, self.collection_name), key, unique=unique)
        except DuplicateKeyError as error:
            self.logger.warning("no unique index on %s: %s", key, error)
            return False
        return True

    def __eq__(self, other: object) -> bool:
        """Whether it is the same collection of the same file."""
        return isinstance(other, SQLiteStore) and self._identity() == other._identity()

    def __hash__(self) -> int:
        """Hash of the file's path and the collection."""
        return hash(self._identity())

    def _identity(self) -> tuple[str, str, str]:
        return self.path, self.collection_name, self.last_updated_field
