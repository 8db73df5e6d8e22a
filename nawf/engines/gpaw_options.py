"""How and where GPAW is run: never part of a result."""

from __future__ import annotations

from typing import ClassVar

from nawf.engines.machine_options import MachineOptions


class GpawOptions(MachineOptions):
    """Settings of the machine that plans; they travel inside jobs, and those of the machine of a job go before them.

    Attributes
    ----------
    command : str
        What starts the processes of a parallel run, such as ``mpiexec -n 8``; empty for one process.
    start : str
        Where relaxations begin: ``given``, at the structure itself, or ``potential``, where the embedded engine
        relaxes it to.
    hessian : str
        What minimisers begin with: ``potential``, the Hessian of the embedded engine, where that is installed, or
        ``none``, one stiffness for all directions.
    """

    KEYS: ClassVar[dict[str, str]] = MachineOptions.KEYS | {
        "command": "gpaw_command",
        "start": "gpaw_start",
        "hessian": "gpaw_hessian",
    }

    command: str = ""
    start: str = "given"
    hessian: str = "potential"
