"""Adding a phase of the user's own: checked, brought to the standard setting, written as CIF and card."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from nawf.errors import InputError, StructureError
from nawf.level import Level
from nawf.phases.card import PHASE_ID_PATTERN, Origin, PhaseCard, SpaceGroup
from nawf.phases.check import check_structure
from nawf.phases.library import Library, Phase
from nawf.phases.read import read_structure_file
from nawf.phases.symmetry import SYMPREC_A, SymmetricCrystal, describe_crystal
from nawf.phases.write import write_phase
from nawf.strict_yaml import describe_validation_error

if TYPE_CHECKING:
    from pymatgen.core import Structure

_NOTABLE_SHIFT_A = 1e-3


@dataclass(frozen=True)
class NewPhase:
    """What the user says of a new phase; what is None is taken from the structure."""

    id: str
    reference: str
    origin: Origin
    name: str | None = None
    formula: str | None = None
    doi: str | None = None
    measured_temperature_k: float | None = None
    tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def add_phase(
    structure_path: Path | str,
    new: NewPhase,
    *,
    folder: Path | str,
    library: Library,
    symprec_angstrom: float = SYMPREC_A,
) -> tuple[Phase, tuple[str, ...]]:
    """Check a structure file and put it into a folder as ``ID.cif`` and ``ID.yaml``, both or none.

    The structure is brought to its conventional cell in the standard setting, with exact symmetry; the card
    says so in a note where that changed anything.

    Parameters
    ----------
    structure_path : Path or str
        CIF or POSCAR.
    new : NewPhase
        What to put on the card.
    folder : Path or str
        Folder for the two files; made if only it is missing.
    library : Library
        Phases whose ids are taken.
    symprec_angstrom : float
        Distance within which atoms count as symmetric (Å).

    Returns
    -------
    tuple of Phase and tuple of str
        The new phase, and warnings of the checker.

    Raises
    ------
    StructureError
        If the id is taken or not an id, the structure fails the checker, or the card is not valid.
    InputError
        If the folder cannot be written to.
    """
    path, folder = Path(structure_path), Path(folder)
    _refuse_id(new.id, folder, library)
    file = read_structure_file(path)
    findings = check_structure(file.structure, symprec_angstrom=symprec_angstrom)
    failures = [finding.message for finding in findings if finding.level is Level.FAIL]
    if failures:
        raise StructureError("; ".join(failures), where=str(path))
    try:
        crystal = describe_crystal(file.structure, symprec_angstrom)
        card = _card(new, file.structure, crystal, symprec_angstrom)
    except StructureError as error:
        raise StructureError(error.what, where=str(path), hint=error.hint) from error
    phase = Phase(card, _write(folder, crystal, card))
    remarks = (*file.remarks, *(finding.message for finding in findings))
    return phase, remarks


def _refuse_id(phase_id: str, folder: Path, library: Library) -> None:
    if not re.fullmatch(PHASE_ID_PATTERN, phase_id):
        raise StructureError(
            f"{phase_id!r} is not a phase id",
            hint="lower case letters, digits and hyphens, beginning with a letter or digit",
        )
    if phase_id in library:
        raise StructureError(
            f"phase {phase_id!r} exists already in {library.get(phase_id).cif_path.parent}",
            hint="choose another id",
        )
    for suffix in (".cif", ".yaml"):
        if (folder / f"{phase_id}{suffix}").exists():
            raise StructureError("exists already", where=str(folder / f"{phase_id}{suffix}"))


def _card(new: NewPhase, structure: Structure, crystal: SymmetricCrystal, symprec_a: float) -> PhaseCard:
    from pymatgen.core import Composition

    n_atoms = sum(site.multiplicity for site in crystal.sites)
    formula = new.formula or structure.composition.reduced_formula
    fields: dict[str, Any] = {
        "id": new.id,
        "formula": formula,
        "name": new.name or f"{formula} ({crystal.symbol})",
        "space_group": SpaceGroup(symbol=crystal.symbol, number=crystal.number),
        "z": 1,
        "origin": new.origin,
        "reference": new.reference,
        "doi": new.doi,
        "measured_temperature_k": new.measured_temperature_k,
        "tags": new.tags,
        "notes": (*new.notes, *_own_notes(crystal, symprec_a)),
    }
    try:
        card = PhaseCard(**fields)
    except ValidationError as error:
        raise StructureError(describe_validation_error(error)) from error
    units, rest = divmod(n_atoms, card.n_atoms)
    actual = structure.composition.fractional_composition
    if rest or not units or not actual.almost_equals(Composition(formula).fractional_composition):
        raise StructureError(f"the structure is {structure.composition.reduced_formula}, not {formula}")
    return card.model_copy(update={"z": units})


def _own_notes(crystal: SymmetricCrystal, symprec_a: float) -> list[str]:
    notes = []
    if crystal.was_transformed:
        notes.append("The cell of the original file was transformed to the conventional cell, standard setting.")
    if crystal.largest_shift_angstrom > _NOTABLE_SHIFT_A:
        notes.append(
            f"Atoms were moved by up to {crystal.largest_shift_angstrom:.3f} Å to make the symmetry exact "
            f"(tolerance {symprec_a:g} Å)."
        )
    return notes


def _write(folder: Path, crystal: SymmetricCrystal, card: PhaseCard) -> Path:
    made_folder = False
    try:
        if not folder.is_dir():
            folder.mkdir()
            made_folder = True
        return write_phase(folder, crystal, card)[0]
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"cannot be made: {reason}", where=str(folder)) from error
    except InputError:
        if made_folder:
            folder.rmdir()
        raise
