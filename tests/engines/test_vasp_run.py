"""Single runs with the stand-in: results, attempts that are cut off, and what is refused."""

from __future__ import annotations

import time

import numpy as np
import pytest

pytest.importorskip("atomate2")

from pymatgen.core import Structure
from pymatgen.io.vasp.inputs import Incar, Poscar

import nawf.engines.vasp_jobs
from nawf.engines.base import Label
from nawf.engines.vasp import METHODS, REHEARSAL
from nawf.engines.vasp_jobs import Vasp, relax_in_runs
from nawf.engines.vasp_options import VaspOptions
from nawf.engines.vasp_protocols import Step
from nawf.engines.vasp_resume import last_geometry
from nawf.engines.vasp_run import _key, run_vasp_step, seconds_left
from nawf.errors import CalculationError, EngineError
from nawf.results.crystal import Crystal

LABEL = Label(phase="toy", campaign="test")


def run(step, crystal, **choices):
    return Vasp(engine=REHEARSAL, protocol="mp24", options=VaspOptions.of_settings()).run(
        step, crystal, LABEL, **choices
    )


def relax(crystal, **changes):
    vasp = Vasp(engine=REHEARSAL, protocol="mp24", options=VaspOptions.of_settings())
    return relax_in_runs(vasp, crystal, True, METHODS.relax.model_copy(update=changes), LABEL)


def distorted(scale=1.0):
    """Without symmetry, atoms of the two elements interleaved."""
    lattice = scale * np.array([[6.4, 0.1, 0.0], [0.2, 3.3, 0.1], [0.0, 0.1, 3.2]])
    frac = [[0.01, 0, 0], [0.24, 0.5, 0.48], [0.5, 0.02, 0], [0.76, 0.5, 0.5]]
    return Crystal.from_arrays(lattice, ["S", "Na", "S", "Na"], frac)


@pytest.fixture
def faults(monkeypatch, tmp_path):
    """Make the stand-in fail; counts hold for all its runs."""

    def ask(text):
        counts = tmp_path / "counts"
        counts.mkdir(exist_ok=True)
        monkeypatch.setenv("NAWF_REHEARSAL_FAULT", text)
        monkeypatch.setenv("NAWF_REHEARSAL_COUNTS", str(counts))

    return ask


def test_energy_forces_and_stress_of_interleaved_atoms_are_those_of_the_potential(toy_vasp):
    crystal = distorted()
    found = run(Step.STATIC, crystal)
    energy, forces, stress = toy_vasp.evaluate(crystal)
    xx, xy, xz, yy, yz, zz = stress[np.triu_indices(3)] * 160.21766
    assert found.energy_ev_per_atom == pytest.approx(energy / 4, abs=1e-7)
    np.testing.assert_allclose(found.forces_ev_per_a, forces, atol=1e-6)
    np.testing.assert_allclose(found.stress_gpa, [xx, yy, zz, yz, xz, xy], atol=1e-5)
    assert found.crystal.species == crystal.species
    np.testing.assert_allclose(found.crystal.frac_coords, crystal.frac_coords, atol=1e-8)
    assert abs(np.array(forces)).max() > 0.1
    assert len(set(np.round(found.stress_gpa, 2))) == 6


def test_the_settings_are_recorded_as_they_were_run(toy_vasp):
    calculation = run(Step.STATIC, toy_vasp.crystal).calculation
    assert calculation["engine"] == REHEARSAL
    assert calculation["functional"] == "r2SCAN"
    assert calculation["encut_ev"] == 680.0
    assert calculation["k_points"] == "spacing 0.22 1/A"
    assert calculation["spin"] == "collinear"
    assert calculation["further"] is None
    assert calculation["potential_Na"].startswith("PAW_PBE Na_pv REHEARSAL")


def test_a_finished_run_is_not_repeated(toy_vasp):
    first = run(Step.STATIC, toy_vasp.crystal)
    began = time.perf_counter()
    assert run(Step.STATIC, toy_vasp.crystal) == first
    assert time.perf_counter() - began < 1.0
    assert len(toy_vasp.attempts()) == 1
    # Another cell, another step and other settings have places of their own.
    run(Step.STATIC, distorted())
    run(Step.DISPLACED, toy_vasp.crystal)
    assert len(toy_vasp.attempts()) == 3
    # One with spin serves where none is needed, and not the other way round.
    run(Step.DISPLACED, toy_vasp.crystal, spin=False)
    assert len(toy_vasp.attempts()) == 3
    run(Step.DISPLACED, distorted(), spin=False)
    run(Step.DISPLACED, distorted())
    assert len(toy_vasp.attempts()) == 5


def test_a_run_without_spin_has_the_scale_of_one_with_spin_that_found_none(toy_vasp):
    without = run(Step.DISPLACED, toy_vasp.crystal, spin=False)
    with_spin = run(Step.DISPLACED, toy_vasp.crystal)
    assert (with_spin.non_magnetic, without.non_magnetic) == (True, None)
    assert without.calculation == with_spin.calculation


@pytest.mark.parametrize("file", ["CONTCAR", "XDATCAR", "vasprun.xml"])
def test_a_killed_relaxation_goes_on_from_its_last_geometry(toy_vasp, faults, file):
    """What is newer than ``file`` is emptied by hand."""
    faults("kill@4 once")
    with pytest.raises(CalculationError, match="toy relax 1: VASP ended without a result") as caught:
        relax(distorted())
    assert "attempt-01" in str(caught.value)
    (folder,) = toy_vasp.attempts("relax")
    for newer in ("CONTCAR", "XDATCAR", "vasprun.xml"):
        if newer == file:
            break
        (folder / newer).write_text("")
    given = distorted().to_structure().get_sorted_structure()
    reached = last_geometry(folder, given)
    assert reached.source == file

    found = relax(distorted())
    first, second = toy_vasp.attempts("relax-1")
    assert first == folder
    start = last_geometry_of_poscar(second)
    np.testing.assert_allclose(start.lattice.matrix, reached.structure.lattice.matrix, atol=1e-6)
    np.testing.assert_allclose(start.frac_coords, reached.structure.frac_coords, atol=1e-6)
    assert not np.allclose(start.lattice.matrix, given.lattice.matrix, atol=1e-3)
    assert found.converged
    resumed = found.run.corrections[0]
    assert resumed.errors == ("attempt 1 cut off after 3 ionic steps",)
    assert resumed.actions == (f"start: {file} of attempt 1",)
    assert found.n_steps > 3


def last_geometry_of_poscar(folder):
    return Structure.from_file(folder / "POSCAR.orig.gz")


def test_a_relaxation_ends_where_it_would_have_without_being_killed(toy_vasp, faults):
    straight = relax(toy_vasp.crystal)
    faults("kill@3 once")
    with pytest.raises(CalculationError):
        relax(Crystal.from_arrays(np.eye(3) * 3.3, ["S", "Na"], toy_vasp.crystal.frac_coords))
    resumed = relax(Crystal.from_arrays(np.eye(3) * 3.3, ["S", "Na"], toy_vasp.crystal.frac_coords))
    assert resumed.converged
    assert resumed.energy_ev_per_atom == pytest.approx(straight.energy_ev_per_atom, abs=1e-5)
    assert resumed.crystal.volume_a3 == pytest.approx(straight.crystal.volume_a3, rel=1e-3)


def test_a_static_run_that_was_killed_begins_as_it_was_given(toy_vasp, faults):
    faults("kill@1 once")
    with pytest.raises(CalculationError):
        run(Step.STATIC, distorted())
    found = run(Step.STATIC, distorted())
    np.testing.assert_allclose(found.crystal.frac_coords, distorted().frac_coords, atol=1e-8)
    assert found.run.corrections[0].actions == ("start: as given",)
    assert found.energy_ev_per_atom == pytest.approx(toy_vasp.evaluate(distorted())[0] / 4, abs=1e-7)


def test_a_relaxation_that_ran_out_of_walltime_is_not_taken_for_one_that_did_not_converge(
    toy_vasp, faults, monkeypatch
):
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 100))
    faults("walltime@2 once")
    with pytest.raises(CalculationError, match="was asked to stop"):
        relax(distorted())
    monkeypatch.delenv("SLURM_JOB_END_TIME")
    found = relax(distorted())
    assert found.converged
    assert "cut off after 2 ionic steps" in found.run.corrections[0].errors[0]


def test_a_result_that_was_there_in_time_is_kept(toy_vasp, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 100))
    assert relax(toy_vasp.crystal).converged


def test_a_relaxation_that_used_up_its_steps_says_so_and_goes_on_when_allowed_more(toy_vasp):
    short = relax(distorted(), max_steps=3)
    assert not short.converged
    assert short.n_steps == 3
    longer = relax(distorted(), max_steps=200)
    assert longer.converged
    assert longer.max_force_ev_per_a <= METHODS.relax.force_ev_per_a


def test_a_stress_that_is_left_is_relaxed_in_another_run(toy_vasp):
    """What VASP stops at is enough for its own measure, and not for a smaller stress."""
    first = relax(toy_vasp.crystal)
    second = relax(toy_vasp.crystal, stress_gpa=first.max_stress_gpa / 4)
    assert second.converged
    assert second.max_stress_gpa <= first.max_stress_gpa / 4
    (one,), (other,) = toy_vasp.attempts("relax-1"), toy_vasp.attempts("relax-2")
    end, start = (Structure.from_file(one / "CONTCAR.gz"), Structure.from_file(other / "POSCAR.orig.gz"))
    np.testing.assert_allclose(start.lattice.matrix, end.lattice.matrix, atol=1e-8)
    assert Incar.from_file(one / "INCAR.gz")["EDIFFG"] == -METHODS.relax.force_ev_per_a
    assert Incar.from_file(other / "INCAR.gz")["EDIFFG"] == -METHODS.relax.force_ev_per_a / 2
    # Without moments in the first, the second goes without spin.
    assert (Incar.from_file(one / "INCAR.gz")["ISPIN"], Incar.from_file(other / "INCAR.gz")["ISPIN"]) == (2, 1)
    assert second.n_steps > first.n_steps


def test_a_stress_that_stays_ends_in_a_relaxation_that_did_not_converge(toy_vasp, monkeypatch):
    monkeypatch.setattr(nawf.engines.vasp_jobs, "MOST_RUNS", 2)
    found = relax(toy_vasp.crystal, stress_gpa=1e-9)
    assert not found.converged
    assert len(toy_vasp.attempts("relax")) == 2


def test_corrections_are_recorded_and_leave_the_scale_alone(toy_vasp, faults):
    plain = run(Step.DISPLACED, distorted())
    faults("edddav until ALGO=All")
    corrected = run(Step.DISPLACED, distorted(1.001))
    (correction,) = corrected.run.corrections
    assert correction.handler == "VaspErrorHandler"
    assert correction.errors == ("edddav",)
    assert "INCAR: ALGO = All" in correction.actions
    assert corrected.calculation == plain.calculation


@pytest.mark.parametrize("fault", ["brmix", "subspacematrix"])
def test_messages_with_a_cure_that_changes_the_scale_are_let_be(toy_vasp, faults, fault):
    faults(fault)
    (found,) = run(Step.DISPLACED, distorted()).run.corrections
    assert (found.handler, found.errors, found.actions) == ("VASP", (fault,), ())


def test_electrons_that_do_not_converge_end_in_one_line(toy_vasp, faults):
    faults("nelm")
    with pytest.raises(CalculationError, match="toy displaced: VASP ended without a result") as caught:
        run(Step.DISPLACED, distorted())
    assert "\n" not in str(caught.value)


def test_vasp_and_its_rehearsal_are_not_confused(toy_vasp, monkeypatch, vasp_program):
    monkeypatch.setenv("NAWF_VASP_COMMAND", str(vasp_program[0]))
    with pytest.raises(EngineError, match="is a rehearsal of VASP"):
        run_vasp_step("vasp", "mp24", Step.STATIC, distorted().to_structure(), LABEL, VaspOptions.of_settings())
    assert not list(toy_vasp.runs.rglob("nawf-finished.json"))


@pytest.mark.parametrize("command", ["no-such-vasp", "no-such-srun -n 4 vasp_std"])
def test_a_missing_command_is_one_line(toy_vasp, monkeypatch, command):
    monkeypatch.setenv("NAWF_VASP_REHEARSAL_COMMAND", command)
    with pytest.raises(EngineError, match=f"toy static: the command '{command}' is not found"):
        run(Step.STATIC, toy_vasp.crystal)


def test_a_missing_potcar_is_one_line(toy_vasp, monkeypatch, tmp_path):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("NAWF_POTCAR_FOLDER", str(tmp_path / "empty"))
    with pytest.raises(EngineError, match=r"a POTCAR of PBE_64 is missing.*NAWF_POTCAR_FOLDER"):
        run(Step.STATIC, toy_vasp.crystal)


@pytest.mark.parametrize("folder", ["", "/home/nobody/potcars"])
def test_a_rehearsal_needs_no_potcars(toy_vasp, monkeypatch, folder):
    """Nor a folder of them: the one that is set may be on another machine, or not be there yet."""
    from pymatgen.core import SETTINGS

    monkeypatch.setenv("NAWF_POTCAR_FOLDER", folder)
    monkeypatch.delitem(SETTINGS, "PMG_VASP_PSP_DIR", raising=False)
    found = run(Step.STATIC, toy_vasp.crystal)
    assert "REHEARSAL" in found.calculation["potential_S"]
    assert "PMG_VASP_PSP_DIR" not in SETTINGS


def test_only_the_sharing_of_work_may_be_set_for_all_runs(toy_vasp, monkeypatch):
    from atomate2 import SETTINGS

    monkeypatch.setattr(SETTINGS, "VASP_INCAR_UPDATES", {"ENCUT": 400, "NCORE": 4})
    with pytest.raises(EngineError, match="VASP_INCAR_UPDATES sets ENCUT "):
        run(Step.STATIC, toy_vasp.crystal)
    monkeypatch.setattr(SETTINGS, "VASP_INCAR_UPDATES", {"NCORE": 4})
    found = run(Step.STATIC, toy_vasp.crystal)
    assert found.calculation["further"] is None


def test_the_place_of_a_run_tells_everything_that_goes_into_it():
    files = {"INCAR": "a", "KPOINTS": "b", "POSCAR": Poscar(distorted().to_structure()), "POTCAR": "c"}
    key = _key(files, "vasp_std")
    assert _key(dict(files), "vasp_std") == key
    moved = Poscar(distorted(1.00001).to_structure())
    others = [
        _key(files | {name: value}, "vasp_std")
        for name, value in (("INCAR", "x"), ("KPOINTS", "x"), ("POTCAR", "x"), ("POSCAR", moved))
    ]
    assert len({key, _key(files, "nawf-vasp-rehearsal"), *others}) == 6


@pytest.mark.parametrize(("end", "left"), [("1100", 100), ("900", 0), ("", None), ("soon", None), (None, None)])
def test_time_that_is_left(end, left):
    assert seconds_left({} if end is None else {"SLURM_JOB_END_TIME": end}, 1000.4) == left


def test_the_validator_of_the_materials_project_accepts_the_runs_of_mp24(toy_vasp, tmp_path):
    """It takes whole version numbers only, and real POTCARs; all else is looked at."""
    import gzip

    from pymatgen.io.validation.validation import VaspValidator

    relax(toy_vasp.crystal)
    run(Step.STATIC, toy_vasp.crystal)
    for step in ("relax-1", "static"):
        (folder,) = toy_vasp.attempts(step)
        copy = tmp_path / step
        copy.mkdir()
        for name in ("INCAR", "POSCAR", "OUTCAR", "vasprun.xml"):
            with gzip.open(folder / f"{name}.gz", "rt") as file:
                (copy / name).write_text(file.read().replace("6.4.2-rehearsal", "6.4.2"))
        assert VaspValidator.from_directory(copy, check_potcar=False).reasons == []
