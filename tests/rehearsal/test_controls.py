"""Defaults and refusals."""

from __future__ import annotations

from typing import Any

import pytest

from nawf.rehearsal.controls import Controls, default_n_bands, resolve
from nawf.rehearsal.incar import Incar
from nawf.rehearsal.potcar import read_potcar
from nawf.rehearsal.stop import StopError


@pytest.fixture
def controls(kit: Any) -> Any:
    def make(text: str, *, potcar: str | None = None, has_wavefunctions: bool = False) -> Controls:
        crystal = kit.na2s()
        potentials = read_potcar(potcar or kit.potcar_text(crystal))
        return resolve(Incar(text), crystal, potentials, [2, 1], has_wavefunctions=has_wavefunctions)

    return make


def values(controls: Controls) -> dict[str, Any]:
    return {name: value for section in controls.parameters.values() for name, _, value in section}


def test_defaults_of_the_wiki(controls: Any) -> None:
    found = controls("")
    assert (found.nsw, found.ibrion, found.isif, found.nelm, found.nelmin) == (0, -1, 2, 60, 2)
    assert (found.ediff_ev, found.ediffg, found.potim) == (1e-4, 1e-3, 0.5)
    assert (found.ispin, found.ismear, found.sigma_ev, found.isym) == (1, 1, 0.2, 2)
    assert (found.n_electrons, found.algo, found.istart, found.nelmdl) == (20.0, "normal", 0, -5)
    assert (found.writes_charge, found.writes_wave, found.relaxes) == (True, True, False)
    assert found.encut_ev == 300.0  # the largest ENMAX of POTCAR
    assert values(found)["IALGO"] == 38
    assert values(found)["LREAL"] is False
    assert values(found)["MAGMOM"] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("n_electrons", "n_ions", "magmom", "n_bands"),
    [
        (20, 3, (), 14),  # 20/2 + 1, and at least 3 more
        (20, 3, (0.6, 0.6, 0.6), 15),
        (8, 2, (), 8),
        (100, 40, (), 71),
        (100, 2, (), 60),  # 0.6 of the electrons
        (64, 16, (5.0,) * 16, 81),
    ],
)
def test_number_of_bands_is_the_wikis_and_custodians(
    n_electrons: int, n_ions: int, magmom: tuple[float, ...], n_bands: int
) -> None:
    assert default_n_bands(n_electrons, n_ions, magmom) == n_bands
    handlers = pytest.importorskip("custodian.vasp.handlers")
    incar = {"ISPIN": 2, "MAGMOM": list(magmom)} if magmom else {}
    assert handlers.VaspErrorHandler._default_nbands(incar, n_electrons, n_ions) == n_bands


@pytest.mark.parametrize(
    ("algo", "name", "number", "label"),
    [
        ("Normal", "normal", 38, "DAV"),
        ("Fast", "fast", 68, "RMM"),
        ("V", "veryfast", 48, "RMM"),
        ("Conjugate", "all", 58, "CGA"),
        ("All", "all", 58, "CGA"),
        ("Damped", "damped", 53, "DMP"),
    ],
)
def test_algorithms(controls: Any, algo: str, name: str, number: int, label: str) -> None:
    found = controls(f"ALGO = {algo}")
    assert (found.algo, values(found)["IALGO"], found.label) == (name, number, label)
    assert controls(f"IALGO = {number}").algo == name


def test_parameters_take_what_is_given(controls: Any) -> None:
    found = controls(
        "NSW = 7\nIBRION = 1\nEDIFF = 1E-6\nENCUT = 520\nLREAL = Auto\nMETAGGA = R2scan\nGGA = PS\nISPIN = 2\n"
        "MAGMOM = 3*0.6\nKSPACING = 0.3\nLUSE_VDW = .TRUE.\nEFERMI = MIDGAP\nKPAR = 2\nNELMDL = -7"
    )
    assert found.relaxes
    seen = values(found)
    expected = {"NSW": 7, "IBRION": 1, "EDIFF": 1e-6, "ENMAX": 520, "LREAL": True, "LMETAGGA": True}
    expected |= {"GGA": "PS", "ISPIN": 2, "MAGMOM": [0.6] * 3, "KSPACING": 0.3, "LUSE_VDW": True, "KPAR": 2}
    assert {k: seen[k] for k in expected} == expected
    assert seen["EDIFFG"] == pytest.approx(1e-5)
    assert (found.nelmdl, seen["NELMDL"]) == (-7, -7)


def test_a_restart_reads_the_wavefunctions(controls: Any) -> None:
    assert controls("", has_wavefunctions=True).istart == 1
    assert controls("ISTART = 0", has_wavefunctions=True).istart == 0


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ("LEPSILON = T\nMETAGGA = SCAN", "LEPSILON.*meta-GGA"),
        ("LEPSILON = T\nIBRION = 2\nNSW = 5", "LEPSILON.*not rehearsed"),
        ("LEPSILON = T\nIBRION = 8\nNSW = 1", "IBRION = 8 is not rehearsed"),
        ("LCALCEPS = T", "LCALCEPS.*not rehearsed"),
        ("IBRION = 5\nNSW = 1", "IBRION = 5 is not rehearsed"),
        ("IBRION = 6\nNSW = 1", "IBRION = 6 is not rehearsed"),
        ("NSW = 10", "molecular dynamics"),
        ("ISIF = 9", "ISIF"),
        ("ALGO = GW0", "ALGO"),
        ("LHFCALC = .TRUE.", "LHFCALC"),
        ("PSTRESS = 10", "PSTRESS"),
        ("ICHARG = 11", "ICHARG"),
        ("NBANDS = 9", "number of bands is not sufficient"),
        ("ISPIN = 2\nMAGMOM = 0.6 0.6", "Error reading item 'MAGMOM'"),
    ],
)
def test_refusals(controls: Any, tags: str, words: str) -> None:
    with pytest.raises(StopError, match=words):
        controls(tags)


def test_a_meta_gga_needs_kinetic_energy_densities(kit: Any, controls: Any) -> None:
    potcar = kit.potcar_text(kit.na2s()).replace("kinetic energy-density", "")
    controls("GGA = PS", potcar=potcar)
    with pytest.raises(StopError, match=r"(?s)METAGGA.*PAW_PBE Na_pv"):
        controls("METAGGA = R2SCAN", potcar=potcar)


def test_grids_hold_the_plane_waves(controls: Any) -> None:
    """At 680 eV the sphere has a radius of 13.36 1/Å; b = 2π/|a| of the lattice vectors of 4.596 Å is 1.367 1/Å."""
    accurate = values(controls("ENCUT = 680\nPREC = Accurate"))
    normal = values(controls("ENCUT = 680\nPREC = Normal"))
    highest = 13.3597 / 1.36704
    assert accurate["NGX"] == 40 >= 4 * highest
    assert 3 * highest <= normal["NGX"] == 30
    assert accurate["NGXF"] == 80
    assert values(controls("NGX = 48"))["NGX"] == 48
