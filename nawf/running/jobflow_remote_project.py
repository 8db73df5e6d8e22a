"""The project file of jobflow-remote: loading it, and seeing that it fits nawf's settings."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from nawf.running.backend import QueueError
from nawf.running.step_kinds import MANY_CELLS
from nawf.settings import ClusterSettings
from nawf.store.location import is_mongo, redacted
from nawf.store.stores import open_stores

PATIENCE_S = 60
"""For the database to answer."""


def load_project(name: str) -> Any:
    """Project of jobflow-remote by its name, or the one of its own settings.

    Raises
    ------
    QueueError
        When jobflow-remote is not installed, or has no such project.
    """
    try:
        from jobflow_remote.config.manager import ConfigManager
    except ImportError:
        raise QueueError("jobflow-remote is not installed", hint="pip install 'nawf[remote]'") from None
    from jobflow_remote.config.base import ConfigError

    manager = ConfigManager()
    try:
        return manager.get_project(name or None)
    except ConfigError as error:
        there = ", ".join(sorted(manager.projects)) or "none that can be read"
        raise QueueError(
            f"jobflow-remote has no project {name!r}"
            if name
            else "jobflow-remote does not know which project is meant",
            where=str(manager.projects_folder),
            hint=f"there: {there}; set cluster: {{project: ...}} in nawf.yaml; jf project list says what is wrong",
        ) from error


@contextmanager
def quietly() -> Iterator[None]:
    """Without notices of libraries to jobflow-remote about coming changes, and without a grip on standard input.

    Commands over ssh would take what is there for the commands of a script after this one.
    """
    with warnings.catch_warnings(), _left_alone_stdin():
        for name in ("cd", "makedirs_p"):
            warnings.filterwarnings("ignore", f"{name} is deprecated", category=FutureWarning)
        yield


@contextmanager
def _left_alone_stdin() -> Iterator[None]:
    """Nothing to read, unless someone sits there who may be asked for a password."""
    given = sys.stdin
    if given is not None and given.isatty():
        yield
        return
    with Path(os.devnull).open() as nothing:
        sys.stdin = nothing
        try:
            yield
        finally:
            sys.stdin = given


@contextmanager
def reached(project: str) -> Iterator[None]:
    """Failures of the database as one line, without what may be secret in them."""
    import pymongo
    from pymongo.errors import ConnectionFailure, OperationFailure

    try:
        with pymongo.timeout(PATIENCE_S), quietly():
            yield
    except ConnectionFailure as error:
        raise QueueError(
            f"the queue's database does not answer ({type(error).__name__})",
            where=f"jobflow-remote project {project}",
            hint="is MongoDB running, and are queue: {store: ...} and jobstore: ... in the project file right?",
        ) from None
    except OperationFailure as error:
        raise QueueError(
            f"the queue's database refuses (code {error.code})",
            where=f"jobflow-remote project {project}",
            hint="see user, password and rights of queue: {store: ...} in the project file",
        ) from None


def check_project(project: Any, cluster: ClusterSettings, controller: Any, location: str) -> None:
    """See that workers are there and get what they are to ask for, the queue is set up, and results go to the store.

    Raises
    ------
    QueueError
        With what to write where.
    """
    where = f"jobflow-remote project {project.name}"
    _check_workers(project, cluster, where)
    with reached(project.name):
        initialised = controller.auxiliary.find_one({"next_id": {"$exists": True}})
    if initialised is None:
        raise QueueError("the queue's database has never been set up", where=where, hint="jf admin reset")
    if not is_mongo(location):
        raise QueueError(
            f"nawf's store {location} is a file, and results of a cluster go to a database",
            where=where,
            hint="set store: mongodb://... in nawf.yaml, and the same as jobstore of the project",
        )
    with open_stores(location) as stores, reached(project.name):
        wrong = different_collections(stores.jobs, controller.jobstore)
    if wrong:
        raise QueueError(
            f"its jobstore is not nawf's store: {'; '.join(wrong)}",
            where=where,
            hint="in the project file write (and the password): " + _in_one_line(jobstore_section(location)),
        )


def _check_workers(project: Any, cluster: ClusterSettings, where: str) -> None:
    known = ", ".join(project.workers) or "none"
    if not project.workers:
        raise QueueError("has no worker", where=where, hint="jf project generate shows one")
    for key in ("worker", "analysis_worker", "batch_worker"):
        name = getattr(cluster, key)
        if name and name not in project.workers:
            raise QueueError(
                f"has no worker {name!r}, the {key} of nawf's settings", where=where, hint=f"has {known}"
            )
    if cluster.batch_worker and project.workers[cluster.batch_worker].batch is None:
        raise QueueError(
            f"worker {cluster.batch_worker!r} is no batch worker", where=where, hint="give it a section batch: ..."
        )
    idle = [kind.value for kind in MANY_CELLS if cluster.resources.get(kind.value)] if cluster.batch_worker else []
    if idle:
        raise QueueError(
            f"resources of {' and '.join(sorted(idle))} have no effect: these cells share the batch jobs of worker "
            f"{cluster.batch_worker!r}",
            where=where,
            hint="set resources of that worker in the project file, or leave out batch_worker",
        )


def different_collections(ours: Any, theirs: Any) -> list[str]:
    """How two connected job stores differ: server, database, collection, or kind of the data store."""
    pairs = [("docs_store", ours.docs_store, theirs.docs_store)]
    for name, store in ours.additional_stores.items():
        pairs.append((f"additional store {name}", store, theirs.additional_stores.get(name)))
    found = []
    for name, one, other in pairs:
        if other is None:
            found.append(f"{name} is missing")
            continue
        wanted, has = _place(one), _place(other)
        if wanted[1:] != has[1:]:
            found.append(f"{name} is {_words(has)} instead of {_words(wanted)}")
        elif wanted[0] != has[0] and not _same_server(one, other):
            found.append(f"{name} is on {has[0]} instead of {wanted[0]}")
    return found


def _collection(store: Any) -> Any:
    """Collection of MongoDB behind a store: that of the files for GridFS."""
    for name in ("_files_collection", "_collection"):
        if (found := getattr(store, name, None)) is not None:
            return found
    return None


def _place(store: Any) -> tuple[str, str, str]:
    """Servers, full name of the collection, and its kind."""
    collection = _collection(store)
    if collection is None:
        return "", str(store.name), type(store).__name__
    nodes = collection.database.client.nodes or {collection.database.client.address}
    servers = ",".join(sorted(f"{host}:{port}" for host, port in filter(None, nodes)))
    kind = "GridFS" if _is_gridfs(store) else "collection"
    return servers, collection.full_name.removesuffix(".files"), kind


def _is_gridfs(store: Any) -> bool:
    return any("GridFS" in kind.__name__ for kind in type(store).__mro__)


def _same_server(one: Any, other: Any) -> bool:
    """Whether two addresses are of one server; it says so itself where it is new enough."""
    said = [_collection(store).database.client.admin.command("hello") for store in (one, other)]
    first, second = ((s.get("topologyVersion") or {}).get("processId") or s.get("setName") for s in said)
    return first is not None and first == second


def _words(place: tuple[str, str, str]) -> str:
    return f"{place[1]} ({place[2]})"


def jobstore_section(location: str) -> dict[str, Any]:
    """Section ``jobstore`` of a project file for nawf's store, its password left out.

    Parameters
    ----------
    location : str
        URI of the store.
    """
    with open_stores(location) as stores:
        docs = _spec(stores.jobs.docs_store, location)
        data = {name: _spec(store, location) for name, store in stores.jobs.additional_stores.items()}
    return {"jobstore": {"docs_store": docs, "additional_stores": data}}


def _spec(store: Any, location: str) -> dict[str, Any]:
    from pymongo.uri_parser import parse_uri

    collection, kind = _collection(store), "GridFSStore" if _is_gridfs(store) else "MongoStore"
    names = {
        "database": collection.database.name,
        "collection_name": collection.name.removesuffix(".files"),
    }
    address = None if "+srv" in location.split("://")[0] else parse_uri(location, validate=False, warn=False)
    if address is None or len(address["nodelist"]) > 1 or set(address["options"]) - {"authsource"}:
        return {"type": kind, "uri": redacted(location), **names}
    host, port = address["nodelist"][0]
    spec = {"type": kind, "host": host, "port": port, **names}
    if address["username"]:
        spec |= {"username": address["username"], "password": "..."}
        if source := dict(address["options"]).get("authsource"):
            spec["auth_source"] = source
    return spec


def _in_one_line(section: dict[str, Any]) -> str:
    return yaml.safe_dump(section, default_flow_style=True, sort_keys=False, width=10_000).strip()
