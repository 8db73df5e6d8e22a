"""The three kinds of documents in a store: how each is named, how it is read in order, and which of two is newer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from pydash import get

from nawf.store.archive import DATA_MEMBER, OUTPUTS_MEMBER, RESULTS_MEMBER
from nawf.store.matching import Document
from nawf.store.stores import Stores

if TYPE_CHECKING:
    from maggma.core import Store

Age = tuple[str, ...]
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of documents.

    Attributes
    ----------
    title : str
        What people call it.
    member : str
        Its member of an archive.
    keys : tuple of str
        Fields that name a document.
    at_once : int
        How many are held in memory.
    of : callable
        The store of them, among those of a location.
    age : callable or None
        Later is newer; None where a document never changes under its name.
    unimportant : tuple of str
        Fields in which equal documents may differ.
    """

    title: str
    member: str
    keys: tuple[str, ...]
    at_once: int
    of: Callable[[Stores], Store]
    age: Callable[[Document], Age] | None
    unimportant: tuple[str, ...] = ("_id",)

    def key(self, document: Document) -> Key:
        """What names a document."""
        return tuple(document[name] for name in self.keys)

    def content(self, document: Document) -> Document:
        """What counts when two are compared."""
        return {name: value for name, value in document.items() if name not in self.unimportant}


def _completed(document: Document) -> Age:
    return (_moment(document.get("completed_at")),)


def _built_from(document: Document) -> Age:
    """Of two from one job, the one judged last is newer; archives do not say when theirs were."""
    completed_at, index = (get(document, f"provenance.job.{name}") for name in ("completed_at", "index"))
    schema, updated_at = document.get("schema_version"), document.get("last_updated")
    return _number(schema), _moment(completed_at), _number(index), _moment(updated_at)


def _number(value: Any) -> str:
    return f"{value if isinstance(value, int) else 0:09d}"


def _moment(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value or "")


RESULTS_KIND: Final = Kind(
    "results",
    RESULTS_MEMBER,
    ("result_id",),
    200,
    lambda stores: stores.results,
    _built_from,
    ("_id", "last_updated"),
)
OUTPUTS_KIND: Final = Kind(
    "raw documents", OUTPUTS_MEMBER, ("uuid", "index"), 100, lambda stores: stores.jobs.docs_store, _completed
)
DATA_KIND: Final = Kind("data", DATA_MEMBER, ("blob_uuid",), 20, lambda stores: stores.data, None)
KINDS: Final = (DATA_KIND, OUTPUTS_KIND, RESULTS_KIND)
"""In the order in which they are written: what is referred to comes before what refers to it."""


@dataclass(frozen=True)
class Chosen:
    """Which documents of a store are meant: all, or those of some phases."""

    stores: Stores
    phases: Collection[str] | None = None

    def keys(self, kind: Kind) -> list[Key]:
        """Keys in order; documents of raw jobs that are none of nawf's belong to no phase."""
        criteria: Document = {}
        if self.phases is not None:
            within = {"$in": sorted(self.phases)}
            if kind is RESULTS_KIND:
                criteria = {"phase": within}
            elif kind is OUTPUTS_KIND:
                criteria = {"metadata.nawf.phase": within}
            else:
                jobs = OUTPUTS_KIND.of(self.stores).query({"metadata.nawf.phase": within}, ["uuid"])
                criteria = {"job_uuid": {"$in": sorted({job["uuid"] for job in jobs})}}
        found = kind.of(self.stores).query(criteria, list(kind.keys))
        return sorted({kind.key(document) for document in found})

    def batches(self, kind: Kind, keys: list[Key]) -> Iterator[list[Document]]:
        """The documents with these keys, a few at a time, in this order; those removed meanwhile are left out."""
        store = kind.of(self.stores)
        for first in range(0, len(keys), kind.at_once):
            wanted = keys[first : first + kind.at_once]
            names = sorted({key[0] for key in wanted})
            there = {kind.key(document): document for document in store.query({kind.keys[0]: {"$in": names}})}
            yield [there[key] for key in wanted if key in there]
