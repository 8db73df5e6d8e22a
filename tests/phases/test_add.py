from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pymatgen.core import Structure
from pymatgen.core.structure_matcher import StructureMatcher

from nawf.errors import InputError, StructureError
from nawf.phases.add import NewPhase, add_phase
from nawf.phases.card import Origin, read_card
from nawf.phases.check import check_phase
from nawf.phases.library import load_library

CifWriter = Callable[..., Path]
LIBRARY = load_library()
NEW = NewPhase(id="nas-test", reference="somebody (2026)", origin=Origin.DFT)


def test_writes_cif_and_card_that_the_library_loads(cif_file: CifWriter, tmp_path: Path) -> None:
    new = replace(NEW, name="Test", doi="10.1000/x", tags=("mine",), notes=("A note.",))
    phase, warnings = add_phase(cif_file(), new, folder=tmp_path / "own", library=LIBRARY)
    loaded = load_library(tmp_path / "own").get("nas-test")
    assert sorted(path.name for path in (tmp_path / "own").iterdir()) == ["nas-test.cif", "nas-test.yaml"]
    assert loaded.card == phase.card == read_card(tmp_path / "own" / "nas-test.yaml")
    assert loaded.card_hash == phase.card_hash
    assert (loaded.formula, loaded.card.z, loaded.card.space_group.symbol) == ("NaS", 1, "Pm-3m")
    assert (loaded.card.name, loaded.card.doi, loaded.card.tags) == ("Test", "10.1000/x", ("mine",))
    assert loaded.card.notes == ("A note.",)
    assert check_phase(loaded).findings == ()
    assert warnings == ()


@pytest.mark.parametrize("phase_id", ["na2s5-alpha", "s-alpha", "nasb", "p4s10", "na7sn3", "nacro2", "sn2p2s6-pc"])
def test_a_shipped_phase_written_again_is_the_same_file(phase_id: str, tmp_path: Path) -> None:
    shipped = LIBRARY.get(phase_id)
    new = NewPhase("copy", shipped.card.reference, shipped.card.origin, formula=shipped.formula)
    phase, warnings = add_phase(shipped.cif_path, new, folder=tmp_path, library=LIBRARY)
    text = phase.cif_path.read_text().replace("data_copy", f"data_{phase_id}").splitlines()
    assert text[2:] == shipped.cif_path.read_text().splitlines()[2:]
    assert warnings == ()
    assert phase.card.notes == ()


@pytest.mark.parametrize("phase_id", ["na2s", "na2s5-alpha", "sb", "na3sbs4-tetragonal", "p4s10"])
def test_primitive_poscar_without_symmetry_comes_back_conventional(phase_id: str, tmp_path: Path) -> None:
    shipped = LIBRARY.get(phase_id)
    primitive = shipped.structure().get_primitive_structure()
    primitive.translate_sites(range(len(primitive)), [0.11, 0.07, 0.23])
    primitive.to(filename=str(tmp_path / "POSCAR"))
    new = replace(NEW, id="back", formula=shipped.formula)
    phase, _ = add_phase(tmp_path / "POSCAR", new, folder=tmp_path, library=LIBRARY)
    assert (phase.card.z, phase.card.space_group) == (shipped.card.z, shipped.card.space_group)
    assert phase.card.notes[0].startswith("The cell of the original file was transformed")
    written = Structure.from_file(phase.cif_path)
    assert len(written) == shipped.n_atoms
    assert StructureMatcher(scale=False, stol=0.01).fit(written, shipped.structure())


def test_a_loose_tolerance_symmetrises_and_says_so(cif_file: CifWriter, tmp_path: Path) -> None:
    path = cif_file({"0.5 0.5 0.5": "0.505 0.5 0.5"})
    strict, _ = add_phase(path, replace(NEW, id="strict"), folder=tmp_path, library=LIBRARY)
    loose, _ = add_phase(path, replace(NEW, id="loose"), folder=tmp_path, library=LIBRARY, symprec_angstrom=0.1)
    assert strict.card.space_group.symbol == "P4mm"
    assert loose.card.space_group.symbol == "Pm-3m"
    assert any("to make the symmetry exact (tolerance 0.1 Å)" in note for note in loose.card.notes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"0.5 0.5 0.5 1": "0.2 0 0 1"}, "atoms overlap: Na1 and S2 are 0.800 Å apart"),
        ({"0.5 0.5 0.5 1": "0.5 0.5 0.5 0.5"}, "partly or jointly occupied"),
        ({"0.5 0.5 0.5 1": "0 0 0 1"}, "two atoms lie on the same place"),
        ({"data_test": "nothing"}, "is not a CIF"),
    ],
)
def test_bad_structures_leave_nothing_behind(
    cif_file: CifWriter, tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    path = cif_file(changes)
    with pytest.raises(StructureError) as caught:
        add_phase(path, NEW, folder=tmp_path / "own", library=LIBRARY)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (replace(NEW, id="../evil"), "'../evil' is not a phase id"),
        (replace(NEW, id="/abs"), "'/abs' is not a phase id"),
        (replace(NEW, id="-x"), "'-x' is not a phase id"),
        (replace(NEW, id="a.b"), "'a.b' is not a phase id"),
        (replace(NEW, id="a\n"), "is not a phase id"),
        (replace(NEW, id=""), "'' is not a phase id"),
        (replace(NEW, id="NaS"), "'NaS' is not a phase id"),
        (replace(NEW, id="na2s"), "phase 'na2s' exists already in "),
        (replace(NEW, formula="Na2S"), "the structure is NaS, not Na2S"),
        (replace(NEW, formula="Na2S2"), "the structure is NaS, not Na2S2"),
        (replace(NEW, formula="soda"), "formula: 'soda' is not a formula"),
        (replace(NEW, reference=""), "reference: "),
        (replace(NEW, doi="doi:10"), "doi: "),
        (replace(NEW, tags=("Bad Tag",)), "tags.0: "),
        (replace(NEW, measured_temperature_k=300.0), "measured_temperature_k is for experimental structures"),
    ],
)
def test_bad_cards_leave_nothing_behind(cif_file: CifWriter, tmp_path: Path, new: NewPhase, words: str) -> None:
    path = cif_file()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StructureError) as caught:
        add_phase(path, new, folder=tmp_path / "own", library=LIBRARY)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("suffix", [".cif", ".yaml"])
def test_existing_files_are_never_overwritten(cif_file: CifWriter, tmp_path: Path, suffix: str) -> None:
    taken = tmp_path / f"nas-test{suffix}"
    taken.write_text("precious")
    with pytest.raises(StructureError, match=r"nas-test\.\w+: exists already"):
        add_phase(cif_file(), NEW, folder=tmp_path, library=LIBRARY)
    assert taken.read_text() == "precious"


def test_missing_parent_folder(cif_file: CifWriter, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be made: no such file or directory"):
        add_phase(cif_file(), NEW, folder=tmp_path / "no" / "such", library=LIBRARY)


@pytest.mark.parametrize("failing_call", [1, 2])
def test_full_disk_leaves_neither_file(
    cif_file: CifWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing_call: int
) -> None:
    path, calls = cif_file(), []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == failing_call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(InputError, match="cannot be written: no space left on device"):
        add_phase(path, NEW, folder=tmp_path / "own", library=LIBRARY)
    assert not (tmp_path / "own").exists()
