"""What every engine offers: the protocol that flows are written against.

Flows are written against :class:`Engine` only: each method returns a jobflow job (or flow) whose output is one
of the records in :mod:`nawf.results.outputs`. An engine that calls a program, such as VASP, returns a flow that
ends in such a record.
"""

from __future__ import annotations

import platform
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from nawf.errors import EngineError
from nawf.results.crystal import Crystal
from nawf.results.fingerprint import Fingerprint
from nawf.results.methods import Methods, RelaxMethod
from nawf.results.outputs import (
    Calculation,
    RunRecord,
)


class EngineSpec(BaseModel):
    """Name, protocol and run-time options of an engine; travels inside jobs.

    Options change where and how fast a calculation runs, never its result.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    protocol: str
    device: str = "cpu"
    threads: int = Field(default=0, ge=0, description="0 leaves it to the library")
    batch_size: int = Field(default=4, ge=1)


@runtime_checkable
class Engine(Protocol):
    """The protocol that flows are written against."""

    spec: EngineSpec

    def calculation(self) -> Calculation:
        """Settings that make up the energy scale, as intended before a run."""
        ...

    def methods(self) -> Methods:
        """How the protocol obtains each property."""
        ...

    def relax_job(self, crystal: Any, method: RelaxMethod, label: Label) -> Any:
        """Job with a :class:`RelaxOutput`."""
        ...

    def static_job(self, crystal: Any, method: RelaxMethod, label: Label) -> Any:
        """Job with a :class:`StaticResult`."""
        ...

    def forces_job(self, cells: Any, label: Label) -> Any:
        """Job with a :class:`ForcesOutput`."""
        ...

    def stresses_job(self, cells: Any, label: Label) -> Any:
        """Job with a :class:`StressesOutput`: ions relaxed at fixed cell, by the method in ``cells``."""
        ...

    def seconds(self, step: str, cell: Crystal, n_cells: int = 1) -> float:
        """Rough core-seconds of a step, for plans; ``n_cells`` displaced or strained ones made of a cell."""
        ...


@runtime_checkable
class HasBornCharges(Protocol):
    """An engine that calculates Born charges. One that cannot has no such method."""

    def born_job(self, crystal: Any, label: Label) -> Any:
        """Job with :class:`BornCharges` of a relaxed crystal, or that it has no band gap."""
        ...


def with_born_charges(engine: Engine) -> HasBornCharges:
    """An engine, if it has Born charges.

    Raises
    ------
    EngineError
        When it has none.
    """
    if not isinstance(engine, HasBornCharges):
        raise EngineError(
            f"engine {engine.spec.name} has no Born charges",
            hint="leave out `born` under `phonon` in the campaign, or take an engine that has them, such as vasp",
        )
    return engine


class Label(BaseModel):
    """Which phase and campaign a job belongs to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    phase: str
    campaign: str = ""


def run_record(started_at: datetime, packages: Sequence[str] = ()) -> RunRecord:
    """Record of a step that started at ``started_at`` and ends now."""
    versions = {"nawf": _version("nawf"), "python": platform.python_version()}
    versions.update({name: _version(name) for name in packages})
    return RunRecord(
        host=socket.gethostname(),
        started_at=started_at,
        finished_at=datetime.now(UTC),
        versions=versions,
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def intended_fingerprint(engine: Engine, prop: str, methods: Methods) -> Fingerprint:
    """Fingerprint that a result will have unless something changes the settings in flight."""
    return Fingerprint(calculation=engine.calculation(), method=methods.record(prop))
