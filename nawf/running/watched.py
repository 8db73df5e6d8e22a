"""A raw store that tells a listener what has been saved."""

from __future__ import annotations

from typing import Any

from jobflow import JobStore

from nawf.progress import Event, Listener, State


class WatchedJobStore(JobStore):
    """JobStore that announces every result once it is on the disk, and not before."""

    _listener: Listener | None = None

    @classmethod
    def over(cls, store: JobStore, listener: Listener) -> WatchedJobStore:
        """The same store, connected as it is, with a listener."""
        watched = cls(store.docs_store, store.additional_stores, save=store.save, load=store.load)
        watched._listener = listener
        return watched

    def update(self, docs: Any, key: Any = None, save: Any = None) -> None:
        """Save documents as jobflow does, then announce those that complete a property."""
        super().update(docs, key=key, save=save)
        for document in docs if isinstance(docs, list) else [docs]:
            nawf = _metadata(document).get("nawf", {})
            if self._listener is not None and nawf.get("final"):
                self._listener(Event(nawf["phase"], nawf["property"], State.SAVED))


def _metadata(document: Any) -> dict[str, Any]:
    """Metadata of a job's document, which jobflow hands over as a record or as a mapping."""
    found = document.get("metadata") if isinstance(document, dict) else document.metadata
    return found or {}
