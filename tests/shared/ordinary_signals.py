"""Signals as a process has them that was started in a terminal."""

import signal


def ordinary_signals() -> None:
    """For ``preexec_fn``: heed Ctrl-C and hang-ups.

    A shell that starts a test run in the background, or nohup, tells it, and so its children, to ignore them.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
