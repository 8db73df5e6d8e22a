"""Where a job of a queue has gone: a file in its own folder names the folder that its program runs in."""

from __future__ import annotations

from pathlib import Path
from typing import Final

WORD: Final = "nawf-run-folder.txt"
OF_QUEUES: Final = ("jfremote_in.json", "FW.json")
"""What jobflow-remote and FireWorks put into the folder of a job; nothing is written anywhere else."""


def leave_word(folder: Path) -> None:
    """Say in the current folder, if it is that of a job of a queue, where a program is about to run."""
    here = Path.cwd()
    if any((here / name).is_file() for name in OF_QUEUES):
        (here / WORD).write_text(f"{folder.absolute()}\n", encoding="utf-8")
