"""The checklist where all is set up: a database, SLURM, a project of jobflow-remote, and a runner."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("jobflow_remote")
pytest.importorskip("chgnet")

RUNNER = "from jobflow_remote.jobs.runner import Runner; Runner(project_name='nawf').run()"


def doctor(site, *arguments, code=0):
    command = [sys.executable, "-m", "nawf.cli.main", "doctor", "--format", "json", *arguments]
    ended = subprocess.run(
        command,
        cwd=site.folder,
        env=site.env | {"HOME": str(site.folder), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert "Traceback" not in ended.stdout + ended.stderr
    assert ended.returncode == code, ended.stdout + ended.stderr
    rows = json.loads(ended.stdout)["rows"]
    return {(row["area"], row["name"]): row for row in rows}


def test_where_all_is_set_up_nothing_is_red(new_site):
    site = new_site()
    found = doctor(site)
    bad = [row for row in found.values() if row["mark"] == "bad"]
    assert not bad
    good = {key for key, row in found.items() if row["mark"] == "good"}
    assert ("SLURM", f"partition {site.slurm.partition}") in good
    assert {("jobflow-remote", "project"), ("jobflow-remote", "queue"), ("store", "store")} <= good
    for worker in ("main", "small", "swarm"):
        names = {name for area, name in good if area == f"worker {worker}"}
        assert names >= {"connection", "work_dir", "scheduler", "versions", "settings"}
    assert "equal at both ends" in found["worker main", "versions"]["found"]
    assert found["jobflow-remote", "runner"]["mark"] == "look"  # none has been started


def test_each_fault_of_a_worker_has_its_own_red_line(new_site, tmp_path):
    site = new_site()
    workers = site.project["workers"]
    workers["main"]["resources"]["partition"] = "no-such-partition"
    workers["small"]["pre_run"] = "export PATH=/usr/bin:/bin"  # without the environment of nawf
    workers["swarm"]["work_dir"] = "/proc/no-folder"
    del workers["swarm"]["batch"]
    site.write()
    found = doctor(site, code=1)
    red = {key: row["found"] for key, row in found.items() if row["mark"] == "bad"}
    assert "no-such-partition" in red["worker main", "scheduler"]
    assert "jf is not found" in red["worker small", "environment"]
    assert "/proc/no-folder" in red["worker swarm", "work_dir"]
    assert len(red) == 3, red


def test_a_worker_with_other_versions_is_red(new_site, tmp_path):
    """A Python of the worker's own, with another version of jobflow in its metadata."""
    site = new_site()
    other = tmp_path / "other"
    (other / "jobflow-0.0.1.dist-info").mkdir(parents=True)
    (other / "jobflow-0.0.1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: jobflow\nVersion: 0.0.1\n"
    )
    site.project["workers"]["main"]["pre_run"] += f"\nexport PYTHONPATH={other}\n"
    site.write()
    found = doctor(site, code=1)
    assert found["worker main", "versions"]["mark"] == "bad"
    assert "jobflow 0.4.0 here, 0.0.1 there" in found["worker main", "versions"]["found"]
    assert found["worker small", "versions"]["mark"] == "good"


@pytest.mark.slow
def test_two_atoms_go_through_the_whole_path_and_leave_nothing(new_site):
    site = new_site()
    with (site.folder / "runner.log").open("w") as log:
        runner = subprocess.Popen(
            [sys.executable, "-c", RUNNER], cwd=site.folder, env=site.env, stdout=log, stderr=log
        )
    site.runners.append(runner)
    found = doctor(site, "--deep", "--patience", "240")
    (told,) = [row for (area, _), row in found.items() if area == "whole path"]
    assert told["mark"] == "good"
    assert "chgnet-r2scan: -3.5" in told["found"]
    assert "via jobflow-remote" in told["found"]
    assert site.jobs() == ()
    from nawf.store.stores import open_stores

    with open_stores(site.settings["store"]) as stores:
        assert stores.jobs.docs_store.count() == stores.data.count() == 0


@pytest.mark.slow
def test_without_a_runner_the_deep_check_says_so_and_takes_its_job_back(new_site):
    site = new_site()
    found = doctor(site, "--deep", "--patience", "3", code=1)
    (told,) = [row for (area, _), row in found.items() if area == "whole path"]
    assert told["mark"] == "bad"
    assert "READY" in told["found"]
    assert "runner" in told["advice"]
    assert site.jobs() == ()
