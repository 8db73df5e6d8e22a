"""Fixtures with a MongoDB: a server where ``NAWF_TEST_MONGO_URI`` names one, else the stand-in of this folder."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

VARIABLE = "NAWF_TEST_MONGO_URI"
SCRIPT = Path(__file__).with_name("mongo_stand_in.py")


class StandIn:
    """A stand-in for a server in a process of its own, which can be stopped, killed and started again.

    Parameters
    ----------
    file : Path, optional
        Keep everything there, so that it survives a restart.
    locked : bool
        Let nobody in.
    """

    def __init__(self, file: Path | None = None, *, locked: bool = False) -> None:
        self._options = [*(["--file", str(file)] if file else []), *(["--locked"] if locked else [])]
        self._process: subprocess.Popen[str] | None = None
        self.uri = ""
        """Address without a database; the same after every start."""

    def start(self) -> StandIn:
        port = self.uri.rpartition(":")[2] or "0"
        # It ends when its standard input does, so it does not outlive this process even if that is killed.
        command = [sys.executable, str(SCRIPT), "--until-stdin-closes", "--port", port, *self._options]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.uri = self._process.stdout.readline().strip()
        assert self.uri, "the stand-in for MongoDB did not start"
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """End it with SIGTERM; no harm if it has ended."""
        self._end(kill=False)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._end(kill=True)

    def _end(self, *, kill: bool) -> None:
        if self._process is None:
            return
        (self._process.kill if kill else self._process.terminate)()
        self._process.wait(10)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        self._process = None


def pytest_report_header() -> str:
    if os.environ.get(VARIABLE):
        return f"MongoDB: the server named by {VARIABLE}"
    return f"MongoDB: a stand-in on mongomock-ng, not MongoDB itself ({VARIABLE}=mongodb://... tests with a server)"


@pytest.fixture(scope="session")
def mongo_server() -> Iterator[str]:
    """Address of a server or of the stand-in."""
    if given := os.environ.get(VARIABLE):
        yield given
        return
    server = StandIn().start()
    yield server.uri
    server.stop()


@pytest.fixture
def new_mongo_uri(mongo_server: str) -> Iterator[Callable[[], str]]:
    """Make addresses of fresh databases; they are dropped after the test."""
    from pymongo import MongoClient

    made: list[str] = []

    def make() -> str:
        made.append(f"nawf_test_{uuid.uuid4().hex[:16]}")
        return with_database(mongo_server, made[-1])

    yield make
    client: MongoClient[dict[str, object]] = MongoClient(mongo_server)
    for name in made:
        client.drop_database(name)
    client.close()


@pytest.fixture
def mongo_uri(new_mongo_uri: Callable[[], str]) -> str:
    """Address of a fresh database, as the setting ``store`` takes it."""
    return new_mongo_uri()


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[Callable[..., StandIn]]:
    """Start stand-ins of one's own; those that keep a file can be stopped and started again."""
    made: list[StandIn] = []

    def make(*, keeps: bool = False, locked: bool = False) -> StandIn:
        file = tmp_path / f"stand-in-{len(made)}.db" if keeps else None
        made.append(StandIn(file, locked=locked).start())
        return made[-1]

    yield make
    for server in made:
        server.stop()


def with_database(uri: str, name: str) -> str:
    """Address with another database; users stay those of the database they were."""
    head, mark, options = uri.partition("?")
    scheme, _, rest = head.partition("://")
    hosts, _, database = rest.partition("/")
    if "@" in hosts and "authsource" not in options.lower():
        options = "&".join(filter(None, (options, f"authSource={database or 'admin'}")))
        mark = "?"
    return f"{scheme}://{hosts}/{name}{mark}{options}"
