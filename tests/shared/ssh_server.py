"""An ssh server for one test: on 127.0.0.1, with its own keys, port and configuration, run by the current user."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
CONFIGURATION = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
AuthenticationMethods publickey
PermitRootLogin prohibit-password
UsePAM no
StrictModes no
PrintMotd no
MaxStartups 100
Subsystem sftp internal-sftp
SetEnv {environment}
"""


@dataclass(frozen=True)
class SshServer:
    """A server that runs.

    Attributes
    ----------
    folder : Path
        Its files: ``user_key`` lets in, ``log`` says what happened.
    port : int
    """

    folder: Path
    port: int

    @property
    def worker(self) -> dict[str, Any]:
        """What a worker of jobflow-remote has to say to be reached through it."""
        return {
            "type": "remote",
            "host": "127.0.0.1",
            "port": self.port,
            "user": getpass.getuser(),
            "key_filename": str(self.folder / "user_key"),
            "connect_kwargs": {"look_for_keys": False, "allow_agent": False},
        }

    def logins(self) -> int:
        """How often someone was let in."""
        return (self.folder / "log").read_text().count("Accepted publickey")


@pytest.fixture
def ssh_server(tmp_path: Path) -> Iterator[Callable[[Mapping[str, str]], SshServer]]:
    """Start a server whose sessions have these variables, and nothing else of this process."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}{os.pathsep}{SYSTEM_PATH}")
    if program is None:
        pytest.skip("sshd not installed (deploy/install-test-tools installs it)")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where it locks itself up while it lets someone in
    started: list[subprocess.Popen[bytes]] = []

    def start(environment: Mapping[str, str]) -> SshServer:
        folder = tmp_path / f"sshd-{len(started)}"
        (folder / "home").mkdir(parents=True)
        for key in ("host_key", "user_key"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
            subprocess.run(command, check=True, timeout=60)
        shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        variables = {"HOME": str(folder / "home"), "PATH": SYSTEM_PATH, **environment}
        words = " ".join(shlex.quote(f"{name}={value}") for name, value in variables.items())
        (folder / "sshd_config").write_text(CONFIGURATION.format(port=port, folder=folder, environment=words))
        with (folder / "log").open("wb") as log:
            started.append(
                subprocess.Popen([program, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log, env={})
            )
        _wait(port, started[-1], folder / "log")
        return SshServer(folder, port)

    yield start
    for server in started:
        server.terminate()
        server.wait(60)


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """Until someone listens."""
    end = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"sshd does not start: {log.read_text()}")
