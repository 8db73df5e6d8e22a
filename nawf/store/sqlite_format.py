"""The format of a store file: its tables, its marks, how it is told from other files; and plain errors."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Final

from nawf.errors import StoreFileError

APPLICATION_ID: Final = 0x6E617766
"""``nawf`` in ASCII, kept in the file's header."""
SCHEMA_VERSION: Final = 1

_SCHEMA: Final = (
    "CREATE TABLE collections (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    "CREATE TABLE documents (id INTEGER PRIMARY KEY, collection INTEGER NOT NULL, oid BLOB NOT NULL,"
    " codec INTEGER NOT NULL, body BLOB NOT NULL)",
    "CREATE INDEX documents_by_collection ON documents (collection)",
    "CREATE TABLE fields (id INTEGER PRIMARY KEY, collection INTEGER NOT NULL, name TEXT NOT NULL,"
    " is_unique INTEGER NOT NULL, is_multikey INTEGER NOT NULL DEFAULT 0, UNIQUE (collection, name))",
    # `value` has no declared type: SQLite must not convert what it is given.
    "CREATE TABLE entries (field INTEGER NOT NULL, rank INTEGER NOT NULL, value NOT NULL,"
    " document INTEGER NOT NULL, PRIMARY KEY (field, rank, value, document)) WITHOUT ROWID",
)

_SMALLEST_PAGE_BYTES: Final = 512
BUSY_CODES: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's error code without its extension; 0 for an error of Python's own."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def store_error(error: sqlite3.Error, path: Path, busy_timeout_s: float) -> StoreFileError:
    """Say in one line what SQLite found and what to do."""
    code = primary_code(error)
    detail = f"{error}".rstrip(".")
    hint: str | None = None
    if code in BUSY_CODES:
        what = f"has been locked by another writer for {busy_timeout_s:g} s"
        hint = "wait until it has finished, or raise busy_timeout_s"
    elif code == sqlite3.SQLITE_FULL:
        what = "cannot grow: the disk is full; this write was undone"
        hint = "make room and run again; all earlier results are kept"
    elif code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        what = f"cannot be used here ({detail})"
        hint = "check the permissions of the file and of its folder, where SQLite keeps files beside it"
    elif code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        what = f"is damaged ({detail})"
        hint = "go back to a copy"
    elif code == sqlite3.SQLITE_IOERR:
        what = f"cannot be read or written ({detail}); this step was undone"
        hint = "check the disk, its quota and the limit on file sizes"
    else:
        what = f"refused an operation ({detail})"
    return StoreFileError(what, where=str(path), hint=hint)


def make_folder(path: Path) -> None:
    """Make the folder of a file.

    Raises
    ------
    StoreFileError
        If that is not possible.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreFileError(
            f"its folder cannot be made ({error.strerror})", where=str(path), hint="choose another place"
        ) from error


def is_new_file(path: Path, *, may_be_new: bool) -> bool:
    """Judge a file before it is opened for use, leaving no trace, and say whether it is still to be made.

    Only SQLite itself may open the file: a plain ``open`` and ``close`` would drop the locks of every
    other connection of this process to it.
    """
    try:
        status = path.stat()
    except FileNotFoundError as error:
        if may_be_new:
            return True
        raise StoreFileError("there is no such store", where=str(path)) from error
    except OSError as error:
        raise StoreFileError(f"cannot be reached ({error.strerror})", where=str(path)) from error
    if stat.S_ISDIR(status.st_mode):
        raise StoreFileError("is a folder, not a store file", where=str(path))
    if status.st_size == 0 and may_be_new:
        return True
    if status.st_size < _SMALLEST_PAGE_BYTES:
        raise _not_ours(path, "is not a SQLite file")
    try:
        with closing(connection_to(path, "ro" if wal_path(path).exists() else "ro&immutable=1")) as db:
            application_id, version = _marks(db)
            is_foreign = application_id != APPLICATION_ID and (application_id != 0 or _has_tables(db))
    except sqlite3.DatabaseError as error:
        if primary_code(error) != sqlite3.SQLITE_NOTADB:
            raise
        raise _not_ours(path, "is not a SQLite file") from error
    if is_foreign:
        raise _not_ours(path, "is a SQLite file, but not a nawf store")
    if application_id == APPLICATION_ID:
        _refuse_other_versions(version, path)
    return False


def wal_path(path: Path) -> Path:
    """SQLite's write-ahead log beside a file."""
    return path.with_name(path.name + "-wal")


def file_stamp(path: Path) -> tuple[int, ...]:
    """What changes when a file is written to."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def connection_to(path: Path, mode: str, timeout_s: float = 5.0) -> sqlite3.Connection:
    """Connect in a mode of SQLite's file names: ``rwc``, ``rw``, ``ro``, or ``ro&immutable=1`` without locks."""
    return sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=timeout_s,
        isolation_level=None,
        check_same_thread=False,
    )


def _marks(db: sqlite3.Connection) -> tuple[int, int]:
    application_id = db.execute("PRAGMA application_id").fetchone()[0]
    return application_id, db.execute("PRAGMA user_version").fetchone()[0]


def _has_tables(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is not None


def create_tables(db: sqlite3.Connection) -> None:
    """Make the tables and set the marks, within a transaction."""
    for statement in _SCHEMA:
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def is_blank(db: sqlite3.Connection) -> bool:
    """Whether the file was only begun: no table, no mark of any program."""
    return _marks(db)[0] == 0 and not _has_tables(db)


def check_marks(db: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that is not ours or from another schema.

    Raises
    ------
    StoreFileError
    """
    application_id, version = _marks(db)
    if application_id != APPLICATION_ID:
        raise _not_ours(path, "is a SQLite file, but not a nawf store")
    _refuse_other_versions(version, path)


def _refuse_other_versions(version: int, path: Path) -> None:
    if version != SCHEMA_VERSION:
        raise StoreFileError(
            f"has store schema {version}; this nawf reads schema {SCHEMA_VERSION}",
            where=str(path),
            hint="update nawf" if version > SCHEMA_VERSION else "the file is damaged; go back to a copy",
        )


def _not_ours(path: Path, what: str) -> StoreFileError:
    return StoreFileError(what, where=str(path), hint="name another file; this one was not changed")
