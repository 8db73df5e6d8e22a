"""What an engine can tell before a run: what would stop it, and what is good to know.

Engines that need nothing from the machine have no ``preflight``, and nothing to tell.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from nawf.errors import EngineError
from nawf.results.tasks import PhaseTask


@dataclass(frozen=True)
class Finding:
    """One thing found, in one line.

    Attributes
    ----------
    what : str
        What is wrong, or what to expect.
    hint : str
        What to do about it.
    stops : bool
        Whether no calculation can succeed with it.
    everywhere : bool
        Whether it is so on any machine, and not only on this one.
    """

    what: str
    hint: str = ""
    stops: bool = False
    everywhere: bool = False

    @property
    def text(self) -> str:
        """As a note."""
        return str(EngineError(self.what, hint=self.hint or None))


@runtime_checkable
class LooksAhead(Protocol):
    """An engine that depends on what the machine has."""

    def preflight(self, tasks: Sequence[PhaseTask]) -> Sequence[Finding]:
        """Findings about what the tasks need."""
        ...


@runtime_checkable
class SelfChecking(Protocol):
    """An engine that can tell what its installation is worth, whatever is to be done."""

    def check(self) -> Sequence[Finding]:
        """Findings about the installation."""
        ...


def findings(engine: Any, tasks: Sequence[PhaseTask]) -> tuple[Finding, ...]:
    """What an engine tells of tasks before they run, what stops them first; nothing is written or calculated."""
    if not tasks or not isinstance(engine, LooksAhead):
        return ()
    return tuple(sorted(engine.preflight(tasks), key=lambda finding: not finding.stops))


def elsewhere(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """What findings of this machine are to jobs that run on others: what may be otherwise there stops nothing."""
    hint = "jobs run elsewhere, and nawf doctor says what is there"
    return tuple(
        Finding(f"on this machine, {finding.what}", hint) if finding.stops and not finding.everywhere else finding
        for finding in found
    )


def refuse(found: Sequence[Finding], engine: str, plan_command: str) -> None:
    """Refuse to run what cannot succeed.

    Parameters
    ----------
    found : sequence of Finding
    engine : str
    plan_command : str
        What shows all findings.

    Raises
    ------
    EngineError
        With the first finding that stops a run, and how many more there are.
    """
    stops = [finding for finding in found if finding.stops]
    if not stops:
        return
    more = f"and {len(stops) - 1} more, see: {plan_command}" if len(stops) > 1 else ""
    hint = "; ".join(filter(None, (stops[0].hint, more)))
    raise EngineError(stops[0].what, where=f"engine {engine}", hint=hint or None)


def run_folder_findings(root: Path) -> Iterator[Finding]:
    """The folder of the runs, or what it would be made in, has to be one that can be written to."""
    place = root
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        what = f"nothing can be written to the run folder {root}"
        yield Finding(what, "set run_folder in nawf.yaml, or NAWF_RUN_FOLDER", stops=True)
