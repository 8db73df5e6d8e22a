"""Where a store is: a file, or a database of a MongoDB server; and how to say so without its password."""

from __future__ import annotations

import os
import re
from pathlib import Path

from nawf.errors import InputError, StoreFileError

HIDDEN = "***"
OTHER_FILE = "name another file"

_SQLITE_HEAD = b"SQLite format 3\0"

_SCHEME = re.compile(r"mongodb(?:\+srv)?://", re.IGNORECASE)
_ANY_SCHEME = re.compile(r"[a-z][a-z0-9_+.-]*://|mongo[a-z+]*:/*", re.IGNORECASE)
"""What nobody gives a file for a name, misspelt MongoDB included."""
_SECRET_OPTION = re.compile(r"((?:[^&;?=]*password|authmechanismproperties)=)[^&;]*", re.IGNORECASE)


def is_mongo(location: str) -> bool:
    """Whether a location is a MongoDB database and not a file.

    Raises
    ------
    StoreFileError
        If it is neither: an address of another kind.
    """
    if _SCHEME.match(location) is not None:
        return True
    if _ANY_SCHEME.match(location) is not None:
        hint = "give a file, or mongodb://user@host:27017/database"
        raise StoreFileError("is no place for a store", where=redacted(location), hint=hint)
    return False


def redacted(location: str) -> str:
    """The location as it may be shown: without password, with secrets among its options hidden.

    Parameters
    ----------
    location : str
        A file, which comes back as it is; an address, of MongoDB or not, well-formed or not; or a text that ends in
        one, such as ``--store=mongodb://...``.
    """
    found = _ANY_SCHEME.search(location)
    if found is None:
        return location
    # An unescaped @, / or ? in a password must not bring it to light: all before the last @ counts as credentials.
    credentials, at, rest = location[found.end() :].rpartition("@")
    user = credentials.partition(":")[0]
    if not at:
        rest = _without_stray_password(rest)
    return location[: found.end()] + user + at + _SECRET_OPTION.sub(rf"\1{HIDDEN}", rest)


def _without_stray_password(rest: str) -> str:
    """Hosts and database where nothing was marked as credentials; what stands for a port must be a number."""
    hosts, slash, path = rest.partition("/")
    shown = []
    for host in hosts.split(","):
        name, colon, port = host.rpartition(":")
        is_plain = not colon or port.isdigit() or host.endswith("]")
        shown.append(host if is_plain else f"{name}:{HIDDEN}")
    return ",".join(shown) + slash + path


def log_path(location: str) -> Path:
    """File of the job log of a store: beside a file; in the current folder, named like it, for a database."""
    if is_mongo(location):
        return Path.cwd() / f"{database_name(location) or 'nawf'}.log"
    return Path(location).with_suffix(".log")


def database_name(location: str) -> str:
    """Name of the database in a MongoDB URI; empty if there is none."""
    head = _SCHEME.sub("", location, count=1).partition("?")[0]
    return head.rpartition("@")[2].partition("/")[2]


def refuse_store_file(path: Path) -> None:
    """Refuse to write over a store, or over a file that SQLite keeps beside one.

    Raises
    ------
    InputError
        If that is what there is.
    """
    if path.name.endswith(("-wal", "-shm", "-journal")) and path.exists():
        raise InputError("belongs to a store", where=str(path), hint=OTHER_FILE)
    if path.is_file() and os.access(path, os.R_OK):
        with path.open("rb") as file:
            if file.read(len(_SQLITE_HEAD)) == _SQLITE_HEAD:
                raise InputError("is a store or another SQLite file", where=str(path), hint=OTHER_FILE)
