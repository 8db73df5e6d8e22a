"""The queues that jobs can be handed to, by name. Nothing of them is imported until one is opened."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from nawf.running.backend import QueueError
from nawf.settings import ClusterSettings

if TYPE_CHECKING:
    from nawf.running.backend import Backend

_CLASSES = {
    "jobflow-remote": ("nawf.running.jobflow_remote", "JobflowRemote"),
    "fireworks": ("nawf.running.fireworks", "FireWorksQueue"),
}
QUEUES = tuple(_CLASSES)


def open_backend(cluster: ClusterSettings, via: str | None = None) -> Backend:
    """The queue that is asked for, or that of the settings.

    Raises
    ------
    QueueError
        When there is no such queue, it is not installed, or not usable.
    """
    name = via or cluster.via
    if name not in _CLASSES:
        raise QueueError(f"jobs cannot be submitted via {name!r}", hint="choose from " + ", ".join(QUEUES))
    module, class_name = _CLASSES[name]
    backend: Backend = getattr(importlib.import_module(module), class_name)(cluster)
    return backend
