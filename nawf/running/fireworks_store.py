"""nawf's store as FireWorks' jobs take it along: by its address without a password, opened where the job runs."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from jobflow import JobStore
from maggma.stores import MemoryStore

from nawf.settings import load_settings
from nawf.store.location import is_mongo, redacted
from nawf.store.stores import open_stores


class TravellingJobStore(JobStore):
    """Raw store that is written into a job as an address.

    A setting ``store`` of the machine where the job runs (``NAWF_STORE``) goes before the address; the password comes
    from ``NAWF_STORE_PASSWORD`` or ``store_password_file`` there, and is never written into a job.
    """

    def __init__(self, location: str) -> None:
        super().__init__(MemoryStore(), {"data": MemoryStore()})
        self.location = redacted(location)
        self._opened: ExitStack | None = None

    def connect(self, force_reset: bool = False) -> None:
        """Open the store.

        Raises
        ------
        StoreFileError
            When it cannot be reached, or does not let the user in.
        """
        if self._opened is not None and not force_reset:
            return
        self.close()
        settings = load_settings()
        location = settings.store if "store" in settings.model_fields_set else self.location
        with ExitStack() as stack:
            stores = stack.enter_context(open_stores(location))
            self.docs_store = stores.jobs.docs_store
            self.additional_stores = stores.jobs.additional_stores
            self._opened = stack.pop_all()

    def close(self) -> None:
        """Close it."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def as_dict(self) -> dict[str, Any]:
        """What is written into a job."""
        cls = type(self)
        return {"@module": cls.__module__, "@class": cls.__name__, "location": self.location}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> TravellingJobStore:
        """Store of a job."""
        return cls(d["location"])


def can_travel(location: str) -> bool:
    """Whether jobs on other machines can write there."""
    return is_mongo(location)
