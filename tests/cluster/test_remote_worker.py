"""Workers that are reached over ssh: submitted here, calculated there, and brought home with the same numbers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("jobflow_remote")

from nawf.running.backend import Stage

TEMPLATE = Path(__file__).resolve().parents[2] / "deploy" / "jobflow-remote" / "laptop-to-cluster.yaml"
SODIUM = """\
name: sodium
title: A phase over ssh
phases: {ids: [na-bcc]}
properties: [relax, static, elastic]
engine: chgnet-r2scan
protocol: coarse
temperatures_k: [0]
"""
TOY = """\
name: toy
title: A phase of the toy potential
phases: {ids: [toy-nas]}
properties: [relax, static]
engine: vasp-rehearsal
"""


@pytest.fixture
def far_site(new_site: Any, ssh_server: Any, slurm: Any) -> Any:
    """Make a site all of whose workers are those of the template, reached over ssh."""

    # What chooses the routines of linear algebra is the same at both ends, or the last digits differ.
    arithmetic = {k: v for k, v in os.environ.items() if k.startswith(("OPENBLAS_", "MKL_"))}

    def make(pre_run: str = "") -> tuple[Any, Any]:
        site, server = new_site(pre_run=pre_run), ssh_server({"SLURM_CONF": str(slurm.conf), **arithmetic})
        template = yaml.safe_load(TEMPLATE.read_text())["workers"]
        workers = site.project["workers"]
        for name, shown in (("main", "calc"), ("small", "analysis"), ("swarm", "cells")):
            own = workers[name]
            batch = {"batch": template[shown]["batch"] | own["batch"]} if "batch" in own else {}
            workers[name] = template[shown] | own | batch | server.worker
        site.settings["cluster"]["batch_worker"] = "swarm"
        site.write()
        return site, server

    return make


def differences(one: Any, other: Any, where: str = "") -> Iterator[str]:
    """Where two results differ, and in what."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from differences(one.get(key), other.get(key), f"{where}/{key}")
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for i, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{where}/{i}")
    elif one != other:
        yield f"{where}: {one} {other}"


def assert_like_a_local_run(site: Any, campaign: str) -> dict[tuple[str, str], Any]:
    assert site.nawf("run", campaign, "--store", "local.db", "--workers", "1").code == 0
    local = site.numbers("local.db")
    assert list(differences(site.numbers(), local)) == []
    return local


def test_a_phase_calculated_over_ssh_has_the_numbers_of_a_local_run(far_site: Any) -> None:
    pytest.importorskip("chgnet")
    site, server = far_site()
    (site.folder / "sodium.yaml").write_text(SODIUM)
    looked = site.nawf("doctor", "--format", "json")
    assert '"mark": "bad"' not in looked.out, looked.out
    sent = site.nawf("submit", "sodium.yaml")
    assert sent.code == 0, sent.err
    site.run()
    jobs = site.jobs()
    assert {job.stage for job in jobs} == {Stage.DONE}, [(j.step, j.error) for j in jobs]
    assert server.logins() > 0
    assert {job.place.worker for job in jobs} == {"main", "small", "swarm"}
    assert all(job.place.queue_id for job in jobs)
    assert "1 phases: 3 done" in site.nawf("status", "sodium.yaml", "--build").out
    local = assert_like_a_local_run(site, "sodium.yaml")
    assert set(local) == {("na-bcc", p) for p in ("relax", "static", "elastic")}


def test_what_only_the_worker_has_is_missed_here_and_refuses_nothing(far_site: Any, vasp_machine: Any) -> None:
    site, _ = far_site(f"export {vasp_machine.exports}")
    site.settings |= vasp_machine.settings | {"vasp_rehearsal_command": "/modules/there/vasp"}
    site.write()
    (site.folder / "toy.yaml").write_text(TOY)
    dry = site.nawf("submit", "toy.yaml", "--dry-run")
    assert dry.code == 0, dry.err
    missed = "on this machine, the command '/modules/there/vasp'"
    assert f"Note: {missed}" in dry.out
    sent = site.nawf("submit", "toy.yaml")
    assert sent.code == 0, sent.err
    assert f"note: {missed}" in sent.err
    site.run()
    assert {job.stage for job in site.jobs()} == {Stage.DONE}, [(j.step, j.error) for j in site.jobs()]
    assert "1 phases: 2 done" in site.nawf("status", "toy.yaml", "--build").out
    refused = site.nawf("run", "toy.yaml", "--store", "local.db")
    assert refused.code == 2
    assert "/modules/there/vasp" in refused.err
    site.settings |= vasp_machine.settings
    site.write()
    assert_like_a_local_run(site, "toy.yaml")
