from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nawf.errors import InputError, StructureError
from nawf.phases.card import Origin
from nawf.phases.library import Library, Phase, load_library, structural_lines
from nawf.phases.tags import TAGS

LIBRARY = load_library()
IDS = [phase.id for phase in LIBRARY]


def test_has_the_94_phases_once_each() -> None:
    assert len(LIBRARY) == len(set(IDS)) == 94
    assert "na2s" in LIBRARY
    assert "na2s9" not in LIBRARY


def test_get_suggests_like_ids() -> None:
    assert LIBRARY.get("na2s4").formula == "Na2S4"
    with pytest.raises(StructureError, match=r"no phase 'na2s2' \(did you mean na2s2-alpha or na2s2-beta\?\)"):
        LIBRARY.get("na2s2")
    with pytest.raises(StructureError, match=r"did you mean na3ps4-alpha"):
        LIBRARY.get("na3ps4-alfa")
    with pytest.raises(StructureError, match=r"nawf phases list shows all phases"):
        LIBRARY.get("%%%%")


def test_chemical_system_is_every_subset_of_its_elements() -> None:
    found = {phase.id for phase in LIBRARY.in_system("Na-S")}
    assert {"na-bcc", "na-hcp", "s-alpha", "na2s", "na2s-pnma", "na2s2-alpha", "na2s2-beta", "na2s3"} <= found
    assert found == {
        p.id for p in LIBRARY if set(p.card.formula) <= set("NaS0123456789") and p.elements <= {"Na", "S"}
    }
    assert {p.id for p in LIBRARY.in_system("Sb")} == {"sb"}
    assert LIBRARY.in_system("S-Na") == LIBRARY.in_system("Na-S")
    assert not any("Li" in p.elements for p in LIBRARY.in_system("Na-S-Sb-P-Sn"))


@pytest.mark.parametrize("system", ["NaS", "na-s", "", "Na-Na", "Xx-S"])
def test_system_must_be_written_with_element_symbols(system: str) -> None:
    with pytest.raises(StructureError, match="element"):
        LIBRARY.in_system(system)


def test_system_without_phases() -> None:
    with pytest.raises(StructureError, match="no phase in the chemical system Fe-O"):
        LIBRARY.in_system("Fe-O")


def test_select_unites_and_excludes() -> None:
    ids = [p.id for p in LIBRARY.select(ids=["li2s"], systems=["Na-S"], exclude_tags=["low-trust"])]
    assert "li2s" in ids
    assert "na2s3" not in ids
    assert ids == [i for i in IDS if i in ids]
    assert LIBRARY.select() == LIBRARY.phases
    assert [p.id for p in LIBRARY.select(ids=["na2s", "na2s"], exclude_ids=["na2s"])] == []
    origins = {p.card.origin for p in LIBRARY.select(exclude_origins=["prototype", Origin.DFT])}
    assert origins == {Origin.EXPERIMENTAL}
    tagged = LIBRARY.select(tags=["polysulfide", "additive"])
    assert set(tagged) == {p for p in LIBRARY if {"polysulfide", "additive"} & set(p.card.tags)}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"ids": ["na2s8"]}, "no phase 'na2s8'"),
        ({"exclude_ids": ["na2s8"]}, "no phase 'na2s8'"),
        ({"tags": ["polysulphide"]}, "no tag 'polysulphide' (did you mean polysulfide"),
        ({"exclude_tags": ["lowtrust"]}, "no tag 'lowtrust' (did you mean low-trust"),
        ({"exclude_origins": ["guess"]}, "no origin 'guess' (it is one of experimental, dft, prototype)"),
        ({"systems": ["Na-Q"]}, "'Q' is not an element symbol"),
    ],
)
def test_select_refuses_what_does_not_exist(arguments: dict[str, list[str]], words: str) -> None:
    with pytest.raises(StructureError) as caught:
        LIBRARY.select(**arguments)  # type: ignore[arg-type]
    assert words in str(caught.value)


@given(
    systems=st.lists(st.sampled_from(["Na-S", "Na-Sn", "Li-P-S", "Na-P-S"]), max_size=2),
    tags=st.lists(st.sampled_from(sorted(TAGS)), max_size=2),
    exclude_tags=st.lists(st.sampled_from(sorted(TAGS)), max_size=2),
)
def test_select_is_set_algebra(systems: list[str], tags: list[str], exclude_tags: list[str]) -> None:
    def wanted(phase: Phase) -> bool:
        in_system = any(phase.elements <= set(system.split("-")) for system in systems)
        has_tag = not set(tags).isdisjoint(phase.card.tags)
        return (in_system or has_tag or not (systems or tags)) and set(exclude_tags).isdisjoint(phase.card.tags)

    selected = LIBRARY.select(systems=systems, tags=tags, exclude_tags=exclude_tags)
    assert [p.id for p in selected] == [p.id for p in LIBRARY if wanted(p)]


def test_structure_is_a_fresh_copy() -> None:
    phase = LIBRARY.get("na2s")
    phase.structure().scale_lattice(1.0)
    assert phase.structure().volume == pytest.approx(6.50087**3)


def test_card_hash_follows_its_definition() -> None:
    phase = LIBRARY.get("na2s")
    lines = [line.strip() for line in phase.cif_path.read_text().splitlines()]
    content = {
        "cif": [line for line in lines if line and not line.startswith("#")],
        "formula": "Na2S",
        "space_group": 225,
        "z": 4,
    }
    text = json.dumps(content, separators=(",", ":"))
    assert phase.card_hash == hashlib.sha256(text.encode()).hexdigest()


def test_card_hash_sees_atoms_but_not_words(tmp_path: Path) -> None:
    phase = LIBRARY.get("na2s")
    text = phase.cif_path.read_text()

    def hashed(cif: str, **card: object) -> str:
        path = tmp_path / "na2s.cif"
        path.write_bytes(cif.encode())
        return Phase(phase.card.model_copy(update=card), path).card_hash

    assert hashed(text) == phase.card_hash
    assert hashed(text.replace("\n", "\r\n")) == phase.card_hash
    assert hashed("# a comment\n\n" + text + "\n\n") == phase.card_hash
    assert hashed(text, name="another", reference="another", notes=("x",), tags=()) == phase.card_hash
    assert hashed(text.replace("6.50087", "6.50088")) != phase.card_hash
    assert hashed(text, z=8) != phase.card_hash
    assert len({p.card_hash for p in LIBRARY}) == len(LIBRARY)


def test_structural_lines() -> None:
    assert structural_lines("# c\r\n data_x \n\n_cell_length_a 5 \n") == ["data_x", "_cell_length_a 5"]


def test_measured_cell_is_only_ever_a_measured_one() -> None:
    experimental = LIBRARY.get("na2s4").measured_cell()
    assert experimental is not None
    assert experimental.lengths_angstrom == (9.5965, 9.5965, 11.7885)
    assert experimental.reference.startswith("R. Tegman")
    assert LIBRARY.get("na2s").measured_cell() is None
    assert LIBRARY.get("na3sb").measured_cell() is None
    nasn = LIBRARY.get("nasn").measured_cell()
    assert nasn is not None
    assert nasn.lengths_angstrom == (10.475, 10.475, 17.412)
    assert nasn.temperature_k == 295


def add_user_phase(folder: Path, phase_id: str = "mine", **changes: str) -> None:
    source = LIBRARY.get("na2s").cif_path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{phase_id}.cif").write_text(source.read_text())
    card = source.with_suffix(".yaml").read_text(encoding="utf-8").replace("id: na2s", f"id: {phase_id}")
    (folder / f"{phase_id}.yaml").write_text(card, encoding="utf-8")


def test_extra_folders_and_their_subfolders(tmp_path: Path) -> None:
    add_user_phase(tmp_path / "own" / "deep")
    add_user_phase(tmp_path / "own" / ".hidden", "unseen")
    library = load_library(tmp_path / "own", tmp_path / "own" / "deep")
    assert len(library) == 95
    assert library.get("mine").structure() == LIBRARY.get("na2s").structure()
    assert "unseen" not in library


def test_the_shipped_folder_given_again_is_no_clash() -> None:
    assert len(load_library(LIBRARY.get("na2s").cif_path.parent)) == 94


def test_clash_of_ids(tmp_path: Path) -> None:
    add_user_phase(tmp_path, "na2s4")
    with pytest.raises(StructureError, match=r"na2s4.yaml: phase 'na2s4' exists already in .*na-s-sb-p-sn"):
        load_library(tmp_path)


def test_card_without_cif(tmp_path: Path) -> None:
    add_user_phase(tmp_path)
    (tmp_path / "mine.cif").unlink()
    with pytest.raises(StructureError, match=r"mine.yaml: the structure mine.cif is missing beside the card"):
        load_library(tmp_path)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder of structures"):
        load_library(tmp_path / "none")


def test_listing_imports_no_heavy_library() -> None:
    code = (
        "import sys; from nawf.phases.library import load_library\n"
        "assert len(load_library().select(systems=['Na-S'])) > 5\n"
        "print(sorted({'pymatgen', 'ase', 'spglib', 'scipy', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_order_is_fixed() -> None:
    assert Library(LIBRARY.phases) == load_library()
    sizes = [len(phase.elements) for phase in LIBRARY]
    assert sizes == sorted(sizes)
