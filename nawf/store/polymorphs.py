"""Crystals of the library that a phase may turn into; nothing is read before it is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from nawf.results.crystal import Crystal

if TYPE_CHECKING:
    from nawf.phases.library import Library, Phase


Fractions = tuple[tuple[str, float], ...]


class Polymorphs:
    """The phases of a library by composition.

    Parameters
    ----------
    library : Library, optional
        The shipped phases, if not given.
    """

    def __init__(self, library: Library | None = None) -> None:
        self._given = library

    def of(self, phase_id: str, crystal: Crystal) -> Mapping[str, Crystal]:
        """Crystals of the other phases of the composition of a phase, by phase."""
        return _Others(self, phase_id, atom_fractions(Counter(crystal.species)))

    @cached_property
    def by_fractions(self) -> dict[Fractions, list[Phase]]:
        """All phases, by their atom fractions."""
        from nawf.phases.library import load_library

        found: dict[Fractions, list[Phase]] = {}
        for phase in load_library() if self._given is None else self._given:
            found.setdefault(atom_fractions(phase.card.composition), []).append(phase)
        return found


def atom_fractions(counts: Mapping[str, int]) -> Fractions:
    """Composition in a form that compares equal for all multiples of a formula."""
    total = sum(counts.values())
    return tuple((element, round(count / total, 9)) for element, count in sorted(counts.items()))


class _Others(Mapping[str, Crystal]):
    def __init__(self, polymorphs: Polymorphs, phase_id: str, fractions: Fractions) -> None:
        self._polymorphs, self._phase_id, self._fractions = polymorphs, phase_id, fractions

    @cached_property
    def _phases(self) -> dict[str, Phase]:
        same = self._polymorphs.by_fractions.get(self._fractions, [])
        return {phase.id: phase for phase in same if phase.id != self._phase_id}

    def __getitem__(self, phase_id: str) -> Crystal:
        return Crystal.from_structure(self._phases[phase_id].structure())

    def __iter__(self) -> Iterator[str]:
        return iter(self._phases)

    def __len__(self) -> int:
        return len(self._phases)
