"""Reading archives: what was altered, cut off, smuggled in or is from the future is refused in one line."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nawf.errors import StoreFileError
from nawf.results.documents import SCHEMA_VERSION
from nawf.store.archive import (
    DATA_MEMBER,
    DIGEST_CHARACTERS,
    MANIFEST,
    OUTPUTS_MEMBER,
    RESULTS_MEMBER,
    open_archive,
    read_archive,
)
from nawf.store.export import export_archive
from nawf.store.stores import open_stores


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, records: Any) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    with open_stores(str(folder / "nawf.db")) as stores:
        for prop in ("relax", "static", "phonon"):
            stores.results.update(records.document(prop=prop).model_dump(mode="json"))
        stores.jobs.update({"uuid": "u", "index": 1, "output": {"rows": [1.5]}}, save={"data": ["rows"]})
        export_archive(folder / "all.zip", stores)
        export_archive(folder / "results.zip", stores, results_only=True)
    return folder / "all.zip"


def refusal(path: Path, act: Callable[[Path], Any] = open_archive) -> str:
    with pytest.raises(StoreFileError) as caught:
        act(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_results_are_read_as_a_store_gives_them(archive: Path) -> None:
    from nawf.store.query import load_results

    with open_stores(str(archive.parent / "nawf.db"), read_only=True) as stores:
        expected = load_results(stores.results)
    assert read_archive(archive) == read_archive(archive.parent / "results.zip") == expected
    assert [d.property for d in expected] == ["phonon", "relax", "static"]


def test_what_the_manifest_says(archive: Path) -> None:
    opened = open_archive(archive)
    assert {name: m.documents for name, m in opened.manifest.members.items()} == {
        RESULTS_MEMBER: 3, OUTPUTS_MEMBER: 1, DATA_MEMBER: 1,
    }  # fmt: skip
    assert opened.manifest.schema_version == SCHEMA_VERSION
    assert not opened.is_results_only
    [raw] = opened.documents(OUTPUTS_MEMBER)
    [data] = opened.documents(DATA_MEMBER)
    assert raw["output"]["rows"]["blob_uuid"] == data["blob_uuid"]
    results = open_archive(archive.parent / "results.zip")
    assert results.is_results_only
    assert list(results.documents(DATA_MEMBER)) == []


def test_reading_loads_nothing_heavy(archive: Path) -> None:
    heavy = ("torch", "jobflow", "maggma", "pymatgen", "mongomock_ng", "pymongo", "matplotlib", "phonopy", "ase")
    code = (
        f"import sys; from nawf.store.archive import read_archive; print(len(read_archive({str(archive)!r})),"
        f" [m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "3 []\n"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_altered_byte_is_seen(archive: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(archive.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    (tmp_path / "altered.zip").write_bytes(content)
    refusal(tmp_path / "altered.zip")


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_other_length_is_seen(archive: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = archive.read_bytes()
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content += data.draw(st.binary(min_size=1, max_size=100))
    (tmp_path / "other.zip").write_bytes(content)
    refusal(tmp_path / "other.zip")


@pytest.mark.parametrize("content", [b"", b"phase,energy\n" * 50, b"PK\x03\x04" + bytes(200)])
def test_other_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    refusal(tmp_path / "other")


def test_files_that_are_not_there(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "missing.zip")
    assert "cannot be read" in refusal(tmp_path)


# --- archives that are whole, and yet not to be trusted ------------------------------------------------


def sealed(path: Path, members: dict[str, bytes], manifest: dict[str, Any] | bytes | None = None) -> Path:
    """An archive with right checksums, whatever is in it."""
    said: Any = manifest
    if not isinstance(manifest, bytes):
        said = {
            "format": "nawf-archive",
            "format_version": 1,
            "schema_version": SCHEMA_VERSION,
            "members": {
                name: {
                    "documents": content.count(b"\n"),
                    "bytes": len(content),
                    "sha256": hashlib.sha256(content).hexdigest(),
                }
                for name, content in members.items()
            },
        } | (manifest or {})
        said = json.dumps(said).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**members, MANIFEST: said}.items():
            archive.writestr(name, content)
        archive.comment = b"0" * DIGEST_CHARACTERS
    content = path.read_bytes()[:-DIGEST_CHARACTERS]
    path.write_bytes(content + hashlib.sha256(content).hexdigest().encode())
    return path


def test_a_sealed_archive_is_taken(tmp_path: Path) -> None:
    assert list(open_archive(sealed(tmp_path / "a.zip", {RESULTS_MEMBER: b'{"a": 1}\n'})).documents(RESULTS_MEMBER))


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "other.jsonl", "x/results.jsonl", "results.jsonl/"]
)
def test_no_other_member_is_taken(tmp_path: Path, name: str) -> None:
    assert "other members than its manifest says" in refusal(sealed(tmp_path / "a.zip", {name: b"{}\n"}))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip"]


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        ({"format": "theirs"}, "is not an archive of nawf"),
        ({"format_version": 2}, "was written by a newer nawf (update nawf)"),
        ({"schema_version": SCHEMA_VERSION + 1}, "was written by a newer nawf (update nawf)"),
        ({"members": {}}, "holds other members"),
        ({"members": {RESULTS_MEMBER: {"documents": 1, "bytes": 3, "sha256": "0"}}}, "is not what the manifest says"),
        ({"members": {RESULTS_MEMBER: {"documents": 9, "bytes": 3, "sha256": "0"}}}, "is not what the manifest says"),
        ({"members": {RESULTS_MEMBER: {"documents": 9, "bytes": -3, "sha256": "0"}}}, "malformed manifest"),
        ({"members": 5}, "malformed manifest"),
        ({"extra": 5}, "malformed manifest"),
        ({"schema_version": "2"}, "malformed manifest"),
        (b"[]", "is not an archive of nawf"),
        (b"{", "is damaged"),
        (b" " * (2 << 20), "is not an archive of nawf"),
    ],
)
def test_manifests_that_are_refused(tmp_path: Path, manifest: Any, told: str) -> None:
    assert told in refusal(sealed(tmp_path / "a.zip", {RESULTS_MEMBER: b"{}\n"}, manifest))


def doubled(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for content in ("{}\n", "[]\n"):
            archive.writestr(RESULTS_MEMBER, content)
        archive.comment = b"0" * DIGEST_CHARACTERS


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with pytest.warns(UserWarning, match="Duplicate name"):
        doubled(path)
    content = path.read_bytes()[:-DIGEST_CHARACTERS]
    path.write_bytes(content + hashlib.sha256(content).hexdigest().encode())
    refusal(path)


def test_results_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(StoreFileError, match="is malformed at"):
        read_archive(sealed(tmp_path / "a.zip", {RESULTS_MEMBER: b"{}\n"}))
    refusal(sealed(tmp_path / "b.zip", {RESULTS_MEMBER: b"{no json}\n"}), read_archive)
