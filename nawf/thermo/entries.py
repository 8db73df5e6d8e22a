"""Energies of all phases at one condition, and the phases that had to stay out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from pymatgen.core import Composition

from nawf.errors import InputError, ReportError
from nawf.results.energetics import PhaseEnergetics
from nawf.thermo.conditions import Condition
from nawf.thermo.vibrations import free_energy_ev_per_atom

CompositionKey = tuple[tuple[str, float], ...]

_MOST_NAMES: Final = 8
"""In a message."""

_NO_PHONONS: Final = "no phonons were calculated, so there is no free energy"


@dataclass(frozen=True)
class Entry:
    """Energy of one phase at one condition.

    Attributes
    ----------
    phase : str
        Identifier of the phase.
    composition : mapping of str to float
        Atoms of each element per formula unit, in the order in which the formula is written.
    energy_ev_per_atom : float
        Static energy, or G(T) = E + F_vib(T) at zero pressure.
    origin : str
        Where the structure came from: experimental, dft or prototype.
    warnings : tuple of str
        Shown beside the phase.
    """

    phase: str
    composition: Mapping[str, float]
    energy_ev_per_atom: float
    origin: str = "experimental"
    warnings: tuple[str, ...] = ()

    @cached_property
    def atoms(self) -> float:
        """Atoms per formula unit."""
        return sum(self.composition.values())

    @cached_property
    def formula(self) -> str:
        """Formula unit, such as ``Na2S2``."""
        return format_formula(self.composition)

    @cached_property
    def key(self) -> CompositionKey:
        """The same for all phases of this composition."""
        return composition_key(self.composition)

    @property
    def energy_ev_per_formula(self) -> float:
        """Energy per formula unit (eV)."""
        return self.energy_ev_per_atom * self.atoms

    @property
    def is_element(self) -> bool:
        """Whether it holds one element only."""
        return len(self.composition) == 1

    @property
    def is_low_trust(self) -> bool:
        """Whether its structure is a guess from a prototype, neither measured nor searched for."""
        return self.origin == "prototype"


@dataclass(frozen=True)
class LeftOut:
    """A phase that has no energy at this condition, and why."""

    phase: str
    reason: str


@dataclass(frozen=True)
class EntrySet:
    """Entries at one condition, with the phases left out of it.

    Raises
    ------
    ReportError
        When a phase occurs twice or an energy is not a finite number.
    """

    condition: Condition
    entries: tuple[Entry, ...]
    left_out: tuple[LeftOut, ...] = ()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for entry in self.entries:
            if entry.phase in seen:
                raise ReportError("the phase occurs twice", where=entry.phase, hint="select one fingerprint")
            if not math.isfinite(entry.energy_ev_per_atom):
                raise ReportError("its energy is not a finite number", where=entry.phase)
            seen.add(entry.phase)

    @cached_property
    def _by_phase(self) -> dict[str, Entry]:
        return {entry.phase: entry for entry in self.entries}

    @property
    def phases(self) -> tuple[str, ...]:
        """Identifiers of all entries."""
        return tuple(self._by_phase)

    @cached_property
    def elements(self) -> tuple[str, ...]:
        """Elements of all entries, sorted."""
        return tuple(sorted({element for entry in self.entries for element in entry.composition}))

    def __contains__(self, phase: str) -> bool:
        return phase in self._by_phase

    def entry(self, phase: str) -> Entry:
        """Entry of a phase.

        Raises
        ------
        ReportError
            When there is none; it says whether and why the phase was left out.
        """
        if phase in self._by_phase:
            return self._by_phase[phase]
        for left in self.left_out:
            if left.phase == phase:
                raise ReportError(f"left out at {self.condition.label}: {left.reason}", where=phase)
        raise ReportError(f"no such phase among the {len(self.entries)} results", where=phase)

    def composition_of(self, phase_or_formula: str) -> tuple[dict[str, float], Entry | None]:
        """Composition of a phase (with its entry) or of a formula (with None). Phases go first.

        Raises
        ------
        ReportError
            When it is neither, or a phase that was left out.
        """
        if phase_or_formula in self or any(left.phase == phase_or_formula for left in self.left_out):
            entry = self.entry(phase_or_formula)
            return dict(entry.composition), entry
        try:
            return parse_formula(phase_or_formula), None
        except InputError as error:
            raise ReportError("neither a phase with results nor a formula", where=phase_or_formula) from error

    @property
    def lost(self) -> str:
        """For messages: names of phases that were left out, in brackets; empty without any."""
        names = [left.phase for left in self.left_out]
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        return f" (left out: {', '.join(names[:_MOST_NAMES])}{more})" if names else ""

    def how_to_have_them(self, otherwise: str) -> str:
        """For messages: what to do where needed phases are missing; ``otherwise`` if vibrations are not why."""
        reasons = [left.reason for left in self.left_out]
        if any("imaginary" in reason for reason in reasons):
            return "keep phases with imaginary modes, marked, with --include-soft, or choose another temperature"
        if _NO_PHONONS in reasons:
            return "calculate the phonons of what was left out, or ask for static energies with -T static"
        return otherwise

    def without(self, keys: Iterable[CompositionKey]) -> EntrySet:
        """The set without any phase of the given compositions."""
        gone = set(keys)
        kept = tuple(entry for entry in self.entries if entry.key not in gone)
        return EntrySet(self.condition, kept, self.left_out)


def entries_at(
    energetics: Iterable[PhaseEnergetics], condition: Condition, *, include_soft: bool = False
) -> EntrySet:
    """Energies of all usable phases at a condition: E, or G(T) = E + F_vib(T).

    Parameters
    ----------
    energetics : iterable of PhaseEnergetics
        All under one fingerprint.
    condition : Condition
        Static, or a temperature.
    include_soft : bool
        Keep phases with imaginary modes, whose F lacks these modes, with a warning.

    Raises
    ------
    ReportError
        When a phase occurs twice or the temperature lies outside the range of a usable free energy.
    """
    entries: list[Entry] = []
    left_out: list[LeftOut] = []
    for item in energetics:
        reason = _reason_to_leave_out(item, condition, include_soft)
        if reason is None:
            entries.append(_entry(item, condition))
        else:
            left_out.append(LeftOut(item.phase, reason))
    return EntrySet(condition, tuple(entries), tuple(left_out))


def _reason_to_leave_out(item: PhaseEnergetics, condition: Condition, include_soft: bool) -> str | None:
    if item.rejected is not None:
        return item.rejected
    if condition.is_static:
        return None
    if item.vibrations is None:
        return _NO_PHONONS
    if item.vibrations_rejected is not None:
        return item.vibrations_rejected
    if item.vibrations.is_soft and not include_soft:
        return _soft_modes(item) + ", so its free energy is not that of a stable crystal"
    return None


def _soft_modes(item: PhaseEnergetics) -> str:
    assert item.vibrations is not None
    share, lowest = item.vibrations.imaginary_fraction, item.vibrations.lowest_frequency_thz
    return f"{100 * share:.3g} % of its modes are imaginary (lowest {lowest:.2f} THz)"


def _entry(item: PhaseEnergetics, condition: Condition) -> Entry:
    energy, warnings = item.static_energy_ev_per_atom, item.warnings
    if condition.temperature_k is not None and item.vibrations is not None:
        try:
            energy += free_energy_ev_per_atom(item.vibrations, condition.temperature_k)
        except ReportError as error:
            raise ReportError(error.what, where=item.phase, hint=error.hint) from error
        warnings = (*warnings, *item.vibration_warnings)
        if item.vibrations.is_soft:
            warnings = (*warnings, _soft_modes(item) + " and missing from its free energy")
    return Entry(item.phase, parse_formula(item.formula), energy, item.origin, warnings)


def parse_formula(formula: str) -> dict[str, float]:
    """Atoms of each element per formula unit as written, in the order of first mention.

    Raises
    ------
    InputError
        When it is not a formula of real elements with positive amounts.

    Examples
    --------
    >>> parse_formula("Na3PS4")
    {'Na': 3.0, 'P': 1.0, 'S': 4.0}
    """
    try:
        amounts = {str(k): float(v) for k, v in Composition(formula, strict=True).get_el_amt_dict().items()}
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{formula!r} is not a chemical formula", hint="write it as Na2S or Na3PS4") from error
    if not amounts or not all(math.isfinite(v) and v > 0 for v in amounts.values()):
        raise InputError(f"{formula!r} holds no atoms", hint="write it as Na2S or Na3PS4")
    symbols = re.findall(r"[A-Z][a-z]?", formula)
    return dict(sorted(amounts.items(), key=lambda pair: symbols.index(pair[0]) if pair[0] in symbols else -1))


def format_formula(composition: Mapping[str, float]) -> str:
    """Formula text of a composition, such as ``Na2S2`` or ``Na0.5S``."""
    return "".join(el + (f"{n:.6g}" if abs(n - 1) > 1e-9 else "") for el, n in composition.items())


def composition_key(composition: Mapping[str, float]) -> CompositionKey:
    """Atom fractions in a form that compares equal for all multiples of a formula."""
    total = sum(composition.values())
    return tuple((el, round(n / total, 9)) for el, n in sorted(composition.items()) if n > 0)
