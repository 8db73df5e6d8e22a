"""Runs that end as VASP ends: wrong input, faults on demand, kills, and requests to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import Any

import numpy as np
import pytest
from lxml.etree import XMLSyntaxError

from nawf.results.crystal import Crystal


@pytest.fixture
def start(kit: Any) -> Crystal:
    crystal: Crystal = kit.shaken(kit.cubic_na2s(6.3), 0.02)
    return crystal


@pytest.fixture
def springs(kit: Any) -> Any:
    return kit.Springs(kit.cubic_na2s(6.5))


def never(crystal: Crystal) -> Any:
    raise AssertionError("the potential must not be asked")


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("INCAR", None, "no INCAR found"),
        ("INCAR", "NSW = some\n", "Error reading item 'NSW' from file INCAR."),
        ("INCAR", "NSW = 0\nMETAGGA = SCAN\nLEPSILON = T\n", "LEPSILON"),
        ("INCAR", "NSW = 1\nIBRION = 5\n", "IBRION = 5 is not rehearsed"),
        ("POSCAR", None, "no POSCAR found"),
        ("POSCAR", "", "POSCAR"),
        ("POSCAR", "Na2S\n1.0\n4 0 0\n0 4 0\n", "POSCAR"),
        ("POSCAR", "x\n1\n4 0 0\n0 4 0\n4 4 0\nNa S\n1 1\nDirect\n0 0 0\n.5 .5 .5\n", "no volume"),
        (
            "POSCAR",
            "x\n1\n0 4 0\n4 0 0\n0 0 4\nNa S\n1 1\nDirect\n0 0 0\n.5 .5 .5\n",
            "the triple product of the basis",
        ),
        ("POTCAR", None, "no POTCAR found"),
        ("POTCAR", "nothing", "POTCAR"),
        ("KPOINTS", "k\n0\nGamma\n2 2\n", "KPOINTS"),
    ],
)
def test_wrong_input_ends_with_a_message_and_half_a_vasprun(
    kit: Any, case: Any, start: Crystal, file: str, text: str | None, words: str
) -> None:
    case.write(start, kit.STATIC)
    (case.folder / file).unlink(missing_ok=True)
    if text is not None:
        (case.folder / file).write_text(text)
    code, log = case.run(never)
    assert code == 1
    assert words in log
    with pytest.raises(XMLSyntaxError):
        case.vasprun()
    assert (case.folder / "CONTCAR").stat().st_size == 0


@pytest.mark.parametrize(("order", "words"), [(["S", "Na"], "type information"), (["Na"], "number of potentials")])
def test_potentials_must_be_those_of_the_structure(
    kit: Any, case: Any, start: Crystal, order: list[str], words: str
) -> None:
    case.write(start, kit.STATIC)
    (case.folder / "POTCAR").write_text(kit.potcar_text(start, order))
    code, log = case.run(never)
    assert code == 1
    assert words in log


@pytest.mark.parametrize(("kpoints", "n"), [("k\n0\nGamma\n1 1 1\n", 1), ("k\n0\nMonkhorst\n2 2 2\n", 1)])
def test_tetrahedra_need_four_points(kit: Any, case: Any, kpoints: str, n: int) -> None:
    code, log = case.write(kit.cubic_na2s(), kit.STATIC | {"ISMEAR": -5}, kpoints).run(never)
    assert code == 1
    assert f"Tetrahedron method fails (number of k-points < 4): {n}" in log


def test_all_bands_and_tetrahedra_are_warned_about(kit: Any, case: Any, springs: Any) -> None:
    incar = kit.STATIC | {"ISMEAR": -5, "ALGO": "All", "KSPACING": 0.3}
    code, log = case.write(kit.cubic_na2s(), incar).run(springs)
    assert code == 0
    assert "ALGO=A and IALGO=5X tend to fail" in log


@pytest.mark.parametrize("result", [float("nan"), float("inf")])
def test_energies_that_are_no_numbers_end_the_run(kit: Any, case: Any, start: Crystal, result: float) -> None:
    code, log = case.write(start, kit.STATIC).run(lambda c: (result, np.zeros((12, 3)), np.zeros((3, 3))))
    assert code == 1
    assert "no finite energy" in log


@pytest.mark.parametrize(
    ("fault", "words", "steps"),
    [
        ("zbrent@2", "ZBRENT: fatal error in bracketing", 1),
        ("edddav", "Error EDDDAV: Call to ZHEGV failed", 0),
        ("pssyevx@3", "ERROR in subspace rotation PSSYEVX", 2),
        ("posmap", "POSMAP internal error", 0),
        ("potcar", "type information on POSCAR and POTCAR are incompatible", 0),
    ],
)
def test_fatal_messages_leave_the_steps_before(
    kit: Any, case: Any, start: Crystal, springs: Any, fault: str, words: str, steps: int
) -> None:
    case.environ["NAWF_REHEARSAL_FAULT"] = fault
    code, log = case.write(start, kit.RELAX).run(springs)
    assert code == 1
    assert words in log
    with pytest.raises(XMLSyntaxError):
        case.vasprun()
    assert (case.folder / "vasprun.xml").read_text().count("</calculation>") == steps


@pytest.mark.parametrize("fault", ["brmix", "subspacematrix", "eddrmm@2"])
def test_warnings_let_the_run_go_on(kit: Any, case: Any, start: Crystal, springs: Any, fault: str) -> None:
    case.environ["NAWF_REHEARSAL_FAULT"] = fault
    code, log = case.write(start, kit.RELAX).run(springs)
    assert code == 0
    assert case.vasprun().converged
    assert {"brmix": "BRMIX", "subspacematrix": "Sub-Space-Matrix", "eddrmm@2": "EDDRMM"}[fault] in log


def test_an_ionic_fault_needs_ions_that_move(kit: Any, case: Any, start: Crystal, springs: Any) -> None:
    case.environ["NAWF_REHEARSAL_FAULT"] = "zbrent"
    assert case.write(start, kit.STATIC).run(springs)[0] == 0


def test_nelm(kit: Any, case: Any, start: Crystal, springs: Any) -> None:
    case.environ["NAWF_REHEARSAL_FAULT"] = "nelm until ALGO=All"
    case.write(start, kit.STATIC | {"NELM": 20}).run(springs)
    assert not case.vasprun().converged_electronic
    case.write(start, kit.STATIC | {"NELM": 20, "ALGO": "All"}).run(springs)
    assert case.vasprun().converged_electronic


def test_nelm_holds_for_the_rest_of_a_relaxation(kit: Any, case: Any, start: Crystal, springs: Any) -> None:
    from pymatgen.io.vasp.outputs import UnconvergedVASPWarning

    case.environ["NAWF_REHEARSAL_FAULT"] = "nelm@3"
    case.write(start, kit.RELAX | {"NELM": 20, "NSW": 5, "EDIFFG": 0}).run(springs)
    with pytest.warns(UnconvergedVASPWarning):
        steps = case.vasprun().ionic_steps
    assert [len(s["electronic_steps"]) == 20 for s in steps] == [False, False, True, True, True]


def test_a_misspelt_fault_ends_the_run(kit: Any, case: Any, start: Crystal, springs: Any) -> None:
    case.environ["NAWF_REHEARSAL_FAULT"] = "zbrend"
    code, log = case.write(start, kit.RELAX).run(springs)
    assert code == 1
    assert "'zbrend' is no fault" in log


def test_a_truncated_vasprun(kit: Any, case: Any, start: Crystal, springs: Any) -> None:
    case.environ["NAWF_REHEARSAL_FAULT"] = "truncated; empty-contcar"
    code, _ = case.write(start, kit.STATIC).run(springs)
    assert code == 0
    with pytest.raises(XMLSyntaxError):
        case.vasprun()
    assert (case.folder / "CONTCAR").read_text() == ""


def test_a_full_disk(kit: Any, case: Any, start: Crystal, springs: Any, capsys: pytest.CaptureFixture[str]) -> None:
    case.environ["NAWF_REHEARSAL_FAULT"] = "disk-full@2"
    code, _ = case.write(start, kit.RELAX).run(springs)
    assert code == 38
    assert "forrtl: No space left on device" in capsys.readouterr().err
    with pytest.warns(UserWarning, match="XML is malformed"):
        assert len(case.vasprun(exception_on_bad_xml=False).ionic_steps) == 1


@pytest.mark.parametrize(("tag", "words"), [("LSTOP", "soft stop"), ("LABORT", "hard stop")])
def test_stopcar(kit: Any, case: Any, start: Crystal, springs: Any, tag: str, words: str) -> None:
    case.write(start, kit.RELAX)
    steps = []

    def evaluate(crystal: Crystal) -> Any:
        steps.append(crystal)
        if len(steps) == 3:
            (case.folder / "STOPCAR").write_text(f"{tag} = .TRUE.\n")
        return springs(crystal)

    code, log = case.run(evaluate)
    vasprun = case.vasprun()
    assert code == 0
    assert len(vasprun.ionic_steps) == len(steps) == 3
    assert words in log
    assert not (case.folder / "STOPCAR").exists()
    n_electronic = len(vasprun.ionic_steps[-1]["electronic_steps"])
    assert (n_electronic == 1) is (tag == "LABORT")
    from pymatgen.io.vasp.outputs import Outcar

    assert Outcar(case.folder / "OUTCAR").is_stopped is (tag == "LSTOP")


def test_walltime_stops_by_stopcar_and_contcar_goes_on(kit: Any, case: Any, start: Crystal, springs: Any) -> None:
    case.environ["NAWF_REHEARSAL_FAULT"] = "walltime@2 once"
    code, log = case.write(start, kit.RELAX).run(springs)
    assert code == 0
    assert "soft stop encountered!  aborting job" in log
    first = case.vasprun()
    assert len(first.ionic_steps) == 2
    (case.folder / "POSCAR").write_bytes((case.folder / "CONTCAR").read_bytes())
    case.run(springs)
    second = case.vasprun()
    assert second.converged
    assert second.ionic_steps[0]["e_0_energy"] == pytest.approx(first.final_energy, abs=1e-8)


def test_a_kill_leaves_what_was_calculated(kit: Any, case: Any, start: Crystal, command: list[str]) -> None:
    from pymatgen.io.vasp.inputs import Poscar
    from pymatgen.io.vasp.outputs import Oszicar, Xdatcar

    case.write(start, kit.RELAX)
    environ = os.environ | {"NAWF_REHEARSAL_FAULT": "kill@3 once"}
    done = subprocess.run(command, cwd=case.folder, env=environ, stdout=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(XMLSyntaxError):
        case.vasprun()
    with pytest.warns(UserWarning, match="XML is malformed"):
        partial = case.vasprun(exception_on_bad_xml=False)
    assert len(partial.ionic_steps) == 2
    contcar = Poscar.from_file(case.folder / "CONTCAR").structure
    assert np.allclose(contcar.frac_coords, partial.structures[-1].frac_coords, atol=1e-8)
    assert len(Xdatcar(case.folder / "XDATCAR").structures) == 2
    oszicar = Oszicar(case.folder / "OSZICAR")
    assert (len(oszicar.ionic_steps), len(oszicar.electronic_steps)) == (2, 3)
    assert "DAV:   3" in done.stdout.splitlines()[-1]


def test_a_run_that_hangs_can_be_terminated(kit: Any, case: Any, start: Crystal, command: list[str]) -> None:
    case.write(start, kit.RELAX)
    environ = os.environ | {"NAWF_REHEARSAL_FAULT": "hang@2"}
    with subprocess.Popen(command, cwd=case.folder, env=environ, stdout=subprocess.DEVNULL) as process:
        oszicar = case.folder / "OSZICAR"
        deadline = time.monotonic() + 60
        while not oszicar.is_file() or oszicar.read_text().count("DAV:   3") < 2:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        size = oszicar.stat().st_size
        time.sleep(0.3)
        assert (process.poll(), oszicar.stat().st_size) == (None, size)
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM


def test_a_step_can_be_made_to_last(kit: Any, case: Any, springs: Any) -> None:
    case.write(kit.cubic_na2s(), kit.STATIC)
    case.environ["NAWF_REHEARSAL_STEP_SECONDS"] = "0.4"
    began = time.monotonic()
    case.run(springs)
    assert time.monotonic() - began >= 0.4
    case.environ["NAWF_REHEARSAL_STEP_SECONDS"] = "long"
    assert case.run(springs)[0] == 1
