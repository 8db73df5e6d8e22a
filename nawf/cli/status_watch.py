"""``nawf status --watch``: the tables again and again; in place on a terminal, one below the other elsewhere."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable
from datetime import datetime

from rich.console import Console
from rich.live import Live
from rich.text import Text

from nawf.errors import NawfError

SLOW_S = 2.0
"""A look that takes longer says so."""

Look = Callable[[int | None], str]
"""Gives the tables as text, for so many lines of a terminal."""


def watch(look: Look, interval_s: float) -> None:
    """Show tables until Ctrl-C, which is no error.

    Parameters
    ----------
    look : callable
    interval_s : float
        Between the end of a look and the next one, however long looks take.

    Raises
    ------
    NawfError
        Of the first look. Later ones may fail: what was seen last stays, and the reason is told below.
    """
    console = Console()
    try:
        if console.is_terminal:
            _in_place(look, interval_s, console)
        else:
            _below(look, interval_s)
    except KeyboardInterrupt:
        return


def _in_place(look: Look, interval_s: float, console: Console) -> None:
    seen, note = "", ""

    def screen(last: str) -> Text:
        # Tables are cut off at the edge; what is told below them is not.
        return Text(seen + textwrap.fill(note + last, max(20, console.width - 1)), no_wrap=True, overflow="crop")

    with Live(screen(""), console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            live.update(screen("looking ... Ctrl-C ends it"), refresh=True)
            seen, note = _next(look, seen, console.height - 3)
            live.update(screen(f"again in {interval_s:.0f} s; Ctrl-C ends it"), refresh=True)
            time.sleep(interval_s)


def _below(look: Look, interval_s: float) -> None:
    seen = ""
    while True:
        before = seen
        seen, note = _next(look, seen, None)
        print(("" if seen == before else seen) + note.rstrip("; "), flush=True)
        time.sleep(interval_s)


def _next(look: Look, seen: str, lines: int | None) -> tuple[str, str]:
    """What is seen by now, and as of when, or why it is what was seen before."""
    start = time.monotonic()
    try:
        seen = look(lines)
    except NawfError as error:
        if not seen:
            raise
        return seen, f"{_clock()}: {error}; "
    took_s = time.monotonic() - start
    return seen, f"as of {_clock()}" + (f", which took {took_s:.0f} s; " if took_s > SLOW_S else "; ")


def _clock() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")
