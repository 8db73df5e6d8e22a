"""How a run ends before its time."""

from __future__ import annotations


class StopError(Exception):
    """The run cannot go on.

    Parameters
    ----------
    *lines : str
        What the log says about it, as VASP words it where programs look for its words.
    """

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)
        self.lines = lines


def not_rehearsed(what: str) -> StopError:
    """The end of a run that asks for what a rehearsal cannot do."""
    return StopError(f"nawf rehearsal: {what} is not rehearsed")


def box(kind: str, *lines: str) -> str:
    """A framed message for the log, with ``kind`` (such as WARNING) in its first line."""
    width = 77
    body = [kind.center(width), "", *lines]
    frame = " " + "-" * width + " "
    return "\n".join([frame, *(f"|{line:<{width}}|" for line in body), frame])
