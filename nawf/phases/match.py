"""Whether two crystals of one composition are the same structure: by their bonds, their cell and their atoms.

The bonds decide. Swelling alone does not tell: the molecules of a crystal of P4S5 stay what they are while the
gaps between them grow by a third of the volume, and β-tin that lost two neighbours of six is another structure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

if TYPE_CHECKING:
    from pymatgen.core import Structure

BOND_RATIO = 1.25
"""A contact counts as a bond up to this ratio of its length to the sum of covalent radii (10.1039/b801115j).

It takes the second neighbours of bcc metals, 1.27, for none, and the long half of the 3 + 3 neighbours of
antimony, 1.21, for bonds.
"""

CHANGED_RATIO = 1.2
"""A bond is gone when it is longer by this ratio.

Of the shipped phases relaxed with the embedded potential, no kept bond grew by more than 18 %, and those that were
lost grew by 23 to 42 %.
"""

_ALKALI = frozenset({"Li", "Na", "K", "Rb", "Cs"})
_REACH_RATIO = 1.6 * BOND_RATIO
_N_KEPT = 24
_N_COMPARED = 12


@dataclass(frozen=True)
class BondChange:
    """What became of one kind of bond.

    Attributes
    ----------
    centre, partner : str
        Elements; the centre is the one that lost or gained more, or has more of these neighbours.
    n_before, n_after : float
        Mean number of partners bonded to a centre. A bond that only grew a little still counts.
    broken, formed : float
        Bonds lost and gained, as shares of the bonds of this kind before and after.
    share_of_all : float
        The larger of both, as a share of all bonds.
    """

    centre: str
    partner: str
    n_before: float
    n_after: float
    broken: float
    formed: float
    share_of_all: float

    @property
    def share(self) -> float:
        """The larger of the shares lost and gained."""
        return max(self.broken, self.formed)


@dataclass(frozen=True)
class BondComparison:
    """What became of the bonds of a crystal.

    Attributes
    ----------
    kinds : tuple of BondChange
        One for each pair of elements with bonds before or after; contacts of alkali atoms in compounds are no bonds.
    stretch : float
        Mean relative change of length of the bonds there were, those that broke included.
    difference_a : float
        Mean difference of the distances to near atoms, Å: how alike two crystals of the same bonds are.
    """

    kinds: tuple[BondChange, ...]
    stretch: float
    difference_a: float

    @property
    def changed(self) -> tuple[BondChange, ...]:
        """The kinds of which bonds broke or were formed, the largest share first."""
        return tuple(sorted((kind for kind in self.kinds if kind.share > 0), key=lambda kind: -kind.share))


def compare_bonds(before: Structure, after: Structure) -> BondComparison:
    """Compare the bonds of two crystals of the same composition.

    Every atom is paired with one of the other crystal so that the distances to their neighbours differ as little as
    possible, and its nth neighbour of an element with the other's nth. Cells and settings may differ.

    Raises
    ------
    ValueError
        When the compositions differ, or a site is not ordered.
    """
    elements = sorted({site.specie.symbol for site in before})
    if before.composition.fractional_composition != after.composition.fractional_composition:
        raise ValueError(f"{before.composition.reduced_formula} and {after.composition.reduced_formula} differ")
    n_atoms = int(np.lcm(len(before), len(after)))
    first, second = (_shells(s, elements, n_atoms // len(s)) for s in (before, after))
    pairs = {element: _paired(first[element], second[element]) for element in elements}
    counts = [
        [_Count.of(pairs, centre, partner) for centre, partner in dict.fromkeys([(a, b), (b, a)])]
        for a, b in _pairs_that_bond(elements)
    ]
    every = [count for kind in counts for count in kind]
    n_bonds = max(sum(c.n_before for c in every), sum(c.n_after for c in every))
    ratios = np.concatenate([c.ratios for c in every])
    differences = [np.abs(one[x] - other[x])[:, :_N_COMPARED] for one, other in pairs.values() for x in elements]
    return BondComparison(
        kinds=tuple(_change(kind, n_bonds) for kind in counts if any(c.n_before + c.n_after for c in kind)),
        stretch=float(ratios.mean()) - 1.0 if len(ratios) else 0.0,
        difference_a=float(np.concatenate(differences).mean()),
    )


def principal_strains(before: Structure, after: Structure) -> tuple[float, float, float] | None:
    """Relative changes of length along the three principal axes of the deformation, largest first.

    Lattices have many cells: the one of ``after`` is taken that is closest to the cell of ``before``.

    Returns
    -------
    tuple of float or None
        None where the cells hold different numbers of atoms.
    """
    if len(before) != len(after):
        return None
    deformations = np.linalg.inv(before.lattice.matrix) @ (_cell_choices() @ after.lattice.matrix)
    stretches = np.linalg.svd(deformations, compute_uv=False)
    least = np.abs(np.log(stretches)).max(axis=1).argmin()
    x, y, z = (float(s) - 1.0 for s in stretches[least])
    return x, y, z


def rms_displacement_a(before: Structure, after: Structure, *, enough_a: float = 0.0) -> float | None:
    """Root mean square move of the atoms, the deformation of the cell and a common shift taken off, Å.

    Parameters
    ----------
    before, after : Structure
    enough_a : float
        With atom paired with atom in the order given, a move up to this is taken as it is. Of other pairings, tried
        in all cells that fit, the smallest counts.

    Returns
    -------
    float or None
        None if the atoms cannot be paired.
    """
    if before.species == after.species:
        moves = after.frac_coords - before.frac_coords
        moves -= np.round(moves - moves[0]) + moves[0]
        moves_a = (moves - moves.mean(axis=0)) @ (before.lattice.matrix + after.lattice.matrix) / 2
        in_order_a = float(np.sqrt((moves_a**2).sum(axis=1).mean()))
        if in_order_a <= enough_a:
            return in_order_a
    return _matched_rms_a(before, after, ltol=0.4, stol=0.8, angle_tol=15)


def best_match(structure: Structure, others: Mapping[str, Structure]) -> str | None:
    """Name of the crystal that a structure is, up to its volume and small moves of atoms; None if it is none."""
    rms = {name: _matched_rms_a(other, structure, ltol=0.2, stol=0.3, angle_tol=5) for name, other in others.items()}
    found = {name: value for name, value in rms.items() if value is not None}
    return min(found, key=found.__getitem__, default=None)


def same_bonds(structure: Structure, others: Mapping[str, Structure]) -> str | None:
    """Name of the crystal most alike of those with the bonds of a structure; None if there is none."""
    compared = {name: compare_bonds(other, structure) for name, other in others.items()}
    found = {name: c.difference_a for name, c in compared.items() if not c.changed}
    return min(found, key=found.__getitem__, default=None)


_Shells = dict[str, np.ndarray]


@dataclass(frozen=True)
class _Count:
    """Bonds from a centre to a partner, over all paired atoms."""

    centre: str
    partner: str
    n_centres: int
    n_before: int
    broken: int
    n_after: int
    formed: int
    ratios: np.ndarray

    @classmethod
    def of(cls, pairs: Mapping[str, tuple[_Shells, _Shells]], centre: str, partner: str) -> _Count:
        before, after = (shells[partner] for shells in pairs[centre])
        limit_a = BOND_RATIO * _radii_sum(centre, partner)
        was, is_now, ratios = before < limit_a, after < limit_a, after / before
        return cls(
            centre=centre,
            partner=partner,
            n_centres=len(before),
            n_before=int(was.sum()),
            broken=int((was & (ratios > CHANGED_RATIO)).sum()),
            n_after=int(is_now.sum()),
            formed=int((is_now & (ratios < 1 / CHANGED_RATIO)).sum()),
            ratios=ratios[was],
        )


def _change(counts: list[_Count], n_bonds: int) -> BondChange:
    """A kind of bond, counted from both its elements."""
    n_before, n_after, broken, formed = (
        sum(getattr(c, name) for c in counts) for name in ("n_before", "n_after", "broken", "formed")
    )
    seen = max(counts, key=lambda c: (abs(c.formed - c.broken) / c.n_centres, c.n_before / c.n_centres))
    return BondChange(
        centre=seen.centre,
        partner=seen.partner,
        n_before=seen.n_before / seen.n_centres,
        n_after=(seen.n_before - seen.broken + seen.formed) / seen.n_centres,
        broken=broken / max(n_before, 1),
        formed=formed / max(n_after, 1),
        share_of_all=max(broken, formed) / max(n_bonds, 1),
    )


def _pairs_that_bond(elements: list[str]) -> Iterator[tuple[str, str]]:
    """Pairs of elements; those of two alkali metals only where there is nothing else."""
    for i, a in enumerate(elements):
        for b in elements[i:]:
            if not {a, b} <= _ALKALI or _ALKALI.issuperset(elements):
                yield a, b


def _radii_sum(a: str, b: str) -> float:
    return float(covalent_radii[atomic_numbers[a]] + covalent_radii[atomic_numbers[b]])


def _shells(structure: Structure, elements: list[str], repeats: int) -> dict[str, _Shells]:
    """Sorted distances (Å) of the atoms of each element to those of each; rows are atoms, each given so often.

    Where there are fewer atoms within reach than columns, the reach stands for the others.
    """
    reach = _REACH_RATIO * max(_radii_sum(e, e) for e in elements)
    symbols = np.array([site.specie.symbol for site in structure])
    centres, neighbours, _, distances = structure.get_neighbor_list(reach)
    order = np.lexsort((distances, centres))
    centres, partners, distances = centres[order], symbols[neighbours[order]], distances[order]
    table = {e: np.full((len(structure), _N_KEPT), reach) for e in elements}
    for element in elements:
        chosen = partners == element
        rows, lengths = centres[chosen], distances[chosen]
        column = np.arange(len(rows)) - np.searchsorted(rows, rows)
        kept = column < _N_KEPT
        table[element][rows[kept], column[kept]] = lengths[kept]
    return {e: {x: np.repeat(table[x][symbols == e], repeats, axis=0) for x in elements} for e in elements}


def _paired(first: _Shells, second: _Shells) -> tuple[_Shells, _Shells]:
    """Shells of the atoms of one element in both crystals, paired row by row."""
    near = (np.concatenate([table[:, :_N_COMPARED] for table in s.values()], axis=1) for s in (first, second))
    rows, columns = linear_sum_assignment(cdist(*near, "cityblock"))
    return {x: table[rows] for x, table in first.items()}, {x: table[columns] for x, table in second.items()}


@cache
def _cell_choices() -> np.ndarray:
    """Integer matrices of determinant one, either sign, with entries of -1, 0 and 1."""
    every = np.array(list(product((-1, 0, 1), repeat=9))).reshape(-1, 3, 3)
    chosen: np.ndarray = every[np.abs(np.rint(np.linalg.det(every))) == 1]
    return chosen


def _matched_rms_a(before: Structure, after: Structure, **tolerances: float) -> float | None:
    from pymatgen.analysis.structure_matcher import StructureMatcher

    matcher = StructureMatcher(primitive_cell=len(before) != len(after), scale=True, **tolerances)
    found = matcher.get_rms_dist(before, after)
    # pymatgen gives it in units of the mean edge of the cube that an atom has; that of ``after`` is taken.
    return None if found is None else float(found[0]) * (after.volume / len(after)) ** (1 / 3)
