"""Stand-ins for potentials, read by pymatgen and by the rehearsal."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from nawf.errors import InputError
from nawf.rehearsal.potcar import make_potcar_library, read_potcar, stand_in
from nawf.rehearsal.stop import StopError

# Valence electrons by counting: shells named in the symbol, and those outside the noble-gas core.
VALENCE = {"Na_pv": 7, "S": 6, "Sb": 5, "P": 5, "Sn_d": 14, "Li_sv": 3, "O": 6, "N": 5, "Cr_pv": 12}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_potcar_library(tmp_path_factory.mktemp("psp"), symbols=VALENCE)


@pytest.mark.parametrize("functional", ["PBE_54", "PBE_64"])
def test_pymatgen_finds_and_reads_them(library: Path, monkeypatch: pytest.MonkeyPatch, functional: str) -> None:
    from pymatgen.core import SETTINGS
    from pymatgen.io.vasp.inputs import Potcar, UnknownPotcarWarning

    monkeypatch.setitem(SETTINGS, "PMG_VASP_PSP_DIR", str(library))
    with pytest.warns(UnknownPotcarWarning):
        potcar = Potcar(list(VALENCE), functional)
    assert potcar.symbols == list(VALENCE)
    assert [p.nelectrons for p in potcar] == list(VALENCE.values())
    assert [p.element for p in potcar] == [s.split("_")[0] for s in VALENCE]
    assert {p.functional for p in potcar} == {"PBE"}
    assert {p.potential_type for p in potcar} == {"PAW"}
    assert all(f"PAW_PBE {p.symbol} REHEARSAL" == p.TITEL for p in potcar)
    read = read_potcar(str(potcar))
    assert [p.title for p in read] == [p.TITEL for p in potcar]
    assert [p.header for p in read] == [p.header for p in potcar]
    assert [p.element for p in read] == [p.element for p in potcar]
    assert [p.valence_electrons for p in read] == [p.ZVAL for p in potcar]
    assert [p.mass_u for p in read] == [p.POMASS for p in potcar]
    assert [p.enmax_ev for p in read] == [p.ENMAX for p in potcar]
    assert all(p.has_kinetic_energy_density for p in read)


def test_the_two_families_cannot_be_taken_for_each_other(library: Path) -> None:
    from pymatgen.io.vasp.inputs import PotcarSingle

    files = sorted(library.glob("*/Na_pv/POTCAR"))
    assert len(files) == 2
    first, second = (PotcarSingle.from_file(file).spec()["summary_stats"] for file in files)
    assert not PotcarSingle.compare_potcar_stats(first, second)
    assert len({hashlib.md5(f.read_bytes()).hexdigest() for f in files}) == 2


def test_a_library_can_be_made_again_but_spares_other_files(library: Path, tmp_path: Path) -> None:
    make_potcar_library(library, symbols=["S"])
    file = tmp_path / "POT_PAW_PBE_64" / "S" / "POTCAR"
    file.parent.mkdir(parents=True)
    file.write_text("  PAW_PBE S 06Sep2000\n")
    with pytest.raises(InputError, match="no stand-in"):
        make_potcar_library(tmp_path, ["PBE_64"], symbols=["S"])
    assert file.read_text() == "  PAW_PBE S 06Sep2000\n"


@pytest.mark.parametrize(("functional", "symbols"), [("PBE_99", ["S"]), ("PBE_64", ["S", "Xx"])])
def test_what_is_not_known_is_refused(tmp_path: Path, functional: str, symbols: list[str]) -> None:
    with pytest.raises(InputError, match="pymatgen knows no"):
        make_potcar_library(tmp_path, [functional], symbols)


@pytest.mark.parametrize("text", ["", "\n\n", "PAW_PBE Na\n End of Dataset\n", "random text"])
def test_a_broken_file_ends_the_run(text: str) -> None:
    with pytest.raises(StopError, match="ERROR"):
        read_potcar(text)


def test_fields_are_those_of_the_head_of_a_real_file() -> None:
    """A head as VASP's potentials have it, with made-up numbers."""
    text = """  PAW_PBE Xy_pv 01Jan2000
   3.00000000000000
 parameters from PSCTR are:
   VRHFIN =Na: p6s1
   LEXCH  = PE
   EATOM  =   100.0000 eV,    7.3499 Ry

   TITEL  = PAW_PBE Na_pv 01Jan2000
   LULTRA =        F    use ultrasoft PP ?
   POMASS =   22.990; ZVAL   =    7.000    mass and valenz
   ENMAX  =  111.000; ENMIN  =   99.000 eV
   EAUG   =  222.000
  END of PSCTR-controll parameters
 local part
   End of Dataset
"""
    (potential,) = read_potcar(text)
    assert vars(potential) == {
        "header": "PAW_PBE Xy_pv 01Jan2000",
        "title": "PAW_PBE Na_pv 01Jan2000",
        "element": "Na",
        "valence_electrons": 7.0,
        "mass_u": 22.99,
        "enmax_ev": 111.0,
        "enaug_ev": 222.0,
        "lexch": "PE",
        "has_kinetic_energy_density": False,
    }


def test_mass_is_that_of_the_element() -> None:
    from ase.data import atomic_masses, atomic_numbers

    for symbol, valence in VALENCE.items():
        (potential,) = read_potcar(stand_in(symbol, "PBE_54", valence))
        assert potential.mass_u == pytest.approx(atomic_masses[atomic_numbers[potential.element]], abs=0.02)


def test_a_stand_in_that_is_there_is_left_alone(tmp_path):
    """Jobs of one campaign make them at once, while others read them."""
    make_potcar_library(tmp_path, ["PBE_54"], ["S"])
    (path,) = tmp_path.rglob("POTCAR*")
    before = path.stat()
    make_potcar_library(tmp_path, ["PBE_54"], ["S"])
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    text = path.read_text()
    path.write_text(text.replace("parameters", "parametres", 1) + "more\n")
    make_potcar_library(tmp_path, ["PBE_54"], ["S"])
    assert path.read_text() == text
    assert [p.name for p in path.parent.iterdir()] == [path.name]
