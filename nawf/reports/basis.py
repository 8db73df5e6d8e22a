"""What every report is made from, and what every report says about it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from nawf.errors import InputError, ReportError
from nawf.reports.tables import Column, shown
from nawf.results.energetics import PhaseEnergetics
from nawf.thermo.conditions import STATIC, Condition
from nawf.thermo.entries import Entry, EntrySet, LeftOut, entries_at, parse_formula
from nawf.thermo.references import ElementReference, element_references, extrapolation_notes
from nawf.thermo.vibrations import soft_mode_shift_ev_per_atom
from nawf.units import MEV_PER_EV

SOFT, WARN, LOW_TRUST = "†", "*", "°"
MEANINGS = {
    SOFT: f"{SOFT} imaginary modes, missing from the free energy at T ≥ 0 K",
    LOW_TRUST: f"{LOW_TRUST} structure taken from a prototype, not measured",
}
"""Of the marks that stand for one thing; a warning has its own words."""


@dataclass(frozen=True)
class Basis:
    """Energetics of the phases of a report, under one fingerprint, and how to use them.

    Attributes
    ----------
    energetics : tuple of PhaseEnergetics
    conditions : tuple of Condition
        Columns of the report.
    references : mapping of element to phase
        Element references chosen by name.
    include_soft : bool
        Whether phases with imaginary modes take part at T > 0.
    settings : str
        The calculation in one line: engine, functional, fingerprint.
    caption : str
        The same for a picture: engine and functional.
    missing : mapping of phase to reason
        Phases that should have been here.
    missing_elements : mapping of phase to set of elements
        What these consist of, where it is known.
    tags : mapping of phase to tuple of str
        From the cards of the phases.
    command : str
        The command that makes this report.
    unasked : frozenset of Condition
        Conditions that nobody asked for; see :meth:`where_formed`.
    not_formed : mapping of Condition to reason
        Those of them that were dropped.
    """

    energetics: tuple[PhaseEnergetics, ...]
    conditions: tuple[Condition, ...]
    references: Mapping[str, str] = field(default_factory=dict)
    include_soft: bool = False
    settings: str = ""
    caption: str = ""
    missing: Mapping[str, str] = field(default_factory=dict)
    missing_elements: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    command: str = ""
    unasked: frozenset[Condition] = frozenset()
    not_formed: Mapping[Condition, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.energetics:
            raise ReportError("there are no results to report", hint="nawf run CAMPAIGN makes some")
        object.__setattr__(self, "conditions", tuple(dict.fromkeys(self.conditions)))

    @cached_property
    def entry_sets(self) -> dict[Condition, EntrySet]:
        """Entries at each condition; phases with an element of which there is no phase are left out."""
        made = (entries_at(self.energetics, c, include_soft=self.include_soft) for c in self.conditions)
        return {c: with_references(s) for c, s in zip(self.conditions, made, strict=True)}

    @cached_property
    def static(self) -> EntrySet:
        """Entries of static energies, whatever the conditions of the report are."""
        return entries_at(self.energetics, STATIC)

    def where_formed(self, form: Callable[[Basis], object], elements: Collection[str] = ()) -> Basis:
        """The basis without the unasked conditions that cannot be formed; what was asked for is left to fail.

        Parameters
        ----------
        form : callable
            Makes of a basis with one condition what the report shows of it, and raises ReportError where it cannot.
        elements : collection of str, optional
            Those that the report is about, all unless given.
        """
        not_formed: dict[Condition, str] = {}
        for condition in self.unasked.intersection(self.conditions):
            try:
                form(replace(self, conditions=(condition,)))
            except ReportError as error:
                not_formed[condition] = self._lost_elements(condition, elements) or str(error)
        if not not_formed:
            return self
        kept = tuple(c for c in self.conditions if c not in not_formed)
        in_order = {c: not_formed[c] for c in self.conditions if c in not_formed}
        return replace(self, conditions=kept, not_formed=in_order)

    def _lost_elements(self, condition: Condition, elements: Collection[str]) -> str:
        """Which elements have a static energy and none at a condition, and what their phases lack; or nothing."""
        there = {e.formula for e in self.entry_sets[condition].entries if e.is_element}
        lost = {next(iter(e.composition)) for e in self.static.entries if e.is_element and e.formula not in there}
        by_lack: dict[str, list[str]] = {}
        for element in sorted(lost.intersection(elements or lost)):
            phases = [e.vibrations for e in self.energetics if set(parse_formula(e.formula)) == {element}]
            if any(v is not None and v.is_soft for v in phases) and not self.include_soft:
                lack = "phonons that are all real (--include-soft shows them)"
            else:
                lack = "phonons that passed their checks" if any(phases) else "phonons"
            by_lack.setdefault(lack, []).append(element)
        return "; ".join(
            f"{listed(names)} {'has' if len(names) == 1 else 'have'} no phase with {lack}"
            for lack, names in by_lack.items()
        )

    @cached_property
    def element_references(self) -> dict[Condition, dict[str, ElementReference]]:
        """Reference phase of each element at each condition."""
        for element in {el for s in self.entry_sets.values() for el in s.elements}:
            self.check_not_missing(self.references.get(element, ""), f"cannot be the reference of {element}")
        return {c: element_references(s, named=self.references) for c, s in self.entry_sets.items()}

    def check_not_missing(self, phase: str, what: str) -> None:
        """Refuse a phase that should have been here, and say why it is not.

        Raises
        ------
        ReportError
            When it is missing.
        """
        if phase in self.missing:
            raise ReportError(f"{what}: {self.missing[phase]}", where=phase)

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """One entry for each phase that has an energy anywhere, by chemical system and ion content."""
        found = {e.phase: e for s in self.entry_sets.values() for e in s.entries}
        return tuple(sorted(found.values(), key=_order))

    @cached_property
    def ground_states(self) -> frozenset[str]:
        """The polymorph of each compound with the lowest static energy; published ones are laid beside it."""
        lowest: dict[object, Entry] = {}
        for entry in self.static.entries:
            if not entry.is_element and (
                entry.key not in lowest or entry.energy_ev_per_atom < lowest[entry.key].energy_ev_per_atom
            ):
                lowest[entry.key] = entry
        return frozenset(entry.phase for entry in lowest.values())

    def marks(self, phase: str) -> str:
        """Signs behind the name of a phase; :meth:`notes` explains them."""
        item = next(e for e in self.energetics if e.phase == phase)
        soft = self._soft_used and item.vibrations is not None and item.vibrations.is_soft
        warned = WARN if self.warnings(phase) else ""
        return (SOFT if soft else "") + warned + (LOW_TRUST if item.origin == "prototype" else "")

    def marks_of(self, phase_or_formula: str) -> str:
        """Signs behind the name of a phase; a formula has none."""
        is_phase = any(e.phase == phase_or_formula for e in self.energetics)
        return self.marks(phase_or_formula) if is_phase else ""

    def elements_of(self, phase_or_formula: str) -> frozenset[str]:
        """Elements of a phase or a formula; none of what is neither."""
        formula = next((e.formula for e in self.energetics if e.phase == phase_or_formula), phase_or_formula)
        try:
            return frozenset(parse_formula(formula))
        except InputError:
            return frozenset()

    def warnings(self, phase: str) -> tuple[str, ...]:
        """Warnings of a phase; those of its phonons count where the report has a free energy of it."""
        item = next(e for e in self.energetics if e.phase == phase)
        is_free = any(not c.is_static and phase in entries for c, entries in self.entry_sets.items())
        return item.warnings + (item.vibration_warnings if is_free else ())

    @property
    def _soft_used(self) -> bool:
        return self.include_soft and any(not c.is_static for c in self.conditions)

    def notes(self, within: frozenset[str] | None = None) -> list[str]:
        """Settings, references, marks, what was left out, and the command.

        Parameters
        ----------
        within : set of str, optional
            The elements that the report is about; nothing is said of phases with others.
        """
        lines = [self.settings] if self.settings else []
        lines += self._reference_notes(within)
        lines += self._mark_notes(within)
        lines += self._left_out_notes(within)
        lines += self._not_formed_notes()
        if self.command:
            lines.append(f"Made by: {self.command}")
        return lines

    def _not_formed_notes(self) -> list[str]:
        by_reason: dict[str, list[str]] = {}
        for condition, reason in self.not_formed.items():
            by_reason.setdefault(reason, []).append(condition.label)
        return [f"Nothing is shown at {listed(labels)}: {reason}." for reason, labels in by_reason.items()]

    def _reference_notes(self, within: frozenset[str] | None) -> list[str]:
        by_choice: dict[str, list[str]] = {}
        for condition, references in self.element_references.items():
            text = ", ".join(
                f"{el} = {r.phase}" + (" (named)" if r.is_named else "")
                for el, r in references.items()
                if within is None or el in within
            )
            by_choice.setdefault(text, []).append(condition.label)
        lines = [f"Element references: {text} ({', '.join(labels)})" for text, labels in by_choice.items() if text]
        for condition, entry_set in self.entry_sets.items():
            elements = [el for el in entry_set.elements if within is None or el in within]
            lines += [f"Note: {note}." for note in extrapolation_notes(elements, condition)]
        return lines

    def _mark_notes(self, within: frozenset[str] | None) -> list[str]:
        lines = []
        marks = {e.phase: self.marks(e.phase) for e in self.entries if within is None or within >= set(e.composition)}
        soft = [self._soft_note(p) for p, m in marks.items() if SOFT in m]
        if soft:
            lines.append(f"{MEANINGS[SOFT]}: " + "; ".join(soft))
        warned = [e.phase for e in self.energetics if WARN in marks.get(e.phase, "")]
        lines += [f"{WARN} {phase}: {'; '.join(self.warnings(phase))}" for phase in warned]
        return lines + low_trust_note([p for p, m in marks.items() if LOW_TRUST in m])

    def _soft_note(self, phase: str) -> str:
        vibrations = next(e.vibrations for e in self.energetics if e.phase == phase)
        assert vibrations is not None
        text = f"{phase} {100 * vibrations.imaginary_fraction:.3g} %"
        hottest = max((c.temperature_k for c in self.conditions if c.temperature_k is not None), default=None)
        shift = None if hottest is None else soft_mode_shift_ev_per_atom(vibrations, hottest)
        if shift is None:
            return text
        by = shown(MEV_PER_EV * shift, "+.1f")
        return f"{text} (as real modes they would shift G({hottest:g} K) by {by} meV/atom)"

    def _left_out_notes(self, within: frozenset[str] | None) -> list[str]:
        elements = {e.phase: frozenset(parse_formula(e.formula)) for e in self.energetics} | {**self.missing_elements}

        def counts(phase: str) -> bool:
            return within is None or phase not in elements or elements[phase] <= within

        by_reason: dict[tuple[str, str], list[str]] = {}
        for condition, entry_set in self.entry_sets.items():
            for left in filter(lambda left: counts(left.phase), entry_set.left_out):
                by_reason.setdefault((left.phase, left.reason), []).append(condition.label)
        lines = [f"Left out at {', '.join(labels)}: {p}: {reason}" for (p, reason), labels in by_reason.items()]
        return lines + missing_notes({p: reason for p, reason in self.missing.items() if counts(p)})


def check_compounds(basis: Basis) -> None:
    """Refuse conditions at which an element has no reference, or no compound is left of those with static energies.

    Raises
    ------
    ReportError
        Of the first such condition.
    """
    for condition, references in basis.element_references.items():
        compounds = [e for e in basis.entry_sets[condition].entries if not e.is_element]
        if not references or (not compounds and not all(e.is_element for e in basis.static.entries)):
            raise ReportError("no compound has a free energy" if references else "no phase has a free energy")


def condition_key(name: str, condition: Condition, unit: str) -> str:
    """Column key of a quantity at a condition, such as ``formation_energy_300k_ev_per_atom``."""
    return f"{name}_{condition.label.replace(' ', '').lower().replace('.', 'p')}_{unit}"


def phase_columns() -> list[Column]:
    """Columns that name the phase, with its marks behind it, and its formula."""
    return [Column("phase", "phase", marks_key="marks"), Column("formula", "formula")]


def phase_cells(basis: Basis, entry: Entry) -> dict[str, str]:
    """Cells for :func:`phase_columns`."""
    return {"phase": entry.phase, "marks": basis.marks(entry.phase), "formula": entry.formula}


def with_references(entry_set: EntrySet) -> EntrySet:
    """The set without phases of elements that have no phase of their own, unless only elements would be left.

    An oxide among the sulfides cannot have a formation energy without oxygen, but need not stop the report.
    """
    there = {next(iter(e.composition)) for e in entry_set.entries if e.is_element}
    kept = tuple(e for e in entry_set.entries if set(e.composition) <= there)
    if all(e.is_element for e in kept):
        return entry_set
    left_out = tuple(
        LeftOut(e.phase, f"there is no phase of pure {', '.join(sorted(set(e.composition) - there))} to count from")
        for e in entry_set.entries
        if not set(e.composition) <= there
    )
    return EntrySet(entry_set.condition, kept, entry_set.left_out + left_out)


def low_trust_note(phases: list[str]) -> list[str]:
    """Explains the mark of guessed structures, where there are any."""
    return [f"{MEANINGS[LOW_TRUST]}: " + ", ".join(phases)] if phases else []


def missing_notes(missing: Mapping[str, str]) -> list[str]:
    """A line for each reason why phases are missing."""
    by_reason: dict[str, list[str]] = {}
    for phase, reason in missing.items():
        by_reason.setdefault(reason, []).append(phase)
    return [f"Missing ({reason}): {some(phases)}" for reason, phases in by_reason.items()]


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: with commas, and ``and`` before the last."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def some(names: Sequence[str], most: int = 12) -> str:
    """Names in one line, the many at the end counted only."""
    extra = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + extra


def composition_order(composition: Mapping[str, float], phase: str) -> tuple[int, str, float, str]:
    """Key that puts elements first, then goes by chemical system; within one, the metal-rich side first."""
    elements = sorted(composition)
    first = composition.get("Na", composition.get("Li", 0.0)) / sum(composition.values())
    return len(elements), "-".join(elements), -first, phase


def _order(entry: Entry) -> tuple[int, str, float, str]:
    return composition_order(entry.composition, entry.phase)
