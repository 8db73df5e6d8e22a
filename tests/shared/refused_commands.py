"""What a command of nawf has to say when it is given something wrong."""

from __future__ import annotations

from typing import Any


def assert_one_clear_line(outcome: Any, *words: str, code: int = 2) -> None:
    """One line that names what is wrong, and the exit code; 2 is that of bad input."""
    assert outcome.code == code, outcome
    lines = outcome.err.strip().splitlines()
    assert len(lines) == 1, outcome.err
    assert lines[0].startswith("nawf: ")
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in lines[0]
