"""Steps in processes of a launcher. Real processes, with a toy potential in GPAW's place."""

import sys
from pathlib import Path

import numpy as np
import pytest
import toy_gpaw

from nawf.engines.base import Label
from nawf.engines.gpaw_process import Question, answer
from nawf.engines.gpaw_protocols import PROTOCOLS, Step
from nawf.engines.gpaw_steps import Gpaw
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


def test_a_question_without_anything_to_do_is_refused(tmp_path):
    with pytest.raises(ValueError, match="neither"):
        Question(protocol="coarse", root=tmp_path, step=Step.RELAX, label=LABEL).answer()
