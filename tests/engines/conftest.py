"""VASP for tests: the rehearsal with a fast potential, and stand-in POTCARs."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).parent
SCRIPT = """#!{python}
import sys
sys.path.insert(0, {folder!r})
from toy_potential import evaluate
from nawf.rehearsal.run import run
sys.exit(run(".", evaluate))
"""


@dataclass(frozen=True)
class ToyVasp:
    """What a test needs: where runs are kept, the potential itself, and a crystal."""

    runs: Path
    evaluate: Any
    crystal: Any

    def attempts(self, step=""):
        """Folders of all attempts of steps whose name begins so."""
        return sorted(self.runs.glob(f"*/{step}*/attempt-*"))


@pytest.fixture
def relaxed_to():
    """Make the record of a relaxation by a potential that ended at a crystal."""
    from nawf.results.outputs import RelaxOutput, RunRecord

    def make(crystal):
        began = datetime(2026, 1, 1, tzinfo=UTC)
        return RelaxOutput(
            crystal=crystal,
            energy_ev_per_atom=-1.0,
            max_force_ev_per_a=0.0,
            max_stress_gpa=0.0,
            n_steps=5,
            converged=True,
            calculation={},
            run=RunRecord(host="laptop", started_at=began, finished_at=began, versions={"chgnet": "1"}),
        )

    return make


@pytest.fixture(scope="session")
def toy_potential():
    """Module with the potential."""
    spec = importlib.util.spec_from_file_location("toy_potential", HERE / "toy_potential.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def vasp_program(tmp_path_factory):
    """Executable that acts as VASP, and its library of POTCARs."""
    pytest.importorskip("atomate2")
    from nawf.rehearsal.potcar import make_potcar_library

    folder = tmp_path_factory.mktemp("vasp")
    program = folder / "toy-vasp"
    program.write_text(SCRIPT.format(python=sys.executable, folder=str(HERE)))
    program.chmod(0o755)
    return program, make_potcar_library(folder / "potcars", symbols=["Na_pv", "S"])


@pytest.fixture
def toy_vasp(vasp_program, toy_potential, tmp_path, monkeypatch):
    """Settings of a machine on which the engine ``vasp-rehearsal`` runs with the toy potential."""
    import nawf.engines.vasp_run
    from nawf.results.crystal import Crystal

    program, potcars = vasp_program
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(nawf.engines.vasp_run, "POLL_S", 0.05)
    monkeypatch.setenv("NAWF_VASP_REHEARSAL_COMMAND", str(program))
    monkeypatch.setenv("NAWF_POTCAR_FOLDER", str(potcars))
    monkeypatch.setenv("NAWF_RUN_FOLDER", str(tmp_path / "runs"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    # S before Na: pymatgen writes them the other way round.
    crystal = Crystal.from_arrays(np.eye(3) * 3.2, ["S", "Na"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    return ToyVasp(tmp_path / "runs", toy_potential.evaluate, crystal)
