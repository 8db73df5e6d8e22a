from __future__ import annotations

import pytest

pytest.importorskip("atomate2")

from pymatgen.core import SETTINGS, Lattice, Structure

from nawf.engines.vasp_potcar import FAMILY_FOLDERS, input_files, potcar_library
from nawf.engines.vasp_protocols import Step, input_set
from nawf.errors import EngineError
from nawf.rehearsal.potcar import make_potcar_library

SODIUM = Structure(Lattice.cubic(4.29), ["Na", "Na"], [[0, 0, 0], [0.5, 0.5, 0.5]])


@pytest.fixture(autouse=True)
def no_library(monkeypatch):
    for key in ("PMG_VASP_PSP_DIR", "PMG_VASP_PSP_SUB_DIRS"):
        monkeypatch.delitem(SETTINGS, key, raising=False)


@pytest.fixture
def library(tmp_path):
    """Library with the family in a folder of the given name."""

    def make(name, family="PBE_64"):
        made = make_potcar_library(tmp_path / name, [family], ["Na_pv"])
        (only,) = made.iterdir()
        only.rename(made / name)
        return str(made)

    return make


@pytest.mark.parametrize(("protocol", "family"), [("mp24", "PBE_64"), ("mpscan", "PBE_54")])
def test_a_family_is_found_under_all_its_names(library, protocol, family):
    for name in FAMILY_FOLDERS[family]:
        with potcar_library(library(name, family), family):
            files = input_files(input_set(protocol, Step.STATIC), SODIUM, "here")
            assert files["POTCAR"].symbols == ["Na_pv"]
        assert not {"PMG_VASP_PSP_DIR", "PMG_VASP_PSP_SUB_DIRS"} & set(SETTINGS)


def test_pymatgen_s_own_settings_are_kept(library, monkeypatch):
    folder = library("my-potentials")
    make_potcar_library(folder, ["PBE_64"], ["S"])  # beside it, the usual name, without sodium
    monkeypatch.setitem(SETTINGS, "PMG_VASP_PSP_DIR", folder)
    monkeypatch.setitem(SETTINGS, "PMG_VASP_PSP_SUB_DIRS", {"PBE_64": "my-potentials"})
    with potcar_library("", "PBE_64"):
        assert input_files(input_set("mp24", Step.STATIC), SODIUM, "here")["POTCAR"].symbols == ["Na_pv"]
    assert SETTINGS["PMG_VASP_PSP_SUB_DIRS"] == {"PBE_64": "my-potentials"}


def test_settings_come_back_after_an_error(library):
    with pytest.raises(RuntimeError), potcar_library(library("PBE_64"), "PBE_64"):
        raise RuntimeError
    assert "PMG_VASP_PSP_DIR" not in SETTINGS


@pytest.mark.parametrize("folder", ["", "/no/such/library"])
def test_what_is_missing_is_said_in_one_line(folder):
    with potcar_library(folder, "PBE_64"), pytest.raises(EngineError) as caught:
        input_files(input_set("mp24", Step.STATIC), SODIUM, "na-bcc static")
    text = str(caught.value)
    assert text.startswith("na-bcc static: a POTCAR of PBE_64 is missing, one of Na_pv")
    assert "POT_PAW_PBE_64/Na_pv/POTCAR" in text
    assert "\n" not in text
