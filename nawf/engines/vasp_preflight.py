"""Pre-flight of the engines ``vasp`` and ``vasp-rehearsal``: what a campaign needs of this machine.

What is looked at is there when it is looked at, here. Jobs that run elsewhere find what is there.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nawf.engines.base import EngineSpec
from nawf.engines.launchers import LAUNCHERS, available_cores, ranks_of
from nawf.engines.preflight import Finding, run_folder_findings
from nawf.engines.vasp import REHEARSAL
from nawf.engines.vasp_options import VaspOptions
from nawf.engines.vasp_potcar import has_potcars
from nawf.engines.vasp_preflight_potcar import potcar_findings, potentials_needed, stand_ins
from nawf.engines.vasp_preflight_size import size_findings
from nawf.engines.vasp_run import check_updates, command_here
from nawf.errors import EngineError
from nawf.results.tasks import PhaseTask


def vasp_findings(spec: EngineSpec, options: VaspOptions, tasks: Sequence[PhaseTask]) -> tuple[Finding, ...]:
    """Findings on the command, the run folder, the POTCARs, and the size of the largest run.

    Parameters
    ----------
    spec : EngineSpec
    options : VaspOptions
        Those of this machine.
    tasks : sequence of PhaseTask
        What is missing; without any there is nothing to find.
    """
    if not tasks:
        return ()
    rehearsal = spec.name == REHEARSAL
    options = options.here()
    found = [*_refused(check_updates), *run_folder_findings(options.root)]
    commands: list[str] = []
    found += _refused(lambda: commands.append(command_here(options, spec.name, "")))
    for command in commands:
        found += _launched(command)
    if rehearsal and not has_potcars(options.potcar_folder):
        return (*found, *stand_ins(options.potcar_folder))
    needed = potentials_needed(spec.protocol, tasks)
    of_potcars, valence = potcar_findings(needed, options.potcar_folder, rehearsal=rehearsal)
    found += of_potcars
    if not rehearsal:
        found += size_findings(spec.protocol, tasks, valence, ranks_of(commands[0]) if commands else None)
    return tuple(found)


def _refused(check: Callable[[], object]) -> Iterator[Finding]:
    """A check that raises, as a finding."""
    try:
        check()
    except EngineError as error:
        yield Finding(error.what, error.hint or "", stops=True)


def _launched(command: str) -> Iterator[Finding]:
    """What a launcher starts may be found by it alone, as in a container; it is worth a look."""
    words = shlex.split(command)
    if Path(words[0]).name in LAUNCHERS and shutil.which(words[-1]) is None:
        yield Finding(f"{words[-1]!r}, which {words[0]} is to start, is not found here")
    ranks, cores = ranks_of(command), available_cores()
    # srun may take other nodes.
    if ranks and ranks > cores and Path(words[0]).name != "srun":
        yield Finding(f"{ranks} ranks would share the {cores} cores that can be used here")
