"""Phases through FireWorks' queue launcher and a real SLURM: all done, with the numbers of a local run."""

from __future__ import annotations

import pytest
from fireworks_site import all_done

from nawf.store.query import load_results
from nawf.store.stores import open_stores

pytest.importorskip("fireworks")
pytest.importorskip("chgnet")

CAMPAIGN = """\
name: small
title: Sodium
phases: {ids: [na-bcc]}
properties: [relax, static, elastic]
engine: chgnet-r2scan
protocol: coarse
temperatures_k: [0]
"""

REHEARSED = """\
name: rehearsed
title: The jobs of VASP that make others
phases: {ids: [toy-nas]}
properties: [relax, static, phonon, elastic]
engine: vasp-rehearsal
temperatures_k: [0, 300]
"""


def numbers(location):
    """All results without when and where they were calculated."""
    with open_stores(location, read_only=True) as stores:
        documents = load_results(stores.results)
    return {
        (d.phase, d.property): (
            d.fingerprint_id,
            d.verdict.model_dump(),
            {k: v for k, v in d.result.items() if k != "run"},
        )
        for d in documents
    }


@pytest.mark.slow
def test_a_phase_through_the_queue_has_the_numbers_of_a_local_run(new_fireworks_site):
    site = new_fireworks_site()
    (site.folder / "small.yaml").write_text(CAMPAIGN)
    site.start_launcher()
    said = site.nawf("submit", "small.yaml").stderr
    assert "via fireworks" in said
    assert "nothing to submit" in site.nawf("submit", "small.yaml").stderr  # it is in the queue
    jobs = site.wait(all_done)
    assert len(jobs) > 5
    assert all(job["place"]["queue_id"] for job in jobs)  # each was a job of SLURM
    site.stop_launcher()
    site.nawf("build")
    assert "nothing to submit" in site.nawf("submit", "small.yaml").stderr  # it is done

    site.nawf("run", "small.yaml", "--workers", "1", "--threads", "1", "--store", "local.db")
    for kind in ("lattice", "elastic", "quality"):
        queued = site.rows("report", kind, "small.yaml")
        assert queued
        assert queued == site.rows("report", kind, "small.yaml", "--store", "local.db")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_rehearsal_through_the_queue_has_the_numbers_of_a_local_one(new_fireworks_site, vasp_machine):
    pytest.importorskip("atomate2")
    site = new_fireworks_site(vasp_machine.settings, [f"export {vasp_machine.exports}"])
    (site.folder / "rehearsed.yaml").write_text(REHEARSED)
    site.start_launcher()
    site.nawf("submit", "rehearsed.yaml")
    jobs = site.wait(all_done, 1500)
    assert {job["property"] for job in jobs} == {"relax", "static", "phonon", "elastic"}
    site.stop_launcher()
    assert "1 phases: 4 done" in site.nawf("status", "rehearsed.yaml", "--build").stdout

    site.nawf("run", "rehearsed.yaml", "--workers", "1", "--store", "local.db")
    assert numbers(site.mongo_uri) == numbers(str(site.folder / "local.db"))
