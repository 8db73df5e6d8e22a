"""Checks of this machine: Python, packages against the tested set, disk space, the store."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nawf.running.doctor import Check, Mark
from nawf.settings import Settings
from nawf.shipped import shipped_folder

LITTLE_GB, TOO_LITTLE_GB = 10.0, 1.0
"""Disk space to look at, and too little to run: one VASP run of 100 atoms writes some hundred MB."""

_MACHINE = "machine"


def python() -> Iterator[Check]:
    """Version against those that nawf is tested with."""
    version = platform.python_version()
    tested = tested_pythons()
    good = ".".join(version.split(".")[:2]) in tested
    found = f"{version}, {sys.executable}"
    if good:
        yield Check(_MACHINE, "Python", Mark.GOOD, found)
    else:
        yield Check(_MACHINE, "Python", Mark.LOOK, found, f"tested with {', '.join(tested)}")


def tested_pythons() -> list[str]:
    """Minor versions that the package names as supported."""
    classifiers = importlib.metadata.metadata("nawf").get_all("Classifier") or []
    versions = [c.rpartition(" ")[2] for c in classifiers if c.startswith("Programming Language :: Python :: ")]
    return [v for v in versions if "." in v]


def tested_versions() -> dict[str, str]:
    """Versions of packages that nawf is tested with, by canonical name."""
    versions: dict[str, str] = {}
    for line in constraints_file().read_text(encoding="utf-8").splitlines():
        name, equals, version = line.partition("==")
        if equals and not name.lstrip().startswith("#"):
            versions[canonicalize_name(name.strip())] = version.split(";")[0].split("#")[0].strip()
    return versions


def constraints_file() -> Path:
    """The tested set, as a constraints file of pip."""
    return shipped_folder("deploy") / "constraints.txt"


def installed_version(package: str) -> str | None:
    """Version of an installed package, without a local part such as ``+cpu``; None when it is not there."""
    try:
        return importlib.metadata.version(package).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


def packages() -> Iterator[Check]:
    """What nawf requires, and the rest of the tested set."""
    wrong, needed = [], 0
    for text in importlib.metadata.requires("nawf") or []:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        needed += 1
        version = installed_version(requirement.name)
        if version is None:
            wrong.append(f"{requirement.name} is missing")
        elif not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version}, required {requirement.specifier}")
    install = f"pip install --constraint {constraints_file()} nawf"
    if wrong:
        yield Check(_MACHINE, "packages", Mark.BAD, "; ".join(wrong), install)
    else:
        yield Check(_MACHINE, "packages", Mark.GOOD, f"all {needed} that nawf requires are there")
    tested = tested_versions()
    versions = {name: version for name in tested if (version := installed_version(name)) is not None}
    other = [f"{n} {v} (tested {tested[n]})" for n, v in versions.items() if v != tested[n]]
    if other:
        found = f"{len(other)} of {len(versions)} packages differ: {_shortened(other)}"
        yield Check(_MACHINE, "tested set", Mark.LOOK, found, install)
    else:
        yield Check(_MACHINE, "tested set", Mark.GOOD, f"all {len(versions)} packages have the tested versions")


def _shortened(texts: list[str], most: int = 6) -> str:
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def disk_space(settings: Settings) -> Iterator[Check]:
    """Where results, runs and temporary files go."""
    places = {"run folder": Path(settings.run_folder), "temporary files": Path(tempfile.gettempdir())}
    if "://" not in settings.store:
        places = {"store": Path(settings.store).absolute().parent, **places}
    for name, folder in places.items():
        there = folder.expanduser().absolute()
        while not there.exists():
            there = there.parent
        free_gb = shutil.disk_usage(there).free / 1e9
        found = f"{free_gb:.1f} GB free in {there}"
        label = f"disk, {name}"
        if free_gb < TOO_LITTLE_GB:
            yield Check(_MACHINE, label, Mark.BAD, found, "make room, or choose another folder in nawf.yaml")
        elif free_gb < LITTLE_GB:
            yield Check(_MACHINE, label, Mark.LOOK, found, "little for VASP runs")
        else:
            yield Check(_MACHINE, label, Mark.GOOD, found)
