"""Steps in processes of a launcher. Real processes, with a toy potential in GPAW's place."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import toy_gpaw

from nawf.engines.base import Label
from nawf.engines.gpaw_process import Question, answer
from nawf.engines.gpaw_protocols import PROTOCOLS, Step
from nawf.engines.gpaw_scf import RUNGS
from nawf.engines.gpaw_steps import Gpaw
from nawf.engines.word_left import OF_QUEUES, WORD
from nawf.errors import CalculationError
from nawf.flows.phonon import displaced_cells
from nawf.progress import State, listening
from nawf.results.crystal import Crystal
from nawf.results.methods import PhononMethod

HERE = Path(__file__).parent
CRYSTAL = Crystal.from_arrays(3.3 * np.eye(3), ["Na", "S"], [[0.01, 0, 0], [0.5, 0.5, 0.5]])
METHOD = PROTOCOLS["coarse"].methods.relax
LABEL = Label(phase="toy")

LAUNCHER = """#!{python}
import sys, runpy, types
sys.path[:0] = [{here!r}, {shared!r}]
import pytest, toy_gpaw, toy_potential
with pytest.MonkeyPatch.context() as patch:
    toy = toy_gpaw.Toy(toy_potential.evaluate).install(patch)
    def fails(settings, number):
        {fails}
    toy.fails = fails
    mpi = types.ModuleType("gpaw.mpi")
    mpi.world = types.SimpleNamespace(rank=0, size=1)
    patch.setitem(sys.modules, "gpaw.mpi", mpi)
    print("some words of a library")
    sys.argv = sys.argv[3:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def launcher(tmp_path):
    """Command that runs what it is given with the toy; it may fail."""

    def make(fails="pass"):
        path = tmp_path / "launcher"
        path.write_text(
            LAUNCHER.format(python=sys.executable, here=str(HERE), shared=str(HERE.parent / "shared"), fails=fails)
        )
        path.chmod(0o755)
        return str(path)

    return make


def question(root, step=Step.RELAX, **what):
    given = what or {"crystal": CRYSTAL, "method": METHOD}
    return Question(protocol="coarse", root=root, step=step, label=LABEL, **given)


def test_the_answer_of_other_processes_is_that_of_this_one(launcher, tmp_path, toy_potential, monkeypatch):
    events = []
    with listening(events.append):
        found = answer(question(tmp_path / "runs"), launcher())
    toy_gpaw.Toy(toy_potential.evaluate).install(monkeypatch)
    own = Gpaw("coarse", None).relax(CRYSTAL, METHOD, LABEL)
    assert found.model_dump(exclude={"run"}) == own.model_dump(exclude={"run"})
    assert [e.done for e in events if e.state is State.ADVANCED][-1] == found.n_steps
    assert list((tmp_path / "runs" / "toy").glob("gpaw-relax-*/evaluations.jsonl"))


def test_in_the_folder_of_a_queued_job_word_is_left_of_where_it_runs(launcher, tmp_path, monkeypatch):
    job = tmp_path / "job"
    job.mkdir()
    (job / OF_QUEUES[0]).write_text("{}")
    monkeypatch.chdir(job)
    answer(question(tmp_path / "runs", Step.STATIC), launcher())
    (place,) = (tmp_path / "runs" / "toy").glob("gpaw-static-*")
    assert (job / WORD).read_text() == f"{place}\n"


@pytest.mark.parametrize("step", [Step.STATIC, Step.DISPLACED])
def test_all_kinds_of_steps_have_an_answer(launcher, tmp_path, step):
    cells = displaced_cells(CRYSTAL, PhononMethod(min_length_a=4.0), 0.01)
    asked = {"displaced": cells} if step is Step.DISPLACED else {}
    found = answer(question(tmp_path, step, **asked), launcher())
    n_forces = len(getattr(found, "forces_ev_per_a", ()))
    assert n_forces == (len(cells.displacements) if asked else 0)


def test_an_error_comes_home_in_its_own_words(launcher, tmp_path):
    with pytest.raises(CalculationError, match=r"toy relax: the electrons do not converge"):
        answer(question(tmp_path), launcher("raise toy_gpaw.ConvergenceError"))


def test_processes_that_die_are_told_with_their_last_words(launcher, tmp_path):
    with pytest.raises(CalculationError, match=r"ended with code 9: goodbye"):
        answer(question(tmp_path), launcher("print('goodbye', flush=True); import os; os._exit(9)"))


def test_what_was_calculated_before_a_death_is_kept(launcher, tmp_path):
    with pytest.raises(CalculationError):
        answer(question(tmp_path), launcher("import os; number < 3 or os._exit(9)"))
    found = answer(question(tmp_path), launcher())
    assert [c.handler for c in found.run.corrections] == ["resume"]


FALLS = """
import os, runpy, sys
os.environ["GPAW_MPI_BACKEND"] = "cgpaw"
from gpaw.mpi import world
from gpaw.new.ase_interface import ASECalculator
import numpy as np
energy = ASECalculator.get_potential_energy

def fails_once(self, atoms):
    if world.rank == 1 and not os.path.exists({mark!r}):
        open({mark!r}, "w").close()
        raise np.linalg.LinAlgError("of one process alone")
    return energy(self, atoms)

ASECalculator.get_potential_energy = fails_once
sys.argv = sys.argv[3:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def mpi(monkeypatch):
    """Two processes that work together, of an MPI that GPAW was built with."""
    pytest.importorskip("gpaw", reason="deploy/install-gpaw installs it")
    from gpaw import cgpaw

    if shutil.which("mpiexec") is None or not cgpaw.have_mpi:
        pytest.skip("GPAW has no MPI here")
    for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "OMPI_MCA_rmaps_base_oversubscribe"):
        monkeypatch.setenv(name, "1")
    return f"mpiexec -n 2 {sys.executable}"


@pytest.mark.slow
def test_a_failure_that_one_process_sees_ends_all_and_the_next_rung_is_tried(mpi, tmp_path):
    script = tmp_path / "falls.py"
    script.write_text(FALLS.format(mark=str(tmp_path / "fell")))
    sodium = Crystal.from_arrays(2.11 * (np.ones((3, 3)) - 2 * np.eye(3)), ["Na"], [[0, 0, 0]])
    found = answer(question(tmp_path / "runs", Step.STATIC, crystal=sodium, method=METHOD), f"{mpi} {script}")
    assert (tmp_path / "fell").is_file()
    (fell,) = found.run.corrections
    assert "of one process alone" in fell.errors[0]
    assert fell.actions == (RUNGS[1].words,)
    # The trial of tests/engines/test_gpaw_check.py.
    assert found.energy_ev_per_atom == pytest.approx(-3.51, abs=0.05)


def test_processes_of_a_launcher_end_with_the_one_that_asked(tmp_path):
    script = tmp_path / "launcher"
    script.write_text('#!/bin/sh\nsetsid sleep 60 &\necho ready > "$4/ready"\nwait\n')
    script.chmod(0o755)
    code = (
        "import sys\nfrom nawf.engines.gpaw_process import Question, answer\n"
        "answer(Question.model_validate_json(sys.argv[1]), sys.argv[2])"
    )
    asked = question(tmp_path / "runs").model_dump_json()
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "-c", code, asked, str(script)], env=environment)
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("nawf-gpaw-*/ready")) and time.monotonic() < deadline:
            time.sleep(0.1)
        started = psutil.Process(parent.pid).children(recursive=True)
        assert len(started) == 2
        parent.send_signal(signal.SIGTERM)
        assert parent.wait(timeout=60) != 0
        assert not [process for process in started if process.is_running()]
        assert not list(tmp_path.glob("nawf-gpaw-*"))
    finally:
        parent.kill()


def test_a_question_without_anything_to_do_is_refused(tmp_path):
    with pytest.raises(ValueError, match="neither"):
        Question(protocol="coarse", root=tmp_path, step=Step.RELAX, label=LABEL).answer()
