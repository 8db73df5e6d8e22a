"""Who submits a flow: a document for each, written before its workflow, so that of two at the same time one wins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from nawf.flows.phase import METADATA_KEY
from nawf.running.backend import AlreadySubmitted

PATIENCE = timedelta(minutes=2)
"""After this time, whoever claimed a flow and has not added its workflow is taken to have died."""


class Claims:
    """The flows that were ever submitted.

    Parameters
    ----------
    collection : pymongo.collection.Collection
        The claims; they stay when a workflow is deleted.
    workflows : pymongo.collection.Collection
        FireWorks' own.
    """

    def __init__(self, collection: Any, workflows: Any) -> None:
        self._claims = collection
        self._workflows = workflows

    def count(self, phases: Sequence[str]) -> dict[str, int]:
        """Flows of each phase whose workflow has been added."""
        counts = dict.fromkeys(phases, 0)
        for claim in list(self._claims.find({"phase": {"$in": list(phases)}})):
            if claim["added"] or self._finish(claim["_id"]):
                counts[claim["phase"]] += 1
        return counts

    @contextmanager
    def claimed(self, flow: str, phase: str) -> Iterator[None]:
        """Claim a flow while its workflow is added.

        Raises
        ------
        AlreadySubmitted
            When someone else has it.
        """
        from pymongo.errors import DuplicateKeyError

        now = datetime.now(UTC).replace(tzinfo=None)
        try:
            self._claims.insert_one({"_id": flow, "phase": phase, "at": now, "added": False})
        except DuplicateKeyError:
            self._take_over(flow, now)
        try:
            yield
        except BaseException:
            self._claims.delete_one({"_id": flow, "at": now, "added": False})
            raise
        self._claims.update_one({"_id": flow}, {"$set": {"added": True}})

    def drop(self, flow: str) -> None:
        """Forget a flow."""
        self._claims.delete_one({"_id": flow})

    def _take_over(self, flow: str, now: datetime) -> None:
        """Of someone who died between the claim and the workflow."""
        if not self._finish(flow):
            taken = self._claims.find_one_and_update(
                {"_id": flow, "added": False, "at": {"$lt": now - PATIENCE}}, {"$set": {"at": now}}
            )
            if taken is not None:
                return
        raise AlreadySubmitted("was submitted by someone else just now", hint="see nawf status")

    def _finish(self, flow: str) -> bool:
        """Whether its workflow is there, though its claim may not say so."""
        if self._workflows.find_one({f"metadata.{METADATA_KEY}.flow": flow}, ["_id"]) is None:
            return False
        self._claims.update_one({"_id": flow}, {"$set": {"added": True}})
        return True
