"""Verdicts and elastic tensors, whole: a campaign on the real engine, what its reports show, and what they do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

CAMPAIGN = """\
name: trust
title: A tensor that is sound, and a structure that becomes another one
phases: {ids: [na-bcc, na2s, sn-alpha, sn-beta]}
properties: [relax, static]
also: [{properties: [elastic], phases: {ids: [na2s, sn-beta]}}]
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, nawf: Any) -> Path:
    folder = tmp_path_factory.mktemp("trust")
    (folder / "trust.yaml").write_text(CAMPAIGN, encoding="utf-8")
    nawf(folder, "run", "trust.yaml")
    return folder


def test_the_tensor_of_sodium_sulfide(finished: Path, report: Any) -> None:
    """C11 24.5, C12 16.9, C44 5.5 GPa: fitted by another library to the stresses of a full set of strains."""
    moduli, components, fits = report(finished, "elastic", "trust.yaml", "--tensor")
    (row,) = moduli["rows"]
    assert row["phase"] == "na2s"
    assert row["bulk_hill_gpa"] == pytest.approx((24.5 + 2 * 16.9) / 3, abs=0.7)
    found = {r["component"]: r["stiffness_gpa"] for r in components["rows"]}
    assert found == pytest.approx({"C11": 24.5, "C12": 16.9, "C44": 5.5}, abs=1.0)
    assert len(fits["rows"]) == 1
    assert any("sn-beta" in note for note in moduli["notes"])


def test_tin_that_became_another_structure_fails_with_the_reason_in_words(finished: Path, nawf: Any) -> None:
    found = json.loads(nawf(finished, "query", "--phase", "sn-beta", "--format", "json").stdout)["rows"]
    (relax,) = (row for row in found if row["result_id"].startswith("sn-beta/relax"))
    assert relax["verdict"] == "fail"
    assert "no longer the structure it started from" in relax["reasons"]
    assert "sn-alpha" in relax["reasons"]


def test_what_failed_is_in_no_diagram_and_is_named_there(finished: Path, report: Any) -> None:
    for name, *options in (("formation", "--system", "Na-Sn"), ("lattice",)):
        table = report(finished, name, "trust.yaml", *options)
        assert "sn-beta" not in {row["phase"] for row in table["rows"]}
        assert any("sn-beta" in note and "no longer" in note for note in table["notes"])


def test_the_quality_report_counts_and_explains(finished: Path, nawf: Any) -> None:
    text = nawf(finished, "report", "quality", "trust.yaml").stdout
    assert "4 phases: 3 pass, 1 fail" in text
    assert "other-structure" in text


def test_the_next_run_has_nothing_to_do_and_says_why_a_step_is_blocked(finished: Path, nawf: Any) -> None:
    said = nawf(finished, "run", "trust.yaml").stderr
    assert "nothing that can be done is missing" in said
    assert "sn-beta: relax failed its checks: it is no longer the structure it started from" in said
