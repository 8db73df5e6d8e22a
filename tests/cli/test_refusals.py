"""Results of unlike settings meet in no report, and what differs is said; like results meet by whatever route.

Every command of ``nawf report`` is held to this; one that is added needs no more than its arguments here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import typer.main
from csv_reading import csv_rows

from nawf.cli.report import report_app
from nawf.phases.library import load_library
from nawf.results.crystal import Crystal
from nawf.results.methods import PhononMethod
from nawf.results.outputs import Correction
from nawf.store.stores import open_stores

# Verdicts are laid side by side, not combined.
COMBINES_NOTHING = {"quality"}
ARGUMENTS = {
    "voltage": ("--host", "S"),
    "window": ("--electrolyte", "na2s"),
    "interface": ("--between", "S,Na"),
}
REPORTS = sorted(set(typer.main.get_command(report_app).commands) - COMBINES_NOTHING)  # type: ignore[attr-defined]

# Energies in eV/atom that make Na2S stable.
PHASES = {"na-bcc": ("Na", -1.3), "s-alpha": ("S8", -4.1), "na2s": ("Na2S", -3.4)}
VASP = {"engine": "vasp", "functional": "r2SCAN", "encut_ev": 680.0}
NA, OTHER_NA, S = (
    f"PAW_PBE {what} sha256:{digit * 64}" for what, digit in (("Na_pv", "a"), ("Na_pv", "d"), ("S", "b"))
)
POTCARS = {"Na": NA, "S": S}
POTENTIAL = {"engine": "springs", "model_sha256": "a" * 64, "functional": "harmonic"}


def arguments(report: str) -> tuple[str, ...]:
    return (report, *ARGUMENTS.get(report, ()))


@pytest.fixture
def results(records: Any) -> Callable[..., list[Any]]:
    """Results of all properties of a phase under a calculation, on its shipped structure."""
    library = load_library()

    def build(phase: str, calculation: dict[str, Any], /, run: Any = None, **methods: Any) -> list[Any]:
        formula, energy_ev = PHASES[phase]
        crystal = Crystal.from_structure(library.get(phase).structure())
        shared = {"calculation": calculation, "crystal": crystal, "run": run or records.run()}
        made = {
            "relax": records.relax(initial=crystal, volume_change=0.0, energy_ev_per_atom=energy_ev, **shared),
            "static": records.static(energy_ev_per_atom=energy_ev, **shared),
            "phonon": records.phonon(method=methods.get("phonon") or PhononMethod(), **shared),
        }
        if phase != "s-alpha":  # the constants of the record are those of a cubic crystal
            made["elastic"] = records.elastic(**shared)
        card = {"formula": formula, "name": phase}
        return [records.document(phase, p, r, card=card, engine=calculation["engine"]) for p, r in made.items()]

    return build


def elements(formula: str) -> list[str]:
    return [e for e in ("Na", "S") if e in formula]


def vasp(phase: str, **changes: Any) -> dict[str, Any]:
    """Settings of a phase with the potentials of its elements."""
    potentials = {f"potential_{e}": POTCARS[e] for e in elements(PHASES[phase][0])}
    return VASP | potentials | changes


def store(documents: list[Any]) -> None:
    with open_stores("nawf.db") as stores:
        for document in documents:
            stores.results.update(document.model_dump(mode="json"), key="result_id")


@pytest.fixture
def like(nawf: Any, results: Any) -> list[Any]:
    """A store of like results (the fixture ``nawf`` has made a folder for it)."""
    documents = [d for phase in PHASES for d in results(phase, vasp(phase))]
    store(documents)
    return documents


@pytest.mark.parametrize("report", REPORTS)
def test_like_results_meet(nawf: Any, like: list[Any], report: str) -> None:
    outcome = nawf("report", *arguments(report))
    assert outcome.code == 0, outcome.err
    assert "na2s" in outcome.out or "Na2S" in outcome.out
    assert like[0].calculation_id in outcome.out


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize(
    ("settings", "changes", "words"),
    [
        (vasp, {"functional": "PBE"}, ['functional: "r2SCAN" in', '"PBE" in na2s (vasp)']),
        (vasp, {"encut_ev": 520.0}, ["encut_ev: 680.0 in", "520.0 in na2s (vasp)"]),
        (
            vasp,
            {"potential_Na": OTHER_NA},
            [
                'potential_Na: "PAW_PBE Na_pv sha256:aaaaaaaaaaaa" in',
                '"PAW_PBE Na_pv sha256:dddddddddddd" in na2s (vasp)',
            ],
        ),
        (
            lambda phase, **changes: POTENTIAL | changes,
            {"model_sha256": "b" * 64},
            [f'model_sha256: "{"a" * 64}" in', f'"{"b" * 64}" in na2s (springs)'],
        ),
    ],
    ids=["functional", "cutoff", "potcar", "model"],
)
def test_unlike_results_do_not(
    nawf: Any, results: Any, report: str, settings: Any, changes: dict[str, Any], words: list[str]
) -> None:
    documents = [
        d for phase in PHASES for d in results(phase, settings(phase, **(changes if phase == "na2s" else {})))
    ]
    store(documents)
    outcome = nawf("report", *arguments(report))
    assert outcome.code == 2, outcome.out
    assert outcome.out == ""
    assert len(outcome.err.strip().splitlines()) == 1
    for word in (*words, "cannot meet", "--fingerprint", "nawf query fingerprints"):
        assert word in outcome.err


@pytest.mark.parametrize("report", REPORTS)
def test_a_side_is_picked_by_a_name_that_the_list_gives(nawf: Any, results: Any, report: str) -> None:
    """What the refusal advises works: the names in the list settle it, one way or the other."""
    documents = [d for phase in PHASES for d in results(phase, vasp(phase))]
    documents += [d for phase in PHASES for d in results(phase, vasp(phase, functional="PBE"))]
    documents += results("na2s", vasp("na2s", potential_Na=OTHER_NA))
    store(documents)
    assert nawf("report", *arguments(report)).code == 2
    rows = json.loads(nawf("query", "fingerprints", "--format", "json").out)["rows"]
    sides = {(r["functional"], r["apart"]): r for r in rows if r["property"] == "static"}
    assert len(sides) == 4  # sulfur gets on with both potentials of sodium
    pbe = sides["PBE", ""]
    assert nawf("report", *arguments(report), "--fingerprint", pbe["calculation"]).code == 0
    ours = sides["r2SCAN", "potential_Na PAW_PBE Na_pv sha256:aaaaaaaaaaaa"]
    assert "potential_Na" in nawf("report", *arguments(report), "--fingerprint", ours["calculation"]).err
    outcome = nawf("report", *arguments(report), "--fingerprint", ours["fingerprint"])
    assert outcome.code == 0, outcome.err
    assert ours["calculation"] in outcome.out


def test_a_campaign_selects_a_fingerprint(nawf: Any, results: Any, tmp_path: Any) -> None:
    """Both functionals were run by one campaign; it says which one its reports show, and an option goes before it."""
    sides = {}
    for functional in ("r2SCAN", "PBE"):
        settings = {phase: POTENTIAL | {"engine": "chgnet-r2scan", "functional": functional} for phase in PHASES}
        sides[functional] = [d for phase in PHASES for d in results(phase, settings[phase])]
        store(sides[functional])
    names = {functional: documents[0].calculation_id for functional, documents in sides.items()}
    text = "name: mine\ntitle: Mine\nphases: {ids: [na-bcc, s-alpha, na2s]}\nproperties: [static]\n"
    (tmp_path / "mine.yaml").write_text(text)
    assert "functional" in nawf("report", "formation", "mine.yaml").err
    (tmp_path / "mine.yaml").write_text(f'{text}fingerprint: "{names["PBE"]}"\n')
    outcome = nawf("report", "formation", "mine.yaml")
    assert (outcome.code, f"PBE, calculation {names['PBE']}" in outcome.out) == (0, True), outcome.err
    outcome = nawf("report", "formation", "mine.yaml", "--fingerprint", names["r2SCAN"])
    assert (outcome.code, f"r2SCAN, calculation {names['r2SCAN']}" in outcome.out) == (0, True), outcome.err
    (tmp_path / "mine.yaml").write_text(f'{text}fingerprint: ""\n')
    assert "fingerprint" in nawf("report", "formation", "mine.yaml").err


@pytest.mark.parametrize("report", REPORTS)
def test_the_same_settings_by_another_route_meet_and_the_route_is_told(
    nawf: Any, results: Any, records: Any, report: str
) -> None:
    """An error handler that changed ALGO changed no setting of the energy; it is on record all the same."""
    correction = Correction(
        handler="UnconvergedErrorHandler", errors=("unconverged_electronic",), actions=("INCAR: ALGO = All",)
    )
    corrected = records.run().model_copy(update={"corrections": (correction,)})
    documents = [d for phase in ("na-bcc", "s-alpha") for d in results(phase, vasp(phase))]
    documents += results("na2s", vasp("na2s"), run=corrected)
    store(documents)
    outcome = nawf("report", *arguments(report))
    assert outcome.code == 0, outcome.err
    listed = nawf("report", "quality", "--format", "json").out
    assert "UnconvergedErrorHandler" in listed
    assert "ALGO = All" in listed
    shown = json.loads(nawf("query", "show", documents[-1].result_id).out)
    assert shown["result"]["run"]["corrections"][0]["actions"] == ["INCAR: ALGO = All"]


def test_the_list_of_fingerprints(nawf: Any, results: Any) -> None:
    short = PhononMethod(min_length_a=8.0)
    documents = [d for phase in PHASES for d in results(phase, vasp(phase))]
    documents += results("na2s", vasp("na2s", functional="PBE", further="NUPDOWN 0"), phonon=short)
    documents += [d for d in results("s-alpha", vasp("s-alpha"), phonon=short) if d.property == "phonon"]
    store(documents)
    rows = csv_rows(nawf("query", "fingerprints", "--format", "csv").out)
    (r2scan,) = {d.calculation_id for d in documents if d.fingerprint.functional == "r2SCAN"}
    found = {(r["functional"], r["property"], r["apart"]): r for r in rows}
    assert len(found) == len(rows) == 9
    static = found["r2SCAN", "static", ""]
    assert (static["calculation"], static["phases"], static["results"], static["engine"]) == (
        r2scan,
        "3",
        "3",
        "vasp",
    )
    assert static["settings"] == "encut_ev 680.0"
    assert static["potentials"] == "Na: PAW_PBE Na_pv sha256:aaaaaaaaaaaa, S: PAW_PBE S sha256:bbbbbbbbbbbb"
    assert static["fingerprint"] in {d.fingerprint_id for d in documents if d.property == "static"}
    assert found["PBE", "static", ""]["settings"] == "encut_ev 680.0, further NUPDOWN 0"
    assert found["r2SCAN", "phonon", "phonon_min_length_a 12.0"]["phases"] == "3"
    assert found["r2SCAN", "phonon", "phonon_min_length_a 8.0"]["phases"] == "1"
    assert found["PBE", "phonon", ""]["phases"] == "1"
    table = nawf("query", "fingerprints").out
    assert "--fingerprint takes" in table
    assert r2scan in table


def test_results_are_listed_by_either_name(nawf: Any, like: list[Any]) -> None:
    document = next(d for d in like if d.property == "static")

    def count(*names: str) -> int:
        return len(json.loads(nawf("query", "--fingerprint", ",".join(names), "--format", "json").out)["rows"])

    assert count(document.calculation_id) == len(like) == 11
    assert count(document.fingerprint_id[:8]) == 1
    assert count(*(d.fingerprint_id for d in like[:5])) == 5
    assert count("xyz") == 0
