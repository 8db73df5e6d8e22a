"""Finding finished runs of VASP and folders of phonopy, and reading their files; nothing is written."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nawf.errors import CalculationError, InputError

_PACKED: Mapping[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
}
_VASPRUN = re.compile(r"vasprun\.xml(?:\.(?P<stage>(?:relax|static)\d*|precondition|standard))?(?:\.(?:gz|bz2|xz))?")
_ALIKE = re.compile(r"vasprun.*\.xml.*")
_PHONOPY_YAML = ("phonopy_params.yaml", "phonopy.yaml", "phonopy_disp.yaml")
_PACKED_YAML = tuple(f"{name}{packed}" for name in _PHONOPY_YAML for packed in ("", ".gz", ".xz"))


@dataclass(frozen=True)
class Refused:
    """A file or folder that was not taken, and why."""

    where: str
    reason: str


@dataclass(frozen=True, order=True)
class RunFiles:
    """Files of one run: its folder, and the name that custodian adds where a folder holds several, such as relax1."""

    folder: Path
    stage: str
    vasprun: Path

    @property
    def where(self) -> str:
        return str(self.vasprun)

    def own(self, name: str) -> Path | None:
        """Another file of this run, packed or not."""
        stage = f".{self.stage}" if self.stage else ""
        candidates = (self.folder / f"{name}{stage}{end}" for end in ("", *_PACKED))
        return next((path for path in candidates if path.is_file()), None)

    def shared(self, name: str) -> Path | None:
        """The same, or else the one of the whole folder."""
        return self.own(name) or RunFiles(self.folder, "", self.vasprun).own(name)


@dataclass
class Found:
    """What there is below some folders, in order of their names."""

    runs: list[RunFiles] = field(default_factory=list)
    phonopy: list[Path] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


def find(folders: Iterable[Path]) -> Found:
    """Runs and folders of phonopy in folders and all below them; links to folders are not followed.

    Raises
    ------
    InputError
        When a folder does not exist or is none.
    """
    found, seen = Found(), set[Path]()

    def cannot_be_listed(error: OSError) -> None:
        found.refused.append(
            Refused(str(error.filename), f"cannot be read: {(error.strerror or str(error)).lower()}")
        )

    for top in check_folders(folders):
        for name, below, files in os.walk(top.resolve(), onerror=cannot_be_listed):
            below.sort()
            folder = Path(name)
            if folder not in seen:
                seen.add(folder)
                _look_at(folder, sorted(files), found)
    found.runs.sort()
    found.phonopy.sort()
    return found


def check_folders(folders: Iterable[Path]) -> list[Path]:
    """The folders, if all are.

    Raises
    ------
    InputError
        When one does not exist or is a file.
    """
    every = list(folders)
    for top in every:
        if not top.is_dir():
            what = "is a file, not a folder" if top.exists() else "there is no such folder"
            raise InputError(what, where=str(top), hint="give the folders that hold finished runs")
    return every


def _look_at(folder: Path, files: Sequence[str], found: Found) -> None:
    stages: set[str] = set()
    for name in files:
        match = _VASPRUN.fullmatch(name)
        if match is None:
            if _ALIKE.fullmatch(name):
                reason = "its name is none that VASP or custodian gives; rename it to vasprun.xml if it is a run"
                found.refused.append(Refused(str(folder / name), reason))
        elif (folder / name).is_file() and (stage := match["stage"] or "") not in stages:
            # A plain file sorts before a packed one of the same run.
            stages.add(stage)
            found.runs.append(RunFiles(folder, stage, folder / name))
    has_forces = any(name.startswith(("FORCE_SETS", "FORCE_CONSTANTS", "force_constants.hdf5")) for name in files)
    if set(_PACKED_YAML) & set(files) or (has_forces and {"POSCAR", "SPOSCAR"} <= set(files)):
        found.phonopy.append(folder)


def phonopy_yaml(folder: Path) -> Path | None:
    """The file of phonopy in a folder that says most."""
    return next((folder / name for name in _PACKED_YAML if (folder / name).is_file()), None)


def content_of(path: Path) -> bytes:
    """Content of a file, unpacked.

    Raises
    ------
    CalculationError
        When it cannot be read, or a packed file was cut off.
    """
    unpack = _PACKED.get(path.suffix, bytes)
    try:
        return unpack(path.read_bytes())
    except (EOFError, zlib.error, lzma.LZMAError, ValueError, gzip.BadGzipFile) as error:
        raise CalculationError(f"cannot be unpacked: {error}", where=str(path)) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CalculationError(f"cannot be read: {reason}", where=str(path)) from error
