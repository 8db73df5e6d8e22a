"""Bringing a store up to the schema of this nawf: indexes, and results built anew from their raw documents."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydash import get

from nawf.errors import StoreFileError
from nawf.results.documents import SCHEMA_VERSION
from nawf.store.builder import build
from nawf.store.check import info
from nawf.store.location import is_mongo
from nawf.store.query import as_document
from nawf.store.sqlite_format import connection_to
from nawf.store.stores import Stores, open_stores, store_exists

if TYPE_CHECKING:
    from nawf.phases.library import Library

_OLDER = {"schema_version": {"$lt": SCHEMA_VERSION}}


@dataclass
class Migration:
    """What a migration did.

    Attributes
    ----------
    backup : Path or None
        Copy of a file as it was before; None where nothing had to be done, and for databases.
    indexes : list of str
        Indexes that were made.
    built, renewed, removed : int
        Results built anew from raw documents; results whose form is still that of today, marked so; and results that
        newer ones of the same job stand for.
    left : list of str
        Results of an older schema that cannot be brought up to date: their raw documents are missing.
    """

    backup: Path | None = None
    indexes: list[str] = field(default_factory=list)
    built: int = 0
    renewed: int = 0
    removed: int = 0
    left: list[str] = field(default_factory=list)

    @property
    def did_nothing(self) -> bool:
        """Whether the store was up to date."""
        return not (self.backup or self.indexes or self.built or self.renewed or self.removed or self.left)


def migrate(location: str, library: Library | None = None) -> Migration:
    """Bring a store up to date; a file is copied first.

    Parameters
    ----------
    location : str
    library : Library, optional
        Where to look for the phase that a relaxed crystal may have become; the shipped phases, if not given.

    Raises
    ------
    StoreFileError
        If there is no store, it is of a newer schema, or the copy cannot be made.
    """
    done = Migration()
    if not store_exists(location):
        raise StoreFileError("there is no such store", where=location if not is_mongo(location) else None)
    done.indexes = [f"{c.name}: {index}" for c in info(location).collections for index in c.missing_indexes]
    with open_stores(location, read_only=True) as stores:
        older = stores.results.count(_OLDER)
    if older and not is_mongo(location):
        done.backup = _backup(Path(location).resolve())
    if older or done.indexes:
        with open_stores(location) as stores:  # opening makes the indexes
            if older:
                _renew(stores, done, library)
    return done


def _renew(stores: Stores, done: Migration, library: Library | None) -> None:
    before = list(stores.results.query(_OLDER))
    phases = {d["phase"] for d in before if isinstance(d.get("phase"), str)}
    done.built = len(build(stores, phases=phases, library=library).built)
    current = {_job(d) for d in _current(stores)}
    for old in list(stores.results.query(_OLDER)):
        name = str(old.get("result_id", old["_id"]))
        if _job(old) in current:
            stores.results.remove_docs({"_id": old["_id"]})
            done.removed += 1
        elif (renewed := _as_current(old)) is not None:
            stores.results.update(renewed, key="result_id")
            done.renewed += 1
        else:
            done.left.append(name)


def _job(document: dict[str, Any]) -> tuple[str, ...]:
    """Phase, property and job as texts, whatever a malformed document has there."""
    return tuple(str(get(document, name)) for name in ("phase", "property", "provenance.job.uuid"))


def _current(stores: Stores) -> Iterator[dict[str, Any]]:
    fields = ["phase", "property", "provenance.job.uuid"]
    return iter(stores.results.query({"schema_version": SCHEMA_VERSION}, fields))


def _as_current(old: dict[str, Any]) -> dict[str, Any] | None:
    """The document marked with today's schema, if it has its form."""
    new = {key: value for key, value in old.items() if key != "_id"} | {"schema_version": SCHEMA_VERSION}
    try:
        as_document(new).record()
    except (StoreFileError, ValueError):
        return None
    return new | {"last_updated": datetime.now(UTC)}


def _backup(path: Path) -> Path:
    """Copy a store file as it is now, whoever else has it open."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    copy = path.with_name(f"{path.stem}.backup-{stamp}{path.suffix}")
    try:
        with closing(connection_to(path, "ro")) as source, closing(connection_to(copy, "rwc")) as target:
            source.backup(target)
    except sqlite3.Error as error:
        copy.unlink(missing_ok=True)
        raise StoreFileError(
            f"no copy of it can be made: {error}", where=str(path), hint="make room for it"
        ) from error
    return copy
