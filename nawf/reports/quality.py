"""Report of verdicts: what passed its checks, what did not, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from nawf.level import Level, worst
from nawf.quality.rules import described_limits
from nawf.reports.basis import composition_order, some
from nawf.reports.tables import Column, Table
from nawf.results.documents import ResultDocument
from nawf.results.tasks import PROPERTIES
from nawf.results.verdict import Reason
from nawf.thermo.entries import parse_formula

MISSING, BLOCKED = "missing", "blocked"
STATES = (str(Level.FAIL), BLOCKED, MISSING, str(Level.WARN), str(Level.PASS))
"""States of a result, worst first."""
LEVELS = (Level.FAIL, Level.WARN, Level.PASS)


@dataclass(frozen=True)
class Calculation:
    """What a reader needs to tell results of unlike settings apart."""

    engine: str
    protocol: str
    calculation_id: str


@dataclass(frozen=True)
class OpenStep:
    """A result that a campaign wants and the store does not have; ``state`` is missing or blocked."""

    phase: str
    formula: str
    property: str
    state: str
    calculation: Calculation


@dataclass(frozen=True)
class Survey:
    """Results of all settings, and what is still to do.

    Attributes
    ----------
    documents : tuple of ResultDocument
        They need not be comparable: nothing is combined.
    open_steps : tuple of OpenStep
    settings : tuple of str
        A line on each calculation, and remarks.
    command : str
        The command that makes this report.
    """

    documents: tuple[ResultDocument, ...]
    open_steps: tuple[OpenStep, ...] = ()
    settings: tuple[str, ...] = ()
    command: str = ""

    @cached_property
    def formulas(self) -> dict[str, str]:
        """Formula of each phase, in the order in which reports list phases."""
        formulas = {s.phase: s.formula for s in self.open_steps} | {d.phase: d.card.formula for d in self.documents}
        return dict(sorted(formulas.items(), key=lambda item: composition_order(parse_formula(item[1]), item[0])))

    @cached_property
    def states(self) -> dict[tuple[str, Calculation], dict[str, list[str]]]:
        """States of the results of each phase in each calculation, by property, worst first."""
        found: dict[tuple[str, Calculation], dict[str, list[str]]] = {}
        items = [(d.phase, calculation_of(d), d.property, str(d.verdict.level)) for d in self.documents]
        items += [(s.phase, s.calculation, s.property, s.state) for s in self.open_steps]
        for phase, calculation, prop, state in items:
            found.setdefault((phase, calculation), {}).setdefault(prop, []).append(state)
        return {key: {p: sorted(s, key=STATES.index) for p, s in row.items()} for key, row in found.items()}

    @property
    def properties(self) -> tuple[str, ...]:
        """Properties that there are results of, or that are still to do."""
        there = {p for row in self.states.values() for p in row}
        return tuple(p for p in PROPERTIES if p in there)

    @property
    def has_several(self) -> bool:
        """Whether a reader needs to be told from which calculation a result is."""
        return len({calculation for _, calculation in self.states}) > 1

    def reasons(self) -> Iterator[tuple[ResultDocument, Reason]]:
        """All findings with the result that they are about."""
        for document in self.documents:
            for reason in document.verdict.reasons:
                yield document, reason

    def label(self, calculation: Calculation) -> str:
        """Engine and protocol, with the calculation where these two are not enough."""
        text = f"{calculation.engine}/{calculation.protocol}"
        same = {c for _, c in self.states if (c.engine, c.protocol) == (calculation.engine, calculation.protocol)}
        return f"{text} {calculation.calculation_id}" if len(same) > 1 else text

    def summary(self) -> str:
        """Phases by their worst verdict, such as ``94 phases: 61 pass, 27 warn, 6 fail``."""
        by_phase: dict[str, list[Level]] = {}
        for document in self.documents:
            by_phase.setdefault(document.phase, []).append(document.verdict.level)
        counts = Counter(worst(levels) for levels in by_phase.values())
        parts = [f"{counts[level]} {level}" for level in reversed(LEVELS) if counts[level]]
        if rest := len(self.formulas) - len(by_phase):
            parts.append(f"{rest} without results")
        text = f"{_counted(len(self.formulas), 'phase')}: {', '.join(parts)}"
        open_counts = Counter(s.state for s in self.open_steps)
        to_do = [f"{open_counts[state]} {state}" for state in (MISSING, BLOCKED) if open_counts[state]]
        return text + (f"; results: {', '.join(to_do)}" if to_do else "")


def calculation_of(document: ResultDocument) -> Calculation:
    """Engine, protocol and energy scale of a result."""
    return Calculation(document.provenance.engine, document.provenance.protocol, document.calculation_id)


def quality_tables(survey: Survey, level: Level | None = None, *, with_limits: bool = False) -> list[Table]:
    """Counts, all reasons in words, counts of each rule, and the state of every result.

    Parameters
    ----------
    survey : Survey
    level : Level, optional
        Show only reasons of this level, and phases with a result of it; the counts at the top stay.
    with_limits : bool
        Add the table of all rules with their limits.
    """
    return [
        _counts_table(survey),
        _reasons_table(survey, level),
        _rules_table(survey, level),
        _states_table(survey, level),
        *([limits_table(level)] if with_limits else []),
    ]


def limits_table(level: Level | None = None) -> Table:
    """All rules of the gate: when they speak, and why their limits are where they are."""
    rows = [
        asdict(limit) | {"level": str(limit.level)} for limit in described_limits() if level in (None, limit.level)
    ]
    columns = [Column(key, key) for key in ("rule", "property", "level")]
    columns += [Column("condition", "speaks when"), Column("reason", "because")]
    return Table("Rules and their limits", columns, rows)


def _counts_table(survey: Survey) -> Table:
    """How many results of each property are in which state."""
    rows = []
    for prop in survey.properties:
        counts = Counter(state for row in survey.states.values() for state in row.get(prop, ()))
        rows.append({"property": prop, "results": sum(counts[level] for level in LEVELS)} | counts)
    states = (*reversed(LEVELS), *((MISSING, BLOCKED) if survey.open_steps else ()))
    rows = [dict.fromkeys(states, 0) | row for row in rows]
    columns = [
        Column("property", "property"),
        Column("results", "results", "d"),
        *(Column(str(state), str(state), "d") for state in states),
    ]
    notes = [*survey.settings, *_open_notes(survey.open_steps)]
    notes.append("No report shows a failed result as a number; one with a warning is marked.")
    if survey.command:
        notes.append(f"Made by: {survey.command}")
    return Table(f"Quality: {survey.summary()}", columns, rows, notes)


def _open_notes(steps: Iterable[OpenStep]) -> list[str]:
    """Which results are missing or blocked, a line for each property."""
    groups: dict[tuple[str, str], list[str]] = {}
    for step in sorted(steps, key=lambda s: (-STATES.index(s.state), PROPERTIES.index(s.property))):
        groups.setdefault((step.state, step.property), []).append(step.phase)
    why = {MISSING: "", BLOCKED: " (the relaxation failed its checks)"}
    return [f"{state.capitalize()}{why[state]}: {prop} of {some(p)}" for (state, prop), p in groups.items()]


def _reasons_table(survey: Survey, level: Level | None) -> Table:
    """Every finding in words: failures by phase, then warnings and notes by rule."""
    places = {phase: i for i, phase in enumerate(survey.formulas)}

    def order(item: tuple[ResultDocument, Reason]) -> tuple[Any, ...]:
        document, reason = item
        place = (places[document.phase], PROPERTIES.index(document.property), document.fingerprint_id)
        return LEVELS.index(reason.level), "" if reason.level is Level.FAIL else reason.rule, *place, reason.rule

    rows = [
        {
            "level": str(reason.level),
            "phase": document.phase,
            "property": document.property,
            **_calculation_cells(survey, calculation_of(document)),
            "fingerprint_id": document.fingerprint_id,
            "rule": reason.rule,
            "message": reason.message,
        }
        for document, reason in sorted(survey.reasons(), key=order)
        if level in (None, reason.level)
    ]
    columns = [
        *(Column(key, key) for key in ("level", "phase", "property")),
        *_calculation_columns(survey),
        Column("fingerprint_id", "fingerprint", for_machines=True),
        Column("rule", "rule"),
        Column("message", "reason"),
    ]
    notes = ["A reason at level pass is a note: nothing against the result."] if _has_notes(rows) else []
    return Table("Reasons", columns, rows, notes)


def _has_notes(rows: Sequence[dict[str, Any]]) -> bool:
    return any(row["level"] == Level.PASS for row in rows)


def _rules_table(survey: Survey, level: Level | None) -> Table:
    """How many results each rule had something to say about."""
    counts: Counter[tuple[str, str, Level]] = Counter()
    # A rule may have several things to say about one result.
    for _, rule, prop, found in {(d.result_id, r.rule, d.property, r.level) for d, r in survey.reasons()}:
        counts[rule, prop, found] += 1
    rules = sorted(
        {(rule, prop) for rule, prop, found in counts if level in (None, found)},
        key=lambda key: ([-counts[*key, one] for one in LEVELS], key),
    )
    rows = [
        {"rule": rule, "property": prop} | {str(one): counts[rule, prop, one] for one in LEVELS}
        for rule, prop in rules
    ]
    columns = [
        Column("rule", "rule"),
        Column("property", "property"),
        *(Column(str(one), str(one), "d") for one in LEVELS),
    ]
    return Table(
        "Results by rule", columns, rows, ["Limits of the rules and why they are so: nawf report quality --limits"]
    )


def _states_table(survey: Survey, level: Level | None) -> Table:
    """One row for each phase in each calculation, the worst first."""
    places = {phase: i for i, phase in enumerate(survey.formulas)}

    def order(item: tuple[tuple[str, Calculation], dict[str, list[str]]]) -> tuple[Any, ...]:
        (phase, calculation), row = item
        gravest = min(STATES.index(state) for states in row.values() for state in states)
        return gravest, places[phase], survey.label(calculation)

    rows = [
        {
            "phase": phase,
            "formula": survey.formulas[phase],
            **_calculation_cells(survey, calculation),
            **{prop: ", ".join(dict.fromkeys(states)) for prop, states in row.items()},
        }
        for (phase, calculation), row in sorted(survey.states.items(), key=order)
        if level is None or any(str(level) in states for states in row.values())
    ]
    columns = [
        Column("phase", "phase"),
        Column("formula", "formula"),
        *_calculation_columns(survey),
        *(Column(prop, prop) for prop in survey.properties),
    ]
    notes = []
    if any(len(set(states)) > 1 for row in survey.states.values() for states in row.values()):
        notes.append("Several verdicts in one cell: results that were obtained in several ways.")
    return Table("Results by phase, the worst first", columns, rows, notes)


def _calculation_columns(survey: Survey) -> list[Column]:
    """The calculation in one column for people, if they need it, and in three for machines."""
    return [
        *([Column("calculation", "calculation")] if survey.has_several else []),
        *(Column(key, key, for_machines=True) for key in ("engine", "protocol", "calculation_id")),
    ]


def _calculation_cells(survey: Survey, calculation: Calculation) -> dict[str, str]:
    return {"calculation": survey.label(calculation)} | asdict(calculation)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
