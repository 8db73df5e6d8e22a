"""What is said of a store, and the damage that is found in it, be it a file or a MongoDB database."""

from __future__ import annotations

from typing import Any

import pytest

from nawf.store.check import info, references, verify
from nawf.store.location import is_mongo
from nawf.store.stores import Stores, open_stores


def fill(stores: Stores, records: Any) -> None:
    documents = [records.document(), records.document(prop="relax")]
    stores.results.update([document.model_dump(mode="json") for document in documents])
    stores.jobs.update(
        {"uuid": "u", "index": 1, "name": "forces", "output": {"forces": [[0.1] * 3], "n": 1}},
        save={"data": ["forces"]},
    )


def test_a_sound_store(place: str, records: Any) -> None:
    with open_stores(place) as stores:
        fill(stores, records)
    found = verify(place)
    assert (found.problems, found.notes) == ([], [])
    told = info(place)
    kinds = {"outputs": 1, "data": 1, "results": 2}
    if is_mongo(place):
        kinds = {"nawf_outputs": 1, "nawf_data.files": 1, "nawf_data.chunks": 1, "nawf_results": 2}
        assert told.server.startswith("MongoDB ")
        assert all(c.size_bytes for c in told.collections)
    assert {c.name: c.documents for c in told.collections} == kinds
    assert told.size_bytes > 500
    results = next(c for c in told.collections if c.name.endswith("results"))
    assert {"phase", "property", "result_id"} <= set(results.index_fields)
    assert not any(c.missing_indexes for c in told.collections)


def test_an_empty_store(place: str) -> None:
    with open_stores(place):
        pass
    assert verify(place).problems == []
    assert all(c.documents == 0 for c in info(place).collections)


def test_data_that_are_missing_and_data_that_nobody_wants(place: str, records: Any) -> None:
    with open_stores(place) as stores:
        fill(stores, records)
        stores.jobs.update({"uuid": "v", "index": 1, "output": [{"deep": {"blob_uuid": "gone", "store": "data"}}]})
        stores.data.update([{"blob_uuid": f"stray {i}", "data": i} for i in range(4)])
    found = verify(place)
    assert found.problems == ["outputs: a job (v): its data are missing; run its phase again"]
    [note] = found.notes
    assert note.endswith("cut off: 4 (stray 0, stray 1, stray 2 ...)")


def test_results_that_cannot_be_read(place: str, records: Any) -> None:
    with open_stores(place) as stores:
        fill(stores, records)
        good = records.document().model_dump(mode="json")
        stores.results.update(good | {"result_id": "newer", "schema_version": 99})
        stores.results.update(good | {"result_id": "odd", "chemical_system": 5})
        stores.results.update(good | {"result_id": "old", "schema_version": 1, "gone": True})
        broken = good["result"] | {"energy_ev_per_atom": "low"}
        stores.results.update(good | {"result_id": "broken", "result": broken})
    found = verify(place)
    assert len(found.problems) == 3
    for name, told in (("newer", "newer nawf"), ("odd", "chemical_system"), ("broken", "broken")):
        assert any(name in problem and told in problem for problem in found.problems), found.problems
    [note] = found.notes
    assert "results of an older schema: 1" in note


def test_results_whose_settings_are_not_those_of_their_names(place: str, records: Any) -> None:
    good = records.document().model_dump(mode="json")
    altered = good["fingerprint"] | {"calculation": good["fingerprint"]["calculation"] | {"functional": "other"}}
    phase = f"other/{good['result_id'].partition('/')[2]}"
    with open_stores(place) as stores:
        stores.results.update(good | {"fingerprint": altered})
        stores.results.update(good | {"result_id": phase})
    found = verify(place)
    assert sorted(found.problems) == sorted(
        f"results: {name}: its settings are not those of its name" for name in (good["result_id"], phase)
    )


@pytest.mark.parametrize(
    ("output", "found"),
    [
        (None, []),
        ([1.0] * 5, []),
        ({"a": {"blob_uuid": "x", "store": "data"}, "b": [[{"c": {"blob_uuid": "y", "store": "data"}}]]}, ["x", "y"]),
        ({"blob_uuid": "no reference"}, []),
    ],
)
def test_references(output: Any, found: list[str]) -> None:
    assert list(references(output)) == found
