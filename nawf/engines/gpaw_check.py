"""Whether GPAW can be used here, with which libraries, and what that means."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from nawf.engines.gpaw_options import GpawOptions
from nawf.engines.gpaw_versions import gpaw_version, libxc_version, potential_file
from nawf.engines.launchers import available_cores
from nawf.engines.preflight import Finding
from nawf.results.crystal import Crystal

INSTALL = "deploy/install-gpaw installs it"

MPI_BACKEND, OWN_MPI = "GPAW_MPI_BACKEND", "cgpaw"
"""A variable that lets a Python started by mpiexec use the MPI that GPAW was built with."""

_FIRST_WITHOUT_LIMIT = 7
"""Major version of libxc from which on GPAW can switch off the limit of the Fermi hole's curvature."""

_COUNT = "import os; os.environ[{backend!r}] = {own!r}; from gpaw.mpi import world; print('processes', world.size)"
_PATIENCE_S = 120

_SODIUM_EV_PER_ATOM, _SODIUM_WITHIN_EV = -3.51, 0.05
"""Of r2SCAN with GPAW's PAW set, against its reference atoms; a few hundredths for the coarse protocol."""


def check_gpaw(options: GpawOptions | None = None) -> tuple[Finding, ...]:
    """What is there of GPAW, and what is wrong with it, faults that stop every calculation first.

    Parameters
    ----------
    options : GpawOptions, optional
        Those of this machine by default.
    """
    found = [*missing_packages()] or [*_libraries()]
    if not any(finding.stops for finding in found):
        options = (options or GpawOptions.of_settings()).here()
        found += launcher_findings(options.command) if options.command else ()
    return tuple(sorted(found, key=lambda finding: not finding.stops))


def missing_packages() -> Iterator[Finding]:
    """Packages that GPAW needs and that are not installed."""
    for module, package in (("gpaw", "gpaw"), ("gpaw_data", "gpaw-data")):
        if importlib.util.find_spec(module) is None:
            yield Finding(f"the package {package} is not installed", INSTALL, stops=True)


def _libraries() -> Iterator[Finding]:
    """What GPAW was built with; this loads it."""
    try:
        from gpaw import cgpaw
    except ImportError as error:
        yield Finding(f"GPAW {gpaw_version()} cannot be loaded: {error}", f"build it again: {INSTALL}", stops=True)
        return
    libxc = libxc_version()
    if not libxc:
        yield Finding(f"GPAW {gpaw_version()} was built without libxc, which has r2SCAN", INSTALL, stops=True)
        return
    if potential_file("Na") is None:
        yield Finding("GPAW has no PAW set for Na", "install gpaw-data again", stops=True)
    yield Finding(f"GPAW {gpaw_version()} with libxc {libxc}, {'with' if cgpaw.have_mpi else 'without'} MPI")
    if int(libxc.split(".")[0]) < _FIRST_WITHOUT_LIMIT:
        yield Finding(
            f"libxc {libxc} enforces the limit of the Fermi hole's curvature, which may keep electrons of meta-GGAs "
            "from converging",
            "with it Na and Na2S have the energies of libxc 7 to 0.01 meV/atom, Sb one that is 16 meV/atom higher; "
            f"versions never meet in a diagram, and {INSTALL} with libxc 7",
        )


def launcher_findings(command: str) -> Iterator[Finding]:
    """Whether a launcher starts processes that work together; two of them are started for it."""
    words = shlex.split(os.path.expandvars(command))
    if not words or shutil.which(words[0]) is None:
        yield Finding(f"the command {command!r} is not found", "set gpaw_command", stops=True)
        return
    try:
        ended = subprocess.run(
            [*words, sys.executable, "-c", _COUNT.format(backend=MPI_BACKEND, own=OWN_MPI)],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield Finding(f"{command!r} started nothing within {_PATIENCE_S} s", "set gpaw_command", stops=True)
        return
    sizes = [line.split()[1] for line in ended.stdout.splitlines() if line.startswith("processes ")]
    if ended.returncode or not sizes:
        why = telling_line([*ended.stdout.splitlines(), *ended.stderr.splitlines()])
        yield Finding(f"{command!r} cannot start GPAW: {why}", "set gpaw_command", stops=True)
    elif int(sizes[0]) != len(sizes):
        yield Finding(
            f"{command!r} starts {len(sizes)} processes that know nothing of each other: GPAW was built without MPI, "
            "or with another one",
            "leave gpaw_command empty, or build GPAW where mpicxx of that MPI is found: deploy/install-gpaw",
            stops=True,
        )
    else:
        cores = available_cores()
        hint = f"only {cores} cores can be used here" if len(sizes) > cores else ""
        yield Finding(f"{command!r} starts {len(sizes)} processes of GPAW that work together", hint)


def telling_line(lines: Sequence[str]) -> str:
    """The line that says what went wrong: the last that names an error of Python, or else the last with words."""
    told = [line.strip() for line in lines if re.search("[a-z]", line)]
    errors = [line for line in told if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (errors or told or ["it said nothing"])[-1]


def trial_energy_ev_per_atom() -> float:
    """Energy of sodium in a cubic cell of two atoms, by the coarse protocol: a few seconds."""
    from nawf.engines.base import Label
    from nawf.engines.gpaw_protocols import PROTOCOLS
    from nawf.engines.gpaw_steps import Gpaw

    sodium = Crystal.from_arrays(4.22 * np.eye(3), ("Na", "Na"), ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5)))
    method = PROTOCOLS["coarse"].methods.relax
    return Gpaw("coarse", None).static(sodium, method, Label(phase="na")).energy_ev_per_atom


def main() -> int:
    """Say what is there, and calculate something with it; 0 when it works."""
    findings = check_gpaw()
    for finding in findings:
        print(finding.text)
    if any(finding.stops for finding in findings):
        return 2
    energy_ev = trial_energy_ev_per_atom()
    works = abs(energy_ev - _SODIUM_EV_PER_ATOM) < _SODIUM_WITHIN_EV
    print(f"sodium in r2SCAN: {energy_ev:.3f} eV/atom, {'as it should be' if works else 'which is wrong'}")
    return 0 if works else 1


if __name__ == "__main__":
    sys.exit(main())
