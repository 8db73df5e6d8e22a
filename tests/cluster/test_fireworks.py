"""Phases through FireWorks' queue launcher and a real SLURM: all done, with the numbers of a local run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from pymongo.uri_parser import parse_uri

pytest.importorskip("fireworks")
pytest.importorskip("chgnet")

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
CAMPAIGN = {
    "name": "small",
    "title": "Sodium",
    "phases": {"ids": ["na-bcc"]},
    "properties": ["relax", "static", "elastic"],
    "engine": "chgnet-r2scan",
    "protocol": "coarse",
    "temperatures_k": [0],
}


class Site:
    """A user's folder with settings, files of FireWorks, and a queue launcher that can run."""

    def __init__(self, folder, slurm, mongo_uri):
        self.folder, self.slurm, self.mongo_uri = folder, slurm, mongo_uri
        self.bin = Path(sys.executable).parent
        self.launches = folder / "launches"
        self.launches.mkdir()
        self.env = slurm.env | {
            "HOME": str(folder),
            "PATH": f"{self.bin}:{slurm.env['PATH']}",
            "FW_CONFIG_FILE": str(folder / "FW_config.yaml"),
            "OMP_NUM_THREADS": "1",
        }
        self._write_files()
        self.lpad("reset", "--password", time.strftime("%Y-%m-%d"))
        self.launcher = None

    def _write_files(self):
        address = parse_uri(self.mongo_uri)
        host, port = address["nodelist"][0]
        launchpad = yaml.safe_load((DEPLOY / "fireworks/my_launchpad.yaml").read_text())
        more = {"host": host, "port": port, "name": address["database"], "username": None, "password": None}
        adapter = yaml.safe_load((DEPLOY / "fireworks/my_qadapter.yaml").read_text())
        # FireWorks' batch jobs are login shells, which set PATH anew.
        environment = self.folder / "worker-environment.sh"
        environment.write_text(f"export PATH={self.bin}:$PATH OMP_NUM_THREADS=1 NAWF_RUN_FOLDER={self.folder}/runs\n")
        adapter |= {
            "rocket_launch": adapter["rocket_launch"].replace("/home/YOU/.fireworks", str(self.folder)),
            "queue": self.slurm.partition,
            "ntasks": 1,
            "walltime": "00:20:00",
            "logdir": str(self.launches),
            "pre_rocket": f"source {environment}",
        }
        cluster = {"via": "fireworks", "resources": {"relax": {"time": "10"}}}
        settings = {"store": self.mongo_uri, "threads": 1, "cluster": cluster}
        files = {
            "my_launchpad.yaml": launchpad | more,
            "my_fworker.yaml": yaml.safe_load((DEPLOY / "fireworks/my_fworker.yaml").read_text()),
            "my_qadapter.yaml": adapter,
            "FW_config.yaml": {"CONFIG_FILE_DIR": str(self.folder), "QUEUE_UPDATE_INTERVAL": 1},
            "nawf.yaml": settings,
            "small.yaml": CAMPAIGN,
        }
        for name, values in files.items():
            (self.folder / name).write_text(yaml.safe_dump(values))

    def lpad(self, *arguments):
        subprocess.run(
            [self.bin / "lpad", *arguments], cwd=self.folder, env=self.env, check=True, capture_output=True
        )

    def nawf(self, *arguments, code=0, **env):
        command = [sys.executable, "-m", "nawf.cli.main", *arguments]
        ended = subprocess.run(
            command, cwd=self.folder, env=self.env | env, capture_output=True, text=True, check=False, timeout=600
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended

    def rows(self, *arguments, **env):
        found = json.loads(self.nawf(*arguments, "--format", "json", **env).stdout)
        tables = [found] if isinstance(found, dict) else found
        return [{k: v for k, v in row.items() if k != "finished_at"} for table in tables for row in table["rows"]]

    def start_launcher(self):
        command = [self.bin / "qlaunch", "-r", "rapidfire", "--nlaunches", "infinite", "--sleep", "1"]
        log = (self.folder / "qlaunch.log").open("a")
        self.launcher = subprocess.Popen(command, cwd=self.launches, env=self.env, stdout=log, stderr=log)
        log.close()

    def stop_launcher(self):
        if self.launcher is not None:
            self.launcher.terminate()
            self.launcher.wait(30)
            self.launcher = None

    def backend(self):
        """States by step, asked in a process of its own."""
        code = (
            "import json\n"
            "from nawf.running.queues import open_backend\n"
            "from nawf.running.backend import Selection\n"
            "from nawf.settings import load_settings\n"
            "jobs = open_backend(load_settings().cluster).jobs(Selection())\n"
            "print(json.dumps([[j.step, j.stage, j.backend_state, j.cause, j.reason, j.place.queue_id, j.run_dir]"
            " for j in jobs]))"
        )
        command = [sys.executable, "-c", code]
        ended = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    def wait(self, until, timeout_s=420):
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            jobs = self.backend()
            if until(jobs):
                return jobs
            time.sleep(1)
        raise AssertionError(f"{jobs}\n{(self.folder / 'qlaunch.log').read_text()[-3000:]}")


@pytest.fixture
def site(tmp_path, slurm, mongo_uri):
    made = Site(tmp_path, slurm, mongo_uri)
    yield made
    made.stop_launcher()
    for job in slurm.jobs():
        slurm.run("scancel", str(job))


def all_done(jobs):
    bad = [job for job in jobs if job[1] in ("failed", "stopped", "blocked")]
    assert not bad, bad
    return bool(jobs) and all(job[1] == "done" for job in jobs)


@pytest.mark.slow
def test_a_phase_through_the_queue_has_the_numbers_of_a_local_run(site):
    site.start_launcher()
    said = site.nawf("submit", "small.yaml").stderr
    assert "via fireworks" in said
    assert "nothing to submit" in site.nawf("submit", "small.yaml").stderr  # it is in the queue
    jobs = site.wait(all_done)
    assert len(jobs) > 5
    assert all(job[5] for job in jobs)  # each was a job of SLURM
    site.stop_launcher()
    site.nawf("build")
    assert "nothing to submit" in site.nawf("submit", "small.yaml").stderr  # it is done

    site.nawf("run", "small.yaml", "--workers", "1", "--threads", "1", "--store", "local.db")
    for kind in ("lattice", "elastic", "quality"):
        queued = site.rows("report", kind, "small.yaml")
        assert queued
        assert queued == site.rows("report", kind, "small.yaml", "--store", "local.db")
