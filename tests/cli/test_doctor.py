"""The checklist on a bare machine and on a half-configured one: processes with environments of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

OPTIONAL = ("chgnet", "torch", "atomate2", "custodian", "jobflow_remote", "fireworks", "gpaw", "gpaw_data")
SECRET = "correct-horse-battery"


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory):
    """A Python with what nawf requires and nothing that is optional."""
    folder = tmp_path_factory.mktemp("bare") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    [site] = folder.glob("lib/python*/site-packages")
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        name = entry.name.lower().replace("-", "_")
        if not any(name == o or name.startswith((f"{o}_", f"{o}.")) or name.split("_")[0] == o for o in OPTIONAL):
            target = site / entry.name
            if not target.exists():
                target.symlink_to(entry)
    return folder / "bin" / "python"


def run_doctor(python, folder, env, *arguments):
    clean = {"PATH": f"{Path(python).parent}", "HOME": str(folder), "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [str(python), "-m", "nawf.cli.main", "doctor", *arguments],
        cwd=folder,
        env=clean | env,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def marks(ended):
    rows = json.loads(ended.stdout)["rows"]
    return {(row["area"], row["name"]): row["mark"] for row in rows}, rows


def test_on_a_bare_machine_nothing_is_red(bare_python, tmp_path):
    ended = run_doctor(bare_python, tmp_path, {}, "--format", "json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    found, rows = marks(ended)
    unused = {key for key, mark in found.items() if mark == "unused"}
    assert unused >= {
        ("engines", "chgnet-r2scan"),
        ("engines", "vasp"),
        ("engines", "vasp-rehearsal"),
        ("SLURM", "commands"),
        ("jobflow-remote", "project"),
        ("FireWorks", "files"),
    }
    assert "bad" not in found.values()
    assert found["machine", "packages"] == found["store", "store"] == "good"
    assert all(row["advice"] for row in rows if row["mark"] == "unused")
    assert not list(tmp_path.glob("*.db"))  # looking makes nothing


def test_people_get_signs_and_what_to_do(bare_python, tmp_path):
    text = run_doctor(bare_python, tmp_path, {}).stdout
    assert "  ✔ Python: " in text
    assert "  – chgnet-r2scan: " in text
    assert "      → install it with: pip install" in text
    assert "\x1b[" not in text  # colours are for terminals
    assert text.splitlines()[-1].endswith("not used")


def test_a_required_package_that_is_missing_is_red(bare_python, tmp_path):
    [site] = bare_python.parent.parent.glob("lib/python*/site-packages")
    hidden = next(site.glob("threadpoolctl-*"))
    target = hidden.readlink()
    hidden.unlink()
    try:
        ended = run_doctor(bare_python, tmp_path, {}, "--format", "json")
    finally:
        hidden.symlink_to(target)
    assert ended.returncode == 1
    found, rows = marks(ended)
    assert found["machine", "packages"] == "bad"
    assert any("threadpoolctl is missing" in row["found"] for row in rows)


@pytest.fixture
def half_configured(tmp_path):
    """Settings, a project, and FireWorks files that are each wrong in a way of their own."""
    pytest.importorskip("jobflow_remote")
    pytest.importorskip("fireworks")
    nobody = "127.0.0.1:1/nawf?serverSelectionTimeoutMS=300&connectTimeoutMS=300"
    settings = {
        "store": f"mongodb://student:{SECRET}@{nobody}",
        "vasp_command": "no-such-vasp",
        "potcar_folder": str(tmp_path / "no-potcars"),
        "cluster": {"project": "nawf-on-clutser"},
    }
    (tmp_path / "nawf.yaml").write_text(yaml.safe_dump(settings))
    projects = tmp_path / ".jfremote"
    projects.mkdir()
    store = {"type": "MongoStore", "host": "127.0.0.1", "port": 1, "database": "x", "password": SECRET}
    project = {"name": "nawf", "queue": {"store": store | {"collection_name": "jobs"}}, "workerz": {}}
    (projects / "nawf.yaml").write_text(yaml.safe_dump(project))
    files = tmp_path / ".fireworks"
    files.mkdir()
    launchpad = {"host": "127.0.0.1", "port": 1, "name": "fw", "username": "student", "password": SECRET}
    more = {"mongoclient_kwargs": {"serverSelectionTimeoutMS": 300}}
    (files / "my_launchpad.yaml").write_text(yaml.safe_dump(launchpad | more))
    return tmp_path


def test_half_configured_each_fault_is_red_and_no_secret_is_told(half_configured):
    env = {"PATH": os.environ["PATH"], "SLURM_CONF": str(half_configured / "no-slurm.conf")}
    ended = run_doctor(sys.executable, half_configured, env, "--format", "json")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert SECRET not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    found, rows = marks(ended)
    red = {key for key, mark in found.items() if mark == "bad"}
    assert {("store", "store"), ("jobflow-remote", "project"), ("jobflow-remote", "project file")} <= red
    assert ("FireWorks", "files") in red
    said = {area: [row["found"] for row in rows if row["area"] == area] for area, _ in found}
    assert any("nawf-on-clutser" in text for text in said["jobflow-remote"])
    # VASP may be there where jobs run: a cluster is set.
    assert found["engines", "vasp"] == "look"
    assert any("no-such-vasp" in text for text in said["engines"])
    assert any("no POTCAR" in text for text in said["engines"])
    assert found["engines", "chgnet-r2scan"] == "good"  # what is right stays right


def test_settings_that_cannot_be_read_are_one_red_line_of_many(tmp_path):
    (tmp_path / "nawf.yaml").write_text(f"stroe: mongodb://u:{SECRET}@h/d\n")
    ended = run_doctor(sys.executable, tmp_path, {}, "--format", "json")
    assert ended.returncode == 1
    assert SECRET not in ended.stdout + ended.stderr
    found, rows = marks(ended)
    assert found["settings", "settings"] == "bad"
    assert "stroe" in rows[0]["found"]
    assert found["machine", "Python"] == "good"
