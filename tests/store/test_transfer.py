"""Copies of stores: equal document for document, repeatable, resumable, and never a step back in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from nawf.errors import InputError, StoreFileError
from nawf.store.check import verify
from nawf.store.export import export_archive
from nawf.store.kinds import KINDS
from nawf.store.matching import freeze
from nawf.store.stores import Stores, open_stores
from nawf.store.transfer import Counts, copy_stores, import_archive, refuse_same_place


def fill(stores: Stores, records: Any, jobs: int = 5) -> None:
    """Results, and raw documents with data of many types."""
    for phase in ("na-bcc", "na2s"):
        for prop in ("relax", "static", "phonon", "elastic"):
            document = records.document(phase, prop).model_dump(mode="json")
            stores.results.update(document | {"last_updated": datetime(2026, 1, 2, 3, 4, 5, 678000)})
    stores.jobs.update(
        [
            {
                "uuid": f"u{i % 3}",
                "index": 1 + i // 3,
                "name": f"job {i}",
                "completed_at": f"2026-01-0{1 + i}T00:00:00",
                "output": {
                    "rows": [[i, 0.5]],
                    "when": datetime(2026, 1, 1),
                    "oid": ObjectId(f"{i:024x}"),
                    "raw": b"\0",
                },
                "metadata": {"nawf": {"phase": ("na-bcc", "na2s")[i % 2]}},
            }
            for i in range(jobs)
        ],
        save={"data": ["rows"]},
    )


def contents(stores: Stores) -> Any:
    """All documents by kind, without the identifiers that each store gives them."""
    return {
        kind.title: freeze(
            sorted(
                ({k: v for k, v in d.items() if k != "_id"} for d in kind.of(stores).query()),
                key=lambda d: repr(kind.key(d)),
            )
        )
        for kind in KINDS
    }


Places = Callable[[], str]


@pytest.fixture(params=["file", "mongodb"])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Places:
    """Make places of one kind."""
    if request.param == "mongodb":
        made: Places = request.getfixturevalue("new_mongo_uri")
        return made
    numbers = iter(range(100))
    return lambda: str(tmp_path / f"place-{next(numbers)}.db")


@contextmanager
def both(source: str, target: str) -> Iterator[tuple[Stores, Stores]]:
    with open_stores(source, read_only=True) as one, open_stores(target) as other:
        yield one, other


def totals(done: dict[str, Counts]) -> tuple[int, int, int]:
    return tuple(sum(getattr(c, name) for c in done.values()) for name in ("written", "unchanged", "kept"))  # type: ignore[return-value]


def test_there_and_back_is_equal_document_for_document(tmp_path: Path, mongo_uri: str, records: Any) -> None:
    first, last = str(tmp_path / "first.db"), str(tmp_path / "last.db")
    with open_stores(first) as stores:
        fill(stores, records)
    seen = []
    told: list[tuple[str, int, int]] = []
    for source, target in ((first, mongo_uri), (mongo_uri, last)):
        with both(source, target) as (one, other):
            told.clear()
            assert totals(copy_stores(one, other, lambda *step: told.append(step))) == (18, 0, 0)
            seen += [contents(one), contents(other)]
            assert {name: (done, total) for name, done, total in told} == {
                "data": (5, 5), "raw documents": (5, 5), "results": (8, 8),
            }  # fmt: skip
        assert verify(target).problems == []
    assert seen[0] == seen[1] == seen[2] == seen[3]


def test_a_copy_can_be_repeated_and_goes_on(new_place: Places, records: Any) -> None:
    first, second = new_place(), new_place()
    with open_stores(first) as stores:
        fill(stores, records)
    with both(first, second) as (one, other):

        def stop(title: str, done: int, total: int) -> None:
            if title == "raw documents":
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            copy_stores(one, other, stop)
        assert (other.data.count(), other.jobs.count(), other.results.count()) == (5, 5, 0)
        assert totals(copy_stores(one, other)) == (8, 10, 0)
        assert totals(copy_stores(one, other)) == (0, 18, 0)
        assert contents(one) == contents(other)


def test_what_is_newer_stays(new_place: Places, records: Any) -> None:
    first, second = new_place(), new_place()
    with open_stores(first) as stores:
        fill(stores, records)
    with both(first, second) as (one, other):
        copy_stores(one, other)
        job = other.jobs.query_one({"uuid": "u0", "index": 1})
        other.jobs.update(job | {"completed_at": "2027-01-01T00:00:00", "name": "newer"})
        old = other.jobs.query_one({"uuid": "u1", "index": 1})
        other.jobs.update(old | {"completed_at": "2025-01-01T00:00:00", "name": "older"})
        result = other.results.query_one({"phase": "na2s", "property": "static"})
        result["provenance"]["job"]["completed_at"] = "2027-01-01T00:00:00"
        other.results.update(result)
        built = other.results.query_one({"phase": "na-bcc", "property": "static"})
        other.results.update(built | {"last_updated": datetime(2030, 1, 1)})
        assert totals(copy_stores(one, other)) == (1, 15, 2)
        assert other.jobs.query_one({"uuid": "u0", "index": 1})["name"] == "newer"
        assert other.jobs.query_one({"uuid": "u1", "index": 1})["name"] == "job 1"
        assert other.results.query_one({"phase": "na-bcc", "property": "static"})["last_updated"].year == 2030


def test_a_verdict_of_later_rules_is_not_taken_back(new_place: Places, tmp_path: Path, records: Any) -> None:
    """Results of one job, built anew in the target: neither an older store nor an archive undoes that."""
    first, second, name = new_place(), new_place(), {"phase": "na2s", "property": "static"}
    verdict = {"reasons": [{"rule": "new-rule", "level": "fail", "message": "a rule of a newer nawf"}]}
    with open_stores(first) as stores:
        fill(stores, records)
        export_archive(tmp_path / "old.zip", stores)
    with both(first, second) as (one, other):
        copy_stores(one, other)
        anew = other.results.query_one(name) | {"verdict": verdict, "last_updated": datetime(2026, 5, 6)}
        other.results.update(anew)
        assert totals(copy_stores(one, other)) == (0, 17, 1)
        assert totals(import_archive(tmp_path / "old.zip", other)) == (0, 17, 1)
        assert other.results.query_one(name)["verdict"] == verdict
        other.results.update({k: v for k, v in anew.items() if k != "last_updated"} | {"schema_version": 3})
        assert totals(copy_stores(one, other)) == (0, 17, 1)
    with both(second, first) as (other, _), open_stores(first) as one:
        assert totals(copy_stores(other, one)) == (1, 17, 0)
        assert one.results.query_one(name)["verdict"] == verdict


def test_an_archive_brings_everything(new_place: Places, tmp_path: Path, records: Any) -> None:
    first, second = new_place(), new_place()
    archive = tmp_path / "all.zip"
    with open_stores(first) as stores:
        fill(stores, records)
        export_archive(archive, stores)
        before = contents(stores)
    with open_stores(second) as stores:
        stores.results.update({"result_id": "own", "phase": "own", "schema_version": 2})
        assert totals(import_archive(archive, stores)) == (18, 0, 0)
        assert totals(import_archive(archive, stores)) == (0, 18, 0)
        stores.results.remove_docs({"result_id": "own"})
        after = contents(stores)
        assert (after["data"], after["raw documents"]) == (before["data"], before["raw documents"])
        assert stores.results.count() == 8
    assert verify(second).problems == []


def test_an_altered_archive_changes_nothing(tmp_path: Path, mongo_uri: str, records: Any) -> None:
    archive, place = tmp_path / "all.zip", str(tmp_path / "place.db")
    with open_stores(place) as stores:
        fill(stores, records)
        export_archive(archive, stores)
    content = archive.read_bytes()
    with open_stores(mongo_uri) as stores:
        for bad in (
            content[:-1],
            content[: len(content) // 2],
            content[:900] + bytes([content[900] ^ 1]) + content[901:],
        ):
            archive.write_bytes(bad)
            with pytest.raises(StoreFileError, match="truncated or was altered"):
                import_archive(archive, stores)
        assert stores.results.count() == stores.jobs.count() == stores.data.count() == 0


def test_two_names_of_one_store_are_seen(tmp_path: Path) -> None:
    file = tmp_path / "nawf.db"
    file.touch()
    (tmp_path / "link.db").symlink_to(file)
    (tmp_path / "hard.db").hardlink_to(file)
    same = [
        (str(file), str(file)),
        (str(file), f"{tmp_path}/x/../nawf.db"),
        (str(file), str(tmp_path / "link.db")),
        (str(file), str(tmp_path / "hard.db")),
        ("mongodb://host/db", "mongodb://me:hunter2@HOST:27017/db?w=1"),
        ("mongodb://localhost/db", "mongodb://127.0.0.1/db"),
    ]
    for source, target in same:
        with pytest.raises(InputError, match="is the same store twice") as caught:
            refuse_same_place(source, target)
        assert "hunter2" not in str(caught.value)
    for source, target in (
        (str(file), str(tmp_path / "other.db")),
        (str(file), "mongodb://host/db"),
        ("mongodb://host/db", "mongodb://host/other"),
        ("mongodb://host/db", "mongodb://host:27018/db"),
    ):
        refuse_same_place(source, target)
