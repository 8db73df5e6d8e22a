"""Which GPAW, which libxc, and which potentials: what fingerprints hold of the program."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("gpaw", "gpaw-data", "ase")


def gpaw_version() -> str:
    """Version of the installed GPAW, which is not loaded for it; empty without one."""
    try:
        return version("gpaw")
    except PackageNotFoundError:
        return ""


def libxc_version() -> str:
    """Version of the libxc that GPAW was built with; empty where it has none."""
    from gpaw import get_libraries

    return str(get_libraries()["libxc"] or "")


def versions() -> dict[str, str]:
    """Versions of what calculates."""
    return {name: version(name) for name in PACKAGES} | {"libxc": libxc_version()}


def potential_file(element: str) -> Path | None:
    """File of the PAW set of an element, found without loading GPAW; None without one."""
    folders = [Path(folder) for folder in os.environ.get("GPAW_SETUP_PATH", "").split(os.pathsep) if folder]
    spec = importlib.util.find_spec("gpaw_data")
    folders += [Path(folder) / "setups" for folder in (spec.submodule_search_locations or ())] if spec else []
    names = (f"{element}.PBE", f"{element}.PBE.gz")
    return next((folder / name for folder in folders for name in names if (folder / name).is_file()), None)


def potential_digests(elements: Iterable[str]) -> dict[str, str]:
    """Hash of the file of each element's PAW set, as it lies there now; empty where there is none."""
    files = {element: potential_file(element) for element in sorted(set(elements))}
    return {e: "" if path is None else hashlib.sha256(path.read_bytes()).hexdigest() for e, path in files.items()}


def potentials_of(setups: Any) -> dict[str, str]:
    """PAW set of each element: file name and MD5 sum of its content, by GPAW's own reckoning."""
    return {
        str(setup.symbol): f"{setup.symbol}.{setup.data.stdfilename.split('.', 1)[1]}:{setup.fingerprint}"
        for setup in setups
    }
