"""Causes in words, from folders made by hand; those of whole runs are in ``test_vasp_faults``."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("atomate2")

from custodian.custodian import MaxCorrectionsPerJobError, NonRecoverableError, ReturnCodeError, ValidationError

from nawf.engines.vasp_failure import cause_of, hint_for, last_words
from nawf.engines.vasp_handlers import FILES_NEEDED, FilesValidator

BOX = """\
 DAV:   1    -0.123E+02   -0.1E+02   -0.2E+02   48   0.1E+01
|     EDDDAV: call to ZHEGV failed, too few bands                             |
|                                                                             |
|       ---->  I REFUSE TO CONTINUE WITH THIS SICK JOB ... BYE!!! <----       |
 -----------------------------------------------------------------------------
"""
SUMMARY = "   1 F= -.12300000E+02 E0= -.12300000E+02  d E =-.1E-01\n"


def refused():
    return ValidationError("Validation failed: X", raises=True, validator=None)


@pytest.fixture
def folder(tmp_path):
    for name in FILES_NEEDED:
        (tmp_path / name).write_text(SUMMARY)
    return tmp_path


def test_last_words_are_without_frames_tables_and_farewell(folder):
    (folder / "vasp.out").write_text(BOX)
    (folder / "std_err.txt").write_text("\nforrtl: No space left on device\n")
    assert last_words(folder) == "EDDDAV: call to ZHEGV failed, too few bands; forrtl: No space left on device"
    (folder / "vasp.out").write_text(SUMMARY)
    (folder / "std_err.txt").unlink()
    assert last_words(folder) == ""


def test_what_vasp_said_before_it_went_on_is_not_its_last(folder):
    """A run that is killed says nothing; its log ends with a step, after the notes of its start."""
    start = " FFT: planning ...\n WAVECAR not read\n entering main loop\n"
    electronic = "       N       E                     dE\nDAV:   1    -0.123E+02   -0.1E+02\n"
    for log in (
        start,
        start + electronic,
        start + electronic + SUMMARY,
        start + SUMMARY + " bond charge predicted\n",
    ):
        (folder / "vasp.out").write_text(log)
        assert last_words(folder) == ""
    (folder / "vasp.out").write_text(start + electronic + " ERROR FEXCP: supplied exchange table too small\n")
    assert last_words(folder) == "ERROR FEXCP: supplied exchange table too small"
    (folder / "vasp.out").write_text(" LICENSE: no server\n")
    assert last_words(folder) == "LICENSE: no server"


def test_a_run_that_got_into_its_first_step_is_told_from_one_that_did_not_start(folder):
    (folder / "OSZICAR").write_text("       N       E                     dE\nDAV:   1    -0.123E+02   -0.1E+02\n")
    assert cause_of(refused(), folder) == "vasprun.xml breaks off in the first ionic step"
    (folder / "OSZICAR").write_text("")
    assert cause_of(refused(), folder) == "OSZICAR missing or empty after 0 ionic steps"


@pytest.mark.parametrize(
    ("file", "said", "hint"),
    [
        ("vasp.out", "ERROR in subspace rotation PSSYEVX: not enough eigenvalues found", "try fewer ranks"),
        ("vasp.out", "ERROR in subspace rotation PDSYEVX: not enough eigenvalues found", "try fewer ranks"),
        ("vasp.out", "WARNING: type information on POSCAR and POTCAR are incompatible", "look at potcar_folder"),
        ("vasp.out", "ERROR: number of potentials on File POTCAR incompatible with number", "look at potcar_folder"),
        ("std_err.txt", "forrtl: No space left on device", "make room in run_folder"),
        ("std_err.txt", "vasp_std: error while loading shared libraries: libmkl.so", "load what VASP was built with"),
    ],
)
def test_what_to_do_about_a_known_cause_comes_first(folder, file, said, hint):
    usual = f"see {folder}; a repeated run goes on from its last geometry"
    assert hint_for(folder) == usual
    (folder / file).write_text(f" {said}\n")
    known, found = hint_for(folder).split("; see ", 1)
    assert hint in known
    assert f"see {found}" == usual


def test_what_is_missing_is_named(folder):
    assert not FilesValidator().check(str(folder))
    assert cause_of(refused(), folder) == "vasprun.xml breaks off after 1 ionic step"
    (folder / "CONTCAR").write_text("")
    assert FilesValidator().check(str(folder))
    assert cause_of(refused(), folder) == "CONTCAR missing or empty after 1 ionic step"
    (folder / "OSZICAR").unlink()
    assert cause_of(refused(), folder) == "CONTCAR and OSZICAR missing or empty after 0 ionic steps"


def test_what_handlers_met_is_counted(folder):
    met = [{"handler": {"@class": "A"}, "errors": ["x"]}] * 2 + [{"handler": {"@class": "B"}, "errors": ["y", "z"]}]
    (folder / "custodian.json").write_text(json.dumps([{"corrections": met}]))
    many = MaxCorrectionsPerJobError("no", raises=True, max_errors_per_job=3, job=None)
    assert cause_of(many, folder) == "A found x 2 times; B found y, z, and the corrections did not help"
    none = NonRecoverableError("no", raises=True, handler=None)
    assert cause_of(none, folder).endswith("B found y, z, and there is no correction left to try")


def test_anything_else_is_said_as_custodian_says_it(folder):
    assert cause_of(ReturnCodeError("Job return code is 3.", raises=True), folder) == "Job return code is 3."
