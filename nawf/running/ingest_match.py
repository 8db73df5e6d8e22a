"""Which phase of the library a crystal is, and whether two runs share a geometry. What is doubtful is not decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from nawf.errors import StructureError
from nawf.phases.library import Library, Phase
from nawf.phases.match import best_match
from nawf.results.crystal import Crystal
from nawf.results.symmetry import primitive_cell, space_group
from nawf.store.polymorphs import Polymorphs, atom_fractions

SYMPREC_A = 0.01
LOOSE_SYMPREC_A = 0.1
SAME_A = 1e-3
"""Files give positions with eight digits at most, and cells are written in other settings."""


class PhaseFinder:
    """Finds phases by structure.

    Parameters
    ----------
    library : Library
    given : Phase, optional
        The phase that everything is said to be; only its composition is looked at then.
    """

    def __init__(self, library: Library, given: Phase | None = None) -> None:
        self._by_fractions = Polymorphs(library).by_fractions
        self._given = given
        self._known: dict[Crystal, Phase | StructureError] = {}

    def phase_of(self, crystal: Crystal) -> Phase:
        """Phase of a crystal.

        Raises
        ------
        StructureError
            When it is none of the library, or more than one fits.
        """
        if crystal not in self._known:
            try:
                self._known[crystal] = self._found(crystal)
            except StructureError as error:
                self._known[crystal] = error
        found = self._known[crystal]
        if isinstance(found, StructureError):
            raise found
        return found

    def _found(self, crystal: Crystal) -> Phase:
        structure = crystal.to_structure()
        formula = structure.composition.reduced_formula
        same = self._by_fractions.get(atom_fractions(Counter(crystal.species)), [])
        if self._given is not None:
            if self._given.id not in {phase.id for phase in same}:
                raise StructureError(f"is {formula}, and {self._given.id} is {self._given.formula}")
            return self._given
        if not same:
            raise StructureError(f"the library has no phase of the composition {formula}")
        fitting = [p for p in same if best_match(structure, {p.id: p.structure()}) is not None]
        if len(fitting) > 1:
            fitting = _of_its_symmetry(crystal, fitting) or fitting
        if len(fitting) == 1:
            return fitting[0]
        names = ", ".join(phase.id for phase in fitting or same)
        if fitting:
            raise StructureError(f"its structure fits {names}", hint="--phase ID says which one it is")
        raise StructureError(
            f"its structure is none of those of {formula} in the library ({names})",
            hint="--phase ID says which one it is, nawf phases add makes a new one",
        )


def _of_its_symmetry(crystal: Crystal, phases: Iterable[Phase]) -> list[Phase]:
    """Phases that have the space group of a crystal."""
    numbers = {space_group(crystal, symprec_a).number for symprec_a in (SYMPREC_A, LOOSE_SYMPREC_A)}
    return [phase for phase in phases if phase.card.space_group.number in numbers]


def same_atoms(one: Crystal, other: Crystal, tolerance_a: float = SAME_A) -> bool:
    """Whether two crystals have one cell and, in the same order, atoms in the same places (but for whole cells)."""
    if one.species != other.species or np.abs(one.matrix_a - other.matrix_a).max() > tolerance_a:
        return False
    moves = np.array(one.frac_coords) - np.array(other.frac_coords)
    return bool(np.abs((moves - np.round(moves)) @ one.matrix_a).max() < tolerance_a)


def same_geometry(one: Crystal, other: Crystal) -> bool:
    """Whether two crystals are the same to the digits of files, in whatever cell.

    Atoms in the same order are compared as they are; all else as primitive cells, by pymatgen's matcher without
    scaling. Its own search for primitive cells would not see that an atom of a supercell is displaced.
    """
    if atom_fractions(Counter(one.species)) != atom_fractions(Counter(other.species)):
        return False
    if abs(one.volume_a3_per_atom - other.volume_a3_per_atom) > SAME_A:
        return False
    if same_atoms(one, other):
        return True
    from pymatgen.analysis.structure_matcher import StructureMatcher

    first, second = (primitive_cell(crystal, SAME_A) for crystal in (one, other))
    if len(first) != len(second):
        return False
    matcher = StructureMatcher(ltol=SAME_A / 3, stol=SAME_A, angle_tol=0.02, scale=False, primitive_cell=False)
    found = matcher.get_rms_dist(first.to_structure(), second.to_structure())
    # The largest distance, in units of the mean edge of the cube that an atom has.
    return found is not None and float(found[1]) * first.volume_a3_per_atom ** (1 / 3) < 2 * SAME_A
