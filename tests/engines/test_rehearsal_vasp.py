"""The command of the rehearsal, with the embedded engine."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nawf.engines.chgnet import ChgnetEngine
from nawf.engines.registry import engine_spec
from nawf.engines.rehearsal_vasp import COMMAND, command, main, rank
from nawf.phases.library import load_library
from nawf.rehearsal.potcar import stand_in
from nawf.results.crystal import Crystal
from nawf.results.symmetry import primitive_cell
from nawf.units import GPA_PER_EV_PER_A3


def write_input(folder: Path) -> Crystal:
    """α-Na2S2, one step of a relaxation."""
    from pymatgen.io.vasp.inputs import Poscar

    structure = primitive_cell(
        Crystal.from_structure(load_library().get("na2s2-alpha").structure()), 0.01
    ).to_structure()
    structure = structure.get_sorted_structure()
    folder.mkdir()
    (folder / "INCAR").write_text("NSW = 2\nIBRION = 2\nISIF = 3\nEDIFFG = -1E-9\nKSPACING = 0.5\nISYM = 0\n")
    (folder / "POSCAR").write_text(Poscar(structure).get_str(significant_figures=16))
    (folder / "POTCAR").write_text(stand_in("Na_pv", "PBE_64", 7.0) + stand_in("S", "PBE_64", 6.0))
    return Crystal.from_structure(structure)


def test_files_have_the_energies_of_the_engine(tmp_path: Path) -> None:
    from pymatgen.io.vasp.outputs import UnconvergedVASPWarning, Vasprun

    write_input(tmp_path / "run")
    done = subprocess.run(
        shlex.split(command()), cwd=tmp_path / "run", capture_output=True, text=True, timeout=120, env=_environ()
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with pytest.warns(UnconvergedVASPWarning):
        vasprun = Vasprun(tmp_path / "run" / "vasprun.xml", parse_potcar_file=False)
    assert len(vasprun.ionic_steps) == 2
    engine = ChgnetEngine(engine_spec("chgnet-r2scan"))
    for step in vasprun.ionic_steps:
        energy_ev, forces, stress = engine.evaluate(Crystal.from_structure(step["structure"]))
        # Single precision, and positions of eight decimals.
        assert step["e_0_energy"] == pytest.approx(energy_ev, abs=2e-5)
        assert step["forces"] == pytest.approx(forces, abs=2e-4)
        assert step["stress"] == pytest.approx(-stress * GPA_PER_EV_PER_A3 * 10, abs=0.2)
    assert np.abs(vasprun.ionic_steps[0]["forces"]).max() > 1e-3


def test_only_the_first_rank_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "3")
    main()
    assert list(tmp_path.iterdir()) == []


def test_wrong_input_is_refused_before_the_engine_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_input(tmp_path / "run")
    (tmp_path / "run" / "INCAR").write_text("NSW = much\n")
    monkeypatch.chdir(tmp_path / "run")
    monkeypatch.setattr("nawf.engines.rehearsal_vasp._engine", None)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert "Error reading item 'NSW' from file INCAR." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, 0),
        ({"PMI_RANK": "0"}, 0),
        ({"PMI_RANK": "2"}, 2),
        ({"SLURM_PROCID": "1"}, 1),
        ({"OMPI_COMM_WORLD_RANK": "0", "SLURM_PROCID": "1"}, 0),
        ({"PMI_RANK": ""}, 0),
    ],
)
def test_ranks(environ: dict[str, str], expected: int) -> None:
    assert rank(environ) == expected


def test_the_command_is_that_of_this_installation() -> None:
    program = shlex.split(command())[0]
    assert program in (sys.executable, str(Path(sys.executable).with_name(COMMAND)))


def _environ() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("NAWF_", "SLURM_", "PMI", "OMPI_"))}
