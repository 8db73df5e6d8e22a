"""Writing archives: equal content is an equal file, whole or not at all."""

from __future__ import annotations

import os
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

from nawf.errors import InputError, ReportError
from nawf.store.archive import DATA_MEMBER, OUTPUTS_MEMBER, RESULTS_MEMBER, open_archive
from nawf.store.export import export_archive
from nawf.store.stores import Stores, open_stores
from nawf.store.transfer import copy_stores, import_archive


def fill(stores: Stores, records: Any, *, backwards: bool = False) -> None:
    documents = [
        records.document(phase, prop) for phase in ("na-bcc", "na2s") for prop in ("relax", "static", "phonon")
    ]
    jobs = [
        {
            "uuid": f"u{n}",
            "index": 1,
            "output": {"rows": [n, 0.1], "nan": float("nan")},
            "metadata": {"nawf": {"phase": ("na-bcc", "na2s")[n % 2]}} if n < 4 else {},
        }
        for n in range(5)
    ]
    way = -1 if backwards else 1
    for document in documents[::way]:
        content = document.model_dump(mode="json")
        stores.results.update(dict(reversed(content.items())) if backwards else content)
    for job in jobs[::way]:
        rows = {"blob_uuid": f"b{job['uuid']}", "store": "data", "@class": "", "@module": ""}
        stores.data.update({**rows, "data": job["output"]["rows"], "job_uuid": job["uuid"], "job_index": 1})
        stores.jobs.update(job | {"output": job["output"] | {"rows": rows}})


def test_equal_content_is_an_equal_file(tmp_path: Path, place: str, records: Any) -> None:
    """Whatever the order of writing, the kind of store, and the day."""
    with open_stores(str(tmp_path / "one.db")) as stores:
        fill(stores, records)
        export_archive(tmp_path / "one.zip", stores)
        export_archive(tmp_path / "one-results.zip", stores, results_only=True)
    with open_stores(place) as stores:
        fill(stores, records, backwards=True)
        export_archive(tmp_path / "other.zip", stores)
        export_archive(tmp_path / "other-results.zip", stores, results_only=True)
        stores.results.remove_docs({})
        import_archive(tmp_path / "one-results.zip", stores)
        export_archive(tmp_path / "again.zip", stores, results_only=True)
    files = {path.name: path.read_bytes() for path in tmp_path.glob("*.zip")}
    assert files["one.zip"] == files["other.zip"]
    assert files["one-results.zip"] == files["other-results.zip"] == files["again.zip"]
    assert len(files["one-results.zip"]) < 6000


def test_some_phases_only(tmp_path: Path, place: str, records: Any) -> None:
    with open_stores(place) as stores:
        fill(stores, records)
        manifest = export_archive(tmp_path / "some.zip", stores, phases=["na2s", "unknown"])
    assert {name: m.documents for name, m in manifest.members.items()} == {
        RESULTS_MEMBER: 3, OUTPUTS_MEMBER: 2, DATA_MEMBER: 2,
    }  # fmt: skip
    archive = open_archive(tmp_path / "some.zip")
    assert archive.manifest == manifest
    assert {d["phase"] for d in archive.documents(RESULTS_MEMBER)} == {"na2s"}
    assert [d["uuid"] for d in archive.documents(OUTPUTS_MEMBER)] == ["u1", "u3"]
    assert [d["job_uuid"] for d in archive.documents(DATA_MEMBER)] == ["u1", "u3"]


def test_unzip_can_list_it(tmp_path: Path, records: Any) -> None:
    with open_stores(str(tmp_path / "nawf.db")) as stores:
        fill(stores, records)
        export_archive(tmp_path / "a.zip", stores)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_what_cannot_be_exported(tmp_path: Path, records: Any) -> None:
    with open_stores(str(tmp_path / "nawf.db")) as stores:
        with pytest.raises(ReportError, match="there are no documents to export"):
            export_archive(tmp_path / "a.zip", stores)
        fill(stores, records)
        with pytest.raises(ReportError, match="there are no documents of these phases"):
            export_archive(tmp_path / "a.zip", stores, phases=["p-black"])
        with pytest.raises(InputError, match="is a folder"):
            export_archive(tmp_path, stores)
        with pytest.raises(InputError, match="no such file or directory"):
            export_archive(tmp_path / "nowhere" / "a.zip", stores)
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".db"] == []


def test_an_export_never_takes_the_place_of_a_store(tmp_path: Path, records: Any) -> None:
    names = ["nawf.db", "link.db", "twin.db", "other.db", "nawf.db-wal", "nawf.db/a.zip"]
    (tmp_path / "link.db").symlink_to(tmp_path / "nawf.db")
    with open_stores(str(tmp_path / "other.db")) as stores:
        fill(stores, records)
    with open_stores(str(tmp_path / "nawf.db")) as stores:
        fill(stores, records)
        (tmp_path / "twin.db").hardlink_to(tmp_path / "nawf.db")
        for name in names:
            with pytest.raises(InputError, match=r"store|cannot be written: not a directory"):
                export_archive(tmp_path / name, stores)
        assert len(list(stores.results.query())) == 6
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.db", "nawf.db", "other.db", "twin.db"]
    for name in ("nawf.db", "other.db"):
        with open_stores(str(tmp_path / name), read_only=True) as stores:
            assert len(list(stores.results.query())) == 6


def test_links_are_followed_and_pipes_written_to(tmp_path: Path, records: Any) -> None:
    (tmp_path / "link.zip").symlink_to(tmp_path / "real.zip")
    os.mkfifo(tmp_path / "pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()), daemon=True)
    reader.start()
    with open_stores(str(tmp_path / "nawf.db")) as stores:
        fill(stores, records)
        for name in ("link.zip", "pipe"):
            export_archive(tmp_path / name, stores)
    if not (tmp_path / "pipe").is_fifo():
        pytest.fail("the pipe was replaced")
    reader.join(10)
    assert (tmp_path / "link.zip").is_symlink()
    assert got == [(tmp_path / "real.zip").read_bytes()]
    open_archive(tmp_path / "real.zip")


def test_an_export_that_is_stopped_leaves_the_old_file(tmp_path: Path, records: Any) -> None:
    target = tmp_path / "a.zip"
    target.write_text("old")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with open_stores(str(tmp_path / "nawf.db")) as stores:
        fill(stores, records)
        with pytest.raises(KeyboardInterrupt):
            export_archive(target, stores, tell=stop)
    assert target.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "nawf.db"]


def test_a_copy_exports_the_same_file(tmp_path: Path, mongo_uri: str, records: Any) -> None:
    with open_stores(str(tmp_path / "nawf.db")) as source, open_stores(mongo_uri) as target:
        fill(source, records)
        copy_stores(source, target)
        export_archive(tmp_path / "source.zip", source)
        export_archive(tmp_path / "target.zip", target)
    assert (tmp_path / "source.zip").read_bytes() == (tmp_path / "target.zip").read_bytes()
