from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from nawf.errors import StructureError
from nawf.phases.card import Origin, card_yaml, read_card

CARD: dict[str, Any] = {
    "id": "na2s-test",
    "formula": "Na2S",
    "name": "Na2S, antifluorite",
    "space_group": {"symbol": "Fm-3m", "number": 225},
    "z": 4,
    "origin": "experimental",
    "reference": "E. Zintl, Z. Elektrochem. (1934)",
    "doi": None,
    "tags": ["sulfide"],
    "notes": ["A sentence: with a colon."],
}
MEASURED = {"a_angstrom": 6.5, "b_angstrom": 6.5, "c_angstrom": 6.5, "reference": "somebody"}


def write(folder: Path, changes: dict[str, Any] | None = None) -> Path:
    path = folder / "na2s-test.yaml"
    data = {key: value for key, value in {**CARD, **(changes or {})}.items() if value != "DROP"}
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    return path


def test_reads_a_card(tmp_path: Path) -> None:
    card = read_card(write(tmp_path))
    assert card.origin is Origin.EXPERIMENTAL
    assert card.tags == ("sulfide",)
    assert card.n_atoms == 12
    assert card.chemical_system == "Na-S"
    assert card.elements == {"Na", "S"}


def test_yaml_round_trip(tmp_path: Path) -> None:
    changes = {"origin": "dft", "measured_cell": MEASURED, "tags": ["a", "b"], "name": "α-Na2S: «x» # y"}
    card = read_card(write(tmp_path, changes))
    (tmp_path / "na2s-test.yaml").write_text(card_yaml(card), encoding="utf-8")
    assert read_card(tmp_path / "na2s-test.yaml") == card


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"colour": "white"}, "colour: unknown key"),
        ({"space_group": {"symbol": "Fm-3m", "number": 225, "setting": 1}}, "space_group.setting: unknown key"),
        ({"z": "DROP"}, "z: is missing"),
        ({"z": 0}, "z: "),
        ({"z": "4"}, "z: "),
        ({"z": 4.5}, "z: "),
        ({"z": True}, "z: "),
        ({"space_group": {"symbol": "Fm-3m", "number": 231}}, "space_group.number: "),
        ({"formula": "Na2Ss"}, "formula: 'Na2Ss' is not a formula"),
        ({"origin": "guess"}, "origin: "),
        ({"reference": ""}, "reference: "),
        ({"doi": "https://doi.org/10.1000/1"}, "doi: "),
        ({"id": "../evil"}, "id: '../evil' is not a phase id"),
        ({"id": "Na2S"}, "id: 'Na2S' is not a phase id"),
        ({"tags": ["sulfide", "sulfide"]}, "tags: a tag is given twice"),
        ({"tags": ["Not A Tag"]}, "tags.0: "),
        ({"notes": "just a text"}, "notes: "),
        ({"measured_temperature_k": -1.0}, "measured_temperature_k: "),
        ({"measured_temperature_k": float("nan")}, "measured_temperature_k: "),
        ({"id": "other"}, "must be named other.yaml"),
    ],
)
def test_one_line_names_file_and_mistake(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    path = write(tmp_path, changes)
    with pytest.raises(StructureError) as caught:
        read_card(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("origin", ["dft", "prototype"])
def test_a_calculated_cell_cannot_pass_for_a_measured_one(tmp_path: Path, origin: str) -> None:
    with pytest.raises(StructureError, match="measured_temperature_k is for experimental structures"):
        read_card(write(tmp_path, {"origin": origin, "measured_temperature_k": 293.0}))


def test_an_experimental_card_has_no_second_cell(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match="measured_cell is for structures that are not experimental"):
        read_card(write(tmp_path, {"measured_cell": MEASURED}))


def test_cards_are_frozen(tmp_path: Path) -> None:
    card = read_card(write(tmp_path))
    with pytest.raises(ValidationError):
        card.z = 5  # type: ignore[misc]
    assert hash(card) == hash(read_card(tmp_path / "na2s-test.yaml"))
