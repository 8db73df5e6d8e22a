"""The command ``nawf-vasp-rehearsal``: the stand-in for VASP with the energies of the embedded engine.

It is called as VASP is, without arguments, in the folder of a run, by ``mpirun`` or ``srun`` too: of several
ranks the first does the work. Inside ``nawf rehearse`` it has the work done by :mod:`nawf.engines.rehearsal_server`.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from nawf.engines.rehearsal_server import run_served

if TYPE_CHECKING:
    import numpy as np

    from nawf.engines.chgnet import ChgnetEngine
    from nawf.results.crystal import Crystal

COMMAND = "nawf-vasp-rehearsal"
_RANK_VARIABLES = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "SLURM_PROCID")


def command() -> str:
    """How a shell calls the rehearsal of this installation, whatever its search path is."""
    script = Path(sys.executable).with_name(COMMAND)
    words = [str(script)] if script.is_file() else [sys.executable, "-m", "nawf.engines.rehearsal_vasp"]
    return shlex.join(words)


def main() -> None:
    """Run the rehearsal in the current folder and exit with its code."""
    if rank(os.environ) > 0:
        return
    code = run_served(os.environ)
    sys.exit(run_here() if code is None else code)


def run_here() -> int:
    """Run the rehearsal in this process; its exit code."""
    from nawf.rehearsal.run import run

    return run(Path.cwd(), _evaluate)


def load() -> None:
    """Load at once what a run would load."""
    from nawf.rehearsal import run  # noqa: F401

    _engine().load()


def rank(environ: Mapping[str, str]) -> int:
    """Rank that the first of the known launchers gave this process; 0 without a launcher."""
    ranks = (environ[name] for name in _RANK_VARIABLES if environ.get(name, "").isdigit())
    return int(next(ranks, "0"))


@cache
def _engine() -> ChgnetEngine:
    from nawf.engines.chgnet import ChgnetEngine
    from nawf.engines.registry import engine_spec

    # One thread, so that results do not depend on the machine, nor on what served the run.
    return ChgnetEngine(engine_spec("chgnet-r2scan", threads=1))


def _evaluate(crystal: Crystal) -> tuple[float, np.ndarray, np.ndarray]:
    # The engine is built at the first call, so that wrong input is refused at once.
    return _engine().evaluate(crystal)


if __name__ == "__main__":
    main()
