"""The input files of a run, read and checked against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nawf.rehearsal import kpoints as kpoints_of
from nawf.rehearsal.bands import has_gap
from nawf.rehearsal.controls import Controls, resolve
from nawf.rehearsal.incar import Incar
from nawf.rehearsal.kpoints import KPoints
from nawf.rehearsal.poscar import Cell, read_poscar
from nawf.rehearsal.potcar import Pseudopotential, read_potcar
from nawf.rehearsal.stop import StopError, not_rehearsed
from nawf.rehearsal.symmetry import Operations, find_operations, no_symmetry
from nawf.results.crystal import Crystal

_TETRAHEDRON = (-4, -5, -14, -15)


@dataclass(frozen=True)
class Inputs:
    """All that a run starts from."""

    cell: Cell
    potentials: tuple[Pseudopotential, ...]
    controls: Controls
    operations: Operations
    kpoints: KPoints


def read_incar(folder: Path) -> Incar:
    """INCAR of a folder."""
    return Incar(_text(folder / "INCAR"))


def read_inputs(folder: Path, incar: Incar) -> Inputs:
    """POSCAR, POTCAR and KPOINTS of a folder.

    Raises
    ------
    StopError
        As VASP stops, for files that are missing, cannot be read or do not go together.
    """
    potentials = read_potcar(_text(folder / "POTCAR"))
    cell = read_poscar(_text(folder / "POSCAR"), [p.element for p in potentials])
    check_potentials(cell, potentials)
    wavecar = folder / "WAVECAR"
    controls = resolve(
        incar,
        cell.crystal,
        potentials,
        cell.counts,
        has_wavefunctions=wavecar.is_file() and wavecar.stat().st_size > 0,
    )
    if controls.lepsilon and not has_gap(cell.crystal.species, controls.n_electrons):
        raise not_rehearsed("LEPSILON = .TRUE. without a band gap")
    operations = no_symmetry(len(cell.crystal))
    if controls.isym > 0:
        operations = find_operations(cell.crystal, controls.symprec, controls.magmom)
    rotations = operations.point_group if controls.isym >= 0 else None
    points = _kpoints(folder / "KPOINTS", incar, cell.crystal, rotations)
    if controls.ismear in _TETRAHEDRON and len(points) < 4:
        raise StopError(f"Tetrahedron method fails (number of k-points < 4): {len(points)}")
    return Inputs(cell, potentials, controls, operations, points)


def check_potentials(cell: Cell, potentials: Sequence[Pseudopotential]) -> None:
    """Whether POTCAR has the elements of POSCAR in the same order.

    Raises
    ------
    StopError
        When it has not. VASP goes on where only the names differ, with the elements of POTCAR; nothing good
        comes of that.
    """
    wanted = [symbol for symbol, _ in cell.groups]
    found = [p.element for p in potentials]
    if len(wanted) != len(found):
        raise StopError(
            "ERROR: number of potentials on File POTCAR incompatible with number",
            f"       of species: POTCAR {' '.join(found)}, POSCAR {' '.join(wanted)}",
        )
    if wanted != found:
        raise StopError(
            "WARNING: type information on POSCAR and POTCAR are incompatible",
            f"POTCAR {' '.join(found)}, POSCAR {' '.join(wanted)}",
        )


def _kpoints(file: Path, incar: Incar, crystal: Crystal, rotations: np.ndarray | None) -> KPoints:
    if file.is_file() and file.stat().st_size > 0:
        return kpoints_of.from_file(_text(file), crystal, rotations)
    spacing = float(str(incar.get("KSPACING", 0.5)))
    return kpoints_of.from_spacing(crystal, spacing, incar.get("KGAMMA", True) is True, rotations)


def _text(file: Path) -> str:
    if not file.is_file():
        raise StopError(f"ERROR: no {file.name} found, STOPPING")
    return file.read_bytes().decode("utf-8", errors="replace").replace("\r\n", "\n")
