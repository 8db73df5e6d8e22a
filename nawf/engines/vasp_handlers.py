"""Error handlers of custodian that leave the energy scale alone.

atomate2's default set repairs some errors by other smearing, a denser k-mesh or other projectors. The fingerprint
would see it and keep such a result apart from all others; here the run fails instead and says why. Left out:

- ``LargeSigmaHandler``, ``IncorrectSmearingHandler``, ``KspacingMetalHandler``: they set SIGMA, ISMEAR and KSPACING.
- of ``VaspErrorHandler``, what ends in ISMEAR or KSPACING (tet, dentet, algo_tet), in a mesh off Γ (brmix), or in
  swapped cell vectors (triple_product), and what has no cure but LREAL and PREC, which are set already
  (subspacematrix, rspher, real_optlay, nicht_konv). Mixing that fails is caught by the handlers of convergence.
  The record of a run names those that VASP spoke of, as found and not corrected.
- of ``VaspErrorHandler`` too, what :class:`ScalapackHandler` does in its place.
- of ``UnconvergedErrorHandler``, the ionic half: a relaxation that needs more steps goes on in a new run, which has a
  basis made for its cell.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from custodian.custodian import ErrorHandler, Validator
from custodian.utils import backup
from custodian.vasp.handlers import (
    VASP_BACKUP_FILES,
    FrozenJobErrorHandler,
    MeshSymmetryErrorHandler,
    NonConvergingErrorHandler,
    PositiveEnergyErrorHandler,
    PotimErrorHandler,
    StdErrHandler,
    UnconvergedErrorHandler,
    VaspErrorHandler,
)
from custodian.vasp.interpreter import VaspModder
from custodian.vasp.io import load_vasprun
from custodian.vasp.utils import is_valid_poscar
from custodian.vasp.validators import VasprunXMLValidator
from monty.io import zopen
from monty.os.path import zpath
from pymatgen.io.vasp.inputs import VaspInput

LEFT_OUT = frozenset(
    {
        "tet",
        "dentet",
        "algo_tet",
        "brmix",
        "triple_product",
        "subspacematrix",
        "rspher",
        "real_optlay",
        "nicht_konv",
    }
)
"""Errors that ``VaspErrorHandler`` is not to act on."""

SCALAPACK = ("pssyevx", "pdsyevx")
"""Errors of ScaLAPACK's eigenvalue solver."""

FILES_NEEDED = ("CONTCAR", "OSZICAR", "OUTCAR")
"""Files that a run leaves besides vasprun.xml, none of them empty."""


class ScalapackHandler(ErrorHandler):
    """Goes on without ScaLAPACK where its eigenvalue solver failed, and then, as custodian does, with ALGO = Normal.

    LAPACK finds the same eigenvalues, on one core of those that share a k-point.
    """

    is_monitor = True

    def __init__(self, output_filename: str = "vasp.out") -> None:
        self.output_filename = output_filename
        self.errors: list[str] = []

    def check(self, directory: str = "./") -> bool:
        """Whether the solver said that it failed."""
        with zopen(Path(directory, self.output_filename), "rt", encoding="utf-8", errors="replace") as file:
            text = str(file.read())
        self.errors = [name for name in SCALAPACK if any(map(text.count, VaspErrorHandler.error_msgs[name]))]
        return bool(self.errors)

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Change the INCAR; there is nothing left to try after both."""
        given = VaspInput.from_directory(directory)
        incar = given["INCAR"]
        actions: list[dict[str, Any]] = []
        if incar.get("LSCALAPACK", True):
            actions.append({"dict": "INCAR", "action": {"_set": {"LSCALAPACK": False}}})
        elif str(incar.get("ALGO", "Normal")).lower()[:1] != "n":
            actions.append({"dict": "INCAR", "action": {"_set": {"ALGO": "Normal"}}})
        if not actions:
            return {"errors": self.errors, "actions": None}
        backup(VASP_BACKUP_FILES, directory=directory)
        if int(incar.get("NSW", 0)) > 0 and is_valid_poscar("CONTCAR", directory):
            actions.insert(0, {"file": "CONTCAR", "action": {"_file_copy": {"dest": "POSCAR"}}})
        VaspModder(vi=given, directory=directory).apply_actions(actions)
        return {"errors": self.errors, "actions": actions}


class ElectronsUnconvergedHandler(UnconvergedErrorHandler):
    """Acts where electrons did not converge, and on nothing else."""

    def check(self, directory: str = "./") -> bool:
        """Whether the last electronic loop of a complete run ended without convergence."""
        if not super().check(directory):
            return False
        return not load_vasprun(f"{directory}/{self.output_filename}").converged_electronic


class FilesValidator(Validator):
    """Refuses a run that left a file out, or empty: what is read from them would fail, or be wrong, later."""

    def check(self, directory: str = "./") -> bool:
        """Whether a file is missing or empty."""
        paths = [Path(directory, name) for name in FILES_NEEDED]
        return not all(path.is_file() and path.stat().st_size > 0 for path in paths)


def let_be(folder: Path) -> list[str]:
    """Errors left out above that VASP spoke of in the last run in a folder, whose files may be compressed."""
    path = zpath(str(folder / "vasp.out"))
    with zopen(path, "rt", encoding="utf-8", errors="replace") as file:
        text = str(file.read())
    return [
        name
        for name, words in VaspErrorHandler.error_msgs.items()
        if name in LEFT_OUT and any(map(text.count, words))
    ]


def handlers() -> list[ErrorHandler]:
    """New handlers for one run; they count what they do."""
    errors = [name for name in VaspErrorHandler.error_msgs if name not in {*LEFT_OUT, *SCALAPACK}]
    return [
        VaspErrorHandler(errors_subset_to_catch=errors),
        ScalapackHandler(),
        MeshSymmetryErrorHandler(),
        ElectronsUnconvergedHandler(),
        NonConvergingErrorHandler(),
        PotimErrorHandler(),
        PositiveEnergyErrorHandler(),
        FrozenJobErrorHandler(),
        StdErrHandler(),
    ]


def validators() -> list[Validator]:
    """Checks that a run left complete output."""
    return [VasprunXMLValidator(), FilesValidator()]


def run_vasp_kwargs(command: str, gamma_command: str, wall_time_s: int | None, poll_s: float) -> dict[str, Any]:
    """Arguments of atomate2's ``run_vasp``.

    Parameters
    ----------
    command, gamma_command : str
        How VASP is called; empty for atomate2's own setting.
    wall_time_s : int or None
        Seconds that are left; VASP is asked to stop after the ionic step that ends in time.
    poll_s : float
        Seconds between looks at whether VASP has ended. Errors are looked for every five minutes.
    """
    arguments: dict[str, Any] = {
        "handlers": handlers(),
        "validators": validators(),
        # On a disk of the node, what a killed run had reached would be lost.
        "scratch_dir": None,
        "custodian_kwargs": {"polling_time_step": poll_s, "monitor_freq": max(1, round(300 / poll_s))},
    }
    if command:
        arguments["vasp_cmd"] = command
    if gamma_command:
        arguments["vasp_gamma_cmd"] = gamma_command
    if wall_time_s is not None:
        arguments["wall_time"] = wall_time_s
    return arguments
