"""Programs that end with the process that started them.

custodian starts VASP in a session of its own: Ctrl-C, SIGTERM and a terminal that closes (SIGHUP) end the Python
around it, and VASP would calculate on in a folder that the next attempt reads. So would processes of ``mpiexec``.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

PATIENCE_S = 10.0
"""Between asking a program to end and ending it."""

_ENDS = (signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def ending_with_us(folder: Path) -> Iterator[None]:
    """Run a block; if it is interrupted, end the programs that it started in ``folder``.

    SIGTERM and SIGHUP interrupt as well, unless someone else has a use for them, or ``nohup`` shuts them out.
    """
    in_charge = threading.current_thread() is threading.main_thread()
    replaced = [s for s in _ENDS if in_charge and signal.getsignal(s) is signal.SIG_DFL]
    for number in replaced:
        signal.signal(number, _leave)
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        end_children(folder)
        raise
    finally:
        for number in replaced:
            signal.signal(number, signal.SIG_DFL)


def end_children(folder: Path) -> None:
    """End the children of this process that work in a folder."""
    children = [child for child in psutil.Process().children(recursive=True) if _works_in(child, folder)]
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.terminate()
    _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
    for child in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


def _works_in(child: Any, folder: Path) -> bool:
    try:
        return Path(child.cwd()) == folder.resolve()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
