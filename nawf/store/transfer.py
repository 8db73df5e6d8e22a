"""Copying between stores, and from archives into stores: what is there already stays, unless it is older."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from nawf.errors import InputError, StoreFileError
from nawf.store.archive import RESULTS_MEMBER, Archive, open_archive
from nawf.store.kinds import KINDS, RESULTS_KIND, Chosen, Kind
from nawf.store.location import is_mongo, redacted
from nawf.store.matching import Document, freeze
from nawf.store.query import as_document
from nawf.store.stores import Stores

Tell = Callable[[str, int, int], None]
"""Is told of what kind how many documents of how many have been looked at."""


@dataclass
class Counts:
    """What became of the documents of one kind."""

    written: int = 0
    unchanged: int = 0
    kept: int = 0
    """Left as they are in the target, because they are not older there."""


def copy_stores(source: Stores, target: Stores, tell: Tell | None = None) -> dict[str, Counts]:
    """Copy all documents and data from one store to another.

    It can be repeated, and goes on after it was interrupted: what is in the target already is not written again. A
    document that is newer in the target, or as old, is left as it is.

    Parameters
    ----------
    source, target : Stores
    tell : callable, optional
        Is told of the progress.

    Returns
    -------
    dict of str to Counts
        By kind: data, raw documents, results.
    """
    chosen, done = Chosen(source), {}
    for kind in KINDS:
        keys = chosen.keys(kind)
        done[kind.title] = _put(chosen.batches(kind, keys), len(keys), target, kind, tell)
    return done


def refuse_same_place(source: str, target: str) -> None:
    """Refuse to copy a store onto itself.

    Raises
    ------
    InputError
        If both are one file, or one database at one address.
    """
    if is_mongo(source) and is_mongo(target):
        same = _database(source) == _database(target)
    elif is_mongo(source) or is_mongo(target):
        return
    else:
        same = Path(source).resolve() == Path(target).resolve() or (
            Path(source).exists() and Path(target).exists() and Path(source).samefile(target)
        )
    if same:
        raise InputError("is the same store twice", where=redacted(source), hint="name another one to copy to")


def _database(location: str) -> tuple[frozenset[str], str]:
    """Hosts with ports, and the database, of an address."""
    hosts, _, rest = redacted(location).partition("://")[2].rpartition("@")[2].partition("/")
    ports = (host if ":" in host else f"{host}:27017" for host in hosts.lower().split(","))
    return frozenset(p.replace("localhost:", "127.0.0.1:") for p in ports), rest.partition("?")[0]


def import_archive(path: Path | str, stores: Stores, tell: Tell | None = None) -> dict[str, Counts]:
    """Bring an archive into a store; like :func:`copy_stores`, with all of it checked before anything is written.

    Parameters
    ----------
    path : Path or str
        An archive; see :mod:`nawf.store.archive` for the format.
    stores : Stores
    tell : callable, optional
        Is told of the progress.

    Raises
    ------
    StoreFileError
        If the archive is truncated, altered, malformed or newer than this nawf; nothing has been written then.
    """
    archive = open_archive(path)
    _check_documents(archive)
    done = {}
    for kind in KINDS:
        member = archive.manifest.members.get(kind.member)
        if member is not None:
            batches = _batched(archive.documents(kind.member), kind.at_once)
            done[kind.title] = _put(batches, member.documents, stores, kind, tell)
    return done


def _check_documents(archive: Archive) -> None:
    for kind in KINDS:
        for document in archive.documents(kind.member):
            if not isinstance(document, dict) or not set(kind.keys) <= document.keys():
                what = f"its {kind.member} has a line that is none of its documents"
                raise StoreFileError(what, where=str(archive.path), hint="nothing was taken from it")
            if kind.member == RESULTS_MEMBER and document.get("schema_version") == archive.manifest.schema_version:
                as_document(document)


def _batched(documents: Iterable[Document], size: int) -> Iterator[list[Document]]:
    rest = iter(documents)
    while batch := list(islice(rest, size)):
        yield batch


def _put(batches: Iterable[list[Document]], total: int, target: Stores, kind: Kind, tell: Tell | None) -> Counts:
    counts, done, store = Counts(), 0, kind.of(target)
    for batch in batches:
        names = sorted({document[kind.keys[0]] for document in batch})
        properties = None if kind.age is not None else list(kind.keys)
        found = store.query({kind.keys[0]: {"$in": names}}, properties)
        there = {kind.key(document): document for document in found}
        new = [document for document in batch if _is_wanted(document, there, kind, counts)]
        if new:
            store.update([_outgoing(document, kind) for document in new], key=list(kind.keys))
        counts.written += len(new)
        done += len(batch)
        if tell is not None:
            tell(kind.title, done, total)
    return counts


def _is_wanted(document: Document, there: dict[tuple[object, ...], Document], kind: Kind, counts: Counts) -> bool:
    old = there.get(kind.key(document))
    if old is None:
        return True
    if kind.age is None or freeze(kind.content(old)) == freeze(kind.content(document)):
        counts.unchanged += 1
        return False
    if kind.age(old) >= kind.age(document):
        counts.kept += 1
        return False
    return True


def _outgoing(document: Document, kind: Kind) -> Document:
    """A document without the identifier that its old store gave it."""
    new = {name: value for name, value in document.items() if name != "_id"}
    if kind is RESULTS_KIND:
        new.setdefault("last_updated", datetime.now(UTC))
    return new
