"""Reports of energies through the real command: what was asked for is heeded or refused, never passed over."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from refused_commands import assert_one_clear_line

Nawf = Callable[..., Any]

NA_S = ("--system", "Na-S", "-T", "static")


def report(nawf: Nawf, *arguments: str) -> Any:
    """A report of the reference results."""
    kind, *options = arguments
    return nawf("report", kind, "--reference", *options)


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


@pytest.mark.parametrize(
    ("arguments", "columns", "words"),
    [
        (
            ("formation", "--system", "Na-S"),
            ["static"],
            "0 K and 300 K: S has no phase with phonons that are all real",
        ),
        (("hull", "--system", "Na-S", "--include-soft"), ["static", "0k", "300k"], ""),
        (("hull", "--system", "S"), ["static"], "0 K and 300 K: S has no phase"),
        (("formation", "--engine", "gpaw"), ["static"], "0 K and 300 K: P and S have no phase with phonons."),
        (("hull", "na-s", "--engine", "gpaw"), ["static"], "0 K, 300 K and 400 K: S has no phase with phonons."),
    ],
)
def test_default_temperatures_are_dropped_where_they_cannot_be_formed(
    nawf: Nawf, arguments: tuple[str, ...], columns: list[str], words: str
) -> None:
    outcome = report(nawf, *arguments, "--format", "json")
    assert outcome.code == 0, outcome.err
    table = json.loads(outcome.out)
    shown = {key for row in table["rows"] for key in row if key.startswith(("formation", "energy_above"))}
    assert all(any(f"_{column}_" in key for key in shown) for column in columns if table["rows"])
    assert len(shown) == (len(columns) if table["rows"] else 0)
    said = [note for note in table["notes"] if note.startswith("Nothing is shown at")]
    assert len(said) == bool(words)
    assert words in "".join(said)


def test_profiles_of_each_host_have_the_temperatures_that_it_allows(nawf: Nawf) -> None:
    for host, conditions in {"S": ["static"], "P": ["static", "0 K", "300 K"]}.items():
        outcome = report(nawf, "voltage", "--host", host, "--format", "json")
        assert outcome.code == 0, outcome.err
        assert list(dict.fromkeys(row["condition"] for row in json.loads(outcome.out)["rows"])) == conditions
    assert report(nawf, "voltage", "--host", "S", "--engine", "gpaw").code == 0


def test_a_temperature_that_was_asked_for_is_refused_with_what_to_do(nawf: Nawf) -> None:
    assert_one_clear_line(report(nawf, "hull", "--system", "Na-S", "-T", "300"), "at 300 K", "--include-soft")


def test_warnings_of_phonons_do_not_mark_static_energies(nawf: Nawf) -> None:
    """The phonons of Na2S by GPAW have a warning, its relaxation and static energy none."""
    static = report(nawf, "hull", "--engine", "gpaw", "-T", "static")
    assert "na2s " in static.out
    assert "displaced cell" not in static.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("voltage", "--host", "sn-beta"), ["sn-beta: has no energy", "bonds broke"]),
        (("voltage", "--host", "sn-beta", "-T", "static"), ["sn-beta: has no energy", "bonds broke"]),
        (("formation", "--reference-phase", "Sn=sn-beta"), ["cannot be the reference of Sn", "bonds broke"]),
        (("formation", "--reference-phase", "Sn=sn-alpha", "--exclude", "sn-alpha"), ["left out on request"]),
        (
            ("formation", "--reference-phase", "Sn=sn-gamma"),
            ["sn-gamma", "no result of it", "phases of Sn: sn-alpha"],
        ),
    ],
)
def test_a_named_phase_that_is_not_there_says_why(nawf: Nawf, arguments: tuple[str, ...], words: list[str]) -> None:
    """Tin's beta form becomes another structure with the embedded engine."""
    assert_one_clear_line(report(nawf, *arguments), *words)
