"""A place to submit from: FireWorks with SLURM and a database, and nawf's settings for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from pymongo.uri_parser import parse_uri

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
JOBS = """
import json
from dataclasses import asdict
from nawf.running.queues import open_backend
from nawf.running.backend import Selection
from nawf.settings import load_settings
backend = open_backend(load_settings().cluster)
print(json.dumps([asdict(job) for job in backend.jobs(Selection())], default=str))
"""
"""Asks the queue in a process of its own, as each command of nawf does."""


class FireWorksSite:
    """A user's folder with settings, files of FireWorks, and a queue launcher that can run.

    Parameters
    ----------
    folder : Path
    slurm : Slurm
    mongo_uri : str
        Of nawf's store; FireWorks has the same database.
    settings : mapping
        More of nawf.yaml.
    worker_lines : sequence of str
        More lines for the environment of every job.
    """

    def __init__(
        self, folder: Path, slurm: Any, mongo_uri: str, settings: Mapping[str, Any], worker_lines: Sequence[str]
    ) -> None:
        self.folder, self.slurm, self.mongo_uri = folder, slurm, mongo_uri
        self.bin = Path(sys.executable).parent
        self.launches = folder / "launches"
        self.launches.mkdir()
        self.env = slurm.env | {
            "HOME": str(folder),
            "PATH": f"{self.bin}{os.pathsep}{slurm.env['PATH']}",
            "FW_CONFIG_FILE": str(folder / "FW_config.yaml"),
            "OMP_NUM_THREADS": "1",
        }
        self._write_files(settings, worker_lines)
        self.lpad("reset", "--password", time.strftime("%Y-%m-%d"))
        self.launcher: subprocess.Popen[bytes] | None = None

    def _write_files(self, settings: Mapping[str, Any], worker_lines: Sequence[str]) -> None:
        address = parse_uri(self.mongo_uri)
        host, port = address["nodelist"][0]
        launchpad = yaml.safe_load((DEPLOY / "fireworks/my_launchpad.yaml").read_text())
        more = {"host": host, "port": port, "name": address["database"], "username": None, "password": None}
        adapter = yaml.safe_load((DEPLOY / "fireworks/my_qadapter.yaml").read_text())
        # FireWorks' batch jobs are login shells, which set PATH anew.
        exports = f"export PATH={self.bin}:$PATH OMP_NUM_THREADS=1 NAWF_RUN_FOLDER={self.folder}/runs"
        environment = self.folder / "worker-environment.sh"
        environment.write_text("\n".join([exports, *worker_lines]) + "\n")
        adapter |= {
            "rocket_launch": adapter["rocket_launch"].replace("/home/YOU/.fireworks", str(self.folder)),
            "queue": self.slurm.partition,
            "ntasks": 1,
            "walltime": "00:20:00",
            "logdir": str(self.launches),
            "pre_rocket": f"source {environment}",
        }
        cluster = {"via": "fireworks", "resources": {"relax": {"time": "20"}}}
        files = {
            "my_launchpad.yaml": launchpad | more,
            "my_fworker.yaml": yaml.safe_load((DEPLOY / "fireworks/my_fworker.yaml").read_text()),
            "my_qadapter.yaml": adapter,
            "FW_config.yaml": {"CONFIG_FILE_DIR": str(self.folder), "QUEUE_UPDATE_INTERVAL": 1},
            "nawf.yaml": {"store": self.mongo_uri, "threads": 1, "cluster": cluster, **settings},
        }
        for name, values in files.items():
            (self.folder / name).write_text(yaml.safe_dump(values))

    def lpad(self, *arguments: str) -> None:
        command = [str(self.bin / "lpad"), *arguments]
        subprocess.run(command, cwd=self.folder, env=self.env, check=True, capture_output=True)

    def nawf(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """The command in a process of its own, which has to end with this code."""
        ended = self._python("-m", "nawf.cli.main", *arguments)
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """Rows of all tables of a command, but for the time at which something ended."""
        found = json.loads(self.nawf(*arguments, "--format", "json").stdout)
        tables = [found] if isinstance(found, dict) else found
        return [{k: v for k, v in row.items() if k != "finished_at"} for table in tables for row in table["rows"]]

    def jobs(self) -> list[dict[str, Any]]:
        """Jobs in the queue, as records."""
        ended = self._python("-c", JOBS)
        assert ended.returncode == 0, ended.stderr
        return list(json.loads(ended.stdout))

    def start_launcher(self) -> None:
        """The queue launcher, without an end."""
        command = [str(self.bin / "qlaunch"), "-r", "rapidfire", "--nlaunches", "infinite", "--sleep", "1"]
        with (self.folder / "qlaunch.log").open("a") as log:
            self.launcher = subprocess.Popen(command, cwd=self.launches, env=self.env, stdout=log, stderr=log)

    def stop_launcher(self) -> None:
        if self.launcher is not None:
            self.launcher.terminate()
            self.launcher.wait(30)
            self.launcher = None

    def wait(self, until: Callable[[list[dict[str, Any]]], Any], timeout_s: float = 420) -> Any:
        """Wait until something is so of the jobs in the queue; gives what ``until`` gives."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            jobs = self.jobs()
            if found := until(jobs):
                return found
            time.sleep(1)
        told = [(job["phase"], job["step"], job["backend_state"], job["reason"]) for job in jobs]
        raise AssertionError(f"{told}\n{(self.folder / 'qlaunch.log').read_text()[-3000:]}")

    def _python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )


@pytest.fixture
def new_fireworks_site(slurm: Any, mongo_uri: str, tmp_path: Path) -> Iterator[Callable[..., FireWorksSite]]:
    """Make a site; its launcher ends after the test, and what it left in SLURM's queue is cancelled."""
    pytest.importorskip("fireworks")
    made: list[FireWorksSite] = []

    def make(settings: Mapping[str, Any] | None = None, worker_lines: Sequence[str] = ()) -> FireWorksSite:
        made.append(FireWorksSite(tmp_path, slurm, mongo_uri, settings or {}, worker_lines))
        return made[-1]

    yield make
    for one in made:
        one.stop_launcher()
        for job in slurm.jobs():
            slurm.run("scancel", str(job))


def all_done(jobs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The jobs, if there are any and all are done; AssertionError when one will never be."""
    bad = [job for job in jobs if job["stage"] in ("failed", "stopped", "blocked")]
    assert not bad, bad
    return list(jobs) if jobs and all(job["stage"] == "done" for job in jobs) else []
