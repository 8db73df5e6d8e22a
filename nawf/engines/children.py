"""Programs that end with the process that started them.

custodian starts VASP in a session of its own: Ctrl-C, SIGTERM and a terminal that closes (SIGHUP) end the Python
around it, and VASP would calculate on in a folder that the next attempt reads. So would processes of ``mpiexec``.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Sequence
from types import FrameType

import psutil

PATIENCE_S = 10.0
"""Between asking a program to end and ending it."""

_ENDS = (signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def ending_with_us() -> Iterator[None]:
    """Run a block; if it is interrupted or fails, end the programs that it has started.

    SIGTERM and SIGHUP interrupt as well, unless someone else has a use for them, or ``nohup`` shuts them out.
    """
    in_charge = threading.current_thread() is threading.main_thread()
    replaced = [s for s in _ENDS if in_charge and signal.getsignal(s) is signal.SIG_DFL]
    before = set(_descendants())
    for number in replaced:
        signal.signal(number, _leave)
    try:
        yield
    except BaseException:
        _end([process for process in _descendants() if process not in before])
        raise
    finally:
        for number in replaced:
            signal.signal(number, signal.SIG_DFL)


def _descendants() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def _end(processes: Sequence[psutil.Process]) -> None:
    """Ask processes to end, and end those that do not."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE_S)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
