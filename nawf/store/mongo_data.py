"""Large data in MongoDB: GridFS, as maggma's GridFSStore has it, compressed and without loss of types."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import gridfs
from bson import json_util
from gridfs.errors import CorruptGridFile, NoFile
from maggma.core import Sort
from maggma.stores import GridFSStore, MongoStore
from monty.json import jsanitize

from nawf.errors import StoreFileError
from nawf.store.matching import Document, Matcher, Projection
from nawf.store.mongo_connection import Connection
from nawf.store.mongo_indexes import Index, create_indexes
from nawf.store.mongo_shared import Shared, ensure_index

Properties = Mapping[str, Any] | list[str] | None
Order = Mapping[str, Sort | int] | None

_JSON: Final = json_util.JSONOptions(tz_aware=False)


class MongoData(Shared, GridFSStore):
    """Large data in GridFS, compressed; each with the identifiers that documents refer to it by.

    Parameters
    ----------
    location, collection_name, indexes, read_only, connection
        As for :class:`nawf.store.mongo.MongoDocuments`; ``collection_name`` is the prefix of two collections.
    """

    def __init__(
        self,
        location: str,
        collection_name: str,
        key: str = "blob_uuid",
        indexes: Iterable[Index] = (),
        read_only: bool = False,
        connection: Connection | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__("", collection_name, compression=True, key=key, **kwargs)
        self._set_up(location, connection, read_only)
        self.indexes = tuple(indexes)
        self.connection = None

    def connect(self, force_reset: bool = False) -> None:
        """Open the database, and make the indexes that are missing."""
        if self._coll is not None and not force_reset:
            return
        self.close()
        database = self._connection.acquire()
        self._files_collection = database[f"{self.collection_name}.files"]
        self._chunks_collection = database[f"{self.collection_name}.chunks"]
        self._fs = MongoStore.from_collection(self._files_collection)
        self._fs.last_updated_field = f"metadata.{self.last_updated_field}"
        try:
            if not self.read_only:
                create_indexes(self._connection, self._files_collection, self.indexes)
        except BaseException:
            self._connection.release()
            raise
        self._coll = gridfs.GridFS(database, self.collection_name)

    def close(self) -> None:
        """Close the connection, unless other collections use it."""
        if self._coll is not None:
            self._coll = None
            self._connection.release()

    def count(self, criteria: Mapping[str, Any] | None = None) -> int:
        """Count the stored data that match."""
        with self._connection.plain_errors():
            return int(self._files_collection.count_documents(self._for_files(criteria)))

    def distinct(self, field: str, criteria: Mapping[str, Any] | None = None, all_exist: bool = False) -> list[Any]:
        """List the different values of an identifier."""
        with self._connection.plain_errors():
            return list(super().distinct(field, dict(criteria or {}), all_exist))

    def query(
        self,
        criteria: Mapping[str, Any] | None = None,
        properties: Properties = None,
        sort: Order = None,
        skip: int = 0,
        limit: int = 0,
    ) -> Iterator[Document]:
        """Yield stored data by its identifiers (``blob_uuid``, ``job_uuid``, ``job_index``).

        Raises
        ------
        StoreFileError
            If it is damaged.
        """
        project = Projection(properties, Matcher(None))
        wanted = None if properties is None else set(properties) - {"_id"}
        order = self._for_files(sort)
        with self._connection.plain_errors():
            for file in self._fs.query(self._for_files(criteria), sort=order, skip=skip, limit=limit):
                metadata = file.get("metadata", {})
                if wanted is not None and wanted <= metadata.keys() - {"compression"}:
                    yield {name: metadata[name] for name in wanted}
                elif (document := self.read(file)) is not None:
                    yield project(document)

    def read(self, file: Mapping[str, Any]) -> Document | None:
        """Content of an entry of the collection of files; None if it was removed meanwhile.

        Raises
        ------
        StoreFileError
            If it is damaged.
        """
        try:
            content = self._coll.get(file["_id"]).read()
            if file.get("metadata", {}).get("compression") == "zlib":
                content = zlib.decompress(content)
            return dict(json.loads(content, object_hook=_decoded))
        except NoFile:
            return None
        except (CorruptGridFile, zlib.error, ValueError, TypeError) as error:
            name = file.get("metadata", {}).get("blob_uuid", file["_id"])
            raise StoreFileError(f"data {name} is damaged ({error})", where=self.location) from error

    def update(
        self,
        docs: list[Document] | Document,
        key: list[str] | str | None = None,
        additional_metadata: str | list[str] | None = None,
    ) -> None:
        """Store data, in the place of what had the same key.

        Raises
        ------
        KeyError
            If a document lacks a key field.
        StoreFileError
            If the server stays away.
        """
        self._refuse_writing()
        names = [key] if isinstance(key, str) else list(key or [self.key])
        more = [additional_metadata] if isinstance(additional_metadata, str) else list(additional_metadata or ())
        for raw in docs if isinstance(docs, list) else [docs]:
            document = jsanitize(raw, allow_bson=True, recursive_msonable=True)
            own = {name: document[name] for name in names}
            kept = {name: document[name] for name in (*self.searchable_fields, *more) if name in document}
            # What JSON does not know, times for instance, is kept as MongoDB's own extension of JSON has it.
            text = json.dumps(document, default=_encoded, ensure_ascii=False)
            self._put(zlib.compress(text.encode()), {"compression": "zlib", **kept, **own}, own)

    def _put(self, content: bytes, metadata: Document, own: Document) -> None:
        def put() -> None:
            self._coll.put(content, metadata=metadata)
            # The newest stays, by an order that all writers agree on.
            newest_first = [("uploadDate", -1), ("_id", -1)]
            for older in self._files_collection.find(self._for_files(own), ["_id"], sort=newest_first, skip=1):
                self._coll.delete(older["_id"])

        with self._connection.plain_errors():
            self._connection.patiently(put)

    def remove_docs(self, criteria: Mapping[str, Any]) -> None:
        """Remove stored data that match."""
        self._refuse_writing()
        with self._connection.plain_errors():
            for file in list(self._files_collection.find(self._for_files(criteria), ["_id"])):
                self._connection.patiently(partial(self._coll.delete, file["_id"]))

    def ensure_index(self, key: str, unique: bool = False) -> bool:
        """Index an identifier, and say whether it now is indexed as wished."""
        return ensure_index(self, self._files_collection, next(iter(self._for_files({key: 1}))), unique)

    def _for_files(self, criteria: Mapping[str, Any] | None) -> Document:
        return dict(self.transform_criteria(dict(criteria or {})))


def _encoded(value: Any) -> Any:
    return json_util.default(value, _JSON)


def _decoded(document: Document) -> Any:
    return json_util.object_hook(document, _JSON)
