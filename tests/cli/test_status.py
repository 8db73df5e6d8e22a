"""``nawf status``, ``retry`` and ``resume`` over a queue that is given, and a store with reference results."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nawf.running import queues
from nawf.running.backend import Cause, JobState, Outcome, Stage

CAMPAIGN = """\
name: small
title: Sodium
phases: {ids: [na-bcc]}
properties: [relax, static]
engine: chgnet-r2scan
"""


class Queue:
    """A queue with these jobs, which notes what is done to them."""

    name = "queue"

    def __init__(self):
        self.found, self.done = [], {}

    def jobs(self, selection):
        return tuple(job for job in self.found if selection.has(job))

    def tail(self, job, lines=20):
        return None

    def retry(self, jobs):
        self.done["retry"] = [job.step for job in jobs]
        return Outcome(tuple(jobs))

    def resume(self, jobs):
        self.done["resume"] = [job.step for job in jobs]
        return Outcome(tuple(jobs))


@pytest.fixture
def queue(monkeypatch):
    made = Queue()
    monkeypatch.setattr(queues, "open_backend", lambda cluster, via=None: made)
    return made


def job(prop, stage, step, **more):
    return JobState(step, "f", "na-bcc", prop, step, stage, "", **more)


@pytest.fixture
def intents(nawf, tmp_path):
    """A store in which sodium is done, and the intended fingerprints of its results."""
    from nawf.store.reference import reference_archives
    from nawf.store.stores import open_stores
    from nawf.store.transfer import import_archive

    (tmp_path / "small.yaml").write_text(CAMPAIGN)
    with open_stores("nawf.db") as stores:
        import_archive(next(p for p in reference_archives() if p.stem == "chgnet-r2scan"), stores)
        found = stores.results.query({"phase": "na-bcc"}, ["property", "provenance.intent"])
        return {document["property"]: document["provenance"]["intent"] for document in found}


def failed(prop, step, intents, **more):
    return job(prop, Stage.FAILED, step, cause=Cause.WALLTIME, reason="TIME LIMIT", intent=intents[prop], **more)


def test_what_failed_of_a_step_that_is_done_is_neither_proposed_nor_begun_again(nawf, queue, intents):
    queue.found = [failed("relax", "run_relax", intents), failed("static", "run_static", intents)]
    shown = nawf("status", "small.yaml", "--via", "fireworks")
    assert shown.code == 0, shown.err
    assert "1 phases: 2 done" in shown.out
    assert "2 jobs of 1 phase ended badly, and nothing needs them any more" in shown.out
    assert "retry" not in shown.out
    assert "resume" not in shown.out
    for command in ("retry", "resume"):
        done = nawf(command, "small.yaml", "--via", "fireworks")
        assert (done.code, queue.done[command]) == (0, [])
        assert "nothing needs them any more" in done.err
    assert nawf("retry", "small.yaml", "--via", "fireworks", "--steps", "run_static").code == 0
    assert queue.done["retry"] == ["run_static"]
    tables = json.loads(nawf("status", "small.yaml", "--via", "fireworks", "--format", "json").out)
    over = next(table for table in tables if table["title"] == "Not needed any more")
    assert [(row["step"], row["stage"], row["cause"]) for row in over["rows"]] == [
        ("run_relax", "failed", "walltime"),
        ("run_static", "failed", "walltime"),
    ]


def test_what_failed_and_is_missing_is_begun_again(nawf, queue, intents):
    ours, other = failed("relax", "run_relax", intents), failed("static", "run_static", intents)
    queue.found = [ours, replace(other, intent="of other settings")]
    shown = nawf("status", "small.yaml", "--via", "fireworks").out
    assert "1 jobs of 1 phase ended badly" in shown
    assert "nawf resume small.yaml" in shown
    assert nawf("resume", "small.yaml", "--via", "fireworks").out == "1 jobs of 1 phases resumed\n"
    assert queue.done["resume"] == ["run_static"]


def test_a_campaign_has_the_engine_that_it_was_submitted_with(nawf, queue, intents):
    waits = job("relax", Stage.WAITING, "run_relax", engine="chgnet-r2scan", protocol="coarse", campaign="small")
    queue.found = [waits, replace(waits, id="2", property="static", step="run_static")]
    shown = nawf("status", "small.yaml", "--via", "fireworks").out
    assert "Engine chgnet-r2scan, protocol coarse" in shown
    assert "2 waiting" in shown
    assert "2 done" in nawf("status", "small.yaml", "--via", "fireworks", "--engine", "chgnet-r2scan").out
    # Of a campaign of another name, it says nothing; of two kinds, neither does.
    for others in ([replace(waits, campaign="other")], [waits, replace(waits, protocol="seed", intent="other")]):
        queue.found = others
        assert "Engine chgnet-r2scan, protocol seed" in nawf("status", "small.yaml", "--via", "fireworks").out


def test_the_next_command_has_the_engine_of_the_queue(nawf, queue, tmp_path):
    (tmp_path / "small.yaml").write_text(CAMPAIGN)
    queue.found = [
        job("relax", Stage.DONE, "run", engine="chgnet-r2scan", protocol="coarse", campaign="small", final=True)
    ]
    shown = nawf("status", "small.yaml", "--via", "fireworks").out
    for command in (
        "nawf status small.yaml --engine chgnet-r2scan --protocol coarse --build",
        "nawf submit small.yaml",
    ):
        assert f"Next: {command}" in " ".join(shown.split())
    assert "nawf submit small.yaml --engine chgnet-r2scan --protocol coarse:" in " ".join(shown.split())
