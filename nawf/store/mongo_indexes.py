"""Indexes of MongoDB collections: which there should be, making them, and finding those that are missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pymongo.errors import OperationFailure

from nawf.errors import StoreFileError
from nawf.store.mongo_connection import Connection
from nawf.store.stores import DATA_INDEX, RAW_INDEX, RESULTS_INDEX

_DUPLICATE_KEY: Final = 11000
_CONFLICTS: Final = (85, 86)
"""MongoDB's error codes for an index that is there with other options."""


@dataclass(frozen=True)
class Index:
    """An index on one or several fields, ascending."""

    fields: tuple[str, ...]
    is_unique: bool = False

    def __str__(self) -> str:
        """Fields in words."""
        return " + ".join(self.fields) + (" (unique)" if self.is_unique else "")

    def keys(self) -> list[tuple[str, int]]:
        """Fields as MongoDB's driver takes them."""
        return [(field, 1) for field in self.fields]

    def is_met_by(self, info: Mapping[str, Any]) -> bool:
        """Whether an index that is there does for this one."""
        fields = tuple(field for field, _ in info["key"])
        return fields == self.fields and bool(info.get("unique")) >= self.is_unique


def _one_by_one(fields: Iterable[str], prefix: str = "") -> tuple[Index, ...]:
    return tuple(Index((prefix + field,)) for field in fields)


OUTPUT_INDEXES: Final = (Index(("uuid", "index"), is_unique=True), *_one_by_one(RAW_INDEX))
DATA_INDEXES: Final = _one_by_one(DATA_INDEX, prefix="metadata.")
RESULT_INDEXES: Final = (Index(("result_id",), is_unique=True), *_one_by_one(RESULTS_INDEX[1:]))


def missing_indexes(collection: Any, wanted: Iterable[Index]) -> list[Index]:
    """Those that a collection lacks."""
    there = list(collection.index_information().values())
    return [index for index in wanted if not any(index.is_met_by(info) for info in there)]


def create_indexes(connection: Connection, collection: Any, wanted: Iterable[Index]) -> None:
    """Make the indexes that a collection lacks.

    Raises
    ------
    StoreFileError
        If one cannot be made, because two documents share a value that should be unique for instance.
    """
    with connection.plain_errors():
        for index in missing_indexes(collection, wanted):
            try:
                collection.create_index(index.keys(), unique=index.is_unique)
            except OperationFailure as error:
                problem = _problem(index, error)
                if problem is None:
                    raise
                where = f"{connection.shown} {collection.name}"
                raise StoreFileError(problem[0], where=where, hint=problem[1]) from error


def _problem(index: Index, error: OperationFailure) -> tuple[str, str] | None:
    """What is wrong and what to do, if it lies in the collection and not in the user's rights."""
    if error.code == _DUPLICATE_KEY:
        what = f"holds two documents with the same {' and '.join(index.fields)}"
        return what, "nawf store verify lists them; remove one of each"
    if error.code in _CONFLICTS:
        return f"has another index in the place of that on {index}", "drop it; nawf makes its own"
    return None
