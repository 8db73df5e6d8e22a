"""One run of VASP, through atomate2 and custodian, in a place where it can be taken up again."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import time
from collections.abc import Mapping
from contextlib import chdir
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from atomate2 import SETTINGS as ATOMATE2
from atomate2.vasp.jobs.base import get_vasp_task_document
from custodian.custodian import CustodianError
from pymatgen.core import Structure

from nawf.engines.base import Label
from nawf.engines.children import ending_with_us
from nawf.engines.rehearsal_vasp import command as rehearsal_command
from nawf.engines.vasp import REHEARSAL
from nawf.engines.vasp_failure import cause_of, hint_for
from nawf.engines.vasp_handlers import let_be, run_vasp_kwargs
from nawf.engines.vasp_options import VaspOptions
from nawf.engines.vasp_outputs import run_record_of, was_stopped
from nawf.engines.vasp_potcar import has_potcars, input_files, potcar_library
from nawf.engines.vasp_protocols import Step, input_set, vasp_maker
from nawf.engines.vasp_resume import Finished, attempts, mark_finished, new_attempt, next_start
from nawf.engines.word_left import leave_word
from nawf.errors import CalculationError, EngineError
from nawf.rehearsal.potcar import make_potcar_library
from nawf.rehearsal.version import is_rehearsal
from nawf.results.outputs import RunRecord

POLL_S = 1.0
"""Seconds between looks at whether VASP has ended."""

REHEARSAL_POLL_S = 0.05
"""The same of its stand-in, which may take tenths of a second."""

PARALLEL = frozenset({"KPAR", "NCORE", "NPAR", "NSIM", "LPLANE", "LSCALAPACK", "LSCALU"})
"""What atomate2's VASP_INCAR_UPDATES may set: how the work is shared out, never what is calculated."""


@dataclass(frozen=True)
class Ended:
    """A run that ended well: its task document, its record, and the ionic steps of attempts before."""

    task: Any
    run: RunRecord
    n_earlier_steps: int


def run_vasp_step(
    engine: str,
    protocol: str,
    step: Step,
    structure: Structure,
    label: Label,
    options: VaspOptions,
    *,
    name: str = "",
    **choices: Any,
) -> Ended:
    """Run VASP on a structure, or read what an earlier job has done of it.

    Parameters
    ----------
    engine : str
        ``vasp``, or ``vasp-rehearsal`` for its stand-in.
    protocol : str
    step : Step
    structure : Structure
    label : Label
    options : VaspOptions
    name : str
        Tells runs of one step apart, such as the number of a displacement.
    **choices
        Of :func:`nawf.engines.vasp_protocols.input_set`.

    Raises
    ------
    EngineError
        When VASP, a POTCAR or a setting is missing or wrong.
    CalculationError
        When VASP ended without a result; what it reached is kept for the next time.
    """
    options = options.here()
    where = f"{label.phase} {step}" + (f" {name}" if name else "")
    command = command_here(options, engine, where)
    check_updates()
    left_s = seconds_left(os.environ, time.time())
    poll_s = min(POLL_S, REHEARSAL_POLL_S) if engine == REHEARSAL else POLL_S
    arguments = run_vasp_kwargs(command, _gamma_command(options, engine, command), left_s, poll_s)
    maker = vasp_maker(protocol, step, arguments, **choices)
    family = maker.input_set_generator.potcar_functional
    structure = structure.get_sorted_structure()

    def place(generator: Any) -> Path:
        key = _key(input_files(generator, structure, where), Path(shlex.split(command)[-1]).name)
        return options.root / label.phase / "-".join(filter(None, (step.value, name, key)))

    with potcar_library(_library(options, engine, maker.input_set_generator, structure), family):
        own = place(maker.input_set_generator)
        ended = _ended(own, maker)
        if ended is None and not choices.get("spin", True):
            # One with spin serves as well, where this one may go without.
            ended = _ended(place(input_set(protocol, step, **choices | {"spin": True})), maker)
        if ended is not None:
            return ended
        moves_cell = step in (Step.PRE_RELAX, Step.RELAX)
        start = next_start(
            attempts(own), structure, moves_ions=moves_cell or step is Step.STRAINED, moves_cell=moves_cell
        )
        attempt = new_attempt(own)
        leave_word(attempt.folder)
        started_at = datetime.now(UTC)
        task = _run(maker, start.structure, attempt.folder, where)
        if is_rehearsal(task) != (engine == REHEARSAL):
            raise EngineError(
                f"{command!r} is {'no' if engine == REHEARSAL else 'a'} rehearsal of VASP",
                where=where,
                hint=f"engine {REHEARSAL} rehearses, engine vasp calculates",
            )
        run = run_record_of(task, started_at, start.history, let_be(attempt.folder))
        mark_finished(attempt, Finished(run=run, n_earlier_steps=start.n_earlier_steps))
        return Ended(task, run, start.n_earlier_steps)


def _ended(place: Path, maker: Any) -> Ended | None:
    """What a finished attempt in a place holds."""
    for attempt in attempts(place):
        if (finished := attempt.finished) is not None:
            task = get_vasp_task_document(attempt.folder, **maker.task_document_kwargs)
            return Ended(task, finished.run, finished.n_earlier_steps)
    return None


def seconds_left(environment: Mapping[str, str], now_s: float) -> int | None:
    """Seconds until SLURM ends the batch job; None where nobody says."""
    end = environment.get("SLURM_JOB_END_TIME", "")
    return max(0, int(end) - int(now_s)) if end.isdigit() else None


def _run(maker: Any, structure: Structure, folder: Path, where: str) -> Any:
    """Task document of a new run in a folder."""
    # Without a start of its own, the handler of the walltime counts from the first run of this process.
    os.environ.pop("CUSTODIAN_WALLTIME_START", None)
    with chdir(folder), ending_with_us():
        try:
            task = type(maker).make.original(maker, structure).output
        except CustodianError as error:
            raise CalculationError(
                f"VASP ended without a result: {cause_of(error, folder)}",
                where=where,
                hint=hint_for(folder),
            ) from error
    if was_stopped(task):
        # To pymatgen, a relaxation with steps to spare has converged.
        raise CalculationError(
            "VASP was asked to stop, as it is when the time of the batch job runs out",
            where=where,
            hint="repeat it: it goes on from its last geometry",
        )
    return task


def command_here(options: VaspOptions, engine: str, where: str) -> str:
    """How VASP or its stand-in is called on this machine.

    Raises
    ------
    EngineError
        When the first word of it is not found.
    """
    if engine == REHEARSAL:
        command, key = options.rehearsal_command or rehearsal_command(), "vasp_rehearsal_command"
    else:
        command, key = options.command or ATOMATE2.VASP_CMD, "vasp_command"
    command = os.path.expandvars(command)
    words = shlex.split(command)
    if not words or shutil.which(words[0]) is None:
        raise EngineError(
            f"the command {command!r} is not found",
            where=where,
            hint=f"set {key} in nawf.yaml, or NAWF_{key.upper()} where jobs run",
        )
    return command


def _gamma_command(options: VaspOptions, engine: str, command: str) -> str:
    """The command for Γ alone; without one of its own, what runs the standard version does, with its launcher."""
    if engine == REHEARSAL:
        return command
    return options.gamma_command or (command if options.command else ATOMATE2.VASP_GAMMA_CMD)


def check_updates() -> None:
    """Refuse settings of atomate2 that would change what is calculated.

    Raises
    ------
    EngineError
        When there are some.
    """
    if wrong := sorted(set(ATOMATE2.VASP_INCAR_UPDATES) - PARALLEL):
        raise EngineError(
            f"atomate2's VASP_INCAR_UPDATES sets {', '.join(wrong)}",
            hint=f"there it may set {', '.join(sorted(PARALLEL))} only: all else belongs to the protocol",
        )


def _library(options: VaspOptions, engine: str, generator: Any, structure: Structure) -> str:
    """Folder of POTCARs; a rehearsal makes stand-ins where there is none."""
    if engine != REHEARSAL or has_potcars(options.potcar_folder):
        return options.potcar_folder
    generator.structure = structure
    stand_ins = options.root / "stand-in-potcars"
    return str(make_potcar_library(stand_ins, [generator.potcar_functional], generator.potcar_symbols))


def _key(files: Mapping[str, Any], program: str) -> str:
    """Short hash of everything that goes into a run: same hash, same result."""
    potcars = hashlib.sha256(str(files["POTCAR"]).encode()).hexdigest()
    parts = [str(files["INCAR"]), str(files["KPOINTS"]), files["POSCAR"].get_str(significant_figures=6), potcars]
    return hashlib.sha256("\n".join([program, *parts]).encode()).hexdigest()[:12]
