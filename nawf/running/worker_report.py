"""What a worker has, as its jobs see it: ``python -m nawf.running.worker_report`` prints one line of JSON.

``nawf doctor`` runs it where jobs run. It tells names of packages, programs and folders, never values of variables.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import socket
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nawf.engines.launchers import available_cores
from nawf.engines.vasp_options import VaspOptions

BEGIN = "nawf-worker-report:"

PACKAGES = (
    "nawf",
    "jobflow",
    "jobflow-remote",
    "maggma",
    "monty",
    "pydantic",
    "pymatgen",
    "pymatgen-core",
    "emmet-core",
    "phonopy",
    "spglib",
    "ase",
    "numpy",
    "atomate2",
    "custodian",
    "chgnet",
    "torch",
    "gpaw",
    "FireWorks",
)
"""What calculates, and what carries records from one end to the other."""

_PREFIXES = ("NAWF_", "ATOMATE2_", "PMG_", "JOBFLOW_", "CUSTODIAN_")


def versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Versions of those packages that are installed, and of Python."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package).partition("+")[0]
        except PackageNotFoundError:
            continue
    return found


def report(options: VaspOptions) -> dict[str, Any]:
    """What is here.

    Parameters
    ----------
    options : VaspOptions
        Those that jobs bring along; what is set here goes before them.
    """
    here = options.here()
    words = shlex.split(here.command)
    return {
        "host": socket.gethostname(),
        "executable": sys.executable,
        "versions": versions(),
        "variables": sorted(name for name in os.environ if name.startswith(_PREFIXES)),
        "threads": os.environ.get("OMP_NUM_THREADS", ""),
        "cores": available_cores(),
        "queue_job": os.environ.get("SLURM_JOB_ID", ""),
        "vasp_command": here.command,
        "vasp_missing": sorted({w for w in (words[:1] + words[-1:]) if shutil.which(w) is None}),
        "potcar_folder": here.potcar_folder,
        "potcar_there": bool(here.potcar_folder) and Path(here.potcar_folder).is_dir(),
        "run_folder": str(here.root),
        "run_folder_asked": "" if here.is_known else here.run_folder,
    }


def main() -> None:
    """Print the report for options given as JSON, if any."""
    given = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {"run_folder": "nawf-runs"}
    print(BEGIN + json.dumps(report(VaspOptions(**given))))


if __name__ == "__main__":
    main()
