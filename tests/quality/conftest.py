"""What the tests of all rules share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nawf.results.verdict import Verdict


@pytest.fixture(scope="session")
def findings() -> Callable[[Verdict], list[tuple[str, str]]]:
    """Rules and levels of a verdict, in order."""
    return lambda verdict: [(reason.rule, reason.level.value) for reason in verdict.reasons]
