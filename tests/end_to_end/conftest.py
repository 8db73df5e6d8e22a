"""The command as a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def nawf() -> Command:
    """Run the command in a folder; it must end well."""

    def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            [sys.executable, "-m", "nawf.cli.main", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended

    return run


@pytest.fixture(scope="session")
def report(nawf: Command) -> Callable[..., Any]:
    """Tables of a report of the store in a folder."""

    def tables(folder: Path, *arguments: str) -> Any:
        return json.loads(nawf(folder, "report", *arguments, "--format", "json").stdout)

    return tables
