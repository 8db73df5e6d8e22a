"""Reports of energies through the real command: what was asked for is heeded or refused, never passed over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Nawf = Callable[..., Any]

NA_S = ("--system", "Na-S", "-T", "static")


def report(nawf: Nawf, *arguments: str) -> Any:
    """A report of the reference results."""
    kind, *options = arguments
    return nawf("report", kind, "--reference", *options)


def assert_one_clear_line(outcome: Any, *words: str) -> None:
    assert outcome.code == 2, outcome
    (line,) = outcome.err.strip().splitlines()
    assert line.startswith("nawf: ")
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--reference-phase", "na=na-bcc"), ["--reference-phase", "'na'", "no element of the results", "Na, S"]),
        (("--reference-phase", "Xx=foo"), ["'Xx'", "no element of the results"]),
        (("--reference-phase", "P=p-black"), ["'P'", "no element of the results"]),
        (("--exclude-origin", "prototypes"), ["'prototypes'", "experimental, dft, prototype"]),
        (("--exclude-tag", "elektrolyte"), ["'elektrolyte'", "did you mean electrolyte"]),
    ],
)
def test_names_that_nothing_has_are_refused(nawf: Nawf, options: tuple[str, ...], words: list[str]) -> None:
    assert_one_clear_line(report(nawf, "formation", *NA_S, *options), *words)


def test_names_that_are_known_are_heeded(nawf: Nawf) -> None:
    outcome = report(nawf, "formation", *NA_S, "--reference-phase", "Na=na-bcc")
    assert "Na = na-bcc (named)" in outcome.out
    # A tag of the library that no result of this report has is no mistake.
    assert report(nawf, "formation", *NA_S, "--exclude-tag", "additive").code == 0
