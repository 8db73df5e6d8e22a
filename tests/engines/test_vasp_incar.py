"""Which tags an energy depends on, and how their values may be written."""

import pytest

from nawf.engines.vasp_settings import vasp_calculation
from nawf.errors import EngineError
from nawf.results.fingerprint import Fingerprint, differences

R2SCAN = {"METAGGA": "R2SCAN", "ENCUT": 680, "PREC": "Accurate", "LASPH": True, "ISMEAR": -5, "KSPACING": 0.22}
SULFUR = [{"titel": "PAW_PBE S 06Sep2000", "hash": "a" * 32}]


def calculation(incar, parameters=None):
    return vasp_calculation(incar, parameters=parameters, potcars=SULFUR, version="6.4.2")


def changed(one, other):
    """Settings in which two records differ."""
    found = differences({"one": Fingerprint(calculation=one), "other": Fingerprint(calculation=other)})
    return {line.split(": ")[0] for line in found}


def test_what_was_reported_goes_before_what_was_asked_for():
    asked = R2SCAN | {"ISMEAR": 0, "SIGMA": 0.2, "ENCUT": 520}
    reported = {"ENMAX": 680.0, "ISMEAR": -5, "SIGMA": 0.05, "PREC": "accura", "LREAL": True, "GGA": "--"}
    assert calculation(asked | {"LREAL": "Auto"}, parameters=reported) == calculation(R2SCAN | {"LREAL": "Auto"})


def test_any_spelling_gives_the_same_record():
    plain = {
        "ENCUT": 680.0,
        "LASPH": True,
        "METAGGA": "R2SCAN",
        "ISMEAR": 0,
        "SIGMA": 0.05,
        "LREAL": False,
        "ISPIN": 2,
    }
    spelt = {
        "encut": "680",
        "Lasph": ".TRUE.",
        "addgrid": ".FALSE.",
        "metagga": " r2scan ",
        "ISMEAR": "0",
        "SIGMA": "5e-2",
        "LREAL": ".False.",
        "ispin ": 2.0,
        "PREC": "N",
        "@module": "pymatgen.io.vasp.inputs",
        "GGA_COMPAT": "T",
        "NELECT": None,
    }
    assert calculation(plain) == calculation(spelt)
    assert calculation(plain)["functional"] == "r2SCAN"


@pytest.mark.parametrize(
    "changes",
    [
        {"ALGO": "All"},
        {"ALGO": "Damped", "TIME": 0.1},
        {"IALGO": 48},
        {"NELM": 500, "NELMIN": 8, "NELMDL": -10},
        {"AMIX": 0.1, "BMIX": 1e-4, "AMIX_MAG": 0.1, "BMIX_MAG": 1e-4, "IMIX": 1, "AMIN": 0.01},
        {"LMAXMIX": 6, "LMIXTAU": True},
        {"ISYM": 0, "SYMPREC": 1e-8},
        {"NBANDS": 120},
        {"IBRION": 1, "POTIM": 0.1, "NSW": 0, "ISIF": 2, "EDIFFG": -0.001},
        {"EDIFF": 1e-8},
        {"NCORE": 4, "KPAR": 2, "NSIM": 8, "LSCAAWARE": False},
        {"LWAVE": False, "LCHARG": True, "LORBIT": 11, "LAECHG": True, "LVTOT": True, "LELF": False},
        {"ISTART": 1, "ICHARG": 1, "MAGMOM": [0.6, 0.6, 0.6]},
        {"PSTRESS": 0, "NUPDOWN": -1, "LDIPOL": False, "IVDW": 0, "LSORBIT": False, "LHFCALC": False},
        {"ENAUG": 1360},
        {"SIGMA": 0.01},
    ],
    ids=lambda changes: ",".join(changes),
)
def test_how_the_ground_state_was_found_is_no_setting(changes):
    """These are what error handlers change most. The width of the smearing says nothing to tetrahedra."""
    assert calculation(R2SCAN | changes) == calculation(R2SCAN)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"ISMEAR": 0, "SIGMA": 0.05}, "smearing"),
        ({"ISMEAR": 2, "SIGMA": 0.2}, "smearing"),
        ({"ENCUT": 520}, "encut_ev"),
        ({"KSPACING": 0.3}, "k_points"),
        ({"KGAMMA": False}, "k_points"),
        ({"PREC": "Normal"}, "precision"),
        ({"LREAL": "Auto"}, "projectors"),
        ({"LREAL": True}, "projectors"),
        ({"ADDGRID": True}, "addgrid"),
        ({"LASPH": False}, "aspherical"),
        ({"GGA_COMPAT": False}, "gga_compat"),
        ({"ISPIN": 2}, "spin"),
        ({"LNONCOLLINEAR": True}, "spin"),
        ({"METAGGA": "SCAN"}, "functional"),
        ({"METAGGA": None, "GGA": "PE"}, "functional"),
        ({"METAGGA": None}, "functional"),
        ({"GGA": "PS"}, "functional"),
        ({"IVDW": 12}, "dispersion"),
        ({"LUSE_VDW": True, "BPARAM": 11.95, "CPARAM": 0.0093}, "dispersion"),
        ({"NELECT": 17}, "excess_electrons"),
        ({"PSTRESS": 10}, "further"),
        ({"NUPDOWN": 0}, "further"),
        ({"ALGO": "Exact"}, "further"),
        ({"ICHARG": 11}, "further"),
        ({"IALGO": 4}, "further"),
        ({"LMAXTAU": 8}, "further"),
        ({"LIKELYEVERYTHING": 1}, "further"),
    ],
    ids=str,
)
def test_what_changes_the_energy_is(changes, key):
    assert changed(calculation(R2SCAN), calculation(R2SCAN | changes)) == {key}


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({}, "cutoff of the run is not known"),
        ({"ENCUT": "high"}, "ENCUT = 'high' is not a number"),
        ({"ENCUT": 500, "LASPH": "maybe"}, "LASPH = 'maybe' is neither true nor false"),
        ({"ENCUT": 500, "PREC": "Extreme"}, "PREC = 'extreme' is unknown"),
        ({"ENCUT": 500, "LREAL": "Perhaps"}, "LREAL = 'Perhaps' is unknown"),
        ({"ENCUT": 500, "SIGMA": "", "ISMEAR": 0}, "SIGMA = '' is not a number"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(tags, words):
    with pytest.raises(EngineError, match=words) as caught:
        calculation(tags)
    assert "\n" not in str(caught.value)
