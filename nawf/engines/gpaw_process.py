"""One step of GPAW in this process, or in several that a launcher such as mpiexec starts.

The processes of a parallel run all do the same, and GPAW shares out what is inside of it. The first one writes: the
evaluations in the place of the step, lines of progress, and the answer. A run that ends because one process fell from
a rung of the ladder is started again, and begins with the next rung.

Run as ``python -m nawf.engines.gpaw_process FOLDER`` with a question in the folder.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from nawf.engines.base import Label
from nawf.engines.children import ending_with_us
from nawf.engines.gpaw_check import MPI_BACKEND, OWN_MPI, telling_line
from nawf.engines.gpaw_protocols import Step
from nawf.engines.gpaw_scf import RUNGS, SMEARINGS_EV, OneProcessFellError
from nawf.engines.gpaw_steps import Gpaw, Output
from nawf.errors import CalculationError, NawfError
from nawf.progress import Event, State, emit, listening
from nawf.results.crystal import Crystal
from nawf.results.elastic import StrainedCells, StressesOutput
from nawf.results.methods import RelaxMethod
from nawf.results.outputs import DisplacedCells, ForcesOutput, RelaxOutput, StaticResult

QUESTION, ANSWER, ERROR, AGAIN = "question.json", "answer.json", "error.txt", "again"
_PROGRESS = "nawf-progress"
_LAST_LINES = 20
_GRACE_S = 5.0
"""For the first process to tell what is wrong before another one ends them all."""


class Question(BaseModel):
    """A step to do.

    ``displaced`` and ``strained`` are the cells of phonons and elastic tensors; ``crystal`` and ``method`` belong to
    the others, and ``hessian`` (eV/Å²) to relaxations.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: str
    root: Path
    step: Step
    label: Label
    crystal: Crystal | None = None
    method: RelaxMethod | None = None
    hessian: tuple[tuple[float, ...], ...] | None = None
    displaced: DisplacedCells | None = None
    strained: StrainedCells | None = None

    def answer(self, *, writes: bool = True, parallel: bool = False) -> Output:
        """Do the step in this process, which may be one of several."""
        gpaw = Gpaw(self.protocol, self.root, writes=writes, parallel=parallel)
        if self.displaced is not None:
            return gpaw.forces(self.displaced, self.label)
        if self.strained is not None:
            return gpaw.stresses(self.strained, self.label)
        if self.crystal is None or self.method is None:
            raise ValueError("neither a crystal with a method nor cells")
        if self.step is Step.RELAX:
            return gpaw.relax(self.crystal, self.method, self.label, self.hessian)
        return gpaw.static(self.crystal, self.method, self.label)


_ANSWERS: dict[Step, type[Output]] = {
    Step.RELAX: RelaxOutput,
    Step.STATIC: StaticResult,
    Step.DISPLACED: ForcesOutput,
    Step.STRAINED: StressesOutput,
}


def answer(question: Question, launcher: str) -> Output:
    """What a step gives, worked out in this process or in those that a launcher starts.

    Parameters
    ----------
    question : Question
    launcher : str
        Such as ``mpiexec -n 8``; empty for this process.

    Raises
    ------
    CalculationError
        When a parallel run ends without an answer.
    """
    if not launcher:
        return question.answer()
    with tempfile.TemporaryDirectory(prefix="nawf-gpaw-") as name:
        folder = Path(name)
        (folder / QUESTION).write_text(question.model_dump_json(), encoding="utf-8")
        command = [*shlex.split(os.path.expandvars(launcher)), sys.executable, "-m", __name__, str(folder)]
        for _ in range(len(RUNGS) * len(SMEARINGS_EV) + 1):
            (folder / AGAIN).unlink(missing_ok=True)
            code, last = _run(command)
            if not (folder / AGAIN).is_file():
                break
        if not (folder / ANSWER).is_file():
            given = folder / ERROR
            why = (
                given.read_text(encoding="utf-8")
                if given.is_file()
                else f"{command[0]} ended with code {code}: {last}"
            )
            raise CalculationError(
                why,
                where=f"{question.label.phase} {question.step}",
                hint="a repeated run goes on behind the last evaluation",
            )
        return _ANSWERS[question.step].model_validate_json((folder / ANSWER).read_text(encoding="utf-8"))


def _run(command: list[str]) -> tuple[int, str]:
    """Run a command; progress is passed on. Its exit code, and the last of what it said besides.

    Its processes end with this one, unless this one is killed.
    """
    said: list[str] = []
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with ending_with_us():
        # Not as a context: that would wait for the process before it is ended.
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environment
        )
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                words = line.split()
                if words[:1] == [_PROGRESS] and len(words) == 3:
                    emit(State.ADVANCED, done=int(words[1]), total=int(words[2]))
                elif line.strip():
                    said = [*said, line.strip()][-_LAST_LINES:]
        return process.wait(), telling_line(said)


def main(folder: Path) -> int:
    """Body of the processes of a parallel run."""
    os.environ[MPI_BACKEND] = OWN_MPI  # before GPAW is loaded
    from gpaw.mpi import world

    question = Question.model_validate_json((folder / QUESTION).read_text(encoding="utf-8"))
    first = world.rank == 0

    def tell(event: Event) -> None:
        if first and event.state is State.ADVANCED:
            print(_PROGRESS, event.done, event.total, flush=True)

    try:
        with listening(tell):
            found = question.answer(writes=first, parallel=world.size > 1)
    except BaseException as error:  # noqa: BLE001 - told to the one who asked
        if isinstance(error, OneProcessFellError):
            (folder / AGAIN).touch()
        elif first:
            (folder / ERROR).write_text(_in_words(error), encoding="utf-8")
        traceback.print_exc()
        if world.size > 1:
            # Whoever is left would wait for this process for ever.
            if not (first or isinstance(error, OneProcessFellError)):
                time.sleep(_GRACE_S)
            world.abort(1)
        return 1
    if first:
        (folder / ANSWER).write_text(found.model_dump_json(), encoding="utf-8")
    return 0


def _in_words(error: BaseException) -> str:
    return error.what if isinstance(error, NawfError) else f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
