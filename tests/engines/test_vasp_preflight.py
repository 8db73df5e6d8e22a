from __future__ import annotations

import pytest

pytest.importorskip("atomate2")

from pymatgen.core import SETTINGS

from nawf.engines.base import EngineSpec
from nawf.engines.launchers import ranks_of
from nawf.engines.vasp import METHODS, REHEARSAL
from nawf.engines.vasp_options import VaspOptions
from nawf.engines.vasp_preflight import vasp_findings
from nawf.rehearsal.potcar import STAND_IN_DATE, make_potcar_library
from nawf.results.crystal import Crystal
from nawf.results.tasks import PhaseTask

CELL = Crystal.from_arrays([[4, 0, 0], [0, 4, 0], [0, 0, 4]], ["Na"], [[0, 0, 0]])
TASK = PhaseTask(phase="na", campaign="c", properties=("relax", "static"), start=CELL, methods=METHODS, card={})


@pytest.fixture
def options(tmp_path, monkeypatch):
    """A machine on which VASP could run; changes make it another."""
    monkeypatch.chdir(tmp_path)
    for key in ("PMG_VASP_PSP_DIR", "PMG_VASP_PSP_SUB_DIRS"):
        monkeypatch.delitem(SETTINGS, key, raising=False)
    for name in ("VASP_COMMAND", "POTCAR_FOLDER", "RUN_FOLDER", "VASP_REHEARSAL_COMMAND"):
        monkeypatch.delenv(f"NAWF_{name}", raising=False)
    monkeypatch.delenv("SLURM_NTASKS", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    for name in ("vasp_std", "mpirun", "srun"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / name).chmod(0o755)
    folder = make_potcar_library(tmp_path / "potcars", ["PBE_64"], ["Na_pv"])
    for path in folder.rglob("POTCAR"):
        path.write_text(path.read_text().replace(STAND_IN_DATE, "19Sep2006"))

    def make(**changes):
        values = {"command": "vasp_std", "potcar_folder": str(folder), "run_folder": str(tmp_path / "runs")}
        return VaspOptions(**(values | changes))

    return make


def look(options, name="vasp", tasks=(TASK,)):
    found = vasp_findings(EngineSpec(name=name, protocol="mp24"), options, tasks)
    return [f.text for f in found if f.stops], [f.text for f in found if not f.stops]


def test_a_machine_that_has_everything_stops_nothing(options):
    stops, notes = look(options())
    assert stops == []
    assert any("GB of wavefunctions" in note for note in notes)


def test_nothing_is_found_without_tasks(options):
    assert look(options(command="no-such-vasp"), tasks=()) == ([], [])


@pytest.mark.parametrize("command", ["no-such-vasp", "no-such-launcher -n 4 vasp_std"])
def test_a_command_that_is_not_found(options, command):
    stops, _ = look(options(command=command))
    assert stops == [
        f"the command {command!r} is not found (set vasp_command in nawf.yaml, or NAWF_VASP_COMMAND where jobs run)"
    ]


def test_a_program_that_only_its_launcher_may_know_is_worth_a_look(options):
    stops, notes = look(options(command="srun -n 2 vasp_in_container"))
    assert stops == []
    assert "'vasp_in_container', which srun is to start, is not found here" in notes
    assert not any("is to start" in note for note in look(options(command="srun -n 2 vasp_std"))[1])


def test_more_ranks_than_cores(options):
    many = "4096 ranks would share the"
    assert any(note.startswith(many) for note in look(options(command="mpirun -np 4096 vasp_std"))[1])
    assert not any(note.startswith(many) for note in look(options(command="srun -n 4096 vasp_std"))[1])


def test_a_run_folder_in_the_way(options, tmp_path):
    (tmp_path / "runs").write_text("a file")
    stops, _ = look(options())
    assert stops == [
        f"nothing can be written to the run folder {tmp_path / 'runs'} "
        "(set run_folder in nawf.yaml, or NAWF_RUN_FOLDER)"
    ]


def test_settings_that_change_results(options, monkeypatch):
    import nawf.engines.vasp_run

    monkeypatch.setattr(nawf.engines.vasp_run.ATOMATE2, "VASP_INCAR_UPDATES", {"ENCUT": 300})
    stops, _ = look(options())
    assert stops[0].startswith("atomate2's VASP_INCAR_UPDATES sets ENCUT")


def test_the_rehearsal_needs_no_potcars_of_anyone(options):
    assert look(options(potcar_folder="", rehearsal_command="vasp_std"), REHEARSAL) == ([], [])
    stops, notes = look(options(potcar_folder="/nowhere", rehearsal_command="vasp_std"), REHEARSAL)
    assert stops == []
    told = "there are no POTCARs, and the rehearsal makes stand-ins"
    assert notes == [f"{told} (potcar_folder is /nowhere, which is no folder)"]


def test_the_rehearsal_takes_potcars_where_there_is_a_folder_of_them(options, tmp_path):
    (tmp_path / "empty").mkdir()
    stops, _ = look(options(potcar_folder=str(tmp_path / "empty"), rehearsal_command="vasp_std"), REHEARSAL)
    assert len(stops) == 1
    assert "no POTCAR of PBE_64 for Na (Na_pv)" in stops[0]


@pytest.mark.parametrize(
    ("command", "ranks"),
    [
        ("vasp_std", None),
        ("env -n 4 vasp_std", None),
        ("mpirun vasp_std", None),
        ("mpirun -np 8 vasp_std", 8),
        ("/opt/bin/mpiexec -n 16 vasp_std", 16),
        ("srun -n4 vasp_std", 4),
        ("srun --ntasks=32 vasp_std", 32),
        ("srun --nodes 2 --ntasks 64 vasp_std", 64),
        ("srun vasp_std", None),
    ],
)
def test_ranks_of_a_command(command, ranks, monkeypatch):
    monkeypatch.delenv("SLURM_NTASKS", raising=False)
    assert ranks_of(command) == ranks


def test_srun_takes_what_the_batch_job_has(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "48")
    assert ranks_of("srun vasp_std") == 48
    assert ranks_of("srun -n 2 vasp_std") == 2
    assert ranks_of("mpirun vasp_std") is None
