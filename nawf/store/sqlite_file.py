"""The SQLite file under the embedded store: opening it safely, transactions, and plain errors.

The file is in WAL mode with ``synchronous=FULL``: a commit that returned is on the disk, readers never
wait for writers. WAL needs shared memory between the processes, so the file must lie on a disk of this
machine, not on a network file system.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

from nawf.errors import StoreFileError
from nawf.store.sqlite_format import (
    BUSY_CODES,
    check_marks,
    connection_to,
    create_tables,
    file_stamp,
    is_blank,
    is_new_file,
    make_folder,
    primary_code,
    store_error,
    wal_path,
)

_T = TypeVar("_T")

_BUSY_SLICE_S: Final = 0.2
_WAL_LIMIT_BYTES: Final = 64 * 2**20


class FileChangedError(StoreFileError):
    """The file was changed while it was read without locks; what was read may not hold together."""


class StoreFile:
    """One store file and this object's connection to it, shared by the threads of a process.

    Every use of the connection happens inside :meth:`read` or :meth:`write`, under a lock. Before a
    ``fork`` the connection is closed, and opened again when it is next needed: SQLite keeps its locks
    per process, and a child that opened the file beside an inherited connection would believe it holds
    locks that it does not have.

    Parameters
    ----------
    path : Path
        Absolute path of the file.
    busy_timeout_s : float
        How long to wait for other processes, in seconds.
    read_only : bool
        Never create, change or migrate the file.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float = 30.0, read_only: bool = False) -> None:
        self.path = path
        self.busy_timeout_s = busy_timeout_s
        self.read_only = read_only
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._stamp: tuple[int, ...] | None = None
        self.is_open = False

    def open(self) -> None:
        """Open the file, creating it and its folder unless it is read-only.

        Raises
        ------
        StoreFileError
            If the file is not a nawf store, is from a newer schema, or cannot be read or written.
        """
        _watch_forks(self)
        with self._lock:
            if self.is_open:
                return
            if not self.read_only:
                make_folder(self.path)
            with self._plain_errors():
                self._connection = self._connect(create=not self.read_only)
                if self._stamp is not None:
                    self._leave_immutable()
            self.is_open = True

    def close(self) -> None:
        """Close the connection; no harm if there is none."""
        with self._lock:
            self.is_open = False
            self._disconnect()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Read from one state of the file, whatever other processes write meanwhile.

        Raises
        ------
        FileChangedError
            If it is open for reading only, nobody else had it open, and someone then changed it.
        """
        with self._lock, self._plain_errors():
            db = self._connected()
            if db.in_transaction:
                yield db
            else:
                with self._transaction(db, "BEGIN"):
                    yield db

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Write all or nothing: commit at the end, roll back on any exception.

        Within another ``write`` it is a part of that one, undone by itself if it fails.
        """
        if self.read_only:
            raise StoreFileError("is open for reading only", where=str(self.path))
        with self._lock, self._plain_errors():
            db = self._connected()
            with self._savepoint(db) if db.in_transaction else self._transaction(db, "BEGIN IMMEDIATE"):
                yield db

    @contextmanager
    def _transaction(self, db: sqlite3.Connection, begin: str) -> Iterator[None]:
        try:
            self._begin(db, begin)
            yield
            db.execute("COMMIT")
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")
            if self._stamp is not None:
                self._leave_immutable()

    @contextmanager
    def _savepoint(self, db: sqlite3.Connection) -> Iterator[None]:
        db.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if db.in_transaction:  # SQLite undoes everything by itself where the disk is full
                db.execute("ROLLBACK TO part")
            raise
        finally:
            if db.in_transaction:
                db.execute("RELEASE part")

    def _connected(self) -> sqlite3.Connection:
        if not self.is_open:
            raise StoreFileError("is not open", where=str(self.path), hint="call connect() first")
        if self._connection is None:
            self._connection = self._connect(create=False)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # --- opening -----------------------------------------------------------------------------------------

    def _connect(self, *, create: bool) -> sqlite3.Connection:
        is_new = self._patiently(lambda: is_new_file(self.path, may_be_new=create))
        if self.read_only and not wal_path(self.path).exists():
            return self._connect_immutable()
        if not self.read_only and not is_new and not os.access(self.path, os.W_OK):
            raise StoreFileError(
                "is read-only", where=str(self.path), hint="change its permissions, or open it for reading"
            )
        mode = "ro" if self.read_only else "rwc" if create else "rw"
        db = connection_to(self.path, mode, min(_BUSY_SLICE_S, self.busy_timeout_s))
        try:
            self._set_up(db, create=create)
        except BaseException:
            db.close()
            raise
        return db

    def _connect_immutable(self) -> sqlite3.Connection:
        """Connect to read a file that nobody has open for writing, without making files beside it.

        Such a connection takes no locks and does not see later changes: it lives for one transaction,
        at the end of which the file must still be the same.
        """
        self._stamp = file_stamp(self.path)
        return connection_to(self.path, "ro&immutable=1")

    def _leave_immutable(self) -> None:
        before, self._stamp = self._stamp, None
        self._disconnect()
        if file_stamp(self.path) != before:
            raise FileChangedError(
                "was changed by another process while it was read", where=str(self.path), hint="read it again"
            )

    def _set_up(self, db: sqlite3.Connection, *, create: bool) -> None:
        if not self.read_only:
            mode = self._patiently(lambda: db.execute("PRAGMA journal_mode = WAL").fetchone()[0])
            if mode != "wal":
                raise StoreFileError(
                    "SQLite cannot use its write-ahead log here",
                    where=str(self.path),
                    hint="put the store on a disk of this machine",
                )
            db.execute("PRAGMA synchronous = FULL")
            db.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
        if create and self._patiently(lambda: is_blank(db)):
            self._begin(db, "BEGIN IMMEDIATE")
            if is_blank(db):  # another process may have been faster
                create_tables(db)
            db.execute("COMMIT")
        self._patiently(lambda: check_marks(db, self.path))

    # --- waiting and errors ------------------------------------------------------------------------------

    def _begin(self, db: sqlite3.Connection, begin: str) -> None:
        def start() -> None:
            db.execute(begin)
            try:
                db.execute("SELECT 1 FROM sqlite_schema LIMIT 1")  # BEGIN alone takes no snapshot yet
            except sqlite3.Error:
                db.execute("ROLLBACK")
                raise

        self._patiently(start)

    def _patiently(self, attempt: Callable[[], _T]) -> _T:
        """Repeat while another process holds the file; SQLite itself does not wait in every case."""
        deadline = time.monotonic() + self.busy_timeout_s
        while True:
            try:
                return attempt()
            except sqlite3.OperationalError as error:
                if primary_code(error) not in BUSY_CODES or time.monotonic() >= deadline:
                    raise
            time.sleep(0.002)

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.ProgrammingError:
            raise  # a defect of ours, not of the file
        except sqlite3.Error as error:
            raise store_error(error, self.path, self.busy_timeout_s) from error
        except UnicodeDecodeError as error:  # of a schema that SQLite quotes in its message
            raise StoreFileError("is damaged", where=str(self.path), hint="go back to a copy") from error


# --- fork ----------------------------------------------------------------------------------------------

_known_files: weakref.WeakSet[StoreFile] = weakref.WeakSet()
_fork_lock = threading.Lock()
_held: list[StoreFile] = []


def _watch_forks(file: StoreFile) -> None:
    _install_fork_hooks()
    with _fork_lock:
        _known_files.add(file)


@cache
def _install_fork_hooks() -> None:
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


def _before_fork() -> None:
    _fork_lock.acquire()
    for file in list(_known_files):
        file._lock.acquire()  # waits for other threads to finish their transactions
        file._disconnect()
        _held.append(file)


def _after_fork() -> None:
    # The forking thread holds the locks, and it lives on in both processes.
    while _held:
        _held.pop()._lock.release()
    _fork_lock.release()
