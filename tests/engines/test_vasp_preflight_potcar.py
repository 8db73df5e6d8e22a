"""Fabricated POTCARs, each wrong in one way. None holds anything of VASP's."""

from __future__ import annotations

import gzip
import os

import pytest

pytest.importorskip("atomate2")

from pymatgen.core import SETTINGS
from pymatgen.io.vasp.inputs import PotcarSingle

from nawf.engines.vasp_preflight_potcar import Potential, potcar_findings, potentials_needed
from nawf.rehearsal.potcar import STAND_IN_DATE, make_potcar_library
from nawf.results.crystal import Crystal
from nawf.results.methods import Methods
from nawf.results.tasks import PhaseTask

NA = Potential("PBE_64", "Na", "Na_pv", True)
S = Potential("PBE_64", "S", "S", True)


@pytest.fixture(autouse=True)
def no_library(monkeypatch):
    for key in ("PMG_VASP_PSP_DIR", "PMG_VASP_PSP_SUB_DIRS"):
        monkeypatch.delitem(SETTINGS, key, raising=False)


@pytest.fixture
def library(tmp_path):
    """Stand-ins that do not say so."""
    folder = make_potcar_library(tmp_path / "potcars", ["PBE_64"], ["Na_pv", "S"])
    for path in folder.rglob("POTCAR"):
        path.write_text(path.read_text().replace(STAND_IN_DATE, "19Sep2006"))
    return folder


def sodium(library):
    (path,) = library.rglob("Na_pv/POTCAR")
    return path


def change(library, old, new):
    path = sodium(library)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def stops(library, *needed, rehearsal=False):
    found, _ = potcar_findings(needed or (NA, S), str(library), rehearsal=rehearsal)
    return [finding.text for finding in found if finding.stops]


def task(properties=("relax", "static"), species=("S", "Na", "Sn", "Sb", "P")):
    n = len(species)
    cell = Crystal.from_arrays([[4 * n, 0, 0], [0, 4, 0], [0, 0, 4]], species, [[i / n, 0, 0] for i in range(n)])
    return PhaseTask(phase="x", campaign="c", properties=properties, start=cell, methods=Methods(), card={})


@pytest.mark.parametrize(("protocol", "family"), [("mp24", "PBE_64"), ("mpscan", "PBE_54"), ("ji2024", "PBE_54")])
def test_protocols_name_their_potentials(protocol, family):
    needed = potentials_needed(protocol, [task()])
    assert {(p.element, p.symbol) for p in needed} == {
        ("Na", "Na_pv"), ("S", "S"), ("Sb", "Sb"), ("P", "P"), ("Sn", "Sn_d")
    }  # fmt: skip
    assert {p.family for p in needed} == {family}
    assert all(p.meta_gga for p in needed)


def test_elements_of_all_tasks_are_needed():
    tasks = [task(("phonon",), ("Na",)), task(("elastic",), ("S",))]
    assert [p.symbol for p in potentials_needed("mp24", tasks)] == ["Na_pv", "S"]
    assert potentials_needed("mp24", [task(())]) == ()


def test_a_usable_library_stops_nothing_and_gives_valences(library):
    found, valence = potcar_findings((NA, S), str(library), rehearsal=False)
    assert not any(f.stops for f in found)
    assert valence == {"Na": 7.0, "S": 6.0}
    # No release has these numbers, which is worth a look.
    assert [f.what for f in found] == [
        f"the POTCAR of {p.name} is none that pymatgen knows" for p in (NA, S)
    ]  # fmt: skip


def test_a_missing_element(library):
    sodium(library).unlink()
    (text,) = stops(library)
    assert text.startswith(f"no POTCAR of PBE_64 for Na (Na_pv) (potcar_folder is {library}, there must be ")
    assert text.endswith("/Na_pv/POTCAR and so on)")


def test_a_missing_family_with_another_there(library):
    other = [Potential("PBE_54", p.element, p.symbol, True) for p in (NA, S)]
    (text,) = stops(library, *other)
    assert text.startswith("no POTCAR of PBE_54 for Na (Na_pv), S (S); there are those of PBE_64 (")


def test_no_library_at_all():
    (text,) = stops("")
    assert "PMG_VASP_PSP_DIR" in text
    assert "potcar_folder" in text


def test_a_library_that_is_not_there(tmp_path, monkeypatch):
    (text,) = stops(tmp_path / "nowhere")
    assert f"potcar_folder is {tmp_path / 'nowhere'}, which is no folder" in text
    monkeypatch.setitem(SETTINGS, "PMG_VASP_PSP_DIR", "/nowhere")
    (text,) = stops("")
    assert "PMG_VASP_PSP_DIR is /nowhere, which is no folder" in text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("LEXCH  = PE", "LEXCH  = CA", "was made for the LDA, not PBE"),
        ("LEXCH  = PE", "LEXCH  = 91", "was made for PW91, not PBE"),
        ("kinetic energy-density", "", "has no kinetic energy density, which r2SCAN needs"),
        ("PAW_PBE Na_pv", "PAW_PBE Na_sv", "is not Na_pv by its title"),
        ("VRHFIN =Na", "VRHFIN =S", "is one of another element"),
    ],
)
def test_one_that_is_another(library, old, new, said):
    change(library, old, new)
    (text,) = stops(library)
    assert text == f"the POTCAR of Na (Na_pv of PBE_64) {said} (potcar_folder is {library})"


def test_an_lda_title_with_all_that_belongs_to_it(library):
    change(library, "PAW_PBE Na_pv", "PAW Na_pv")
    change(library, "LEXCH  = PE", "LEXCH  = CA")
    (text,) = stops(library)
    assert "was made for the LDA" in text


def test_pbesol_alone_needs_no_kinetic_energy_density(library):
    change(library, "kinetic energy-density", "")
    assert stops(library, Potential("PBE_64", "Na", "Na_pv", False)) == []


@pytest.mark.parametrize(
    "content", [b"", b"not a POTCAR", b"\xff\xfe\x00", b"PAW\n parameters from PSCTR are:\n ZVAL = x\n"]
)
def test_one_that_is_damaged(library, content):
    sodium(library).write_bytes(content)
    (text,) = stops(library)
    assert "Na (Na_pv of PBE_64) cannot be read: it is damaged or no POTCAR" in text


def test_a_compressed_one_that_was_cut_off(library):
    path = sodium(library)
    whole = gzip.compress(path.read_bytes())
    packed = path.with_name("POTCAR.gz")
    path.unlink()
    packed.write_bytes(whole)
    assert stops(library) == []
    packed.write_bytes(whole[: len(whole) // 2])
    (text,) = stops(library)
    assert "cannot be read" in text


def test_one_without_permission(library, monkeypatch):
    sodium(library).chmod(0)
    if os.access(sodium(library), os.R_OK):  # as for root

        def refused(*_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(PotcarSingle, "from_file", refused)
        texts = stops(library, NA)
    else:
        texts = stops(library)
    assert [text.partition(" (potcar_folder")[0] for text in texts] == [
        "the POTCAR of Na (Na_pv of PBE_64) cannot be read: no permission"
    ]


def test_a_stand_in_is_for_rehearsals_only(tmp_path):
    folder = make_potcar_library(tmp_path / "potcars", ["PBE_64"], ["Na_pv"])
    (text,) = stops(folder, NA)
    assert "is a stand-in for rehearsals, with which VASP cannot calculate" in text
    assert stops(folder, NA, rehearsal=True) == []


def test_a_stand_in_of_another_family(tmp_path):
    folder = make_potcar_library(tmp_path / "potcars", ["PBE_54"], ["Na_pv"])
    (only,) = folder.iterdir()
    only.rename(folder / "PBE_64")
    (text,) = stops(folder, NA, rehearsal=True)
    assert "is a stand-in of PBE_54" in text


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (["PBE_52", "PBE_52_W_HASH"], ["is one of PBE_52"]),
        (["PBE_52", "PBE_54_W_HASH"], ["is one of PBE_52 or PBE_54"]),
        (["PBE_64"], []),
        (["PBE_64", "PBE_54"], []),
    ],
)
def test_a_release_that_pymatgen_recognises(library, monkeypatch, known, said):
    """What it recognises needs VASP's own files; here it is told."""
    monkeypatch.setattr(PotcarSingle, "identify_potcar", lambda *_, **__: (known, ["Na_pv"]))
    assert [s for text in stops(library, NA) for s in said if s in text] == said
    assert len(stops(library, NA)) == len(said)


def test_no_finding_quotes_a_potcar(library):
    secret = "31415.926"
    change(library, "LEXCH  = PE", "LEXCH  = XX")
    change(library, " stand-in for", f" {secret} stand-in for")
    change(library, "PAW_PBE Na_pv", f"PAW_PBE {secret}")
    change(library, "VRHFIN =Na", f"VRHFIN ={secret}")
    text = " ".join(stops(library))
    assert "another functional" in text
    assert secret not in text
