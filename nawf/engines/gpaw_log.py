"""What GPAW has calculated so far in a step, kept evaluation by evaluation, and taken up again after a kill.

A step has a place of its own, named by phase, step and a hash of all that goes into it. Each evaluation, the energy,
forces and stress of one geometry, is a line of a file there. A step that is repeated asks for the same geometries in
the same order and finds them there: a relaxation is back where it was cut off, the Hessian of its minimiser included,
and only what was being calculated is lost.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from nawf.engines.gpaw_protocols import smearing_text
from nawf.engines.word_left import leave_word
from nawf.files import write_text_atomically
from nawf.results.crystal import Crystal
from nawf.results.elastic import Voigt
from nawf.results.outputs import Correction, Matrix, Record

EVALUATIONS = "evaluations.jsonl"
TEXT = "gpaw.txt"
HESSIAN = "hessian.json"

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
        self.used: list[Evaluation] = []
        self._started = False
        if folder is not None and (folder / EVALUATIONS).is_file():
            self._read(folder / EVALUATIONS)
        self.n_found = len(self.evaluations)

    def find(self, crystal: Crystal, smearing_ev: float) -> Evaluation | None:
        """What is known of a geometry, or None; it counts as used."""
        for known in self.evaluations:
            if known.smearing_ev == smearing_ev and _is_same(known.crystal, crystal):
                self.used.append(known)
                return known
        return None

    def begin(self) -> None:
        """Note that something is about to be calculated."""
        if self._started:
            return
        self._started = True
        attempt = Attempt(attempt=len(self.attempts) + 1, host=socket.gethostname(), started_at=datetime.now(UTC))
        self.attempts.append(attempt)
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
    def corrections(self) -> tuple[Correction, ...]:
        """What happened on the way: attempts that were cut off, and what it took to converge electrons, each once."""
        resumed = [
            Correction(
                handler="resume", errors=(f"attempt {a.attempt} was cut off",), actions=("its evaluations stay",)
            )
            for a in self.attempts[:-1]
        ]
        smeared = [
            Correction(
                handler="gpaw-smearing",
                errors=(f"the electrons did not converge with {smearing_text(f.failed_smearing_ev)}",),
                actions=("smearing doubled",),
            )
            for f in self.failures
        ]
        scf = [c for f in self.failures for c in f.corrections] + [c for e in self.used for c in e.corrections]
        return tuple(dict.fromkeys([*resumed, *scf, *smeared]))

    def _append(self, record: Record) -> None:
        if not self._writes:
            return
        assert self.folder is not None
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
                content = json.loads(line)
                if "attempt" in content:
                    self.attempts.append(Attempt.model_validate(content))
                elif "failed_smearing_ev" in content:
                    self.failures.append(Failure.model_validate(content))
                else:
                    self.evaluations.append(Evaluation.model_validate(content))
            except (json.JSONDecodeError, ValidationError, TypeError):
                # A kill can cut off any line, and the next attempt goes on behind it.
                continue


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
