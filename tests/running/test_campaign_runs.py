"""Runs as a user starts them: whole processes, stopped and killed and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ordinary_signals import ordinary_signals

from nawf.store.query import load_results
from nawf.store.sqlite_check import verify
from nawf.store.stores import open_stores

CAMPAIGN = """
name: small
title: Two small phases
phases: {ids: [na-bcc, na2s, na-hcp]}
properties: [relax, static, phonon]
engine: chgnet-r2scan
protocol: coarse
temperatures_k: [0, 300]
"""
STEPS = 9

LONELY_CIF = """data_lonely
_cell_length_a 6.6
_cell_length_b 6.6
_cell_length_c 6.6
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na1 Na 0 0 0
"""


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(CAMPAIGN)
    return path


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "nawf.cli.main", *arguments]


def start(campaign: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("run", str(campaign), *arguments),
        cwd=campaign.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=ordinary_signals,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def finish(campaign: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    process = start(campaign, *arguments)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def wait_for_line(process: subprocess.Popen[str], text: str) -> list[str]:
    """Lines of standard error up to the first that contains a text."""
    assert process.stderr is not None
    seen: list[str] = []
    for line in process.stderr:
        seen.append(line)
        if text in line:
            return seen
    raise AssertionError(f"{text!r} never came: {''.join(seen)}")


def finished_jobs(store: Path) -> Counter[tuple[str, str]]:
    """How often each final step is in the raw store."""
    with open_stores(str(store), read_only=True) as stores:
        found = stores.jobs.query({"metadata.nawf.final": True}, properties=["metadata"])
        return Counter((d["metadata"]["nawf"]["phase"], d["metadata"]["nawf"]["property"]) for d in found)


def results(store: Path) -> list[Any]:
    with open_stores(str(store), read_only=True) as stores:
        return load_results(stores.results)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_run_finds_everything_done(campaign: Path, workers: str) -> None:
    first = finish(campaign, "--workers", workers)
    assert first.returncode == 0, first.stderr
    assert f"[{STEPS}/{STEPS}]" in first.stderr
    assert "Warning" not in first.stderr
    store = campaign.parent / "nawf.db"
    assert len(results(store)) == STEPS
    before = finished_jobs(store)
    second = finish(campaign, "--workers", workers)
    assert second.returncode == 0
    assert "nothing to do" in second.stderr
    assert finished_jobs(store) == before
    assert set(before.values()) == {1}
    # The store now has a sulfide and no sulfur.
    refused = subprocess.run(
        command("report", "formation"), cwd=campaign.parent, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert refused.stderr.startswith("nawf: S: no phase of pure S has an energy at static")
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("how", ["kill", "interrupt", "terminate", "hang up"])
def test_a_stopped_run_goes_on_where_it_was(campaign: Path, workers: str, how: str) -> None:
    process = start(campaign, "--workers", workers)
    wait_for_line(process, "[2/9]")
    if how == "kill":
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
    else:
        # Ctrl-C and a terminal that closes reach the whole group; a queue system's SIGTERM may reach the parent only.
        if how == "terminate":
            process.terminate()
        else:
            os.killpg(process.pid, signal.SIGINT if how == "interrupt" else signal.SIGHUP)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "finished work is kept" in err
        assert "Traceback" not in err
    store = campaign.parent / "nawf.db"
    assert verify(store) == []
    kept = finished_jobs(store)
    assert sum(kept.values()) >= 2
    again = finish(campaign, "--workers", workers)
    assert again.returncode == 0, again.stderr
    after = finished_jobs(store)
    assert len(after) == STEPS
    assert set(after.values()) == {1}, "a finished step was done twice"
    assert len(results(store)) == STEPS


def test_a_worker_that_dies_fails_its_phase_only(campaign: Path) -> None:
    process = start(campaign, "--workers", "2")
    wait_for_line(process, "[1/9]")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.communicate(timeout=300)
        pytest.skip("this system does not list child processes")
    workers = [pid for pid in children.read_text().split() if "spawn_main" in _command_line(pid)]
    os.kill(int(workers[0]), signal.SIGKILL)
    _, err = process.communicate(timeout=300)
    assert "killed by signal 9" in err
    assert process.returncode == 1
    again = finish(campaign)
    assert again.returncode == 0
    assert set(finished_jobs(campaign.parent / "nawf.db").values()) == {1}


def _command_line(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return ""


def test_a_phase_that_fails_does_not_stop_the_others(campaign: Path) -> None:
    (campaign.parent / "lonely.cif").write_text(LONELY_CIF)
    mine = campaign.parent / "mine"
    mine.mkdir()
    # Just small enough for the checks of structures, and too large for the potential to see a neighbour.
    (mine / "lonely.cif").write_text(LONELY_CIF)
    (mine / "lonely.yaml").write_text(
        "id: lonely\nformula: Na\nname: one atom alone\nspace_group: {symbol: Pm-3m, number: 221}\nz: 1\n"
        "origin: prototype\nreference: none\n"
    )
    campaign.write_text(CAMPAIGN.replace("na-hcp]", "lonely]"))
    ended = finish(campaign, "--structures", str(mine), "--workers", "1")
    assert ended.returncode == 1
    assert "failed: lonely, relax" in ended.stderr
    assert "isolated" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Traceback" in (campaign.parent / "nawf.log").read_text()
    assert {d.phase for d in results(campaign.parent / "nawf.db")} == {"na-bcc", "na2s"}


def test_two_runs_at_once_lose_nothing(campaign: Path) -> None:
    processes = [start(campaign, "--workers", "1") for _ in range(2)]
    for process in processes:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    store = campaign.parent / "nawf.db"
    assert verify(store) == []
    assert len(results(store)) == STEPS


def test_a_relaxation_that_does_not_converge_blocks_what_builds_on_it(
    campaign: Path, nawf: Callable[..., Any]
) -> None:
    campaign.write_text(CAMPAIGN.replace("na-hcp]", "na2s2-alpha]") + "relax: {max_steps: 2}\n")
    ended = finish(campaign, "--phases", "na2s2-alpha", "--workers", "1")
    assert ended.returncode == 0
    [only] = results(campaign.parent / "nawf.db")
    assert (only.property, only.verdict.level) == ("relax", "fail")
    planned = nawf("plan", campaign, "--phases", "na2s2-alpha", "--format", "json")
    [row] = json.loads(planned.out)["rows"]
    assert (row["relax"], row["static"], row["phonon"]) == ("done (fail)", "blocked", "blocked")
    assert "stopped after 2 steps" in row["note"]
    refused = nawf("report", "formation", "--store", campaign.parent / "nawf.db")
    assert refused.code == 2


def test_a_report_loads_no_potential(campaign: Path) -> None:
    campaign.write_text(CAMPAIGN.replace("na2s, ", "").replace(", phonon", ""))
    finish(campaign, "--workers", "1")
    code = (
        "import sys\n"
        "from nawf.cli.main import app\n"
        "app(['report', 'formation', 'small.yaml'], standalone_mode=False)\n"
        "assert not {'torch', 'chgnet'} & set(sys.modules), 'a report loaded a potential'"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=campaign.parent, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "na-hcp" in ended.stdout
