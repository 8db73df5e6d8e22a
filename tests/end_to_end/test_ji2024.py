"""The main job, whole: the shipped campaign on the real engine and store, and the reports of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nawf.store.sqlite_check import verify

# Static formation energies (eV/atom) of an independent calculation with the same model: relaxations with FIRE and
# without symmetry, by atomate2's force-field makers; references bcc Na and α-S8.
INDEPENDENT = {"na2s": -1.262, "na2s2-alpha": -1.048, "na2s4": -0.749, "na2s5-alpha": -0.648}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, nawf: Any) -> Path:
    folder = tmp_path_factory.mktemp("ji2024")
    ended = nawf(folder, "run", "ji2024")
    assert "[18/18]" in ended.stderr
    return folder


def test_formation_energies_agree_with_an_independent_calculation(finished: Path, report: Any) -> None:
    rows = {r["phase"]: r for r in report(finished, "formation", "ji2024")["rows"]}
    for phase, energy in INDEPENDENT.items():
        assert rows[phase]["formation_energy_static_ev_per_atom"] == pytest.approx(energy, abs=0.005)
    for phase in ("na-bcc", "s-alpha"):
        assert rows[phase]["formation_energy_400k_ev_per_atom"] == 0.0
    # Entropy of the elements: formation free energies rise with temperature, more at 400 K than at 300 K.
    na2s = [rows["na2s"][f"formation_energy_{c}_ev_per_atom"] for c in ("static", "0k", "300k", "400k")]
    assert na2s == sorted(na2s)


def test_hull_and_voltages_hang_together(finished: Path, report: Any) -> None:
    hull = report(finished, "hull", "ji2024")
    assert len(hull["rows"]) == 4
    assert all(r["energy_above_hull_static_mev_per_atom"] == 0.0 for r in hull["rows"])
    voltage = report(finished, "voltage", "ji2024")
    for condition in ("static", "0 K", "300 K", "400 K"):
        steps = [r for r in voltage["rows"] if (r["condition"], r["path"]) == (condition, "equilibrium")]
        assert [r["reaction"].split(" → ")[1] for r in steps] == ["Na2S5", "5 Na2S4", "2 Na2S2", "2 Na2S"]
        volts = [r["voltage_v"] for r in steps]
        assert volts == sorted(volts, reverse=True)
        # The profile's energy is the formation energy of Na2S from S and Na, per electron.
        rows = {r["formula"]: r for r in report(finished, "formation", "ji2024")["rows"]}
        key = f"formation_energy_{condition.replace(' ', '').lower()}_ev_per_atom"
        whole = sum(r["voltage_v"] * (r["x_end"] - r["x_start"]) for r in steps)
        assert whole == pytest.approx(-3 * rows["Na2S"][key], abs=1e-6)


def test_pictures_are_drawn(finished: Path, nawf: Any) -> None:
    nawf(finished, "report", "hull", "ji2024", "--plot", "hull.png")
    nawf(finished, "report", "voltage", "ji2024", "--plot", "voltage.svg")
    assert (finished / "hull.png").read_bytes().startswith(b"\x89PNG\r\n")
    assert "</svg>" in (finished / "voltage.svg").read_text()


def test_running_again_reuses_everything(finished: Path, nawf: Any) -> None:
    assert "nothing to do" in nawf(finished, "run", "ji2024").stderr
    assert verify(finished / "nawf.db") == []


def test_results_are_found_and_shown_whole(finished: Path, nawf: Any) -> None:
    found = json.loads(nawf(finished, "query", "--phase", "na2s", "--format", "json").stdout)["rows"]
    assert [r["result_id"].split("/")[1] for r in found] == ["phonon", "relax", "static"]
    whole = json.loads(nawf(finished, "query", "show", found[0]["result_id"]).stdout)
    assert whole["provenance"]["campaign"] == "ji2024"
    assert whole["fingerprint"]["calculation"]["functional"] == "r2SCAN"
