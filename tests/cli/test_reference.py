"""``--reference``: reports straight after the installation."""

import json
import shutil
from pathlib import Path

import pytest

from nawf.store import reference
from nawf.store.export import export_archive
from nawf.store.stores import open_stores


@pytest.fixture
def two_engines(nawf, records, tmp_path, monkeypatch):
    """Reference results of the embedded engine as they ship, and a few of another one."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    shutil.copy(reference.reference_archive("chgnet-r2scan"), folder)
    with open_stores("other.db") as stores:
        for prop in ("relax", "static"):
            document = records.document("na-bcc", prop, engine="gpaw")
            stores.results.update(document.model_dump(mode="json"))
        export_archive(folder / "gpaw.zip", stores, results_only=True)
    monkeypatch.setattr(reference, "_FOLDER", folder)
    return folder


def test_voltages_of_sulfur_come_without_a_store(nawf, tmp_path):
    done = nawf("report", "voltage", "--host", "S", "-T", "static", "--reference", "--format", "json")
    assert done.code == 0, done.err
    (table,) = json.loads(done.out) if isinstance(json.loads(done.out), list) else [json.loads(done.out)]
    reactions = [row["reaction"] for row in table["rows"]]
    assert reactions[0].startswith("5 S")
    assert reactions[-1].endswith("2 Na2S")
    assert not any("na3p" in note for note in table["notes"])
    assert not list(tmp_path.glob("*.db"))


def test_windows_of_electrolytes_are_near_published_ones(nawf, tmp_path):
    how = ("--reference", "--engine", "chgnet-r2scan", "-T", "static", "--format", "json")
    done = nawf("report", "window", *how, "--plot", "windows.png")
    assert done.code == 0, done.err
    found = {row["electrolyte"]: row for row in json.loads(done.out)["rows"]}
    assert {"na3ps4-alpha", "na3sbs4-tetragonal", "na4sns4", "na4p2s6"} <= set(found)
    # By another functional, with fewer phases: 10.1039/d4ee06171c.
    for phase, limits_v, off_v in (("na3ps4-alpha", (1.39, 2.45), 0.1), ("na3sbs4-tetragonal", (1.83, 1.90), 0.3)):
        row = found[phase]
        assert (row["reduction_limit_v"], row["oxidation_limit_v"]) == pytest.approx(limits_v, abs=off_v)
    assert (tmp_path / "windows.png").stat().st_size > 10_000


@pytest.mark.parametrize(("phase", "product"), [("na3ps4-alpha", "Na3P"), ("na3sbs4-tetragonal", "Na3Sb")])
def test_at_sodium_electrolytes_turn_into_sulfide_and_alloy(nawf, phase, product):
    how = ("--reference", "--engine", "chgnet-r2scan", "-T", "static", "--format", "csv")
    done = nawf("report", "window", "--electrolyte", phase, *how)
    assert done.code == 0, done.err
    # 10.1039/D5SC10189A
    reaction = f"Na3{product.removeprefix('Na3')}S4 + 8 Na → 4 Na2S + {product}"
    assert reaction in done.out
    done = nawf("report", "interface", "--between", f"{phase},Na", *how)
    assert done.code == 0, done.err
    assert reaction in done.out


def test_names_that_are_no_phases_are_told_apart_from_formulas(nawf):
    for what in (("interface", "--between", "a,Na"), ("window", "--electrolyte", "a")):
        done = nawf("report", *what, "--reference", "--engine", "chgnet-r2scan")
        assert (done.code, done.err.splitlines()) == (2, ["nawf: a: neither a phase with results nor a formula"])


def test_the_reports_of_the_readme_come(nawf):
    readme = Path(__file__).resolve().parents[2] / "README.md"
    lines = [line.split("#")[0].split() for line in readme.read_text().splitlines() if "--reference" in line]
    commands = [words[1:] for words in lines if words[:2] == ["nawf", "report"]]
    assert commands
    for command in commands:
        done = nawf(*command)
        assert done.code == 0, done.err
        assert done.out


def test_a_campaign_chooses_its_phases_and_queries_read_them_too(nawf):
    done = nawf("report", "hull", "na-s", "--reference")
    assert done.code == 0, done.err
    assert "na2s2-alpha" in done.out
    assert "na3sb " not in done.out
    listed = nawf("query", "--reference", "--phase", "na2s", "--format", "json")
    assert listed.code == 0
    assert "na2s/elastic/" in listed.out
    assert "chgnet-r2scan" in nawf("query", "fingerprints", "--reference").out


def test_a_store_and_the_reference_results_exclude_each_other(nawf):
    done = nawf("report", "hull", "--reference", "--store", "my.db")
    assert done.code == 2
    assert "--reference reads no store" in done.err


def test_what_is_not_there_is_said(nawf):
    done = nawf("report", "hull", "--reference", "--engine", "vasp")
    assert done.code == 2
    assert "reference" in done.err


def rows_of(outcome):
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    return [row for table in (found if isinstance(found, list) else [found]) for row in table["rows"]]


def test_of_several_engines_the_embedded_one_is_taken_unless_another_is_named(nawf, two_engines):
    shown = nawf("report", "lattice", "--reference", "--phases", "na-bcc")
    assert shown.code == 0, shown.err
    assert "chgnet-r2scan" in shown.out
    assert "--engine chooses gpaw" in shown.out
    chosen = nawf("report", "lattice", "--reference", "--engine", "gpaw")
    assert chosen.code == 0, chosen.err
    assert "gpaw" in chosen.out
    assert "chgnet-r2scan" not in chosen.out
    found = [
        rows_of(nawf("report", "lattice", "--reference", "--phases", "na-bcc", "--format", "json", *engine))
        for engine in ((), ("--engine", "chgnet-r2scan"), ("--engine", "gpaw"))
    ]
    assert found[0] == found[1] != found[2]
    group = next(
        row
        for row in rows_of(nawf("query", "fingerprints", "--reference", "--format", "json"))
        if row["engine"] != "chgnet-r2scan"
    )
    picked = nawf("report", "lattice", "--reference", "--fingerprint", group["calculation"])
    assert picked.code == 0, picked.err
    assert "chgnet-r2scan" not in picked.out
    # Verdicts are told of all, beside one another.
    verdicts = nawf("report", "quality", "--reference").out
    assert "gpaw" in verdicts
    assert "chgnet-r2scan" in verdicts


def test_a_campaign_says_which_engine_it_is(nawf, two_engines, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "{name: mine, title: Mine, phases: {ids: [na-bcc]}, properties: [relax], engine: chgnet-r2scan}"
    )
    shown = nawf("report", "lattice", "mine.yaml", "--reference")
    assert shown.code == 0, shown.err
    assert "--engine chooses" not in shown.out


def test_reference_results_are_imported_and_imported_again(nawf, two_engines, tmp_path):
    count = len(reference.reference_results())
    first = nawf("store", "import", "--reference")
    assert (first.code, first.out.splitlines()) == (
        0,
        [
            f"chgnet-r2scan results: {count - 2} imported to nawf.db, 0 there already",
            "gpaw results: 2 imported to nawf.db, 0 there already",
        ],
    )
    again = nawf("store", "import", "--reference")
    assert again.out.splitlines()[1] == "gpaw results: 0 imported to nawf.db, 2 there already"
    assert rows_of(nawf("query", "--format", "json")) == rows_of(nawf("query", "--reference", "--format", "json"))
    shown = nawf("report", "voltage", "--host", "S", "-T", "static", "--engine", "chgnet-r2scan", "--format", "json")
    reference_shown = nawf("report", "voltage", "--host", "S", "-T", "static", "--reference", "--format", "json")
    assert rows_of(shown) == rows_of(reference_shown)
    # What was imported is done: nothing of it is calculated again.
    planned = nawf("plan", "na-s")
    assert planned.code == 0, planned.err
    assert "44 done; about 0 s" in planned.out


def test_reference_results_of_one_engine_are_imported_by_its_name(nawf, two_engines):
    done = nawf("store", "import", "gpaw", "--reference", "--store", "mine.db")
    assert done.out == "gpaw results: 2 imported to mine.db, 0 there already\n"
    unknown = nawf("store", "import", "vasp", "--reference", "--store", "no.db")
    assert unknown.code == 2
    assert "choose from chgnet-r2scan, gpaw" in unknown.err
    nothing = nawf("store", "import", "--store", "no.db")
    assert nothing.code == 2
    assert "which archive?" in nothing.err


def test_an_archive_that_was_altered_brings_nothing_of_any(nawf, two_engines, tmp_path):
    whole = (two_engines / "gpaw.zip").read_bytes()
    (two_engines / "gpaw.zip").write_bytes(whole[:-9] + b"x" + whole[-8:])
    done = nawf("store", "import", "--reference", "--store", "new.db")
    assert done.code == 2
    assert "gpaw.zip" in done.err
    assert not (tmp_path / "new.db").exists()
