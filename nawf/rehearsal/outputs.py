"""The files that a run writes, flushed at every write so that a kill leaves what was calculated."""

from __future__ import annotations

import errno
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import TextIO

_GROWING = ("OUTCAR", "OSZICAR", "vasprun.xml", "XDATCAR")
_REWRITTEN = ("CONTCAR", "IBZKPT", "EIGENVAL", "DOSCAR", "PCDAT")


class Outputs:
    """Open files of a run; those of an earlier run are emptied.

    Attributes
    ----------
    disk_is_full : bool
        Set to make the next write fail halfway.
    """

    def __init__(self, folder: Path, log: TextIO) -> None:
        self.folder = folder
        self._log = log
        self._stack = ExitStack()
        self._open: dict[str, TextIO] = {}
        self.disk_is_full = False

    def __enter__(self) -> Outputs:
        for name in _GROWING:
            file = (self.folder / name).open("w", encoding=_encoding(name), errors="xmlcharrefreplace")
            self._open[name] = self._stack.enter_context(file)
        for name in _REWRITTEN:
            (self.folder / name).write_text("")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Where the disk is full, what could not be written is tried again here; that has been said by then.
        with suppress(OSError):
            self._stack.close()

    def say(self, *lines: str) -> None:
        """Lines for the log, which is standard output."""
        self._put(self._log, "".join(f" {line}\n" for line in lines))

    def say_raw(self, text: str) -> None:
        """Text for the log as it is."""
        self._put(self._log, text)

    def outcar(self, text: str) -> None:
        self._put(self._open["OUTCAR"], text)

    def oszicar(self, text: str) -> None:
        """Text for OSZICAR, which the log repeats."""
        self._put(self._open["OSZICAR"], text)
        self._put(self._log, text)

    def vasprun(self, text: str) -> None:
        self._put(self._open["vasprun.xml"], text)

    def xdatcar(self, text: str) -> None:
        self._put(self._open["XDATCAR"], text)

    def rewrite(self, name: str, text: str) -> None:
        """Replace the content of a file, in place, as Fortran does."""
        with (self.folder / name).open("w", encoding=_encoding(name), errors="xmlcharrefreplace") as file:
            self._put(file, text)

    def _put(self, file: TextIO, text: str) -> None:
        if self.disk_is_full and file is not self._log:
            file.write(text[: len(text) // 2])
            file.flush()
            raise OSError(errno.ENOSPC, "No space left on device", getattr(file, "name", ""))
        file.write(text)
        file.flush()


def _encoding(name: str) -> str:
    return "iso-8859-1" if name == "vasprun.xml" else "utf-8"
