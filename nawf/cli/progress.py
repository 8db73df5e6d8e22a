"""Progress of a run: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from nawf.progress import Event, State

if TYPE_CHECKING:
    from nawf.campaigns.plan import Plan


class ProgressView:
    """Shows the events of a run: one bar for all steps, and one line for each phase that is being calculated."""

    def __init__(self, plan: Plan, console: Console | None = None) -> None:
        self._missing = {(s.phase, s.property) for s in plan.missing}
        self._console = console or Console(stderr=True)
        self._lines: dict[str, TaskID] = {}
        self._done = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._all = self._progress.add_task(plan.campaign.name, total=len(self._missing))

    def __enter__(self) -> ProgressView:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, event: Event) -> None:
        """Show one event."""
        if event.state is State.SAVED:
            self._complete(event.phase, event.step)
            return
        self._update_line(event)
        if event.state is State.FAILED:
            self._console.print(f"[red]failed[/red] {event.phase}: {event.step}", highlight=False)

    def _update_line(self, event: Event) -> None:
        if event.phase not in self._lines:
            self._lines[event.phase] = self._progress.add_task(event.phase, total=None)
        line = self._lines[event.phase]
        self._progress.update(
            line, description=f"  {event.phase}: {event.step}", completed=event.done, total=event.total or None
        )
        if event.state in (State.FINISHED, State.FAILED):
            self._progress.remove_task(self._lines.pop(event.phase))

    def _complete(self, phase: str, prop: str) -> None:
        if (phase, prop) not in self._missing:
            return
        self._done += 1
        self._progress.update(self._all, completed=self._done)
        count = f"[{self._done}/{len(self._missing)}]"
        self._console.print(f"{count} {phase} {prop}", highlight=False, markup=False)
