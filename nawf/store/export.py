"""Writing archives; :mod:`nawf.store.archive` describes the format and reads them."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any, Final

from bson import json_util

from nawf.errors import InputError, ReportError
from nawf.files import file_written_whole
from nawf.results.documents import SCHEMA_VERSION
from nawf.store.archive import DIGEST_CHARACTERS, MANIFEST, RESULTS_MEMBER, Manifest, Member, manifest_bytes
from nawf.store.kinds import KINDS, RESULTS_KIND, Chosen, Key, Kind
from nawf.store.location import OTHER_FILE, is_mongo, refuse_store_file
from nawf.store.matching import Document
from nawf.store.stores import Stores
from nawf.store.transfer import Tell

_DATE: Final = (1980, 1, 1, 0, 0, 0)
_ORDINARY_FILE: Final = 0o100644 << 16
_UNIX: Final = 3
_JSON: Final = json_util.JSONOptions(tz_aware=False)


def export_archive(
    path: Path | str,
    stores: Stores,
    *,
    results_only: bool = False,
    phases: Collection[str] | None = None,
    tell: Tell | None = None,
) -> Manifest:
    """Write a store, or a part of it, to one file; an older archive is replaced once the new one is whole.

    Parameters
    ----------
    path : Path or str
    stores : Stores
    results_only : bool
        Leave raw documents and data out: what reports need is in the results.
    phases : collection of str, optional
        Only these phases.
    tell : callable, optional
        Is told of the progress.

    Raises
    ------
    ReportError
        If there is nothing to export.
    InputError
        If the file cannot be written, or is a store.
    """
    path, chosen = Path(path), Chosen(stores, phases)
    kinds = [RESULTS_KIND] if results_only else KINDS
    keys = {kind.title: chosen.keys(kind) for kind in kinds}
    if not any(keys.values()):
        of = "" if phases is None else " of these phases"
        raise ReportError(f"there are no documents{of} to export", where=stores.location)
    with file_written_whole(path) as file:
        _refuse_a_store(path, stores)
        members = _write(file, chosen, kinds, keys, tell)
        _sign(file)
    return Manifest.model_validate_json(manifest_bytes(members, SCHEMA_VERSION))


def _refuse_a_store(path: Path, stores: Stores) -> None:
    """Refuse to put an archive in the place of the store that it is of, or of any other."""
    if not is_mongo(stores.location) and path.exists() and path.samefile(stores.location):
        # Told from its name alone: opening it here would drop SQLite's locks on it.
        raise InputError("is the store itself", where=str(path), hint=OTHER_FILE)
    refuse_store_file(path)


def _write(
    file: IO[bytes], chosen: Chosen, kinds: Collection[Kind], keys: dict[str, list[Key]], tell: Tell | None
) -> dict[str, Member]:
    members = {}
    with zipfile.ZipFile(file, "w") as archive:
        for kind in sorted(kinds, key=lambda kind: kind.member, reverse=True):
            lines = _lines(chosen, kind, keys[kind.title], tell)
            members[kind.member] = _add(archive, kind.member, lines)
        _add(archive, MANIFEST, iter([manifest_bytes(members, SCHEMA_VERSION)]))
        archive.comment = b"0" * DIGEST_CHARACTERS
    return members


def _lines(chosen: Chosen, kind: Kind, keys: list[Key], tell: Tell | None) -> Iterator[bytes]:
    done = 0
    for batch in chosen.batches(kind, keys):
        for document in batch:
            yield _line(kind.content(document))
        done += len(batch)
        if tell is not None:
            tell(kind.title, done, len(keys))


def _line(document: Document) -> bytes:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_encoded)
    return text.encode() + b"\n"


def _encoded(value: Any) -> Any:
    return json_util.default(value, _JSON)


def _add(archive: zipfile.ZipFile, name: str, lines: Iterator[bytes]) -> Member:
    info = zipfile.ZipInfo(name, _DATE)
    info.compress_type, info.external_attr, info.create_system = zipfile.ZIP_LZMA, _ORDINARY_FILE, _UNIX
    digest, size_bytes, documents = hashlib.sha256(), 0, 0
    # The size is not known beforehand; the choice must not depend on it, or equal content made unequal files.
    with archive.open(info, "w", force_zip64=name not in (RESULTS_MEMBER, MANIFEST)) as member:
        for line in lines:
            member.write(line)
            digest.update(line)
            size_bytes += len(line)
            documents += 1
    return Member(documents=documents, bytes=size_bytes, sha256=digest.hexdigest())


def _sign(file: IO[bytes]) -> None:
    """Put the digest of the whole file into its last bytes, which the comment has kept free."""
    file.flush()
    rest = file.seek(0, os.SEEK_END) - DIGEST_CHARACTERS
    digest = hashlib.sha256()
    file.seek(0)
    while rest and (chunk := file.read(min(rest, 1 << 20))):
        digest.update(chunk)
        rest -= len(chunk)
    file.seek(-DIGEST_CHARACTERS, os.SEEK_END)
    file.write(digest.hexdigest().encode())
    file.flush()
