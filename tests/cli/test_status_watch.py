"""``nawf status --watch`` as a process of its own, on a terminal and in a pipe, over a slow database."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import yaml
from ordinary_signals import ordinary_signals

pytest.importorskip("fireworks")

from nawf.cli.status_watch import watch
from nawf.errors import NawfError

DELAY_S = 0.2
pytestmark = pytest.mark.slow


class SlowRoad:
    """A way to a server on which every answer takes time."""

    def __init__(self, port):
        self._to = port
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._socket.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
            except ConnectionRefusedError:
                client.close()
                continue
            except OSError:
                return
            for source, target, delay_s in ((client, server, 0.0), (server, client, DELAY_S)):
                threading.Thread(target=self._carry, args=(source, target, delay_s), daemon=True).start()

    @staticmethod
    def _carry(source, target, delay_s):
        try:
            while data := source.recv(65536):
                time.sleep(delay_s)
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            end.close()

    def close(self):
        self._socket.close()


@pytest.fixture
def site(tmp_path, stand_in):
    """A launchpad on a slow road, and the way to put jobs into it."""
    return Site(tmp_path, stand_in(keeps=True))


class Site:
    def __init__(self, folder, server):
        from fireworks import LaunchPad

        self.folder, self.server = folder, server
        port = int(server.uri.rpartition(":")[2])
        self.road = SlowRoad(port)
        values = {"host": "127.0.0.1", "name": "fw", "logdir": None, "strm_lvl": "ERROR"}
        launchpad = yaml.safe_dump({**values, "port": self.road.port})
        (folder / "my_launchpad.yaml").write_text(launchpad)
        (folder / "FW_config.yaml").write_text(yaml.safe_dump({"CONFIG_FILE_DIR": str(folder)}))
        self.launchpad = LaunchPad.from_dict({**values, "port": port, "username": None, "password": None})
        self.launchpad.reset("", require_password=False)
        self.env = os.environ | {"FW_CONFIG_FILE": str(folder / "FW_config.yaml"), "TERM": "xterm"}
        self.command = [sys.executable, "-m", "nawf.cli.main", "status", "--via", "fireworks", "--watch"]
        self.command += ["--interval", "1"]

    def add(self, phase):
        from fireworks import Firework, ScriptTask

        meta = {"phase": phase, "property": "relax", "engine": "vasp", "intent": "i", "campaign": "c"}
        self.launchpad.add_wf(Firework(ScriptTask.from_str("true"), spec={"nawf": meta}, name=f"vasp_relax {phase}"))


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, site, lines=40):
        self._master, slave = pty.openpty()
        env = site.env | {"LINES": str(lines), "COLUMNS": "120"}
        self.process = subprocess.Popen(
            site.command,
            env=env,
            cwd=site.folder,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=ordinary_signals,
        )
        os.close(slave)
        self.text = ""

    def read_until(self, pattern, most_s=60):
        """Read on until what comes from now on fits a pattern."""
        start, end = len(self.text), time.monotonic() + most_s
        while time.monotonic() < end:
            if found := re.search(pattern, self.text[start:]):
                return found
            self._read(0.2)
        raise AssertionError(f"{pattern!r} did not come: {self.text[start:][-3000:]}")

    def _read(self, most_s):
        if select.select([self._master], [], [], most_s)[0]:
            try:
                self.text += os.read(self._master, 65536).decode("utf-8", "replace")
            except OSError:  # the other side is closed
                return False
            return True
        return self.process.poll() is None

    def interrupt(self):
        """Ctrl-C; gives the exit code and the seconds that it took."""
        begun = time.monotonic()
        os.killpg(self.process.pid, signal.SIGINT)
        while time.monotonic() < begun + 30 and self._read(0.2):
            pass
        return self.process.wait(30), time.monotonic() - begun

    def end(self):
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@pytest.fixture
def on_terminal(site):
    made = []

    def start(**options):
        made.append(Terminal(site, **options))
        return made[-1]

    yield start
    for one in made:
        one.end()
    site.road.close()


def test_it_is_drawn_anew_survives_the_database_and_ends_with_ctrl_c(site, on_terminal):
    site.add("na2s")
    screen = on_terminal()
    screen.read_until("looking ... Ctrl-C ends it")
    screen.read_until("1 phases: 1 waiting")
    screen.read_until(r"as of \d\d:\d\d:\d\d.*again in 1 s")
    site.add("s8")
    screen.read_until("2 phases: 2 waiting")
    assert "\x1b[1A" in screen.text  # over what was there, not below
    site.server.stop()
    screen.read_until(r"\d\d:\d\d:\d\d: .*the\s+database\s+of\s+FireWorks\s+does\s+not\s+answer")
    screen.read_until("2 phases: 2 waiting")  # what was seen last stays
    site.server.start()
    screen.read_until("as of ")
    screen.read_until("looking ...")  # in the middle of a look
    code, took_s = screen.interrupt()
    assert code == 0
    assert took_s < 5
    assert "Traceback" not in screen.text
    assert screen.text.rindex("\x1b[?25h") > screen.text.rindex("\x1b[?25l")  # the cursor is back


def test_on_a_low_screen_the_list_of_phases_goes_first(site, on_terminal):
    for number in range(20):
        site.add(f"p{number:02d}")
    screen = on_terminal(lines=16)
    screen.read_until("20 phases: 20 waiting")
    assert screen.interrupt()[0] == 0
    assert "p00" not in screen.text


def test_in_a_pipe_every_look_is_printed_whole(site):
    site.add("na2s")
    pipe = subprocess.PIPE
    with subprocess.Popen(
        site.command,
        env=site.env,
        cwd=site.folder,
        stdout=pipe,
        stderr=pipe,
        text=True,
        preexec_fn=ordinary_signals,
    ) as process:
        looks = 0
        for line in process.stdout:
            looks += line.startswith("as of ")
            if looks == 2:
                break
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate(timeout=30)
    site.road.close()
    assert (process.returncode, err) == (0, "")
    assert "\x1b" not in rest


def test_without_an_answer_to_begin_with_it_is_an_error(site):
    site.server.stop()
    site.road.close()
    ended = subprocess.run(site.command, env=site.env, cwd=site.folder, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert "does not answer" in ended.stderr


def test_looks_that_fail_are_told_and_do_not_hide_what_was_seen(monkeypatch, capsys):
    looks = iter(["first\n", NawfError("the server is gone"), "second\n", KeyboardInterrupt()])

    def look(lines):
        found = next(looks)
        if isinstance(found, BaseException):
            raise found
        return found

    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    watch(look, 1.0)
    shown = [re.sub(r"\d\d:\d\d:\d\d", "T", line) for line in capsys.readouterr().out.splitlines()]
    assert shown == ["first", "as of T", "T: the server is gone", "second", "as of T"]


def test_it_shows_tables_and_nothing_else(nawf, monkeypatch):
    done = nawf("status", "na-s", "--watch", "--format", "json")
    assert done.code == 2
    assert "--watch shows tables" in done.err
