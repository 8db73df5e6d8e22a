"""Documents that come near MongoDB's limit of 16 MB: their output goes to the data store, as data of jobs do."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Final

import bson

from nawf.errors import StoreFileError
from nawf.store.matching import Document

if TYPE_CHECKING:
    from nawf.store.mongo_data import MongoData

SPILL_FROM_BYTES: Final = 4 * 2**20
LARGEST_BYTES: Final = 16 * 2**20
_NAMES: Final = uuid.UUID("0e1c0d6e-8a52-5d5e-9c55-1f0b7f3f9a21")


class Spill:
    """Moves outputs that are too large into the data store.

    Parameters
    ----------
    data : MongoData
        The data store.
    name : str
        Its name among jobflow's additional stores, which references carry.
    """

    def __init__(self, data: MongoData, name: str) -> None:
        self._data = data
        self._name = name

    def fitting(self, document: Document) -> Document:
        """The document, or one with a reference in the place of its output, which has been stored then.

        Raises
        ------
        StoreFileError
            If it is too large without its output, too.
        """
        output = document.get("output")
        if output is None or "uuid" not in document or _is_reference(output):
            return _checked(document)
        classed = output if isinstance(output, dict) else {}
        index = document.get("index", 1)
        reference = {
            "@class": classed.get("@class", ""),
            "@module": classed.get("@module", ""),
            # Data never change under their name, and the same output again is the same data.
            "blob_uuid": str(uuid.uuid5(_NAMES, f"{document['uuid']}/{index}/{_digest(output)}")),
        }
        blob = {**reference, "data": output, "job_uuid": document["uuid"], "job_index": index}
        rest = _checked({**document, "output": {**reference, "store": self._name}})
        self._data.update(blob, key="blob_uuid")
        return rest


def too_large(document: Document, size_bytes: int) -> StoreFileError:
    """The error of a document that MongoDB does not take."""
    names = (document.get(field) for field in ("name", "result_id", "uuid"))
    return StoreFileError(
        f"its document of {size_bytes / 1e6:.0f} MB is larger than the 16 MB that MongoDB takes",
        where=next((str(name) for name in names if name), "a document"),
        hint="keep it in a store of one file",
    )


def _checked(document: Document) -> Document:
    size_bytes = len(bson.encode(document))
    if size_bytes > LARGEST_BYTES:
        raise too_large(document, size_bytes)
    return document


def _digest(output: object) -> str:
    return hashlib.sha256(bson.encode({"": output})).hexdigest()


def _is_reference(output: object) -> bool:
    return isinstance(output, dict) and "blob_uuid" in output
