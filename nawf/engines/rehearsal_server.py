"""A process that has loaded what the stand-in for VASP needs, and does its runs in children of its own.

Loading the network takes longer than most runs. ``nawf rehearse`` starts one server, and the command
``nawf-vasp-rehearsal`` hands its run over: folder, environment and the open files 0 to 2. A child of the server does
the run with them. The command waits and ends as the child does; where there is no server, it does the run itself.

A command that is stopped or killed takes its child with it, and so do the server and the process that started it.

Each run has a connection of its own: the child says ``HELLO``, the command sends its files and a line of JSON, and
the server answers with the exit code, negative for a signal.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

VARIABLE = "NAWF_REHEARSAL_SERVER"
"""Path of the socket, for commands."""

HELLO = b"\n"
PATIENCE_S = 60.0
"""How long a command waits for a server that is loading, or stuck, before it does the run itself."""

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LONGEST_FOLDER = 60
"""Bytes; the path of a socket must be shorter than 104."""


def run_served(environ: Mapping[str, str]) -> int | None:
    """Have the run of this process done by the server, if there is one.

    Returns
    -------
    int or None
        Exit code, or None when no server took the run. Where the run ends by a signal, so does this process.
    """
    connection = _handed_over(environ)
    if connection is None:
        return None
    asked: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)  # the server ends the child, and answers when that is done

    for sort in _STOPS:
        if signal.getsignal(sort) is not signal.SIG_IGN:
            signal.signal(sort, stop)
    try:
        answer = connection.recv(16)
    except ConnectionError:
        answer = b""
    # A child whose server is gone ends itself.
    code = int(answer) if answer else -int(signal.SIGKILL)
    if asked or code < 0:
        number = asked[0] if asked else -code
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return code


def _handed_over(environ: Mapping[str, str]) -> socket.socket | None:
    """Connection to a server that has taken the run."""
    if not environ.get(VARIABLE):
        return None
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(PATIENCE_S)
        connection.connect(environ[VARIABLE])
        if connection.recv(1) == HELLO:
            socket.send_fds(connection, [HELLO], [0, 1, 2])
            request = {"folder": str(Path.cwd()), "environ": dict(environ)}
            connection.sendall(json.dumps(request).encode() + b"\n")
            connection.settimeout(None)
            return connection
    except OSError:
        pass  # none there, or one that has ended
    connection.close()
    return None


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Run a server; the value is the path of its socket, for ``VARIABLE``."""
    import subprocess
    import tempfile

    usual = tempfile.gettempdir()
    parent = usual if len(os.fsencode(usual)) <= _LONGEST_FOLDER else "/tmp"
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    with tempfile.TemporaryDirectory(prefix="nawf-rehearsal-", dir=parent, ignore_cleanup_errors=True) as folder:
        path = str(Path(folder, "socket"))
        process = subprocess.Popen(
            [sys.executable, "-m", "nawf.engines.rehearsal_server", path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | one_thread,
            start_new_session=True,  # Ctrl-C is for this process, which ends the server when all else has ended
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdout.readline()  # it listens, or it has ended
            yield path
        finally:
            process.kill()  # its children end themselves, and it may still be loading
            process.wait()
            process.stdin.close()
            process.stdout.close()


def main() -> None:
    """Serve on the socket of the given path until standard input ends."""
    path = Path(sys.argv[1])
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    listener.bind(str(path))
    os.umask(before)
    listener.listen(128)
    print("listening", flush=True)
    try:
        _load()
        _Server(listener).serve()
    finally:
        # Who started it may have been killed, or be faster.
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
            path.parent.rmdir()


def _load() -> None:
    """Import and build all that a run needs, and start no threads: a child would not have them."""
    import gc

    from nawf.engines.rehearsal_vasp import load

    load()
    gc.collect()
    gc.freeze()  # a child's collector would touch, and so copy, everything


@dataclass(frozen=True)
class _Run:
    """A child, its command, and a channel on which each of server and child notices the other's end."""

    pid: int
    command: socket.socket
    channel: socket.socket


class _Server:
    """One thread that waits for commands, for children, and for the end of standard input."""

    def __init__(self, listener: socket.socket) -> None:
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, self._take)
        self._selector.register(0, selectors.EVENT_READ)
        self._listener = listener
        self._runs: list[_Run] = []

    def serve(self) -> None:
        while (key := self._selector.select()[0][0]).data is not None:
            key.data()
        for run in self._runs:
            os.kill(run.pid, signal.SIGKILL)
            os.waitpid(run.pid, 0)

    def _take(self) -> None:
        """Give a command a child."""
        command, _ = self._listener.accept()
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            others = [self._listener, self._selector, ours]
            _work(command, theirs, [*others, *(end for run in self._runs for end in (run.command, run.channel))])
        theirs.close()
        run = _Run(pid, command, ours)
        self._runs.append(run)
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._hear(run))

    def _hear(self, run: _Run) -> None:
        """A child has read what its command sent, or it has ended."""
        if run.channel.recv(1):
            # All that can still be read from the command is its end.
            self._selector.register(run.command, selectors.EVENT_READ, lambda: self._stop(run))
            return
        _, status = os.waitpid(run.pid, 0)
        self._runs.remove(run)
        with contextlib.suppress(OSError):  # the command may be gone
            run.command.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        for end in (run.channel, run.command):
            with contextlib.suppress(KeyError):
                self._selector.unregister(end)
            end.close()

    def _stop(self, run: _Run) -> None:
        """A command is gone, or was asked to stop."""
        self._selector.unregister(run.command)
        os.kill(run.pid, signal.SIGKILL)


def _work(command: socket.socket, channel: socket.socket, others: Sequence[Any]) -> NoReturn:
    """Body of a child: be the process that called."""
    import threading
    import traceback

    from nawf.engines.rehearsal_vasp import run_here

    code = 1
    try:
        for other in others:
            other.close()
        command.sendall(HELLO)
        _, files, _, _ = socket.recv_fds(command, 1, 3)
        with command.makefile("rb") as stream:
            line = stream.readline()
        if line.endswith(b"\n"):  # else the command did not wait
            channel.sendall(HELLO)
            threading.Thread(target=_end_with, args=(channel,), daemon=True).start()
            for number, file in enumerate(files):
                os.dup2(file, number)
                os.close(file)
            request = json.loads(line)
            os.environ.clear()
            os.environ.update(request["environ"])
            os.chdir(request["folder"])
            code = run_here()
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 - as at the end of any process
        traceback.print_exc()
        code = 1
    finally:
        sys.stderr.flush()
        os._exit(code)


def _end_with(channel: socket.socket) -> None:
    """End this child when its server is gone."""
    channel.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
