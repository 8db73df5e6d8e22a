"""Events from inside running steps, for whoever shows progress.

Jobs and engines call :func:`emit`; nobody has to listen. On a cluster nobody does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What can happen to a step, in order. Only what is saved survives a loss of power."""

    STARTED = "started"
    ADVANCED = "advanced"
    FINISHED = "finished"
    FAILED = "failed"
    SAVED = "saved"


@dataclass(frozen=True)
class Event:
    """Something happened to a step of a phase.

    With ``SAVED``, ``step`` is the property whose result is in the raw store. ``done`` and ``total`` count
    whatever the step counts (ionic steps, displaced cells); total is 0 when the end is not known beforehand.
    ``message`` says why a step failed.
    """

    phase: str
    step: str
    state: State
    done: int = 0
    total: int = 0
    message: str = ""


Listener = Callable[[Event], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_current: ContextVar[tuple[str, str]] = ContextVar("current", default=("", ""))


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send all events of this thread to ``listener`` while the block runs."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def step_of(phase: str, step: str) -> Iterator[None]:
    """Mark a block as one step of a phase; start, end and failure are announced."""
    token = _current.set((phase, step))
    try:
        emit(State.STARTED)
        yield
    except BaseException as error:
        emit(State.FAILED, message=f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
        raise
    else:
        emit(State.FINISHED)
    finally:
        _current.reset(token)


def emit(state: State, done: int = 0, total: int = 0, message: str = "") -> None:
    """Tell the listener of this thread, if there is one, about the current step."""
    listener = _listener.get()
    if listener is not None:
        phase, step = _current.get()
        listener(Event(phase, step, state, done, total, message))
