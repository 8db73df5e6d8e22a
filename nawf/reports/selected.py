"""Results of one property that a report is made from, and what every such report says about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from nawf.level import Level
from nawf.reports.basis import LOW_TRUST, WARN, composition_order, low_trust_note, missing_notes
from nawf.results.documents import ResultDocument
from nawf.thermo.entries import composition_key, parse_formula


@dataclass(frozen=True)
class Selected:
    """Comparable results of one property, with the relaxations that they stand on.

    Attributes
    ----------
    property : str
    documents : tuple of ResultDocument
        Of the property and of ``relax``, at most one of each for a phase.
    settings : str
        The calculation in one line: engine, functional, fingerprint.
    caption : str
        The same for a picture: engine and functional.
    missing : mapping of phase to reason
        Phases that should have been here.
    command : str
        The command that makes this report.
    """

    property: str
    documents: tuple[ResultDocument, ...]
    settings: str = ""
    caption: str = ""
    missing: Mapping[str, str] = field(default_factory=dict)
    command: str = ""

    @cached_property
    def rejected(self) -> dict[str, str]:
        """Why a phase is not shown although it has a result."""
        reasons = {phase: _rejection(self.property, docs) for phase, docs in self._by_phase.items()}
        return {phase: reason for phase, reason in reasons.items() if reason}

    @cached_property
    def shown(self) -> tuple[ResultDocument, ...]:
        """Results that did not fail: elements first, then by chemical system."""
        kept = [docs[self.property] for phase, docs in self._by_phase.items() if phase not in self.rejected]
        return tuple(sorted(kept, key=phase_order))

    @cached_property
    def _by_phase(self) -> dict[str, dict[str, ResultDocument]]:
        found: dict[str, dict[str, ResultDocument]] = {}
        for document in self.documents:
            found.setdefault(document.phase, {})[document.property] = document
        return {phase: docs for phase, docs in sorted(found.items()) if self.property in docs}

    def warnings(self, phase: str) -> tuple[str, ...]:
        """What the checks had to say of a phase that is shown."""
        found = (message for d in self._by_phase[phase].values() for message in d.verdict.messages(Level.WARN))
        return tuple(dict.fromkeys(found))

    def marks(self, phase: str) -> str:
        """Signs behind the name of a phase; :meth:`notes` explains them."""
        origin = self._by_phase[phase][self.property].card.origin
        return (WARN if self.warnings(phase) else "") + (LOW_TRUST if origin == "prototype" else "")

    def phase_cells(self, document: ResultDocument) -> dict[str, str]:
        """Cells that name the phase, for :func:`nawf.reports.basis.phase_columns`."""
        return {"phase": document.phase, "marks": self.marks(document.phase), "formula": document.card.formula}

    def notes(self) -> list[str]:
        """Settings, marks, what was left out, and the command."""
        lines = [self.settings] if self.settings else []
        for document in self.shown:
            if found := self.warnings(document.phase):
                lines.append(f"{WARN} {document.phase}: " + "; ".join(found))
        lines += low_trust_note([d.phase for d in self.shown if LOW_TRUST in self.marks(d.phase)])
        lines += [f"Left out: {phase}: {reason}" for phase, reason in self.rejected.items()]
        lines += missing_notes(self.missing)
        if self.command:
            lines.append(f"Made by: {self.command}")
        return lines


def phase_order(document: ResultDocument) -> tuple[int, str, float, str]:
    """Key that puts results in the order in which reports list phases."""
    return composition_order(parse_formula(document.card.formula), document.phase)


def lowest_polymorphs(energies: Mapping[str, tuple[str, float]]) -> frozenset[str]:
    """The phase of lowest energy of each composition; published values are laid beside it.

    Parameters
    ----------
    energies : mapping of phase to (formula, energy)
        Energies in eV/atom, of one calculation.
    """
    lowest: dict[object, tuple[float, str]] = {}
    for phase, (formula, energy) in energies.items():
        key = composition_key(parse_formula(formula))
        lowest[key] = min((energy, phase), lowest.get(key, (energy, phase)))
    return frozenset(phase for _, phase in lowest.values())


def _rejection(prop: str, documents: Mapping[str, ResultDocument]) -> str | None:
    """Failed checks in words, or that the results do not belong together."""
    failed = [
        f"{d.property}: " + "; ".join(d.verdict.messages(Level.FAIL)) for d in documents.values() if d.verdict.failed
    ]
    if len({d.card.card_hash for d in documents.values()}) > 1:
        failed.append(f"its {prop} result belongs to another version of the structure: run the campaign again")
    return "; ".join(failed) or None
