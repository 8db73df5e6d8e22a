"""Reports through the real command, from a store that is filled with records."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from refused_commands import assert_one_clear_line

from nawf.engines.base import intended_fingerprint
from nawf.engines.registry import build_engine, engine_spec
from nawf.phases.library import load_library
from nawf.results.crystal import Crystal
from nawf.results.methods import ElasticMethod, Methods, PhononMethod, RelaxMethod
from nawf.results.outputs import SpaceGroup
from nawf.results.symmetry import primitive_cell
from nawf.results.verdict import Level, Reason, Verdict
from nawf.store.stores import open_stores

Nawf = Callable[..., Any]

LIBRARY = load_library()
PASS = Verdict()
CAMPAIGN = "name: mine\ntitle: Mine\nphases: {ids: [na-bcc, na2s, s-alpha]}\nproperties: [relax, static, elastic]\n"


def verdict(level: Level, message: str, rule: str = "rule") -> Verdict:
    return Verdict(reasons=(Reason(rule=rule, level=level, message=message),))


class Maker:
    """Documents of shipped phases, as relaxing (by a factor) and calculating them would leave."""

    def __init__(self, records: Any) -> None:
        self.records = records

    def document(self, phase_id: str, prop: str, outcome: Verdict = PASS, factor: float = 1.0, **changes: Any) -> Any:
        phase = LIBRARY.get(phase_id)
        start = Crystal.from_structure(phase.structure())
        scaled = Crystal.from_arrays(start.matrix_a * factor, start.species, start.frac_coords)
        crystal = primitive_cell(scaled, 0.01)
        group = SpaceGroup(number=phase.card.space_group.number, symbol=phase.card.space_group.symbol)
        values = {
            "relax": {"crystal": crystal, "initial_space_group": group, "space_group": group},
            "static": {"crystal": crystal},
            "phonon": {"crystal": crystal},
            "elastic": {},
        }[prop]
        about = {k: changes.pop(k) for k in ("engine", "protocol") if k in changes}
        result = getattr(self.records, prop)(**(values | changes))
        card = phase.card
        facts = {
            "name": card.name,
            "formula": card.formula,
            "origin": card.origin.value,
            "tags": card.tags,
            "card_hash": phase.card_hash,
        }
        return self.records.document(
            phase_id, prop, result, card=facts, verdict=outcome, chemical_system=card.chemical_system, **about
        )


@pytest.fixture
def make(records: Any) -> Maker:
    return Maker(records)


def store(*documents: Any, path: str = "nawf.db") -> None:
    with open_stores(path) as stores:
        for document in documents:
            content = document.model_dump(mode="json") | {"last_updated": datetime.now(UTC)}
            stores.results.update(content, key="result_id")


@pytest.fixture
def filled(nawf: Nawf, make: Maker) -> Nawf:
    """The command beside a store of three phases: one clean, one with a warning, one whose tensor failed."""
    store(
        *(make.document("na2s", prop) for prop in ("relax", "static", "elastic")),
        make.document("na-bcc", "relax", verdict(Level.WARN, "swollen", "volume-change"), factor=1.02),
        make.document("na-bcc", "elastic"),
        make.document("na3ps4-alpha", "relax", factor=1.01),
        make.document("na3ps4-alpha", "elastic", verdict(Level.FAIL, "mechanically unstable", "born-stability")),
        make.document("s-alpha", "relax", verdict(Level.FAIL, "stopped early", "ionic-convergence")),
    )
    return nawf


def rows_of(outcome: Any) -> list[dict[str, Any]]:
    """Rows of the first table of JSON output."""
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    rows = (found[0] if isinstance(found, list) else found)["rows"]
    assert isinstance(rows, list)
    return rows


def test_elastic(filled: Nawf) -> None:
    outcome = filled("report", "elastic")
    assert outcome.code == 0
    assert outcome.out.startswith("Elastic moduli\n")
    assert "springs, harmonic, calculation " in outcome.out
    assert "* na-bcc: swollen" in outcome.out
    assert "Left out: na3ps4-alpha: elastic: mechanically unstable" in outcome.out
    assert "Missing (its relaxation failed its checks: " in outcome.out
    assert "): s-alpha" in outcome.out
    assert outcome.out.endswith("Made by: nawf report elastic\n")
    assert [r["phase"] for r in rows_of(filled("report", "elastic", "--format", "json"))] == ["na-bcc", "na2s"]


@pytest.mark.parametrize(
    ("options", "phases"),
    [
        (("--phases", "na2s,na-bcc"), ["na-bcc", "na2s"]),
        (("--exclude", "na2s"), ["na-bcc", "na3ps4-alpha"]),
        (("--system", "Na-S"), ["na-bcc", "na2s"]),
        (("--exclude-tag", "electrolyte"), ["na-bcc", "na2s"]),
        (("--exclude-origin", "dft"), ["na-bcc", "na3ps4-alpha"]),
    ],
)
def test_which_phases(filled: Nawf, options: tuple[str, ...], phases: list[str]) -> None:
    assert [r["phase"] for r in rows_of(filled("report", "lattice", *options, "--format", "json"))] == phases


def test_tensors_of_chosen_phases(filled: Nawf) -> None:
    outcome = filled("report", "elastic", "--tensor", "--phases", "na2s", "--format", "json")
    moduli, components, fits = json.loads(outcome.out)
    assert [table["title"] for table in (components, fits)] == ["Elastic tensors", "Fits of the elastic tensors"]
    assert [row["component"] for row in components["rows"]] == ["C11", "C12", "C44"]
    assert {row["phase"] for table in (moduli, components, fits) for row in table["rows"]} == {"na2s"}


def test_a_picture_of_the_modulus_by_direction(filled: Nawf, tmp_path: Path) -> None:
    outcome = filled("report", "elastic", "--plot", "young.png")
    assert outcome.code == 0
    assert "drawn in young.png" in outcome.err
    assert (tmp_path / "young.png").read_bytes().startswith(b"\x89PNG")


def test_too_many_phases_for_a_picture(nawf: Nawf, make: Maker, tmp_path: Path) -> None:
    store(*(make.document(phase.id, "elastic") for phase in LIBRARY.phases[:10]))
    assert_one_clear_line(nawf("report", "elastic", "--plot", "young.png"), "10 phases", "--phases")
    assert not (tmp_path / "young.png").exists()


def test_lattice(filled: Nawf) -> None:
    outcome = filled("report", "lattice", "--format", "json")
    rows = {row["phase"]: row for row in rows_of(outcome)}
    assert list(rows) == ["na-bcc", "na2s", "na3ps4-alpha"]
    assert rows["na-bcc"]["a_deviation_percent"] == pytest.approx(2.0, abs=1e-6)
    assert rows["na3ps4-alpha"]["c_deviation_percent"] == pytest.approx(1.0, abs=1e-6)
    assert rows["na2s"]["a_deviation_percent"] is None
    assert rows["na2s"]["ji2024"] == 22.954
    notes = json.loads(outcome.out)["notes"]
    assert any(n.startswith("Mean absolute deviation: 1.3 % of 3 lengths") for n in notes)
    assert "Left out: s-alpha: relax: stopped early" in notes
    assert notes[-1] == "Made by: nawf report lattice --format json"


def test_measured_cells_and_their_sources(filled: Nawf) -> None:
    outcome = filled("report", "lattice", "--measured", "--exclude", "na2s")
    assert "Measured cells" in outcome.out
    assert "10.1016/0022-4596(92)90295-7" in outcome.out


def test_phases_of_a_folder_of_ones_own_are_known(nawf: Nawf, make: Maker, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    phase = LIBRARY.get("li2s")
    card = phase.cif_path.with_suffix(".yaml").read_text()
    (own / "my-li2s.yaml").write_text(card.replace("id: li2s", "id: my-li2s"))
    (own / "my-li2s.cif").write_text(phase.cif_path.read_text())
    store(make.document("li2s", "relax", factor=1.03).model_copy(update={"phase": "my-li2s"}))
    without, given = (
        rows_of(nawf("report", "lattice", "--format", "json", *more)) for more in ((), ("--structures", own))
    )
    assert without[0]["a_deviation_percent"] is None
    assert given[0]["a_deviation_percent"] == pytest.approx(3.0, abs=1e-6)


def test_quality(filled: Nawf) -> None:
    outcome = filled("report", "quality")
    assert outcome.code == 0
    assert outcome.out.splitlines()[0] == "Quality: 4 phases: 1 pass, 1 warn, 2 fail"
    assert (
        outcome.out.index("stopped early") < outcome.out.index("mechanically unstable") < outcome.out.index("swollen")
    )
    tables = json.loads(filled("report", "quality", "--level", "fail", "--format", "json").out)
    assert [row["phase"] for row in tables[1]["rows"]] == ["s-alpha", "na3ps4-alpha"]
    assert [row["phase"] for row in tables[3]["rows"]] == ["s-alpha", "na3ps4-alpha"]


def test_a_list_of_results_has_no_values_of_failed_ones(filled: Nawf) -> None:
    rows = rows_of(filled("query", "--format", "json"))
    assert {row["verdict"] for row in rows if row["value"] is None} == {"fail"}
    assert all(row["value"] for row in rows if row["verdict"] != "fail")
    listed = filled("query", "--verdict", "fail").out
    assert "–" in listed
    assert "GPa" not in listed
    (name,) = [row["result_id"] for row in rows if row["result_id"].startswith("na3ps4-alpha/elastic")]
    assert "bulk_hill_gpa" in filled("query", "show", name).out


def test_limits_of_the_rules(filled: Nawf) -> None:
    assert "Rules and their limits" not in filled("report", "quality").out
    tables = json.loads(filled("report", "quality", "--limits", "--format", "json").out)
    rules = {(row["rule"], row["property"], row["level"]): row for row in tables[4]["rows"]}
    assert "positive" in rules["born-stability", "elastic", "fail"]["condition"]
    assert all(row["reason"] for row in rules.values())


@pytest.mark.parametrize("report", ["elastic", "lattice", "quality"])
@pytest.mark.parametrize("fmt", ["table", "csv", "json", "markdown"])
def test_every_format_on_the_terminal_and_in_a_file(filled: Nawf, tmp_path: Path, report: str, fmt: str) -> None:
    printed = filled("report", report, "--format", fmt)
    assert printed.code == 0
    assert not printed.err
    written = filled("report", report, "--format", fmt, "--out", "out.txt")
    assert (written.code, written.out) == (0, "")
    text = (tmp_path / "out.txt").read_text()
    assert text.replace(" --out out.txt", "") == printed.out
    assert "na2s" in text
    if fmt == "csv":
        keys = next(csv.reader(line for line in io.StringIO(text) if not line.startswith("#")))
        assert len(keys) == len(set(keys)) > 3
    if fmt == "json":
        assert json.loads(text)


def test_results_of_unlike_settings_do_not_meet_but_in_quality(nawf: Nawf, make: Maker) -> None:
    coarse = {"method": ElasticMethod(strains=(0.02,))}
    store(
        *(make.document("na2s", prop) for prop in ("relax", "static", "elastic")),
        make.document("li2s", "elastic", **coarse),
        make.document("li2s", "relax"),
    )
    assert_one_clear_line(nawf("report", "elastic"), "elastic results obtained in unlike ways", "elastic_strains")
    chosen = make.document("li2s", "elastic", **coarse).fingerprint_id
    assert [r["phase"] for r in rows_of(nawf("report", "elastic", "--fingerprint", chosen, "--format", "json"))] == [
        "li2s"
    ]
    assert len(rows_of(nawf("report", "lattice", "--format", "json"))) == 2
    assert nawf("report", "quality").out.startswith("Quality: 2 phases: 2 pass")
    found = json.loads(nawf("report", "quality", "--fingerprint", chosen, "--format", "json").out)
    assert [row["phase"] for row in found[3]["rows"]] == ["li2s"]


def test_other_properties_do_not_stand_in_the_way(nawf: Nawf, make: Maker) -> None:
    """Energies do not care how elastic tensors were obtained, nor tensors about phonons."""
    store(
        *(make.document(phase, prop) for phase in ("na2s", "na-bcc") for prop in ("relax", "static")),
        make.document("na2s", "elastic"),
        make.document("na-bcc", "elastic", method=ElasticMethod(strains=(0.02,))),
    )
    assert nawf("report", "formation", "--phases", "na-bcc").code == 0
    store(
        make.document("na2s", "phonon"),
        make.document("na-bcc", "phonon", method=PhononMethod(min_length_a=9.0)),
        make.document("na-bcc", "elastic"),
        make.document("li2s", "relax", method=RelaxMethod(force_ev_per_a=0.05)),
        path="other.db",
    )
    assert nawf("report", "elastic", "--store", "other.db").code == 0
    assert_one_clear_line(
        nawf("report", "formation", "--store", "other.db", "--phases", "na-bcc"), "no results to report"
    )


def test_unlike_calculations_stand_side_by_side_in_quality(nawf: Nawf, make: Maker, records: Any) -> None:
    other = records.calculation | {"functional": "anharmonic"}
    store(
        make.document("na2s", "relax"),
        make.document(
            "na2s", "relax", verdict(Level.FAIL, "stopped"), calculation=other, engine="vasp", protocol="x"
        ),
    )
    tables = json.loads(nawf("report", "quality", "--format", "json").out)
    assert [(r["engine"], r["protocol"], r["relax"]) for r in tables[3]["rows"]] == [
        ("vasp", "x", "fail"),
        ("springs", "seed", "pass"),
    ]
    assert sum("calculation" in note for note in tables[0]["notes"]) == 2
    only = json.loads(nawf("report", "quality", "--engine", "springs", "--format", "json").out)
    assert [r["engine"] for r in only[3]["rows"]] == ["springs"]


@pytest.fixture
def campaign(nawf: Nawf, make: Maker, tmp_path: Path) -> Nawf:
    """A campaign of three phases of which sodium is done, Na2S was relaxed in vain, and sulfur was not begun."""
    (tmp_path / "mine.yaml").write_text(CAMPAIGN)
    engine = build_engine(engine_spec("chgnet-r2scan"))
    calculation = engine.calculation()
    assert intended_fingerprint(engine, "relax", engine.methods()).calculation == calculation
    assert engine.methods() == Methods()
    about = {"calculation": calculation, "engine": "chgnet-r2scan", "protocol": "seed"}
    store(
        *(make.document("na-bcc", prop, **about) for prop in ("relax", "static", "elastic")),
        make.document("na2s", "relax", verdict(Level.FAIL, "stopped early", "ionic-convergence"), **about),
        make.document("li2s", "relax", **about),
    )
    return nawf


def test_quality_of_a_campaign_says_what_is_missing_and_blocked(campaign: Nawf) -> None:
    outcome = campaign("report", "quality", "mine.yaml", "--format", "json")
    counts, _, _, states = json.loads(outcome.out)
    assert counts["title"] == ("Quality: 3 phases: 1 pass, 1 fail, 1 without results; results: 3 missing, 2 blocked")
    assert [(r["phase"], r["relax"], r["static"], r["elastic"]) for r in states["rows"]] == [
        ("na2s", "fail", "blocked", "blocked"),
        ("s-alpha", "missing", "missing", "missing"),
        ("na-bcc", "pass", "pass", "pass"),
    ]
    assert "Missing: elastic of s-alpha" in counts["notes"]
    assert "Blocked (the relaxation failed its checks): static of na2s" in counts["notes"]
    chosen = campaign("report", "quality", "mine.yaml", "--exclude", "na2s", "--format", "json")
    assert json.loads(chosen.out)[0]["title"].startswith("Quality: 2 phases: 1 pass, 1 without results")
    chosen = campaign("report", "quality", "mine.yaml", "--phases", "na-bcc", "--format", "json")
    assert json.loads(chosen.out)[0]["title"] == "Quality: 1 phase: 1 pass"


def test_a_report_of_a_campaign_names_what_the_campaign_lacks(campaign: Nawf) -> None:
    notes = json.loads(campaign("report", "elastic", "mine.yaml", "--format", "json").out)["notes"]
    assert "Missing (its relaxation failed its checks: stopped early): na2s" in notes
    assert "Missing (no elastic tensor in the store): s-alpha" in notes
    notes = json.loads(campaign("report", "lattice", "mine.yaml", "--format", "json").out)["notes"]
    assert "Missing (no relaxation in the store): s-alpha" in notes
    assert not any("li2s" in note for note in notes)


def test_quality_can_be_read_where_the_engine_is_not_installed(
    campaign: Nawf, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    # Not build_engine itself: whoever is loaded meanwhile would keep what stands in its place.
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "chgnet" else find_spec(name))
    build_engine.cache_clear()
    outcome = campaign("report", "quality", "mine.yaml")
    assert outcome.code == 0
    words = " ".join(outcome.out.split())
    assert "What is missing cannot be told here: engine chgnet-r2scan needs the package chgnet" in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("elastic", "--phases", "na9s"), ["--phases", "na9s", "without results"]),
        (("lattice", "--exclude", "na9s"), ["--exclude", "na9s"]),
        (("elastic", "--system", "P-Sn"), ["no results for this report"]),
        (
            ("elastic", "--phases", "s-alpha"),
            ["there are no elastic results for this report", "--properties elastic"],
        ),
        (("elastic", "--engine", "vasp"), ["no elastic results"]),
        (("quality", "--engine", "vasp"), ["no results"]),
        (("quality", "--fingerprint", "zzz"), ["no results"]),
        (("elastic", "--fingerprint", "zzz"), ["zzz"]),
        (("elastic", "--plot", "young.bmp"), ["young.bmp"]),
    ],
)
def test_what_a_user_can_get_wrong(
    filled: Nawf, tmp_path: Path, arguments: tuple[str, ...], words: list[str]
) -> None:
    assert_one_clear_line(filled("report", *arguments), *words)
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith("nawf.db")) == []


def test_a_phase_that_the_campaign_does_not_have(campaign: Nawf) -> None:
    assert_one_clear_line(campaign("report", "elastic", "mine.yaml", "--phases", "li2s"), "li2s", "it has na-bcc")


def test_an_unknown_level_is_a_usage_error(filled: Nawf) -> None:
    outcome = filled("report", "quality", "--level", "awful")
    assert outcome.code == 2
    assert "awful" in outcome.err


def test_energies_of_another_version_of_a_structure_are_marked(nawf: Nawf, make: Maker) -> None:
    phases = ("na-bcc", "s-alpha", "na2s")
    documents = [make.document(phase, prop) for phase in phases for prop in ("relax", "static")]
    store(*documents)
    assert "another version" not in nawf("report", "hull", "--system", "Na-S").out
    changed = [
        d.model_copy(update={"card": d.card.model_copy(update={"card_hash": "0" * 64})}) if d.phase == "na2s" else d
        for d in documents
    ]
    store(*changed, path="changed.db")
    for kind in (("formation",), ("hull",), ("voltage", "--host", "S")):
        outcome = nawf("report", *kind, "--system", "Na-S", "--store", "changed.db")
        assert outcome.code == 0, outcome.err
        text = " ".join(outcome.out.split())
        assert "* na2s: calculated from another version of the structure than the library has now" in text


def test_a_table_is_not_written_over_a_store(filled: Nawf) -> None:
    before = Path("nawf.db").read_bytes()
    for command in (("report", "elastic"), ("query",), ("store", "info")):
        assert_one_clear_line(filled(*command, "--out", "nawf.db"), "nawf.db", "is a store", "name another file")
    assert Path("nawf.db").read_bytes() == before
    assert filled("query", "--out", "table.txt").code == 0
