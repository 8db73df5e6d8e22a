"""A real SLURM of one node for each process that runs tests: started when first asked for, stopped at its end.

Under pytest-xdist every worker has an instance of its own, so that tests need no turns and any distribution of
tests works. They share the cores of the machine, which SLURM does not know; time limits in tests are generous.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
OneNode = Callable[..., "subprocess.CompletedProcess[str]"]
ASKED_FOR = "NAWF_TEST_CLUSTER"
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "munged")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Jobs through a queue take minutes: but for a few that always run, tests here run where they are asked for."""
    if os.environ.get(ASKED_FOR):
        return
    here = Path(__file__).resolve().parent
    for item in items:
        if item.path.parent == here and item.get_closest_marker("always") is None:
            item.add_marker(pytest.mark.skip(reason=f"takes minutes; {ASKED_FOR}=1 asks for it"))


@dataclass(frozen=True)
class Slurm:
    """A SLURM that runs, and the shortest way to do something with it.

    Attributes
    ----------
    folder : Path
        Where all its files are; ``log/`` among them.
    port : int
        Port of slurmctld; slurmd has the next one.
    cpus : int
        Cores of its one node.
    """

    folder: Path
    port: int
    cpus: int
    node: str
    partition: str = "main"

    @property
    def conf(self) -> Path:
        """What ``SLURM_CONF`` has to name."""
        return self.folder / "slurm.conf"

    @property
    def env(self) -> dict[str, str]:
        """This process's environment with ``SLURM_CONF``, for processes that use this instance."""
        return os.environ | {"SLURM_CONF": str(self.conf)}

    def run(self, *command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
        """Output of a command that must end well."""
        ended = subprocess.run(
            command, cwd=cwd, env=self.env | dict(env or {}), capture_output=True, text=True, check=False, timeout=120
        )
        assert ended.returncode == 0, f"{command}: {ended.stderr or ended.stdout}"
        return ended.stdout

    def submit(self, script: str, *options: str, cwd: Path) -> int:
        """Submit a shell script; the number of its job."""
        return int(self.run("sbatch", "--parsable", *options, "--wrap", script, cwd=cwd))

    def jobs(self) -> list[int]:
        """Jobs that wait or run."""
        return [int(number) for number in self.run("squeue", "--noheader", "--format=%A").split()]

    def facts(self, job: int) -> dict[str, str]:
        """What SLURM knows of a job, such as JobState, Reason and TimeLimit; for five minutes after its end."""
        return dict(
            word.split("=", 1) for word in self.run("scontrol", "-o", "show", "job", str(job)).split() if "=" in word
        )

    def state(self, job: int) -> str:
        """Such as PENDING, RUNNING, COMPLETED, FAILED, CANCELLED, TIMEOUT."""
        return self.facts(job)["JobState"]

    def wait(self, job: int, *states: str, timeout_s: float = 300) -> str:
        """Wait until a job is in one of these states, or has ended without being asked for any."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            state = self.state(job)
            if state in states or (not states and state not in ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING")):
                return state
            time.sleep(0.1)
        raise AssertionError(f"job {job} is {self.facts(job)} after {timeout_s:.0f} s")

    def processes(self, job: int, timeout_s: float = 300) -> list[int]:
        """Processes of a running job; SLURM calls a job running before it has any, so they are waited for."""
        command, end = ("scontrol", "listpids", str(job)), time.monotonic() + timeout_s
        while time.monotonic() < end:
            listed = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False, timeout=120)
            if found := [int(line.split()[0]) for line in listed.stdout.splitlines()[1:]]:
                return found
            time.sleep(0.1)
        raise AssertionError(f"no processes of job {job}, which is {self.facts(job)}: {listed.stderr}")

    def set_node(self, state: str) -> None:
        """``drain`` the node, or let it ``resume``."""
        self.run("scontrol", "update", f"nodename={self.node}", f"state={state}", "reason=test")


def ports_from(number: int) -> list[int]:
    """So many consecutive ports of 127.0.0.1 at which nothing listens, below those that connections get."""
    for _ in range(1000):
        start = random.randrange(15000, 32000)
        ports = list(range(start, start + number))
        if all(_is_free(port) for port in ports):
            return ports
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def missing(*programs: str) -> str:
    """Reason to skip, when one of these programs is not installed; empty when all are there."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    absent = [name for name in programs if shutil.which(name, path=path) is None]
    return f"{', '.join(absent)} not installed (deploy/install-test-tools installs them)" if absent else ""


def run_one_node(action: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run deploy/slurm-one-node."""
    command = [str(DEPLOY / "slurm-one-node"), action, "--folder", str(folder), *options]
    # nproc takes this variable for the number of cores, and the script must not.
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    """A SLURM of this process's own; its jobs are cancelled and its folder is gone at the end."""
    if reason := missing(*PROGRAMS):
        pytest.skip(reason)
    # A short path, because munged listens at a socket in it.
    folder = Path(tempfile.mkdtemp(prefix="nawf-slurm-"))
    for _ in range(5):
        port = ports_from(2)[0]
        started = run_one_node("start", folder, "--port", str(port))
        if "is taken" not in started.stderr:  # by another one, since it was seen to be free
            break
    try:
        assert started.returncode == 0, started.stderr
        yield Slurm(folder, port, len(os.sched_getaffinity(0)), socket.gethostname().split(".")[0])
    finally:
        stopped = run_one_node("stop", folder)
        shutil.rmtree(folder, ignore_errors=True)
    assert stopped.returncode == 0, stopped.stderr


@pytest.fixture(scope="session")
def free_ports() -> Callable[[int], list[int]]:
    """Gives so many consecutive free ports."""
    return ports_from


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path, as munged's socket needs."""
    made = Path(tempfile.mkdtemp(prefix="nawf-one-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def one_node(folder: Path) -> Iterator[OneNode]:
    """Run deploy/slurm-one-node; what it started in any folder is stopped before the folder goes."""
    if reason := missing(*PROGRAMS):
        pytest.skip(reason)
    folders = {folder}

    def run(action: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
        folders.add(folder)
        return run_one_node(action, folder, *options)

    yield run
    for folder in folders:
        assert run_one_node("stop", folder).returncode == 0
