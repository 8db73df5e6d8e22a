"""Places for stores: every test that asks for one runs with a file and with a MongoDB database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(params=["file", "mongodb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new store can be made."""
    if request.param == "file":
        return str(tmp_path / "place.db")
    return str(request.getfixturevalue("mongo_uri"))


@pytest.fixture
def store(place: str) -> Iterator[Any]:
    """One open collection with the key ``k``."""
    from nawf.store.location import is_mongo
    from nawf.store.mongo import MongoDocuments
    from nawf.store.sqlite import SQLiteStore

    kind = MongoDocuments if is_mongo(place) else SQLiteStore
    with kind(place, "things", key="k") as opened:
        yield opened
