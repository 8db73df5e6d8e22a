"""Files the embedded store must refuse or survive: foreign, newer, damaged, read-only, and a full disk."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path

import pytest

from nawf.errors import StoreFileError
from nawf.store.sqlite import SQLiteStore
from nawf.store.sqlite_check import info, verify
from nawf.store.sqlite_file import StoreFile

NOBODY = 65534


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


def make(path, count=3):
    with SQLiteStore(path, key="id") as store:
        store.update([{"id": i, "text": "x" * 500} for i in range(count)])


def state_of(folder):
    """Names and contents of a folder, to see that nothing was changed or left behind."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir() if p.is_file()}


def refusal(action):
    """The one line that an action is refused with."""
    with pytest.raises(StoreFileError) as caught:
        action()
    line = str(caught.value)
    assert "\n" not in line
    return line


def opened(path, **settings):
    with SQLiteStore(path, key="id", **settings) as store:
        return store.count()


def in_child(work, *, as_nobody=False):
    """Run a function in a forked process, if need be without root's rights; return what it returns as text."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if as_nobody and os.geteuid() == 0:
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            result = f"{work()}"
        except BaseException as error:
            result = f"{type(error).__name__}: {error}"
        os.write(write_end, result.encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        result = pipe.read()
    os.waitpid(pid, 0)
    return result


# --- not ours ------------------------------------------------------------------------------------------


def foreign_sqlite(path, *, application_id=0, journal="delete"):
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA journal_mode = {journal}")
    db.execute(f"PRAGMA application_id = {application_id}")
    db.execute("CREATE TABLE theirs (x)")
    db.execute("INSERT INTO theirs VALUES (1)")
    db.commit()
    return db


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("text", "is not a SQLite file"),
        ("short text", "is not a SQLite file"),
        ("zeros", "is not a SQLite file"),
        ("SQLite", "is a SQLite file, but not a nawf store"),
        ("SQLite in WAL mode", "is a SQLite file, but not a nawf store"),
        ("marked SQLite", "is a SQLite file, but not a nawf store"),
        ("open SQLite", "is a SQLite file, but not a nawf store"),
        ("newer", "has store schema 2; this nawf reads schema 1 (update nawf)"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_and_left_alone(path, kind, told, read_only):
    other = None
    if kind == "text":
        path.write_text("phase,energy\n" * 500)
    elif kind == "short text":
        path.write_text("a")
    elif kind == "zeros":
        path.write_bytes(bytes(8192))
    elif kind == "newer":
        make(path)
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 2")
        db.close()
    else:
        journal = "wal" if "WAL" in kind or "open" in kind else "delete"
        other = foreign_sqlite(path, application_id=7 if "marked" in kind else 0, journal=journal)
        if kind != "open SQLite":
            other.close()
    before = state_of(path.parent)
    line = refusal(lambda: opened(path, read_only=read_only))
    assert line.startswith(f"{path}: {told}")
    assert line.endswith(")")
    refusal(lambda: verify(path))
    after = state_of(path.parent)
    if kind == "open SQLite":
        # Whoever has it open shares memory with every reader.
        before.pop("store.db-shm"), after.pop("store.db-shm")
        other.close()
    assert after == before


def test_a_newer_schema_still_in_the_log_is_refused(path):
    make(path)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA user_version = 2")
    assert "update nawf" in refusal(lambda: opened(path))
    db.close()


def test_an_empty_file_becomes_a_store(path):
    path.touch()
    assert opened(path) == 0
    assert verify(path) == []


def test_a_file_begun_by_a_killed_process_becomes_a_store(path):
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = wal")
    db.close()
    assert path.stat().st_size > 0
    assert opened(path) == 0


def test_missing_files(path, tmp_path):
    assert "there is no such store" in refusal(lambda: opened(path, read_only=True))
    assert "there is no such store" in refusal(lambda: info(path))
    assert "is a folder" in refusal(lambda: opened(tmp_path))
    (tmp_path / "file").write_text("")
    line = refusal(lambda: opened(tmp_path / "file" / "store.db"))
    assert "its folder cannot be made" in line
    assert "file/store.db" in line
    assert opened(tmp_path / "new" / "deep er" / "50%?#.db") == 0
    assert (tmp_path / "new" / "deep er" / "50%?#.db").exists()


# --- damage --------------------------------------------------------------------------------------------


def test_a_malformed_image_is_one_clear_line(path):
    make(path, 400)
    raw = bytearray(path.read_bytes())
    raw[4096:-4096] = os.urandom(len(raw) - 8192)
    path.write_bytes(raw)
    before = state_of(path.parent)

    def read_and_write():
        with SQLiteStore(path, key="id") as store:
            store.update({"id": 5, "text": "new"})
            list(store.query())

    line = refusal(read_and_write)
    assert line.startswith(f"{path}: is damaged (database disk image is malformed)")
    assert verify(path) != []
    assert state_of(path.parent) == before


def test_a_truncated_file_is_one_clear_line(path):
    make(path, 400)
    with path.open("r+b") as stream:
        stream.truncate(3 * 4096)
    assert f"{path}: is damaged" in refusal(lambda: [opened(path), list(SQLiteStore(path).query())])


# --- read-only -----------------------------------------------------------------------------------------


@pytest.fixture
def shared_folder():
    """A folder that any user may enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="nawf-test-"))
    folder.chmod(0o777)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_reading_only_never_writes(path):
    make(path)
    before = path.read_bytes()
    with SQLiteStore(path, key="id", index_fields=("new",), read_only=True) as store:
        assert store.count() == 3
        assert store.query_one({"id": 2})["id"] == 2
        assert store.ensure_index("id")
        assert not store.ensure_index("other")
        for action in (lambda: store.update({"id": 9}), lambda: store.remove_docs({})):
            assert f"{path}: is open for reading only" in refusal(action)
        with SQLiteStore(path, "elsewhere", read_only=True) as empty:
            assert (empty.count(), list(empty.query()), empty.distinct("id")) == (0, [], [])
    assert path.read_bytes() == before


def test_a_change_during_one_read_without_locks_is_told(path):
    make(path)
    file = StoreFile(path, read_only=True)
    file.open()

    def read_while_others_write():
        with file.read() as db:
            assert db.execute("SELECT count(*) FROM documents").fetchone()[0] == 3
            make(path, 50)

    assert "was changed by another process while it was read (read it again)" in refusal(read_while_others_write)
    with file.read() as db:
        assert db.execute("SELECT count(*) FROM documents").fetchone()[0] == 50
    file.close()


def test_a_read_only_file(shared_folder):
    path = shared_folder / "store.db"
    make(path)
    path.chmod(0o444)
    line = in_child(lambda: opened(path), as_nobody=True)
    assert line.startswith(f"StoreFileError: {path}: is read-only")
    assert in_child(lambda: opened(path, read_only=True), as_nobody=True) == "3"


def test_a_read_only_folder(shared_folder):
    path = shared_folder / "store.db"
    make(path)
    path.chmod(0o666)
    shared_folder.chmod(0o555)
    before = state_of(shared_folder)
    line = in_child(lambda: opened(path), as_nobody=True)
    assert line.startswith(f"StoreFileError: {path}: cannot be used here")
    assert "\n" not in line
    line = in_child(lambda: opened(shared_folder / "new.db"), as_nobody=True)
    assert line.startswith(f"StoreFileError: {shared_folder}/new.db: cannot be used here")
    line = in_child(lambda: opened(shared_folder / "sub" / "new.db"), as_nobody=True)
    assert line.startswith(f"StoreFileError: {shared_folder}/sub/new.db: its folder cannot be made")
    assert in_child(lambda: opened(path, read_only=True), as_nobody=True) == "3"
    assert in_child(lambda: verify(path), as_nobody=True) == "[]"
    assert state_of(shared_folder) == before


def writer(path, commands, answers):
    """Keep a store open and add a document for each byte received."""
    with SQLiteStore(path, key="id") as store:
        os.write(answers, b"0")
        while os.read(commands, 1):
            store.update({"id": store.count()})
            os.write(answers, b"1")
    return "done"


def test_a_read_only_folder_while_another_process_writes(shared_folder):
    path = shared_folder / "store.db"
    commands, command = os.pipe()
    answer, answers = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(command)
        try:
            writer(path, commands, answers)
        finally:
            os._exit(0)
    os.read(answer, 1)
    shared_folder.chmod(0o555)
    for count in (1, 2, 3):
        os.write(command, b"+")
        os.read(answer, 1)
        assert sorted(state_of(shared_folder)) == ["store.db", "store.db-shm", "store.db-wal"]
        assert in_child(lambda: opened(path, read_only=True), as_nobody=True) == str(count)
    shared_folder.chmod(0o777)
    os.close(command)
    os.waitpid(pid, 0)
    assert opened(path) == 3


def test_reading_only_while_writers_come_and_go(path):
    size, batches = 5, 40
    make(path, 0)

    def write():
        for batch in range(batches):
            with SQLiteStore(path, key="id") as store:
                store.update([{"id": f"{batch}-{i}", "text": "x" * 3000} for i in range(size)])
        return "done"

    pid = os.fork()
    if pid == 0:
        os._exit(0 if write() == "done" else 1)
    counts, refusals = [0], []
    with SQLiteStore(path, key="id", read_only=True) as reader:
        while counts[-1] < size * batches:
            try:
                counts.append(reader.count({"id": {"$regex": "-"}}))
            except StoreFileError as error:
                refusals.append(str(error))
    assert os.waitpid(pid, 0)[1] == 0
    assert all(count % size == 0 for count in counts)
    assert counts == sorted(counts)
    assert all("was changed by another process" in line for line in refusals)


def test_an_unreadable_file(shared_folder):
    path = shared_folder / "store.db"
    make(path)
    path.chmod(0o000)
    line = in_child(lambda: opened(path, read_only=True), as_nobody=True)
    assert line.startswith(f"StoreFileError: {path}: cannot be")


def test_a_folder_that_may_not_be_entered(shared_folder):
    make(shared_folder / "closed" / "store.db")
    (shared_folder / "closed").chmod(0o000)
    path = shared_folder / "closed" / "store.db"
    for read_only in (True, False):
        line = in_child(lambda: opened(path, read_only=read_only), as_nobody=True)  # noqa: B023
        assert line.startswith(f"StoreFileError: {path}: cannot be reached (Permission denied)")
    (shared_folder / "closed").chmod(0o755)


# --- full disk -----------------------------------------------------------------------------------------


def fill(path, acknowledged):
    """Write until it is refused, and return the refusal."""
    with SQLiteStore(path, key="id", index_fields=()) as store:
        for i in range(100_000):
            try:
                store.update([{"id": f"{i}-{part}", "noise": os.urandom(20_000)} for part in range(2)])
            except StoreFileError as error:
                assert store.count() == 2 * i  # still open, and nothing half-written
                return str(error)
            acknowledged(i)
    return "never full"


def check_what_was_acknowledged(path, count):
    assert count > 0
    assert verify(path) == []
    with SQLiteStore(path, key="id") as store:
        assert sorted(store.distinct("id")) == sorted(f"{i}-{part}" for i in range(count) for part in range(2))
        store.update({"id": "after"})
        assert store.count() == 2 * count + 1


@pytest.mark.parametrize("checkpointed", [True, False])
def test_a_limit_on_file_size(path, checkpointed):
    make(path, 0)
    limit_bytes = 12 * 2**20 if checkpointed else 2 * 2**20

    def work():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
        done = []
        return f"{fill(path, done.append)}|{len(done)}"

    line, count = in_child(work).split("|")
    assert line.startswith(f"{path}: cannot ")
    assert "undone" in line
    assert "\n" not in line
    check_what_was_acknowledged(path, int(count))


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(small_disk):
    path = small_disk / "store.db"
    ballast = small_disk / "ballast"
    make(path, 0)
    ballast.write_bytes(bytes(3 * 2**20))
    done = []
    line = fill(path, done.append)
    assert line.startswith(f"{path}: cannot grow: the disk is full")
    assert "\n" not in line
    assert in_child(lambda: opened(path, read_only=True)).startswith(
        (f"{2 * len(done)}", f"StoreFileError: {path}: cannot")
    )
    ballast.unlink()
    check_what_was_acknowledged(path, len(done))


def test_a_disk_without_room_for_a_new_file(small_disk):
    with pytest.raises(OSError, match="space"):
        (small_disk / "ballast").write_bytes(bytes(9 * 2**20))
    line = refusal(lambda: opened(small_disk / "store.db"))
    assert line.startswith(f"{small_disk}/store.db: cannot")
    (small_disk / "ballast").unlink()
    assert opened(small_disk / "store.db") == 0
