"""Large data in GridFS: damage is told, leftovers are harmless."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import MongoClient

from nawf.errors import StoreFileError
from nawf.store.location import database_name
from nawf.store.mongo_data import MongoData
from nawf.store.stores import MONGO_DATA, open_stores


@pytest.fixture
def database(mongo_uri: str) -> Any:
    return MongoClient(mongo_uri)[database_name(mongo_uri)]


def test_data_are_compressed_and_cut_into_pieces(mongo_uri: str, database: Any) -> None:
    rows = [[0.1 * i, -i] for i in range(60_000)]
    with open_stores(mongo_uri) as stores:
        stores.data.update({"blob_uuid": "b", "data": rows})
        assert next(stores.data.query({"blob_uuid": "b"}))["data"] == rows
    [file] = database[f"{MONGO_DATA}.files"].find()
    assert file["metadata"] == {"compression": "zlib", "blob_uuid": "b"}
    assert file["length"] < 0.6 * len(str(rows))
    assert database[f"{MONGO_DATA}.chunks"].count_documents({}) > 1


@pytest.mark.parametrize("damage", ["piece missing", "pieces altered", "not our format"])
def test_damage_is_one_clear_line(mongo_uri: str, database: Any, damage: str) -> None:
    chunks = database[f"{MONGO_DATA}.chunks"]
    with open_stores(mongo_uri) as stores:
        stores.data.update({"blob_uuid": "b", "data": list(range(100))})
        if damage == "piece missing":
            chunks.delete_many({})
        elif damage == "pieces altered":
            chunks.update_one({}, {"$set": {"data": chunks.find_one()["data"][::-1]}})
        else:
            database[f"{MONGO_DATA}.files"].update_one({}, {"$unset": {"metadata.compression": 1}})
        with pytest.raises(StoreFileError, match="data b is damaged") as caught:
            list(stores.data.query({"blob_uuid": "b"}))
        assert "\n" not in str(caught.value)


def test_what_is_removed_while_it_is_read_is_left_out(mongo_uri: str, database: Any) -> None:
    with open_stores(mongo_uri) as stores:
        assert isinstance(stores.data, MongoData)
        stores.data.update({"blob_uuid": "b", "data": 1})
        file = database[f"{MONGO_DATA}.files"].find_one()
        stores.data.remove_docs({"blob_uuid": "b"})
        assert stores.data.read(file) is None
