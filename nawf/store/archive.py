"""Archives of stores: one file to keep, to publish and to read reports from.

An archive is a ZIP file with LZMA compression (any unzip can list it) of these members and no others:

``results.jsonl``
    Documents of the phase store, one a line as JSON with sorted keys, in order of ``result_id``; without
    ``last_updated``, so that equal results make equal files.
``outputs.jsonl``, ``data.jsonl``
    Raw documents in order of ``uuid`` and ``index``, and the large data they refer to in order of ``blob_uuid``.
    Times and binary data are in MongoDB's extended JSON. An archive of results only has neither.
``manifest.json``
    ``format`` (``nawf-archive``), ``format_version``, ``schema_version`` of the documents, and of each member its
    number of ``documents``, its ``bytes`` and its ``sha256``.

The last 64 bytes, the comment of the ZIP file, are the SHA-256 of all bytes before them. Dates, owners and whatever
else ZIP files know are fixed: equal content is an equal file. Nothing is ever unpacked to the disk.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nawf.errors import StoreFileError

if TYPE_CHECKING:
    from nawf.results.documents import ResultDocument

FORMAT: Final = "nawf-archive"
FORMAT_VERSION: Final = 1
MANIFEST: Final = "manifest.json"
RESULTS_MEMBER, OUTPUTS_MEMBER, DATA_MEMBER = "results.jsonl", "outputs.jsonl", "data.jsonl"
MEMBERS: Final = (RESULTS_MEMBER, OUTPUTS_MEMBER, DATA_MEMBER)
DIGEST_CHARACTERS: Final = 64
"""Of the digest of the whole file, at its end."""

_CHUNK_BYTES: Final = 1 << 20
_LARGEST_MANIFEST_BYTES: Final = 1 << 20
_DAMAGE: Final = (
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


class Member(BaseModel):
    """What the manifest says of a member."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    documents: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: str


class Manifest(BaseModel):
    """What an archive holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str
    format_version: int
    schema_version: int
    members: dict[str, Member]


@dataclass(frozen=True)
class Archive:
    """An archive that has been checked from end to end."""

    path: Path
    manifest: Manifest

    @property
    def is_results_only(self) -> bool:
        """Whether it has no raw documents."""
        return OUTPUTS_MEMBER not in self.manifest.members

    def documents(self, member: str) -> Iterator[dict[str, Any]]:
        """Documents of a member, one at a time; none where the archive does not have it.

        Raises
        ------
        StoreFileError
            If the file was changed since it was checked.
        """
        if member not in self.manifest.members:
            return
        read = json.loads if member == RESULTS_MEMBER else _with_bson_types()
        with _plainly(self.path), zipfile.ZipFile(self.path) as opened, opened.open(member) as lines:
            for line in lines:
                yield read(line)


def open_archive(path: Path | str) -> Archive:
    """Check a whole archive: digests of the file and of every member, schema, and that nothing else is in it.

    Raises
    ------
    StoreFileError
        If it is missing, truncated, altered, not an archive of nawf, or from a newer version.
    """
    path = Path(path)
    with _plainly(path):
        _check_digest(path)
        with zipfile.ZipFile(path) as opened:
            names = opened.namelist()
            if MANIFEST not in names or opened.getinfo(MANIFEST).file_size > _LARGEST_MANIFEST_BYTES:
                raise _refused(path, "is not an archive of nawf")
            manifest = _manifest(path, opened.read(MANIFEST))
            if sorted(names) != sorted([MANIFEST, *manifest.members]) or not set(manifest.members) <= set(MEMBERS):
                raise _refused(path, "holds other members than its manifest says")
            for name, member in manifest.members.items():
                _check_member(path, opened, name, member)
    return Archive(path, manifest)


def read_archive(path: Path | str) -> list[ResultDocument]:
    """Results in an archive, by phase and property; reports take them as they take those of a store.

    Raises
    ------
    StoreFileError
        As :func:`open_archive`, or if a result is malformed or of a newer schema.
    """
    from nawf.store.query import as_document

    found = [as_document(raw) for raw in open_archive(path).documents(RESULTS_MEMBER)]
    return sorted(found, key=lambda d: (d.phase, d.property, d.fingerprint_id))


def _check_digest(path: Path) -> None:
    rest, digest = path.stat().st_size - DIGEST_CHARACTERS, hashlib.sha256()
    with path.open("rb") as file:
        head = file.read(4)
        if head[:2] != b"PK":
            raise _refused(path, "is not an archive of nawf")
        digest.update(head)
        rest -= len(head)
        while rest > 0 and (chunk := file.read(min(rest, _CHUNK_BYTES))):
            digest.update(chunk)
            rest -= len(chunk)
        if rest or file.read() != digest.hexdigest().encode():
            raise _refused(path, "is truncated or was altered: its checksum is wrong")


def _manifest(path: Path, content: bytes) -> Manifest:
    from nawf.results.documents import SCHEMA_VERSION

    try:
        said = json.loads(content)
        if not isinstance(said, dict) or said.get("format") != FORMAT:
            raise _refused(path, "is not an archive of nawf")
        versions = (said.get("format_version", 0), FORMAT_VERSION), (said.get("schema_version", 0), SCHEMA_VERSION)
        if any(theirs > ours for theirs, ours in versions):
            raise StoreFileError("was written by a newer nawf", where=str(path), hint="update nawf")
        return Manifest.model_validate(said)
    except (ValidationError, TypeError) as error:
        raise _refused(path, "has a malformed manifest") from error


def _check_member(path: Path, opened: zipfile.ZipFile, name: str, member: Member) -> None:
    digest, size_bytes, lines = hashlib.sha256(), 0, 0
    with opened.open(name) as content:
        while chunk := content.read(_CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
            lines += chunk.count(b"\n")
            if size_bytes > member.bytes:
                break
    if (digest.hexdigest(), size_bytes, lines) != (member.sha256, member.bytes, member.documents):
        raise _refused(path, f"its {name} is not what the manifest says")


def _with_bson_types() -> Any:
    """Reader of lines that may hold what JSON does not know."""
    from bson import json_util

    options = json_util.JSONOptions(tz_aware=False)
    return lambda line: json.loads(line, object_hook=lambda found: json_util.object_hook(found, options))


@contextmanager
def _plainly(path: Path) -> Iterator[None]:
    try:
        yield
    except StoreFileError:
        raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StoreFileError(f"cannot be read: {reason}", where=str(path)) from error
    except _DAMAGE as error:
        raise _refused(path, "is damaged") from error


def _refused(path: Path, what: str) -> StoreFileError:
    return StoreFileError(what, where=str(path), hint="nothing was taken from it; get it anew")


def manifest_bytes(members: Mapping[str, Member], schema_version: int) -> bytes:
    """The manifest of some members, as it is written."""
    manifest = Manifest(
        format=FORMAT, format_version=FORMAT_VERSION, schema_version=schema_version, members=dict(members)
    )
    return (json.dumps(manifest.model_dump(), sort_keys=True, indent=1) + "\n").encode()
