"""What GPAW has calculated so far in a step, kept evaluation by evaluation, and taken up again after a kill.

A step has a place of its own, named by phase, step and a hash of all that goes into it. Each evaluation, the energy,
forces and stress of one geometry, is a line of a file there. A step that is repeated asks for the same geometries in
the same order and finds them there: a relaxation is back where it was cut off, the Hessian of its minimiser included,
and only what was being calculated is lost. A step whose electrons were given up is tried in all ways again.

One process at a time calculates in a place; another one is told so.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import ValidationError

from nawf.engines.gpaw_protocols import smearing_text
from nawf.engines.word_left import leave_word
from nawf.errors import CalculationError
from nawf.files import write_text_atomically
from nawf.results.crystal import Crystal
from nawf.results.elastic import Voigt
from nawf.results.outputs import Correction, Matrix, Record

EVALUATIONS = "evaluations.jsonl"
TEXT = "gpaw.txt"
HESSIAN = "hessian.json"
LOCK = "lock"

Rows = tuple[tuple[float, ...], ...]

_SAME_A = 1e-6
"""Geometries that differ by less are one. A repeated relaxation differs by rounding errors, if at all."""


class Attempt(Record):
    """Beginning of the first evaluation of a process."""

    attempt: int
    host: str
    started_at: datetime


class Evaluation(Record):
    """Energy (eV, without smearing), forces and stress (eV/Å³, Voigt, positive under tension) of one geometry.

    ``corrections`` are what it took to converge the electrons; ``versions`` and ``potentials`` are those used.
    """

    crystal: Crystal
    smearing_ev: float
    energy_ev: float
    forces_ev_per_a: Matrix
    stress_ev_per_a3: Voigt
    n_iterations: int
    seconds: float
    finished_at: datetime
    versions: dict[str, str]
    potentials: dict[str, str]
    corrections: tuple[Correction, ...] = ()


class Failure(Record):
    """Electrons that did not converge with a smearing, by any means."""

    failed_smearing_ev: float
    corrections: tuple[Correction, ...] = ()


class Lost(Record):
    """A rung of the ladder that one process of a parallel run fell from, which ended them all."""

    lost_smearing_ev: float
    lost_rung: int
    corrections: tuple[Correction, ...]


class End(Record):
    """How an attempt ended that was not cut off."""

    ended: str


DONE: Final = "done"
GIVEN_UP: Final = "the electrons do not converge"


class EvaluationLog:
    """Evaluations of one step, in memory and in a file.

    Parameters
    ----------
    folder : Path or None
        Place of the step; None keeps nothing.
    writes : bool
        False for all but one of the processes of a parallel run.
    """

    def __init__(self, folder: Path | None, *, writes: bool = True) -> None:
        self.folder = folder
        self._writes = writes and folder is not None
        self.attempts: list[Attempt] = []
        self.evaluations: list[Evaluation] = []
        self.failures: list[Failure] = []
        self.lost: list[Lost] = []
        self.used: list[Evaluation] = []
        self._cut_off: list[Attempt] = []
        self._open: Attempt | None = None
        self._started = False
        self._lock: Any = None
        if folder is not None and (folder / EVALUATIONS).is_file():
            self._read(folder / EVALUATIONS)

    def find(self, crystal: Crystal, smearing_ev: float) -> Evaluation | None:
        """What is known of a geometry, or None; it counts as used."""
        for known in self.evaluations:
            if known.smearing_ev == smearing_ev and _is_same(known.crystal, crystal):
                self.used.append(known)
                return known
        return None

    def begin(self) -> None:
        """Note that something is about to be calculated.

        Raises
        ------
        CalculationError
            When another process calculates in this place.
        """
        if self._started:
            return
        self._take_place()
        self._started = True
        attempt = Attempt(attempt=len(self.attempts) + 1, host=socket.gethostname(), started_at=datetime.now(UTC))
        self._attempt(attempt)
        self._append(attempt)
        if self._writes:
            assert self.folder is not None
            leave_word(self.folder)

    def add(self, evaluation: Evaluation) -> None:
        """Keep an evaluation."""
        self.evaluations.append(evaluation)
        self.used.append(evaluation)
        self._append(evaluation)

    def fail(self, failure: Failure) -> None:
        """Keep that a smearing was not enough."""
        self.failures.append(failure)
        self._append(failure)

    def lose(self, lost: Lost) -> None:
        """Keep that this process fell from a rung, and the others of a parallel run with it."""
        self.lost.append(lost)
        self._append(lost, anyone=True)

    def end(self, how: str) -> None:
        """Note how an attempt ended, if anything was calculated."""
        if self._started or how == GIVEN_UP:
            self._append(End(ended=how))
        self._started, self._open = False, None

    def leave(self) -> None:
        """Leave the place to others."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def first_rung(self, smearing_ev: float) -> int:
        """Rung of the ladder to begin with: the one behind those that parallel runs fell from."""
        return max((lost.lost_rung + 1 for lost in self.lost if lost.lost_smearing_ev == smearing_ev), default=0)

    def has_failed(self, smearing_ev: float) -> bool:
        """Whether a smearing is known to be not enough."""
        return any(f.failed_smearing_ev == smearing_ev for f in self.failures)

    def text_file(self) -> Any:
        """Where GPAW writes its own account of things: a file to append to, or None."""
        if not self._writes:
            return None
        assert self.folder is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        return (self.folder / TEXT).open("a", encoding="utf-8")

    def first_hessian(self, given: Rows | None) -> np.ndarray | None:
        """The Hessian that the first attempt began with, which is the given one if this is the first."""
        if self.folder is not None and (self.folder / HESSIAN).is_file():
            known = json.loads((self.folder / HESSIAN).read_text(encoding="utf-8"))
            return None if known is None else np.array(known)
        if self.evaluations:
            return None
        if self._writes:
            assert self.folder is not None
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text_atomically(self.folder / HESSIAN, json.dumps(given))
        return None if given is None else np.array(given)

    @property
    def net_force_ev_per_a(self) -> float:
        """Largest sum of the forces on all atoms of a cell, for each atom, of what was used."""
        return max((float(np.linalg.norm(np.mean(e.forces_ev_per_a, axis=0))) for e in self.used), default=0.0)

    @property
    def corrections(self) -> tuple[Correction, ...]:
        """What happened on the way: attempts that were cut off, and what it took to converge electrons, each once."""
        resumed = [
            Correction(
                handler="resume", errors=(f"attempt {a.attempt} was cut off",), actions=("its evaluations stay",)
            )
            for a in self._cut_off
        ]
        smeared = [
            Correction(
                handler="gpaw-smearing",
                errors=(f"the electrons did not converge with {smearing_text(f.failed_smearing_ev)}",),
                actions=("smearing doubled",),
            )
            for f in self.failures
        ]
        scf = [c for lost in self.lost for c in lost.corrections]
        scf += [c for failure in self.failures for c in failure.corrections]
        scf += [c for used in self.used for c in used.corrections]
        return tuple(dict.fromkeys([*resumed, *scf, *smeared]))

    def _attempt(self, attempt: Attempt) -> None:
        """Another attempt: the one before it was cut off if nothing says how it ended."""
        self._cut_off += [self._open] if self._open else []
        self._open = attempt
        self.attempts.append(attempt)

    def _take_place(self) -> None:
        if not self._writes:
            return
        assert self.folder is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / LOCK).open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            self._lock = None
            # Some file systems have no locks, and calculations there are still worth something.
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise CalculationError(
                    "another process is calculating this step",
                    where=str(self.folder),
                    hint="wait for it, or end it; a repeated run goes on behind its last evaluation",
                ) from None

    def _append(self, record: Record, *, anyone: bool = False) -> None:
        if self.folder is None or not (self._writes or anyone):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / EVALUATIONS).open("a", encoding="utf-8") as file:
            # After a line that a kill cut off, a new one begins.
            start = "\n" if file.tell() > 0 and not self._ends_with_line() else ""
            file.write(start + record.model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _ends_with_line(self) -> bool:
        assert self.folder is not None
        with (self.folder / EVALUATIONS).open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def _read(self, path: Path) -> None:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                record = _record_of(json.loads(line))
            except (json.JSONDecodeError, ValidationError, TypeError):
                # A kill can cut off any line, and the next attempt goes on behind it.
                continue
            if isinstance(record, Attempt):
                self._attempt(record)
            elif isinstance(record, Evaluation):
                self.evaluations.append(record)
            elif isinstance(record, Failure):
                self.failures.append(record)
            elif isinstance(record, Lost):
                self.lost.append(record)
                self._open = None
            else:
                self._open = None
                if record.ended == GIVEN_UP:
                    # The cause may be gone: a repeated step tries everything again.
                    self.failures, self.lost = [], []


def _record_of(content: dict[str, Any]) -> Attempt | Evaluation | Failure | Lost | End:
    kinds: tuple[tuple[str, type[Attempt | Evaluation | Failure | Lost | End]], ...] = (
        ("attempt", Attempt),
        ("failed_smearing_ev", Failure),
        ("lost_rung", Lost),
        ("ended", End),
    )
    kind = next((kind for key, kind in kinds if key in content), Evaluation)
    return kind.model_validate(content)


def place_key(content: Mapping[str, Any]) -> str:
    """Short hash of everything that goes into a step: same hash, same result."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _is_same(one: Crystal, other: Crystal) -> bool:
    if one.species != other.species:
        return False
    if np.abs(one.matrix_a - other.matrix_a).max() > _SAME_A:
        return False
    moves = (np.array(one.frac_coords) - np.array(other.frac_coords)) @ one.matrix_a
    return bool(np.abs(moves).max() <= _SAME_A)
