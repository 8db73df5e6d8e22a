"""Going on where a VASP run was cut off.

A run has a place of its own, named by phase, step and a hash of its input, and in it one folder for each attempt. Job
managers give a job that is repeated another folder or an emptied one, so the place lies outside of theirs. An attempt
that ended well is marked so and never repeated. One that did not leaves files: the last complete geometry in them is
where the next attempt starts.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import numpy as np
from monty.io import zopen
from monty.os.path import zpath
from pymatgen.core import Structure

from nawf.errors import NawfError
from nawf.files import write_text_atomically
from nawf.level import Level
from nawf.phases.check import check_structure
from nawf.results.outputs import Correction, Record, RunRecord

FINISHED = "nawf-finished.json"
_ATTEMPT = re.compile(r"attempt-(\d+)")
_MOST_VOLUME_RATIO = 2.0
_HEADER_LINES = 7


class Finished(Record):
    """Mark of an attempt that ended well: its record, and the ionic steps of the attempts before."""

    run: RunRecord
    n_earlier_steps: int


@dataclass(frozen=True)
class Geometry:
    """A structure and the file that it is from."""

    structure: Structure
    source: str


@dataclass(frozen=True)
class Attempt:
    """One folder in the place of a run."""

    number: int
    folder: Path

    @property
    def finished(self) -> Finished | None:
        """Its mark, or None."""
        path = self.folder / FINISHED
        return Finished.model_validate_json(path.read_text(encoding="utf-8")) if path.is_file() else None


@dataclass(frozen=True)
class Start:
    """Where an attempt begins, what went before, and how many ionic steps that were."""

    structure: Structure
    history: tuple[Correction, ...] = ()
    n_earlier_steps: int = 0


def attempts(place: Path) -> tuple[Attempt, ...]:
    """Attempts of a run, oldest first."""
    found = [
        Attempt(int(match[1]), path)
        for path in (place.iterdir() if place.is_dir() else ())
        if (match := _ATTEMPT.fullmatch(path.name)) and path.is_dir()
    ]
    return tuple(sorted(found, key=lambda attempt: attempt.number))


def new_attempt(place: Path) -> Attempt:
    """A new, empty folder after those that are there."""
    place.mkdir(parents=True, exist_ok=True)
    number = max((attempt.number for attempt in attempts(place)), default=0)
    while True:
        number += 1
        folder = place / f"attempt-{number:02d}"
        try:
            folder.mkdir()
        except FileExistsError:
            # Another process was faster.
            continue
        return Attempt(number, folder)


def mark_finished(attempt: Attempt, finished: Finished) -> None:
    """Say that an attempt ended well."""
    write_text_atomically(attempt.folder / FINISHED, finished.model_dump_json(indent=1) + "\n")


def next_start(
    earlier: Sequence[Attempt], given: Structure, *, moves_ions: bool = True, moves_cell: bool = True
) -> Start:
    """Where to begin after attempts that were cut off: the last geometry of the newest that has one.

    Parameters
    ----------
    earlier : sequence of Attempt
        Oldest first, none of them finished.
    given : Structure
        Where the first attempt began, atoms in VASP's order.
    moves_ions, moves_cell : bool
        What VASP is asked to change. What it is not, stays as given to the last digit.
    """
    steps = [ionic_steps(attempt.folder) for attempt in earlier]
    history = [
        Correction(handler="resume", errors=(f"attempt {a.number} cut off after {n} ionic steps",))
        for a, n in zip(earlier, steps, strict=True)
    ]
    for attempt in reversed(earlier) if moves_ions else ():
        geometry = last_geometry(attempt.folder, given)
        if geometry is not None:
            action = f"start: {geometry.source} of attempt {attempt.number}"
            history[-1] = history[-1].model_copy(update={"actions": (action,)})
            found = geometry.structure
            if not moves_cell:
                found = Structure(given.lattice, found.species, found.frac_coords)
            return Start(found, tuple(history), sum(steps))
    if history:
        history[-1] = history[-1].model_copy(update={"actions": ("start: as given",)})
    return Start(given, tuple(history), sum(steps))


def last_geometry(folder: Path, given: Structure) -> Geometry | None:
    """Newest complete and sound geometry in a folder, or None.

    CONTCAR is rewritten after every ionic step, so a kill may leave it empty or cut; the steps before are in XDATCAR
    and vasprun.xml. POSCAR is where the attempt itself began.

    Parameters
    ----------
    folder : Path
        Files may be compressed.
    given : Structure
        What the geometry must be one of: same atoms in the same order, no overlaps, a volume that is not absurd.
    """
    for source, read in (
        ("CONTCAR", _poscar_geometry),
        ("XDATCAR", _xdatcar_geometry),
        ("vasprun.xml", _vasprun_geometry),
        ("POSCAR", _poscar_geometry),
    ):
        path = Path(zpath(str(folder / source)))
        if path.is_file() and path.stat().st_size > 0:
            structure = read(path)
            if structure is not None and is_sound(structure, given):
                return Geometry(structure, source)
    return None


def is_sound(structure: Structure, given: Structure) -> bool:
    """Whether a structure is fit to go on from, and one of the same atoms in the same order."""
    if [site.specie.symbol for site in structure] != [site.specie.symbol for site in given]:
        return False
    if not np.isfinite(structure.lattice.matrix).all() or structure.volume == 0:
        return False
    ratio = structure.volume / given.volume
    if not 1 / _MOST_VOLUME_RATIO < ratio < _MOST_VOLUME_RATIO:
        return False
    return not any(finding.level is Level.FAIL for finding in check_structure(structure))


def ionic_steps(folder: Path) -> int:
    """Ionic steps that OSZICAR lists."""
    path = Path(zpath(str(folder / "OSZICAR")))
    text = _text(path) if path.is_file() else ""
    return len(re.findall(r"^\s*\d+ F= ", text, flags=re.MULTILINE))


def _text(path: Path) -> str:
    """Text of a file that may be compressed, and may end anywhere."""
    try:
        with zopen(path, "rb") as file:
            content: bytes = file.read()
    except (EOFError, OSError):
        # A compressed file that was cut off.
        return ""
    return content.decode("utf-8", errors="replace")


def _poscar_geometry(path: Path) -> Structure | None:
    lines = _text(path).split("\n")
    header = _header(lines[:_HEADER_LINES])
    if header is None:
        return None
    lattice, species = header
    start = _HEADER_LINES
    if len(lines) > start and lines[start].strip().lower().startswith("s"):
        start += 1
    if len(lines) <= start or not lines[start].strip().lower().startswith("d"):
        return None
    return _structure(lattice, species, _coordinates(lines, start + 1, len(species)))


def _xdatcar_geometry(path: Path) -> Structure | None:
    """Last configuration that is there to its last line."""
    found = list(_configurations(_text(path).split("\n")))
    return found[-1] if found else None


def _configurations(lines: Sequence[str]) -> Iterator[Structure]:
    """Complete configurations of an XDATCAR; a cell that changes has its header repeated before each."""
    header = None
    for number, line in enumerate(lines):
        if not line.lstrip().startswith("Direct configuration"):
            continue
        header = _header(lines[number - _HEADER_LINES : number]) or header
        if header is None:
            continue
        structure = _structure(*header, _coordinates(lines, number + 1, len(header[1])))
        if structure is not None:
            yield structure


def _vasprun_geometry(path: Path) -> Structure | None:
    from pymatgen.io.vasp.outputs import UnconvergedVASPWarning, Vasprun

    try:
        with warnings.catch_warnings():
            # It warns that the file is cut off and the run not converged, which is why it is read.
            warnings.simplefilter("ignore", category=UserWarning)
            warnings.simplefilter("ignore", category=UnconvergedVASPWarning)
            run: Any = Vasprun(
                path, exception_on_bad_xml=False, parse_dos=False, parse_eigen=False, parse_potcar_file=False
            )
        return run.ionic_steps[-1]["structure"] if run.ionic_steps else None
    except (ParseError, AttributeError, IndexError, KeyError, OSError, EOFError, TypeError, ValueError, NawfError):
        # What a file that ends anywhere can make of a parser.
        return None


def _header(lines: Sequence[str]) -> tuple[np.ndarray, list[str]] | None:
    """Lattice (Å) and species of the seven lines that begin a POSCAR, or None where they are none."""
    if len(lines) < _HEADER_LINES:
        return None
    try:
        scale = float(lines[1])
        lattice = scale * np.array([[float(x) for x in line.split()] for line in lines[2:5]])
        symbols = [re.split(r"[/_]", word)[0] for word in lines[5].split()]
        counts = [int(word) for word in lines[6].split()]
        species = [symbol for symbol, n in zip(symbols, counts, strict=True) for _ in range(n)]
    except ValueError:
        return None
    return (lattice, species) if lattice.shape == (3, 3) and species else None


def _coordinates(lines: Sequence[str], start: int, n_atoms: int) -> np.ndarray | None:
    """Fractional coordinates, or None where a line is missing, cut, or not ended: half a number looks like one."""
    rows = lines[start : start + n_atoms]
    if len(lines) <= start + n_atoms:
        return None
    try:
        coordinates = np.array([[float(x) for x in row.split()[:3]] for row in rows])
    except ValueError:
        return None
    return coordinates if coordinates.shape == (n_atoms, 3) and np.isfinite(coordinates).all() else None


def _structure(lattice: np.ndarray, species: list[str], coordinates: np.ndarray | None) -> Structure | None:
    if coordinates is None or not np.isfinite(lattice).all() or abs(np.linalg.det(lattice)) < 1e-3:
        return None
    try:
        return Structure(lattice, species, coordinates)
    except ValueError:
        return None
