"""What collections of documents and of large data share in MongoDB."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo.errors import OperationFailure

from nawf.errors import StoreFileError
from nawf.store.location import redacted
from nawf.store.mongo_connection import Connection
from nawf.store.mongo_indexes import Index


class Shared:
    """The connection, the address without its password, and identity."""

    collection_name: str
    read_only: bool
    logger: logging.Logger
    _location: str
    _connection: Connection
    _coll: Any

    def _set_up(self, location: str, connection: Connection | None, read_only: bool) -> None:
        self._location = location
        self.location = redacted(location)
        self.read_only = read_only
        self._connection = connection or Connection(location)

    @property
    def name(self) -> str:
        """Where the documents are; without a password."""
        return f"{self.location} {self.collection_name}"

    def __repr__(self) -> str:
        """Location without its password, and collection."""
        return f"{type(self).__name__}({self.location!r}, {self.collection_name!r})"

    def __eq__(self, other: object) -> bool:
        """Whether it is the same collection at the same address."""
        return type(self) is type(other) and repr(self) == repr(other)

    def __hash__(self) -> int:
        """Hash of the address and the collection."""
        return hash(repr(self))

    def __getstate__(self) -> dict[str, Any]:
        """State without what belongs to this process."""
        gone = ("_coll", "_connection", "_fs", "_files_collection", "_chunks_collection")
        return {key: None if key in gone else value for key, value in self.__dict__.items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Come back unconnected."""
        self.__dict__.update(state)
        self._connection = Connection(self._location)

    @contextmanager
    def connection_in_use(self) -> Iterator[Connection]:
        """The connection, kept open meanwhile."""
        self._connection.acquire()
        try:
            yield self._connection
        finally:
            self._connection.release()

    def _refuse_writing(self) -> None:
        if self.read_only:
            raise StoreFileError("is open for reading only", where=self.location)


def ensure_index(store: Shared, collection: Any, field: str, unique: bool) -> bool:
    """Index a field, and say whether it now is indexed as wished."""
    wanted = Index((field,), unique)
    with store._connection.plain_errors():
        if any(wanted.is_met_by(info) for info in collection.index_information().values()):
            return True
        if store.read_only:
            return False
        try:
            collection.create_index(wanted.keys(), unique=unique)
        except OperationFailure as error:
            store.logger.warning("no index on %s: %s", field, error)
            return False
    return True
