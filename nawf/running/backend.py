"""What a queue of jobs offers, and what is known of a job in it: the protocol of jobflow-remote and FireWorks here.

Everything goes by what nawf wrote into the metadata of a job (:func:`nawf.flows.phase.phase_flow`): phase, property,
step. Identifiers of a backend never reach the user, but for the number of a job in the queue of the cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from nawf.errors import NawfError


class QueueError(NawfError):
    """A queue of jobs cannot be reached, is wrongly set up, or refuses what is asked of it."""


class AlreadySubmitted(QueueError):  # noqa: N818 - says what is the case
    """Someone else has submitted the same work in the meantime."""


class Stage(StrEnum):
    """Where a job stands, whatever its backend calls it.

    ``STOPPED`` was paused or cancelled by someone and can be resumed. ``BLOCKED`` will never start as things are:
    what it needs has failed, was stopped, or did not pass its checks.
    """

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    BLOCKED = "blocked"


LIVE = frozenset({Stage.WAITING, Stage.RUNNING, Stage.FAILED, Stage.STOPPED})
"""Stages of work that is still in the hands of the queue: it is not submitted a second time."""


class Cause(StrEnum):
    """Why a job failed, by what one does about it."""

    ELECTRONIC = "electronic"
    IONIC = "ionic"
    WALLTIME = "walltime"
    MEMORY = "memory"
    NODE = "node"
    KILLED = "killed"
    POTCAR = "potcar"
    DISK = "disk"
    QUEUE = "queue"
    SETTINGS = "settings"
    STORE = "store"
    CODE = "code"

    @property
    def is_resumable(self) -> bool:
        """Whether nothing has to be changed: the job was cut off, and goes on from where it was."""
        return self in (Cause.WALLTIME, Cause.NODE, Cause.KILLED)


@dataclass(frozen=True)
class Place:
    """Where a job runs or ran.

    Attributes
    ----------
    worker : str
        Name of the worker (jobflow-remote) or category (FireWorks).
    host : str
        Machine or address, empty if it is not known.
    queue_id : str
        Number in the queue of the cluster, empty before it was submitted there.
    """

    worker: str = ""
    host: str = ""
    queue_id: str = ""


@dataclass(frozen=True)
class JobState:
    """One job in a queue.

    Attributes
    ----------
    id : str
        What the backend calls it; unique in the queue.
    flow : str
        Identifier of the submission that it came with, or from one of whose jobs it came.
    phase, property, campaign, engine, protocol, intent : str
        From the metadata that nawf wrote.
    step : str
        Name of the job without the phase, such as ``vasp_displaced 003``.
    final : bool
        Whether its output is the result of the property.
    stage : Stage
    backend_state : str
        The backend's own word for it.
    place : Place
    since : datetime or None
        When it came into this stage, with its time zone.
    elapsed_s : float or None
        Run time so far, or until it ended.
    run_dir : str
        Its folder where it runs.
    error : str
        All that the backend holds of an error: traceback, messages of the queue; empty without one.
    cause : Cause or None
        Class of the error, None without one.
    reason : str
        The error, or what it waits for that does not come by itself, in one line.
    stuck : bool
        Whether a process that is gone holds it, so that nothing moves it on; resuming releases it.
    """

    id: str
    flow: str
    phase: str
    property: str
    step: str
    stage: Stage
    backend_state: str
    final: bool = False
    campaign: str = ""
    engine: str = ""
    protocol: str = ""
    intent: str = ""
    place: Place = field(default_factory=Place)
    since: datetime | None = None
    elapsed_s: float | None = None
    run_dir: str = ""
    error: str = ""
    cause: Cause | None = None
    reason: str = ""
    stuck: bool = False


@dataclass(frozen=True)
class Selection:
    """Which jobs are meant; empty means all.

    Attributes
    ----------
    campaign : str
    phases, properties : tuple of str
    steps : tuple of str
        Properties, or beginnings of the names of steps.
    causes : tuple of Cause
    stages : tuple of Stage
    """

    campaign: str = ""
    phases: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()
    stages: tuple[Stage, ...] = ()

    def has(self, job: JobState) -> bool:
        """Whether a job is meant."""
        return (
            (not self.campaign or job.campaign == self.campaign)
            and (not self.phases or job.phase in self.phases)
            and (not self.properties or job.property in self.properties)
            and (not self.steps or any(job.property == s or job.step.startswith(s) for s in self.steps))
            and (not self.causes or job.cause in self.causes)
            and (not self.stages or job.stage in self.stages)
        )


@dataclass(frozen=True)
class Tail:
    """Last lines of the file that says most about a job: where it is, and its text."""

    file: str
    text: str


@dataclass(frozen=True)
class Outcome:
    """What came of an action.

    Attributes
    ----------
    changed : tuple of JobState
        Jobs that it was done to, as they were before.
    refused : tuple of (JobState, str)
        The others, with the reason in words.
    """

    changed: tuple[JobState, ...] = ()
    refused: tuple[tuple[JobState, str], ...] = ()


@runtime_checkable
class Backend(Protocol):
    """A queue of jobs."""

    name: str

    @property
    def is_here(self) -> bool:
        """Whether calculations run on this machine, with what this process finds: what it lacks, they lack."""
        ...

    def check(self, location: str) -> None:
        """See that the queue can take work whose results go to the store at ``location``; nothing is written.

        Raises
        ------
        QueueError
            When it cannot be reached, a worker of the settings is unknown, or results would go to another store;
            with what to write where.
        """
        ...

    def attempts(self, phases: Sequence[str]) -> dict[str, int]:
        """How many submissions the queue has ever had for each phase, whatever became of them.

        Ask for it before :meth:`jobs`: a submission that is counted has all its jobs in the queue. One whose jobs are
        being written is not counted, so whoever does not see them makes a uuid that is taken. Within one queue this
        sends no step twice, however close two submissions are; a process that sleeps for minutes between its flow
        and its jobs is taken to have died. Two queues do not know of one another.
        """
        ...

    def jobs(self, selection: Selection) -> tuple[JobState, ...]:
        """Jobs of nawf in the queue, oldest submission first."""
        ...

    def submit(self, flow: Any) -> int:
        """Put the flow of a phase into the queue; returns the number of its jobs so far.

        Parameters
        ----------
        flow : jobflow.Flow
            Its uuid is made of phase and attempt (:func:`nawf.running.submit.flow_uuid`).

        Raises
        ------
        AlreadySubmitted
            When the queue has a flow of this uuid.
        QueueError
        """
        ...

    def tail(self, job: JobState, lines: int = 20) -> Tail | None:
        """End of the right file of a job; None when there is none (yet)."""
        ...

    def retry(self, jobs: Sequence[JobState]) -> Outcome:
        """Begin failed jobs again."""
        ...

    def resume(self, jobs: Sequence[JobState]) -> Outcome:
        """Go on with jobs that were stopped, or cut off by the end of their time or the death of a node."""
        ...

    def cancel(self, jobs: Sequence[JobState]) -> Outcome:
        """Take waiting and running jobs out of the queue; they can be resumed."""
        ...
