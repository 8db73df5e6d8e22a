"""How and where VASP is run: never part of a result."""

from __future__ import annotations

from typing import ClassVar

from nawf.engines.machine_options import MachineOptions


class VaspOptions(MachineOptions):
    """Settings of the machine that plans; they travel inside jobs, and those of the machine of a job go before them.

    Attributes
    ----------
    command, gamma_command : str
        How VASP is called; empty for atomate2's settings.
    rehearsal_command : str
        How its stand-in is called; empty for the one of this installation.
    potcar_folder : str
        Library of POTCARs; empty for pymatgen's setting.
    start : str
        What relaxes a crystal first: ``pbesol``, or ``potential`` for the embedded engine.
    """

    KEYS: ClassVar[dict[str, str]] = MachineOptions.KEYS | {
        "command": "vasp_command",
        "gamma_command": "vasp_gamma_command",
        "rehearsal_command": "vasp_rehearsal_command",
        "potcar_folder": "potcar_folder",
        "start": "vasp_start",
    }
    FOLDERS: ClassVar[tuple[str, ...]] = (*MachineOptions.FOLDERS, "potcar_folder")

    command: str = ""
    gamma_command: str = ""
    rehearsal_command: str = ""
    potcar_folder: str = ""
    start: str = "pbesol"
