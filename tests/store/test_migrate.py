"""Stores of an older schema: brought up to date, with a copy of a file as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from monty.json import jsanitize
from pymongo import MongoClient

from nawf.errors import StoreFileError
from nawf.results.documents import SCHEMA_VERSION
from nawf.store.builder import build
from nawf.store.check import verify
from nawf.store.location import database_name, is_mongo
from nawf.store.migrate import migrate
from nawf.store.query import load_results
from nawf.store.stores import MONGO_RESULTS, Stores, open_stores


def raw_job(records: Any, prop: str) -> dict[str, Any]:
    """Raw document of a finished job."""
    document = records.document(prop=prop)
    nawf = {
        "campaign": "test",
        "phase": "na-bcc",
        "property": prop,
        "final": True,
        "engine": "springs",
        "protocol": "seed",
        "intent": document.fingerprint_id,
        "card": document.card.model_dump(mode="json"),
    }
    return {
        "uuid": f"job-{prop}",
        "index": 1,
        "name": prop,
        "completed_at": "2026-01-02T03:05:35",
        "output": jsanitize(getattr(records, prop)(), strict=True, enum_values=True),
        "metadata": {"nawf": nawf},
        "hosts": [f"job-{prop}"],
    }


def age(stores: Stores, criteria: dict[str, Any], **changes: Any) -> None:
    """Make documents look like those of an older schema."""
    for document in list(stores.results.query(criteria)):
        stores.results.update(document | {"schema_version": 1} | changes)


def test_a_store_that_is_up_to_date_is_left_alone(place: str, records: Any) -> None:
    with open_stores(place) as stores:
        stores.jobs.update(raw_job(records, "relax"))
        build(stores)
        before = list(stores.results.query())
    done = migrate(place)
    assert done.did_nothing
    with open_stores(place) as stores:
        assert list(stores.results.query()) == before
    if not is_mongo(place):
        assert len(list(Path(place).parent.glob("place*.db"))) == 1


def test_results_are_built_anew_renewed_or_named(place: str, records: Any) -> None:
    with open_stores(place) as stores:
        stores.jobs.update([raw_job(records, "relax"), raw_job(records, "static")])
        build(stores)
        expected = load_results(stores.results)
        age(stores, {"property": "relax"}, form_of_old="gone today")
        [static] = stores.results.query({"property": "static"})
        stores.results.remove_docs({"property": "static"})
        stores.results.update(
            {k: v for k, v in static.items() if k != "_id"} | {"result_id": "old name", "schema_version": 1}
        )
        other = records.document("na2s", "static").model_dump(mode="json")
        stores.results.update(other | {"schema_version": 1})
        lost = records.document("na2s", "phonon").model_dump(mode="json")
        stores.results.update(lost | {"schema_version": 1, "another": "form"})
    done = migrate(place)
    assert (done.built, done.renewed, done.removed) == (2, 1, 1)
    assert done.left == [lost["result_id"]]
    with open_stores(place) as stores:
        assert load_results(stores.results, phases=["na-bcc"]) == expected
        renewed = stores.results.query_one({"result_id": other["result_id"]})
        assert renewed["schema_version"] == SCHEMA_VERSION
        stores.results.remove_docs({"result_id": lost["result_id"]})
    assert verify(place).problems == []
    assert migrate(place).did_nothing


def test_a_file_is_copied_before(tmp_path: Path, records: Any) -> None:
    place = str(tmp_path / "nawf.db")
    with open_stores(place) as stores:
        stores.jobs.update(raw_job(records, "relax"))
        build(stores)
        age(stores, {})
        before = list(stores.results.query())
    done = migrate(place)
    assert done.backup is not None
    assert done.backup.parent == tmp_path
    with open_stores(str(done.backup), read_only=True) as stores:
        assert list(stores.results.query()) == before
        assert stores.jobs.count() == 1


def test_missing_indexes_of_a_database_are_made(mongo_uri: str) -> None:
    with open_stores(mongo_uri):
        pass
    collection = MongoClient(mongo_uri)[database_name(mongo_uri)][MONGO_RESULTS]
    collection.drop_index("result_id_1")
    done = migrate(mongo_uri)
    assert done.indexes == [f"{MONGO_RESULTS}: result_id (unique)"]
    assert done.backup is None
    assert "result_id_1" in collection.index_information()


def test_no_store_is_made(place: str) -> None:
    with pytest.raises(StoreFileError, match="there is no"):
        migrate(place)
