"""Campaigns through jobflow-remote on a real SLURM: what a user does, and results as those of a local run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jobflow_remote")

from nawf.running.backend import Stage

CAMPAIGN = """\
name: small
title: Two small phases
phases: {ids: [na-bcc, na2s]}
properties: [static]
also: [{properties: [phonon], phases: {ids: [na-bcc]}}]
engine: chgnet-r2scan
protocol: coarse
temperatures_k: [0, 300]
"""
DISPLACED = """\
name: displaced
title: The jobs of VASP that make others
phases: {ids: [toy-nas]}
properties: [phonon]
engine: vasp-rehearsal
temperatures_k: [0, 300]
"""


SODIUM = """\
name: sodium
title: The smallest that goes all the way
phases: {ids: [na-bcc]}
properties: [relax, static]
engine: chgnet-r2scan
protocol: coarse
temperatures_k: [0]
"""


@pytest.fixture
def site(new_site: Any) -> Any:
    made = new_site()
    (made.folder / "small.yaml").write_text(CAMPAIGN)
    (made.folder / "sodium.yaml").write_text(SODIUM)
    return made


def rows(nawf: Any, *arguments: str) -> Any:
    done = nawf(*arguments, "--format", "json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    tables = found if isinstance(found, list) else [found]
    return [[{k: v for k, v in row.items() if k != "finished_at"} for row in table["rows"]] for table in tables]


@pytest.mark.always
@pytest.mark.slow
def test_a_phase_goes_through_slurm_with_the_numbers_of_a_local_run(site: Any) -> None:
    pytest.importorskip("chgnet")
    sent = site.nawf("submit", "sodium.yaml")
    assert sent.code == 0, sent.err
    assert "1 phases with 3 jobs submitted via jobflow-remote" in sent.err
    site.run()
    assert {job.stage for job in site.jobs()} == {Stage.DONE}, [(j.step, j.error) for j in site.jobs()]
    assert all(job.place.queue_id for job in site.jobs())
    assert "1 phases: 2 done" in site.nawf("status", "sodium.yaml", "--build").out
    assert site.nawf("run", "sodium.yaml", "--store", "local.db", "--workers", "1").code == 0
    local = site.numbers("local.db")
    assert set(local) == {("na-bcc", p) for p in ("relax", "static")}
    assert site.numbers() == local


def test_a_campaign_is_submitted_followed_and_built_as_in_a_local_run(site: Any) -> None:
    nawf = site.nawf
    dry = nawf("submit", "small.yaml", "--dry-run")
    assert dry.code == 0, dry.err
    assert "2 phases, 5 steps via jobflow-remote: about" in dry.out
    assert site.jobs() == ()

    sent = nawf("submit", "small.yaml")
    assert sent.code == 0, sent.err
    assert "2 phases with 9 jobs submitted via jobflow-remote" in sent.err
    # A second time, nothing goes out; with one property more, it has to wait for its relaxation.
    again = nawf("submit", "small.yaml")
    assert "5 steps are in the queue already" in again.err
    assert "nothing to submit" in again.err
    more = nawf("submit", "small.yaml", "--properties", "phonon", "--phases", "na2s")
    assert "to be submitted again when their relaxations are done: na2s phonon" in more.err
    assert len(site.jobs()) == 9
    workers = {job.step: job.place.worker for job in site.jobs() if job.phase == "na-bcc"}
    assert workers == {
        "run_relax": "main",
        "symmetrise_relaxed": "small",
        "run_static": "main",
        "displace": "small",
        "run_forces": "main",
        "analyse_phonons": "small",
    }

    site.run()
    assert {job.stage for job in site.jobs()} == {Stage.DONE}, [(j.step, j.error) for j in site.jobs()]
    before = nawf("status", "small.yaml")
    assert "5 finished" in before.out
    assert "Next: nawf status small.yaml --build" in before.out
    after = nawf("status", "small.yaml", "--build")
    assert "2 phases: 5 done" in after.out
    assert "nothing to submit" in nawf("submit", "small.yaml").err

    assert nawf("run", "small.yaml", "--store", "local.db", "--workers", "1").code == 0
    assert site.numbers() == site.numbers("local.db")
    for report in (["report", "lattice", "small.yaml"], ["report", "quality", "small.yaml"], ["query"]):
        local = rows(nawf, *report, "--store", "local.db")
        assert rows(nawf, *report) == local
        assert local[0]


@pytest.fixture
def toy_site(new_site: Any, vasp_machine: Any) -> Any:
    """A site whose VASP is the rehearsal with a toy potential."""
    made = new_site(pre_run=f"export {vasp_machine.exports}")
    made.settings |= vasp_machine.settings
    made.write()
    (made.folder / "displaced.yaml").write_text(DISPLACED)
    return made


def test_jobs_that_come_later_know_their_phase_and_their_worker(toy_site: Any) -> None:
    cluster = toy_site.settings["cluster"]
    limits = {"partition": toy_site.slurm.partition, "ntasks": 1, "time": "0:03:00"}
    cluster |= {"batch_worker": "swarm", "resources": {"analysis": limits}}
    toy_site.write()
    assert toy_site.nawf("run", "displaced.yaml", "--properties", "relax").code == 0
    sent = toy_site.nawf("submit", "displaced.yaml")
    assert sent.code == 0, sent.err
    # What is done is not submitted.
    assert {job.step for job in toy_site.jobs()} == {"displace", "vasp_forces", "analyse_phonons"}
    toy_site.run()
    jobs = toy_site.jobs()
    assert {job.stage for job in jobs} == {Stage.DONE}, [(j.step, j.error) for j in jobs]
    assert {(job.phase, job.property, job.campaign) for job in jobs} == {("toy-nas", "phonon", "displaced")}
    workers = {job.step: job.place.worker for job in jobs}
    swarm = {"vasp_displaced 001", "vasp_displaced 002"}
    assert {"vasp_other_forces", "vasp_collect_forces", "store_inputs", *swarm} <= set(workers)
    assert {step for step, worker in workers.items() if worker == "swarm"} == swarm
    assert {worker for step, worker in workers.items() if step not in swarm} == {"small"}
    for job in jobs:
        if job.step in ("displace", "vasp_collect_forces"):
            assert toy_site.slurm.facts(int(job.place.queue_id))["TimeLimit"] == "00:03:00"
    assert "1 phases: 2 done" in toy_site.nawf("status", "displaced.yaml", "--build").out

    assert toy_site.nawf("run", "displaced.yaml", "--store", "local.db").code == 0
    local = toy_site.numbers("local.db")
    assert set(local) == {("toy-nas", p) for p in ("relax", "phonon")}
    assert toy_site.numbers() == local


@pytest.mark.always
def test_of_two_submissions_at_once_one_goes_out(site: Any) -> None:
    """Both look before either writes: the database takes the uuid of a flow once."""
    from nawf.cli.context import set_up, settings_for
    from nawf.cli.run import plan_now
    from nawf.running.backend import AlreadySubmitted
    from nawf.running.submit import dispatch, make_flow

    setup = set_up("small.yaml", settings_for())
    looks = [dispatch(lambda: plan_now(setup), site.backend(), ["na-bcc"]) for _ in range(2)]
    flows = [make_flow(found.orders[0].task, setup.engine, attempts["na-bcc"]) for _, found, attempts in looks]
    assert site.backend().submit(flows[0]) == 6
    with pytest.raises(AlreadySubmitted, match="na-bcc"):
        site.backend().submit(flows[1])
    assert len(site.jobs()) == 6
    assert len({job.flow for job in site.jobs()}) == 1


@pytest.mark.always
def test_what_does_not_fit_is_refused_with_what_to_write(site: Any, tmp_path: Path) -> None:
    def refusal(**cluster: Any) -> str:
        site.settings["cluster"] = {"project": "nawf", "worker": "main", **cluster}
        site.write()
        done = site.nawf("submit", "small.yaml")
        assert done.code == 2
        return str(done.err)

    assert "has no worker 'big', the worker of nawf's settings (has main, small, swarm)" in refusal(worker="big")
    assert "worker 'small' is no batch worker" in refusal(batch_worker="small")
    assert "jobflow-remote has no project 'other'" in refusal(project="other")
    docs = site.project["jobstore"]["docs_store"]
    docs["collection_name"] = "outputs"
    told = refusal()
    assert "its jobstore is not nawf's store: docs_store is" in told
    assert "collection_name: nawf_outputs" in told
    docs["collection_name"] = "nawf_outputs"
    site.project["jobstore"]["additional_stores"] = {}
    assert "additional store data is missing" in refusal()
    site.settings["store"] = "nawf.db"
    assert "nawf's store nawf.db is a file, and results of a cluster go to a database" in refusal()
    assert not (tmp_path / "nawf.db").exists()
