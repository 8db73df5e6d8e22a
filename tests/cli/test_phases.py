from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from csv_reading import csv_rows
from typer.testing import CliRunner, Result

from nawf.cli.phases import phases_app
from nawf.errors import NawfError
from nawf.phases.library import load_library

Nawf = Callable[..., Any]

SHIPPED = load_library()


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(phases_app, [str(argument) for argument in arguments])


def ok(*arguments: str | Path) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def refusal(*arguments: str | Path) -> str:
    """The one line of a refused command."""
    result = run(*arguments)
    assert isinstance(result.exception, NawfError)
    assert result.exception.exit_code == 2
    line = str(result.exception)
    assert "\n" not in line
    return line


def listed(*arguments: str | Path) -> list[str]:
    return [row["id"] for row in json.loads(ok("list", "--format", "json", *arguments))["rows"]]


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    path = tmp_path / "POSCAR"
    path.write_text("NaS\n1.0\n4 0 0\n0 4 0\n0 0 4\nNa S\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n")
    return path


def own_phase(folder: Path, changes: dict[str, str] | None = None) -> Path:
    """A copy of na2s under another id, with texts of card and CIF replaced; returns a campaign on it."""
    folder.mkdir(parents=True)
    for suffix in (".yaml", ".cif"):
        text = SHIPPED.get("na2s").cif_path.with_suffix(suffix).read_text().replace("id: na2s", "id: own")
        for old, new in (changes or {}).items():
            text = text.replace(old, new)
        (folder / f"own{suffix}").write_text(text)
    campaign = folder / "campaign.txt"
    campaign.write_text("name: own\ntitle: Own\nphases: {ids: [own, na-bcc]}\nproperties: [relax]\n")
    return campaign


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"z: 4": "z: 2"}, "4 formula units of Na2S, not 2"),
        ({"number: 225": "number: 227"}, "Fm-3m (225), not number 227"),
        ({"_cell_length_a                      6": "_cell_length_a                      3"}, "atoms overlap"),
        ({" 1\nS": " 0.5\nS"}, "partly or jointly occupied"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "run"])
def test_own_phases_are_checked_before_a_run(
    nawf: Nawf, tmp_path: Path, changes: dict[str, str], words: str, command: str
) -> None:
    campaign = own_phase(tmp_path / "mine", changes)
    done = nawf(command, campaign, "--structures", "mine")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"nawf: {tmp_path}/mine/own.cif: ")
    assert words in done.err
    assert done.err.endswith(f"(nawf phases check {tmp_path}/mine/own.cif)\n")
    assert nawf("plan", campaign, "--structures", "mine", "--phases", "na-bcc").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_an_own_phase_that_is_fit_is_planned(nawf: Nawf, tmp_path: Path) -> None:
    assert nawf("plan", own_phase(tmp_path / "mine"), "--structures", "mine").code == 0


def test_partial_occupancies_are_not_shown(nawf: Nawf, tmp_path: Path) -> None:
    own_phase(tmp_path / "mine", {" 1\nS": " 0.5\nS"})
    done = nawf("phases", "show", "own", "--structures", "mine")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "own.cif: has sites that are partly or jointly occupied" in done.err
    assert nawf("phases", "show", "own", "--cif", "--structures", "mine").code == 0


def test_folders_within_each_other(nawf: Nawf, tmp_path: Path, nas: Path) -> None:
    """A folder of the settings lies in the one that ``phases add`` writes to."""
    own_phase(tmp_path / "structures" / "mine")
    (tmp_path / "nawf.yaml").write_text("structures: [structures/mine]\n")
    done = nawf("phases", "add", nas, "--id", "nas", "--reference", "r", "--origin", "prototype")
    assert done.code == 0, done.err
    for folders in (("structures",), ("structures/mine", "structures"), ("structures", "structures/mine")):
        asked = [word for folder in folders for word in ("--structures", folder)]
        assert nawf("phases", "show", "own", *asked).code == 0
        assert nawf("phases", "show", "nas", *asked).code == 0
    found = nawf("phases", "check", "--structures", "structures", "--format", "csv").out.splitlines()
    assert len([line for line in found if line.startswith("own,pass")]) == 1


def test_list_all_as_table() -> None:
    text = ok("list")
    assert "id" in text.splitlines()[2]
    assert all(f"\n{phase.id} " in text for phase in SHIPPED)
    assert "94 of 94 phases" in text


def test_list_filters() -> None:
    assert listed("--system", "Na-S") == [p.id for p in SHIPPED.in_system("Na-S")]
    assert listed("--tag", "electrolyte", "--tag", "li-reference") == ["li3ps4-beta", "li3ps4-gamma"]
    assert listed("--element", "Cr") == ["nacro2"]
    assert set(listed("--element", "Sn", "--element", "P", "--origin", "prototype")) == {"na10snp2s12"}
    assert listed("--system", "Na-S", "--origin", "prototype") == ["na2s3"]
    assert listed("--system", "Na-S", "--element", "Sn") == []


def test_list_csv_and_markdown() -> None:
    rows = csv_rows(ok("list", "--system", "Na-S", "--format", "csv"))
    alpha = next(row for row in rows if row["id"] == "na2s2-alpha")
    assert alpha == {
        "id": "na2s2-alpha",
        "formula": "Na2S2",
        "name": "α-Na2S2",
        "space_group": "P-62m",
        "z": "3",
        "n_atoms": "12",
        "origin": "dft",
    }
    assert "| na2s2-alpha | Na2S2 | α-Na2S2 | P-62m | 3 | 12 | dft |" in ok("list", "--format", "markdown")


def test_out_writes_a_file_and_prints_nothing(tmp_path: Path) -> None:
    assert ok("list", "--format", "csv", "--out", tmp_path / "a.csv") == ""
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == ok("list", "--format", "csv")
    assert "no such file or directory" in refusal("list", "--out", tmp_path / "no" / "a.csv")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("list", "--system", "NaS"), "is not an element symbol"),
        (("list", "--tag", "polysulphide"), "did you mean polysulfide"),
        (("list", "--element", "Xx"), "--element: 'Xx' is not an element symbol"),
        (("list", "--origin", "guess"), "no origin 'guess'"),
        (("list", "--structures", "/no/such/folder"), "/no/such/folder: there is no such folder"),
        (("show", "na2s2"), "did you mean na2s2-alpha or na2s2-beta?"),
    ],
)
def test_refusals(arguments: tuple[str, ...], words: str) -> None:
    assert words in refusal(*arguments)


def test_show_table() -> None:
    text = ok("show", "na2s5-alpha")
    for words in (
        "α-Na2S5",
        "Pnma (62)",
        "a = 7.654, b = 14.51, c = 5.846 Å",
        "2.111 g/cm³",
        "2.061 Å (S-S)",
        "S 8d",
        "0.297710 0.102480 0.836870",
        "Z. Naturforsch. B 39, 577 (1984)",
        "experimental: ",
    ):
        assert words in text
    assert "not measured" in ok("show", "na2s")
    assert "a = 10.475, b = 10.475, c = 17.412 Å; α = 90°, β = 90°, γ = 90° at 295 K" in ok("show", "nasn")


def test_show_json() -> None:
    document = json.loads(ok("show", "na2s", "--format", "json"))
    assert document["card"] == SHIPPED.get("na2s").card.model_dump(mode="json")
    assert document["card_hash"] == SHIPPED.get("na2s").card_hash
    assert document["volume_a3"] == pytest.approx(6.50087**3)
    # 4 Na2S of 78.045 g/mol in the cell
    assert document["density_g_per_cm3"] == pytest.approx(4 * 78.045 / 0.602214 / 6.50087**3, rel=1e-3)
    assert document["shortest_distance_angstrom"] == pytest.approx(6.50087 * 3**0.5 / 4)
    assert [(s["element"], s["multiplicity"], s["wyckoff_letter"]) for s in document["sites"]] == [
        ("Na", 8, "c"),
        ("S", 4, "a"),
    ]


def test_show_cif_is_the_file() -> None:
    assert ok("show", "na2s", "--cif") == SHIPPED.get("na2s").cif_path.read_text()


def test_tags_are_all_explained() -> None:
    rows = json.loads(ok("tags", "--format", "json"))["rows"]
    assert {row["tag"] for row in rows} == SHIPPED.tags
    assert all(row["meaning"] and row["n_phases"] > 0 for row in rows)


def test_check_of_the_whole_library_passes() -> None:
    assert "94 checked: 94 pass, 0 warn, 0 fail" in ok("check")


def test_check_of_files(nas: Path, tmp_path: Path) -> None:
    assert "1 checked: 1 pass" in ok("check", nas)
    (tmp_path / "bad.cif").write_text("data_x\n_cell_length_a 5\n")
    result = run("check", nas, tmp_path / "bad.cif", tmp_path / "none.cif", "--format", "json")
    assert result.exit_code == 2
    verdicts = [(row["verdict"], row["formula"]) for row in json.loads(result.stdout)["rows"]]
    assert verdicts == [("pass", "NaS"), ("fail", None), ("fail", None)]
    assert result.stderr.splitlines() == [
        f"nawf: {tmp_path / 'bad.cif'}: lists no atoms with fractional coordinates",
        f"nawf: {tmp_path / 'none.cif'}: cannot be read: no such file or directory",
    ]


def test_add_then_list_show_and_check(nas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = ok("add", nas, "--id", "nas-cscl", "--reference", "me", "--origin", "dft", "--tag", "toy", "--note", "Hm.")
    assert "added nas-cscl: NaS, Pm-3m, Z = 1, 2 atoms" in text
    assert sorted(p.name for p in (tmp_path / "structures").iterdir()) == ["nas-cscl.cif", "nas-cscl.yaml"]
    assert "nas-cscl" in listed("--structures", "structures", "--tag", "toy")
    assert "Hm." in ok("show", "nas-cscl", "--structures", "structures")
    assert "95 checked: 95 pass" in ok("check", "--structures", "structures")
    assert "toy" in ok("tags", "--structures", "structures")
    again = refusal("add", nas, "--id", "nas-cscl", "--reference", "me", "--origin", "dft")
    assert "phase 'nas-cscl' exists already" in again


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--id", "na2s"), "exists already"),
        (("--id", "../x"), "is not a phase id"),
        (("--id", "x", "--formula", "Na2S"), "the structure is NaS, not Na2S"),
        (("--id", "x", "--origin", "magic"), "no origin 'magic'"),
        (("--id", "x", "--folder", "no/such"), "no/such: cannot be made"),
    ],
)
def test_add_refuses(
    nas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words in refusal("add", nas, "--reference", "me", "--origin", "dft", *options)
    assert [p.name for p in tmp_path.iterdir()] == ["POSCAR"]


def test_own_phases_are_also_found_through_the_settings(
    nas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ok("add", nas, "--id", "nas-cscl", "--reference", "me", "--origin", "dft", "--folder", "own")
    assert "nas-cscl" not in listed()
    monkeypatch.setenv("NAWF_STRUCTURES", str(tmp_path / "own"))
    assert "nas-cscl" in listed()
    assert "95 checked: 95 pass" in ok("check")


def test_every_command_and_option_has_help() -> None:
    for command in ("list", "show", "check", "add", "tags"):
        assert "Usage" in ok(command, "--help")
    for group in phases_app.registered_commands:
        assert group.callback is not None
        assert group.callback.__doc__
