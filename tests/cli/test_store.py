"""``nawf store``, and all other commands on a MongoDB database, through the real command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from csv_reading import csv_rows

from nawf.store.archive import read_archive
from nawf.store.stores import MONGO_RESULTS, open_stores

Nawf = Callable[..., Any]
SECRET = "hunter2xyz"


@pytest.fixture
def filled(nawf: Nawf, records: Any) -> str:
    """A store of a few results and one raw document (the fixture ``nawf`` has made a folder for it)."""
    with open_stores("nawf.db") as stores:
        for phase in ("na-bcc", "na2s"):
            for prop in ("relax", "static", "phonon", "elastic"):
                document = records.document(phase, prop, result=getattr(records, prop)())
                stores.results.update(document.model_dump(mode="json"))
        stores.jobs.update({"uuid": "u", "index": 1, "output": {"rows": [1.5]}}, save={"data": ["rows"]})
    return "nawf.db"


def ok(outcome: Any) -> str:
    assert outcome.code == 0, outcome.err
    assert SECRET not in outcome.out + outcome.err
    return str(outcome.out)


def refused(outcome: Any, *words: str) -> None:
    assert outcome.code == 2, outcome
    assert len(outcome.err.strip().splitlines()) == 1, outcome.err
    assert outcome.err.startswith("nawf: ")
    assert SECRET not in outcome.out + outcome.err
    for word in words:
        assert word in outcome.err


def test_copies_and_the_same_reports_from_each(nawf: Nawf, filled: str, mongo_uri: str) -> None:
    shown = ok(nawf("store", "copy", filled, mongo_uri))
    assert shown.splitlines() == [
        f"data: 1 copied to {mongo_uri}, 0 there already",
        f"raw documents: 1 copied to {mongo_uri}, 0 there already",
        f"results: 8 copied to {mongo_uri}, 0 there already",
    ]
    assert "results: 0 copied to back.db, 8 there already" not in ok(nawf("store", "copy", mongo_uri, "back.db"))
    assert "results: 0 copied to back.db, 8 there already" in ok(nawf("store", "copy", mongo_uri, "back.db"))
    for report in (("lattice",), ("elastic", "--tensor"), ("quality",), ("quality", "--limits")):
        found = [
            json.loads(ok(nawf("report", *report, "--format", "json", "--store", place)))
            for place in (filled, mongo_uri, "back.db")
        ]
        tables = [[t["rows"] for t in (f if isinstance(f, list) else [f])] for f in found]
        assert tables[0] == tables[1] == tables[2]
        assert any(tables[0])
    queries = [ok(nawf("query", "--format", "csv", "--store", place)) for place in (filled, mongo_uri, "back.db")]
    assert queries[0] == queries[1] == queries[2]
    assert len(csv_rows(queries[0])) == 8


def test_a_store_cannot_be_copied_onto_itself_or_from_nowhere(nawf: Nawf, filled: str, mongo_uri: str) -> None:
    refused(nawf("store", "copy", filled, "./nawf.db"), "is the same store twice")
    refused(nawf("store", "copy", mongo_uri, mongo_uri), "is the same store twice")
    refused(nawf("store", "copy", "gone.db", "new.db"), "gone.db: there is no such store")
    refused(nawf("store", "copy", mongo_uri, "new.db"), "there is no nawf store in this database")
    assert not Path("new.db").exists()


def test_info_and_verify_of_a_database(nawf: Nawf, filled: str, mongo_uri: str) -> None:
    ok(nawf("store", "copy", filled, mongo_uri))
    told = json.loads(ok(nawf("store", "info", "--store", mongo_uri, "--format", "json")))
    assert {row["collection"]: row["documents"] for row in told["rows"]} == {
        "nawf_outputs": 1, "nawf_data.files": 1, "nawf_data.chunks": 1, "nawf_results": 8,
    }  # fmt: skip
    assert any(note.startswith("MongoDB") for note in told["notes"])
    assert ok(nawf("store", "verify", "--store", mongo_uri)) == f"{mongo_uri}: no problem found\n"
    assert ok(nawf("store", "verify")) == "nawf.db: no problem found\n"
    with open_stores(mongo_uri) as stores:
        stores.results._collection.drop_index("phase_1")
        stores.data.update({"blob_uuid": "stray", "data": 1})
    outcome = nawf("store", "verify", "--store", mongo_uri)
    assert outcome.code == 2
    assert f"{MONGO_RESULTS}: has no index on phase" in outcome.err
    assert "1 problem found" in outcome.err
    assert "(stray)" in outcome.out
    assert "missing indexes" in ok(nawf("store", "info", "--store", mongo_uri))
    assert f"index made: {MONGO_RESULTS}: phase" in ok(nawf("store", "migrate", "--store", mongo_uri))
    assert "up to date" in ok(nawf("store", "migrate", "--store", mongo_uri))


def test_export_and_import(nawf: Nawf, filled: str, mongo_uri: str) -> None:
    assert ok(nawf("store", "export", "all.zip")).startswith("1 data, 1 outputs, 8 results: 0.0")
    shown = ok(nawf("store", "import", "all.zip", "--store", mongo_uri))
    assert f"results: 8 imported to {mongo_uri}, 0 there already" in shown
    ok(nawf("store", "export", "again.zip", "--store", mongo_uri))
    assert Path("all.zip").read_bytes() == Path("again.zip").read_bytes()
    assert ok(nawf("store", "export", "na.zip", "--results-only", "--phases", "na-bcc")).startswith("4 results: ")
    assert {d.phase for d in read_archive("na.zip")} == {"na-bcc"}
    ok(nawf("store", "import", "na.zip", "--store", "new.db"))
    assert "na-bcc" in ok(nawf("report", "elastic", "--store", "new.db"))


def test_archives_that_are_refused_make_no_store(nawf: Nawf, filled: str) -> None:
    ok(nawf("store", "export", "all.zip"))
    content = Path("all.zip").read_bytes()
    for bad in (content[:-30], content[:500] + bytes([content[500] ^ 1]) + content[501:], b""):
        Path("bad.zip").write_bytes(bad)
        refused(nawf("store", "import", "bad.zip", "--store", "new.db"), "bad.zip: ", "nothing was taken from it")
    refused(nawf("store", "import", "gone.zip", "--store", "new.db"), "gone.zip: cannot be read")
    assert not Path("new.db").exists()
    refused(nawf("store", "export", "a.zip", "--phases", "p-black"), "there are no documents of phase 'p-black'")
    refused(nawf("store", "export", "a.zip", "--phases", "na2s,na-bc"), "'na-bc' (did you mean na-bcc?)")
    refused(nawf("store", "export", "a.zip", "--phases", " ,"), "names nothing")
    refused(nawf("build", "--store", "gone.db"), "gone.db: there is no such store")
    assert not Path("gone.db").exists()
    refused(nawf("store", "export", "a.zip", "--store", "gone.db"), "gone.db: there is no such store")
    assert not Path("a.zip").exists()


def test_migrating_a_file_says_where_the_copy_is(nawf: Nawf, filled: str) -> None:
    assert ok(nawf("store", "migrate")) == "nawf.db: up to date, nothing was changed\n"
    with open_stores(filled) as stores:
        for document in list(stores.results.query({"property": "static"})):
            stores.results.update(document | {"schema_version": 1})
    shown = ok(nawf("store", "migrate"))
    assert "as it was before: " in shown
    assert "2 results marked as of today's schema" in shown
    with open_stores(filled) as stores:
        stores.results.update({"result_id": "odd", "phase": "x", "property": "static", "schema_version": 1,
                               "provenance": {"job": {"uuid": "gone", "index": 1}, "intent": "i"}})  # fmt: skip
    outcome = nawf("store", "migrate")
    assert outcome.code == 1
    assert "odd: its raw document is missing" in outcome.err


def test_no_command_shows_the_password(
    nawf: Nawf, filled: str, stand_in: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    host = stand_in(locked=True).uri.removeprefix("mongodb://")
    uri = f"mongodb://me:{SECRET}@{host}/db"
    for command in (
        ("store", "info"), ("store", "verify"), ("store", "migrate"), ("build",), ("query",), ("report", "lattice"),
        ("plan", "na-s"), ("run", "na-s"), ("rehearse", "na-s"), ("store", "export", "a.zip"),
    ):  # fmt: skip
        refused(nawf(*command, "--store", uri), f"mongodb://me@{host}/db: the server does not take this user")
    refused(nawf("store", "copy", filled, uri), "does not take this user")
    monkeypatch.setenv("NAWF_STORE", f"mongodb://me@{host}/db")
    monkeypatch.setenv("NAWF_STORE_PASSWORD", SECRET)
    refused(nawf("query"), "does not take this user")
    monkeypatch.setenv("NAWF_STORE_PASSWORD_FILE", "gone")
    monkeypatch.delenv("NAWF_STORE_PASSWORD")
    refused(nawf("query"), "gone: cannot be read")


def test_a_report_names_its_command_without_the_password(nawf: Nawf, filled: str, mongo_uri: str) -> None:
    """A stand-in lets no user in, so the secret stands in an option that it has no use for."""
    ok(nawf("store", "copy", filled, mongo_uri))
    uri = f"{mongo_uri}{'&' if '?' in mongo_uri else '?'}authMechanismProperties=SERVICE_NAME:{SECRET}"
    shown = ok(nawf("report", "lattice", "--store", uri, "--format", "json"))
    assert "authMechanismProperties=***" in shown
    refused(nawf("report", "lattice", "--store", uri, "--phases", "p-black"))


def test_plans_and_runs_on_a_database_that_is_not_there_yet(nawf: Nawf, mongo_uri: str) -> None:
    shown = ok(nawf("plan", "na-s", "--phases", "na-bcc", "--store", mongo_uri))
    assert "missing" in shown
    refused(nawf("report", "lattice", "--store", mongo_uri), "there is no nawf store in this database")


@pytest.mark.slow
def test_a_run_on_a_database_is_the_run_on_a_file(nawf: Nawf, mongo_uri: str) -> None:
    reports = []
    for place in ("here.db", mongo_uri):
        command = ("run", "na-s", "--phases", "na-bcc", "--properties", "relax,static", "--workers", "1")
        done = nawf(*command, "--store", place)
        assert done.code == 0, done.err
        assert f"2 results in {place}" in done.err
        again = nawf(*command, "--store", place)
        assert f"nothing to do: all results are in {place}" in again.err
        assert ok(nawf("build", "--store", place)) == "0 results built, 2 up to date\n"
        reports.append(json.loads(ok(nawf("report", "lattice", "--store", place, "--format", "json")))["rows"])
    assert reports[0] == reports[1]


@pytest.mark.parametrize(
    "command",
    [
        ("plan", "na-s"), ("run", "na-s"), ("rehearse", "na-s"), ("status", "na-s"), ("build",), ("query",),
        ("report", "hull", "--system", "Na-S"), ("ingest", "."), ("store", "info"), ("store", "verify"),
        ("store", "migrate"), ("store", "export", "a.zip"), ("store", "import", "--reference"),
    ],
)  # fmt: skip
def test_no_command_takes_an_address_of_another_kind(nawf: Nawf, tmp_path: Path, command: tuple[str, ...]) -> None:
    address = f"mongo://me:{SECRET}@127.0.0.1/db"
    refused(nawf(*command, "--store", address), "is no place for a store", "mongo://me@127.0.0.1/db")
    assert list(tmp_path.iterdir()) == []


def test_copies_take_no_address_of_another_kind(nawf: Nawf, filled: str, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    address = f"mongo://me:{SECRET}@127.0.0.1/db"
    for ends in ((filled, address), (address, filled), (address, "new.db")):
        refused(nawf("store", "copy", *ends), "is no place for a store")
    assert sorted(tmp_path.iterdir()) == before


def test_queries_say_what_is_not_there(nawf: Nawf, filled: str) -> None:
    def notes(*options: str) -> list[str]:
        return json.loads(ok(nawf("query", "--format", "json", *options)))["notes"]

    assert notes("--phase", "na2s", "--engine", "springs") == ["4 results"]
    assert notes("--phase", "na2s", "--verdict", "fail") == ["0 results"]
    assert notes("--phase", "na2x,na2s") == ["4 results", "No result here is of phase 'na2x' (did you mean na2s?)"]
    assert notes("--engine", "spring") == [
        "0 results",
        "No result here is of engine 'spring' (did you mean springs?)",
    ]
    start = json.loads(ok(nawf("query", "fingerprints", "--format", "json")))["rows"][0]["fingerprint"][:6]
    unknown = "No fingerprint or calculation here begins with 'zzz'"
    assert notes("--fingerprint", "zzz") == ["0 results", unknown]
    assert notes("--fingerprint", f"{start},zzz")[1:] == [unknown]
    refused(nawf("query", "--phase", ""), "names nothing")
