"""From raw jobs to results, with the real engine on the smallest phase; in a file and in a MongoDB database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jobflow import run_locally

from nawf.engines.registry import build_engine, engine_spec
from nawf.flows.phase import phase_flow
from nawf.phases.library import load_library
from nawf.results.crystal import Crystal
from nawf.results.tasks import PhaseTask
from nawf.store.builder import build
from nawf.store.query import load_results
from nawf.store.stores import Stores, open_stores
from nawf.store.transfer import copy_stores


def task_for(phase_id: str, **changes: Any) -> PhaseTask:
    phase = load_library().get(phase_id)
    engine = build_engine(engine_spec("chgnet-r2scan", "coarse"))
    fields: dict[str, Any] = {
        "phase": phase_id,
        "campaign": "test",
        "properties": ("relax", "static", "phonon"),
        "start": Crystal.from_structure(phase.structure()),
        "methods": engine.methods(),
        "card": {
            "name": phase.card.name,
            "formula": phase.formula,
            "origin": phase.card.origin.value,
            "card_hash": phase.card_hash,
        },
    }
    return PhaseTask.model_validate(fields | changes)


def run(stores: Stores, task: PhaseTask, scratch: Path) -> None:
    flow = phase_flow(task, build_engine(engine_spec("chgnet-r2scan", "coarse")))
    run_locally(flow, log=False, store=stores.jobs, root_dir=scratch, ensure_success=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    with open_stores(str(folder / "raw.db")) as stores:
        run(stores, task_for("na-bcc"), folder)
    return folder / "raw.db"


@pytest.fixture
def stores(finished: Path, place: str) -> Iterator[Stores]:
    with open_stores(str(finished), read_only=True) as source, open_stores(place) as opened:
        copy_stores(source, opened)
        yield opened


def test_one_result_for_each_property_with_fingerprint_verdict_and_provenance(stores: Stores) -> None:
    summary = build(stores)
    assert len(summary.built) == 3
    assert not summary.refused
    documents = {d.property: d for d in load_results(stores.results)}
    assert set(documents) == {"relax", "static", "phonon"}
    assert len({d.calculation_id for d in documents.values()}) == 1
    assert len({d.fingerprint_id for d in documents.values()}) == 3
    for document in documents.values():
        assert document.result_id == f"na-bcc/{document.property}/{document.fingerprint_id}"
        assert document.provenance.intent == document.fingerprint_id
        assert document.provenance.job in document.provenance.jobs
        assert document.verdict.level == "pass"
        assert set(document.provenance.versions) >= {"nawf", "python", "chgnet", "torch"}
    assert len(documents["phonon"].provenance.jobs) == 3


def test_results_hold_what_the_jobs_wrote(stores: Stores) -> None:
    build(stores)
    raw = stores.jobs.query_one({"metadata.nawf.property": "static", "metadata.nawf.final": True})
    [document] = load_results(stores.results, properties=["static"])
    assert document.result["energy_ev_per_atom"] == raw["output"]["energy_ev_per_atom"]
    assert document.provenance.job.uuid == raw["uuid"]


def test_building_again_changes_nothing(stores: Stores) -> None:
    build(stores)
    before = sorted(stores.results.query(), key=lambda d: d["result_id"])
    again = build(stores)
    assert (again.built, again.unchanged) == ([], 3)
    assert sorted(stores.results.query(), key=lambda d: d["result_id"]) == before


def test_what_a_job_has_made_anew_is_built_anew(stores: Stores) -> None:
    """A job that was repeated has its uuid and index as before."""
    build(stores)
    raw = stores.jobs.query_one({"metadata.nawf.property": "static", "metadata.nawf.final": True}, load=True)
    assert raw is not None
    stores.jobs.update({**raw, "completed_at": "2099-01-01T00:00:00"}, save=True)
    again = build(stores)
    assert (len(again.built), again.unchanged) == (1, 2)
    (document,) = load_results(stores.results, properties={"static"})
    assert document.provenance.job.completed_at == "2099-01-01T00:00:00"
    assert build(stores).built == []


def test_rebuilding_gives_the_same_documents(stores: Stores) -> None:
    build(stores)
    before = load_results(stores.results)
    assert len(build(stores, rebuild=True).built) == 3
    assert load_results(stores.results) == before


def test_files_and_databases_give_the_same_results(finished: Path, tmp_path: Path, mongo_uri: str) -> None:
    built = []
    for place in (str(tmp_path / "again.db"), mongo_uri):
        with open_stores(str(finished), read_only=True) as source, open_stores(place) as target:
            copy_stores(source, target)
            build(target, phases=["na-bcc"])
            assert build(target).built == []
            found = sorted(target.results.query(), key=lambda d: d["result_id"])
            built.append([{k: v for k, v in d.items() if k not in ("_id", "last_updated")} for d in found])
    assert built[0] == built[1]
    assert len(built[0]) == 3


def test_a_lost_phase_store_is_built_anew(stores: Stores) -> None:
    build(stores)
    before = load_results(stores.results)
    stores.results.remove_docs({})
    assert len(build(stores).built) == 3
    assert load_results(stores.results) == before


def test_a_newer_run_takes_the_place_of_the_older(stores: Stores, tmp_path: Path) -> None:
    build(stores)
    old = load_results(stores.results, properties=["static"])[0]
    [relaxed] = load_results(stores.results, properties=["relax"])
    run(stores, task_for("na-bcc", properties=("static",), relaxed=relaxed.record().crystal), tmp_path)
    summary = build(stores)
    assert summary.built == [old.result_id]
    [new] = load_results(stores.results, properties=["static"])
    assert new.provenance.job.uuid != old.provenance.job.uuid
    assert new.result["energy_ev_per_atom"] == pytest.approx(old.result["energy_ev_per_atom"], abs=1e-6)


def test_two_intentions_with_one_result_are_at_rest(stores: Stores) -> None:
    """Jobs that were meant to be otherwise and ended alike: the newest stands, whichever is built first."""
    build(stores)
    [old] = load_results(stores.results, properties=["static"])
    raw = next(stores.jobs.docs_store.query({"metadata.nawf.property": "static", "metadata.nawf.final": True}))
    for name, date in (
        ("zzz", "2099-01-02T00:00:00"),
        ("aaa", "2099-01-03T00:00:00"),
        ("000", "2099-01-01T00:00:00"),
    ):
        nawf = raw["metadata"]["nawf"] | {"intent": name}
        other = {k: v for k, v in raw.items() if k != "_id"}
        other |= {"uuid": f"job-{name}", "completed_at": date, "metadata": raw["metadata"] | {"nawf": nawf}}
        stores.jobs.docs_store.update(other, key=["uuid", "index"])
    for rebuild in (False, False, True, False):
        summary = build(stores, rebuild=rebuild)
        [document] = load_results(stores.results, properties=["static"])
        assert document.provenance.job.uuid == "job-aaa"
        assert document.result_id == old.result_id
        assert (len(summary.built), summary.unchanged) in ([(3, 3)] if rebuild else [(0, 6), (1, 5), (2, 4)])
    assert summary.built == []


def test_a_job_without_output_is_named_and_not_built(stores: Stores) -> None:
    raw = next(stores.jobs.docs_store.query({"metadata.nawf.property": "static", "metadata.nawf.final": True}))
    stores.jobs.docs_store.update(raw | {"output": None}, key=["uuid", "index"])
    summary = build(stores)
    assert len(summary.built) == 2
    [refused] = summary.refused
    assert raw["uuid"] in refused
    assert not load_results(stores.results, properties=["static"])


def test_only_the_phases_asked_for(stores: Stores) -> None:
    assert build(stores, phases=["na2s"]).built == []
    assert len(build(stores, phases=["na-bcc"]).built) == 3


@pytest.mark.parametrize(("formula", "words"), [("Sn", "its bonds are those of sn-alpha"), ("SnS", "is Sn, not SnS")])
def test_the_gate_is_told_what_the_phase_should_be_and_what_it_may_have_become(
    stores: Stores, formula: str, words: str
) -> None:
    """The finished relaxation, rewritten as one that turned white tin into grey."""
    criteria = {"metadata.nawf.property": "relax", "metadata.nawf.final": True}
    raw = next(stores.jobs.docs_store.query(criteria))
    places = [[0, 0, 0], [0, 0.5, 0.25], [0.5, 0.5, 0.5], [0.5, 0, 0.75]]
    for name, (a, c) in {"initial": (5.832, 3.182), "crystal": (4.7, 6.647)}.items():
        tin = Crystal.from_arrays([[a, 0, 0], [0, a, 0], [0, 0, c]], ["Sn"] * 4, places)
        raw["output"][name] |= tin.model_dump(mode="json")
    raw["metadata"]["nawf"] |= {"phase": "sn-beta"}
    raw["metadata"]["nawf"]["card"] |= {"formula": formula}
    stores.jobs.docs_store.update(raw, key=["uuid", "index"])
    build(stores, phases=["sn-beta"])
    [document] = load_results(stores.results, phases=["sn-beta"])
    assert document.verdict.failed
    assert any(words in message for message in document.verdict.messages())
