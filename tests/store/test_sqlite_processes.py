"""The embedded store under several processes and threads, and under processes killed while they write."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
import traceback
from collections import Counter

import pytest

from nawf.errors import StoreFileError
from nawf.store.sqlite import SQLiteStore
from nawf.store.sqlite_check import verify


def child(work):
    """Run a function in a forked process and return its id; an exception is printed and exits with 1."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def wait_for(*pids):
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * len(pids)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


# --- kill -9 -------------------------------------------------------------------------------------------


def write_until_killed(path, round_number, pipe):
    """Write batches of three documents and say so after each; the first batch may make the file."""
    rng = random.Random(round_number)
    with SQLiteStore(path, "outputs", key="id", index_fields=("batch",)) as store:
        for n in range(10_000):
            batch = f"{round_number}-{n}"
            rows = [[rng.random()] * 3 for _ in range(rng.choice((1, 50, 400)))]
            store.update([{"id": f"{batch}-{i}", "batch": batch, "rows": rows} for i in range(3)])
            store.update({"id": "shared", "batch": "shared", "last": batch})
            os.write(pipe, f"{batch}\n".encode())


def test_nothing_acknowledged_is_lost_under_kill_9(tmp_path):
    rng = random.Random(20261120)
    acknowledged, lines, moments = [], 0, 0
    for round_number in range(100):
        path = tmp_path / f"{round_number // 5}.db"
        if round_number % 5 == 0:
            acknowledged = []
        read_end, write_end = os.pipe()
        pid = child(lambda: write_until_killed(path, round_number, write_end))  # noqa: B023
        os.close(write_end)
        with os.fdopen(read_end) as pipe:
            told = [pipe.readline().strip() for _ in range(rng.choice((0, 0, 1, 2, 4)))]
            time.sleep(rng.uniform(0, 0.012))
            os.kill(pid, signal.SIGKILL)
            told += [line.strip() for line in pipe if line.endswith("\n")]
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        acknowledged += told
        lines += len(told)

        with SQLiteStore(path, "outputs", key="id") as store:
            batches = Counter(store.query_one({"id": i})["batch"] for i in store.distinct("id"))
            shared = store.query_one({"id": "shared"})
        assert verify(path) == []
        assert set(acknowledged) <= set(batches)
        assert set(batches.values()) <= {1, 3}
        assert [batch for batch, count in batches.items() if count == 1] in ([], ["shared"])
        if told:
            assert [int(n) for n in shared["last"].split("-")] >= [int(n) for n in told[-1].split("-")]
        moments += 1
    assert moments == 100
    assert lines > 100


# --- several writers -----------------------------------------------------------------------------------


def test_four_writers_lose_and_double_nothing(path):
    writers, steps = 4, 30

    def write(me):
        with SQLiteStore(path, "outputs", key="id", index_fields=("writer",)) as store:
            for step in range(steps):
                store.update({"id": f"{me}-{step}", "writer": me, "edits": 0})
                for earlier in (step, step // 2):
                    document = store.query_one({"id": f"{me}-{earlier}"}, properties={"_id": 0})
                    store.update(document | {"edits": document["edits"] + 1})
                store.update([{"id": f"common-{step % 3}", "by": me}, {"id": "last", "by": me}])
                with store.transaction():
                    counter = store.query_one({"id": "counter"}) or {"id": "counter", "n": 0}
                    store.update(counter | {"n": counter["n"] + 1})

    wait_for(*[child(lambda me=me: write(me)) for me in range(writers)])
    with SQLiteStore(path, "outputs", key="id") as store:
        documents = {d["id"]: d for d in store.query()}
        assert store.count() == len(documents) == writers * steps + 3 + 1 + 1
    expected = Counter(earlier for step in range(steps) for earlier in (step, step // 2))
    for me in range(writers):
        assert [documents[f"{me}-{step}"]["edits"] for step in range(steps)] == [expected[s] for s in range(steps)]
    assert documents["counter"]["n"] == writers * steps
    assert verify(path) == []


def test_eight_processes_make_one_file_at_once(path):
    def make(me):
        with SQLiteStore(path, f"c{me % 2}", key="id", index_fields=("a", f"own{me}")) as store:
            store.update({"id": me})

    wait_for(*[child(lambda me=me: make(me)) for me in range(8)])
    for half in (0, 1):
        with SQLiteStore(path, f"c{half}", key="id") as store:
            assert sorted(store.distinct("id")) == list(range(half, 8, 2))
    assert verify(path) == []


def test_an_index_made_by_another_process_is_kept_up(path):
    with SQLiteStore(path, key="id", index_fields=()) as store:
        store.update({"id": 1, "colour": "red"})

        def index():
            with SQLiteStore(path, key="id", index_fields=("colour",)):
                pass

        wait_for(child(index))
        store.update([{"id": 1, "colour": "blue"}, {"id": 2, "colour": "red"}])
        assert [d["id"] for d in store.query({"colour": "red"})] == [2]
    assert verify(path) == []


def test_reading_while_another_process_writes(path):
    batches, size = 60, 5

    def write():
        with SQLiteStore(path, key="id", index_fields=("batch",)) as store:
            for batch in range(batches):
                store.update([{"id": f"{batch}-{i}", "batch": batch, "text": "x" * 3000} for i in range(size)])

    with SQLiteStore(path, key="id", index_fields=("batch",)) as store:
        pid = child(write)
        counts = [0]
        while counts[-1] < batches * size:
            counts.append(store.count({"id": {"$regex": "-"}}))
            newest = list(store.query({}, ["batch"], sort={"batch": -1}, limit=1))
            if newest:
                assert store.count({"batch": newest[0]["batch"]}) == size
        wait_for(pid)
        assert all(count % size == 0 for count in counts)
        assert counts == sorted(counts)
        assert len(set(counts)) > 2


def test_threads_share_a_store(path):
    errors = []
    with SQLiteStore(path, key="id") as store:

        def work(me):
            try:
                for step in range(25):
                    store.update({"id": f"{me}-{step}"})
                    with store.transaction():
                        counter = store.query_one({"id": "counter"}) or {"id": "counter", "n": 0}
                        store.update(counter | {"n": counter["n"] + 1})
                    assert store.query_one({"id": f"{me}-{step}"})
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(me,)) for me in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert store.count() == 6 * 25 + 1
        assert store.query_one({"id": "counter"})["n"] == 6 * 25


def test_an_open_store_survives_fork(path):
    # The parent, closing last as it believes, would delete the log under a child that had inherited its locks.
    store = SQLiteStore(path, key="id")
    store.connect()
    store.update({"id": "parent"})
    half_read = store.query()
    assert next(half_read)["id"] == "parent"
    to_child, from_parent = os.pipe()
    to_parent, from_child = os.pipe()

    def work():
        store.update({"id": "child 1"})
        os.write(from_child, b"1")
        os.read(to_child, 1)
        store.update({"id": "child 2"})
        assert sorted(store.distinct("id")) == ["child 1", "child 2", "parent", "parent 2"]

    pid = child(work)
    os.read(to_parent, 1)
    store.update({"id": "parent 2"})
    store.close()
    with SQLiteStore(path, key="id") as other:
        assert other.count() == 3
    os.write(from_parent, b"1")
    wait_for(pid)
    with SQLiteStore(path, key="id") as other:
        assert other.count() == 4
    assert verify(path) == []


def test_forks_from_several_threads(path):
    stores = [SQLiteStore(path, f"c{i}", key="id") for i in range(3)]
    for store in stores:
        store.connect()

    def work(me):
        def write():
            for store in stores:
                store.update({"id": me})

        wait_for(*[child(write) for _ in range(3)])

    threads = [threading.Thread(target=work, args=(me,)) for me in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert [sorted(store.distinct("id")) for store in stores] == [[0, 1, 2, 3]] * 3


def test_a_locked_file_is_one_clear_line_after_the_timeout(path):
    with SQLiteStore(path, key="id") as store:
        store.update({"id": 1})
        ready, told = os.pipe()
        release, hold = os.pipe()

        def lock():
            with store.transaction():
                os.write(told, b"1")
                os.read(release, 1)

        pid = child(lock)
        os.read(ready, 1)
        with SQLiteStore(path, key="id", busy_timeout_s=0.2) as hurried:
            assert hurried.count() == 1
            with pytest.raises(StoreFileError, match=r"store\.db: has been locked by another writer for 0\.2 s"):
                hurried.update({"id": 2})
            os.write(hold, b"1")
            wait_for(pid)
            hurried.update({"id": 2})
        assert store.count() == 2
