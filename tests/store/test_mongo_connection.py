"""What is said when a MongoDB server cannot be used: one clear line, and never the password."""

from __future__ import annotations

import logging
import pickle
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import ConfigurationError, OperationFailure

from nawf.errors import StoreFileError
from nawf.store import mongo_connection
from nawf.store.mongo_connection import Connection
from nawf.store.stores import open_stores, store_exists

SECRET = "hunter2xyz"


@pytest.fixture
def settings_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("NAWF_STORE_PASSWORD", "NAWF_STORE_PASSWORD_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def refusal(location: str, **options: Any) -> str:
    """The one line that opening is refused with."""
    with pytest.raises(StoreFileError) as caught, open_stores(location, **options):
        pass
    error: BaseException | None = caught.value
    line = str(error)
    assert caught.value.exit_code == 2
    assert "\n" not in line
    while error is not None:  # nor does a traceback tell it
        assert SECRET not in f"{error!s} {error!r}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return line


def test_nobody_answers(closed_port: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    uri = f"mongodb://me:{SECRET}@127.0.0.1:{closed_port}/db?serverSelectionTimeoutMS=200"
    begun = time.monotonic()
    for read_only in (True, False):
        line = refusal(uri, read_only=read_only)
        assert line.startswith(f"mongodb://me@127.0.0.1:{closed_port}/db?serverSelectionTimeoutMS=200: no MongoDB")
        assert "Connection refused" in line
        assert "Topology" not in line
    assert time.monotonic() - begun < 5
    with pytest.raises(StoreFileError, match="no MongoDB server answers"):
        store_exists(uri)
    assert SECRET not in caplog.text


def test_a_server_that_says_nothing_is_given_up(settings_folder: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        uri = f"mongodb://127.0.0.1:{silent.getsockname()[1]}/db?serverSelectionTimeoutMS=300&connectTimeoutMS=300"
        assert "timed out" in refusal(uri)


def test_a_name_that_does_not_resolve(settings_folder: Path) -> None:
    assert "no MongoDB server answers" in refusal("mongodb://nowhere.invalid/db?serverSelectionTimeoutMS=300")


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("mongodb://host:27017", "names no database"),
        ("mongodb://host:27017/?w=1", "names no database"),
        ("mongodb://host/my db", "names no database"),
        (f"mongodb://me:{SECRET}/x@host/db", "malformed before the last @"),
        (f"mongodb://me:a@{SECRET}@host/db", "malformed before the last @"),
        (f"mongodb://me:{SECRET}@host/db?w=0&journal=true", "its address cannot be used"),
        (f"mongodb://me:{SECRET}@host:port/db", "Port contains non-digit"),
        (f"mongodb://me:{SECRET}@/db", "its address cannot be used"),
        (f"mongodb://me:{SECRET}@h1,h2/db?directConnection=true", "multiple hosts with directConnection"),
        (f"mongodb+srv://me:{SECRET}@host:27017/db", "must not include a port"),
        (
            f"mongodb://me:{SECRET}@host/db?tls=true&tlsCAFile=/nowhere/ca.pem",
            "its file /nowhere/ca.pem cannot be read",
        ),
        (f"postgres://me:{SECRET}@host/db", "is no place for a store"),
    ],
)
def test_malformed_addresses(settings_folder: Path, location: str, told: str) -> None:
    assert told in refusal(location)


def test_tls_with_a_server_that_has_none(stand_in: Callable[..., Any]) -> None:
    line = refusal(f"{stand_in().uri}/db?tls=true&serverSelectionTimeoutMS=900")
    assert "no secure connection" in line
    assert "tlsCAFile" in line


def test_a_user_who_is_not_let_in(stand_in: Callable[..., Any], settings_folder: Path) -> None:
    host = stand_in(locked=True).uri.removeprefix("mongodb://")
    line = refusal(f"mongodb://me:{SECRET}@{host}/db")
    assert line.startswith(f"mongodb://me@{host}/db: the server does not take this user or password")
    assert "NAWF_STORE_PASSWORD" in line
    assert "this user may not do that here" in refusal(f"mongodb://{host}/db")


def test_where_a_password_comes_from(settings_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def password(location: str) -> Any:
        return Connection(location)._options().get("password")

    uri = "mongodb://me@host/db"
    assert password(uri) is None
    (settings_folder / "secret").write_text("from a file \n")
    (settings_folder / "nawf.yaml").write_text("store_password_file: secret\n")
    assert password(uri) == "from a file "
    monkeypatch.setenv("NAWF_STORE_PASSWORD", SECRET)
    assert password(uri) == SECRET
    for other in ("mongodb://me:own@host/db", "mongodb://host/db", "mongodb://me@host/db?authMechanism=MONGODB-X509"):
        assert password(other) is None
    assert SECRET not in repr(Connection(uri))
    monkeypatch.delenv("NAWF_STORE_PASSWORD")
    (settings_folder / "secret").unlink()
    assert "secret: cannot be read" in refusal(uri)


def test_options_of_the_address_win() -> None:
    own = Connection("mongodb://h/db")._options()
    assert (own["serverSelectionTimeoutMS"], own["journal"]) == (mongo_connection.SELECTION_TIMEOUT_MS, True)
    given = Connection("mongodb://h/db?serverselectiontimeoutms=70&w=1")._options()
    assert not {"serverSelectionTimeoutMS", "journal"} & given.keys()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OperationFailure("bad auth : authentication failed", 8000), "does not take this user or password"),
        (OperationFailure("not authorized on db", 13), "it needs the role readWrite"),
        (ConfigurationError("A password is required."), "do not go together"),
    ],
)
def test_errors_of_servers_in_plain_words(error: Exception, told: str) -> None:
    with pytest.raises(StoreFileError, match=told), Connection("mongodb://me@host/db").plain_errors():
        raise error


def test_other_errors_pass() -> None:
    with pytest.raises(OperationFailure, match="odd"), Connection("mongodb://host/db").plain_errors():
        raise OperationFailure("odd", 2)


def test_collections_share_a_connection_and_the_last_one_closes_it(mongo_uri: str) -> None:
    with open_stores(mongo_uri) as stores:
        connection = stores.results._connection
        assert connection is stores.data._connection is stores.jobs.docs_store._connection
        stores.results.close()
        assert stores.jobs.count() == 0
        stores.results.connect()
    with pytest.raises(StoreFileError, match="is not open"):
        _ = connection.database


def test_nothing_that_is_shown_or_passed_on_holds_the_password(mongo_uri: str) -> None:
    from nawf.store.mongo import MongoDocuments

    uri = mongo_uri.replace("mongodb://", f"mongodb://me:{SECRET}@")
    store = MongoDocuments(uri, "things")
    for text in (repr(store), str(store), store.name, str(store.as_dict()), store.to_json(), str(hash(store))):
        assert SECRET not in text
    again = pickle.loads(pickle.dumps(MongoDocuments(mongo_uri, "things", key="k")))
    with again:
        again.update({"k": 1})
        assert again.count() == 1


def test_writes_wait_for_a_server_that_is_restarted(stand_in: Callable[..., Any]) -> None:
    server = stand_in(keeps=True)
    with open_stores(f"{server.uri}/db?serverSelectionTimeoutMS=300") as stores:
        stores.results.update({"result_id": "before"})
        server.kill()
        restart = threading.Timer(1.0, server.start)
        restart.start()
        stores.results.update({"result_id": "during"})
        restart.join()
        stores.data.update({"blob_uuid": "b", "data": [1]})
        assert sorted(stores.results.distinct("result_id")) == ["before", "during"]


def test_a_server_that_stays_away_is_one_line(stand_in: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongo_connection, "PATIENCE_S", 0.5)
    server = stand_in()
    with open_stores(f"{server.uri}/db?serverSelectionTimeoutMS=200") as stores:
        stores.results.update({"result_id": "a"})
        server.stop()
        for action in (
            lambda: stores.results.update({"result_id": "b"}),
            lambda: stores.results.remove_docs({}),
            lambda: stores.data.update({"blob_uuid": "b", "data": 1}),
            lambda: list(stores.results.query()),
            lambda: stores.results.count(),
            lambda: stores.results.distinct("result_id"),
            lambda: list(stores.data.query()),
        ):
            with pytest.raises(StoreFileError, match=r"no MongoDB server answers|lost the server"):
                action()
