"""Choosing results that may meet in one diagram, and refusing those that may not."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from nawf.errors import ReportError
from nawf.results.documents import ResultDocument
from nawf.results.fingerprint import POTENTIAL, Fingerprint, Scalar, differences, digest, some

_LIST = "nawf query fingerprints lists them"


@dataclass(frozen=True)
class Conflict:
    """Results that may not meet: why in a few words, and the settings of each, reduced to what has to agree."""

    what: str
    documents: tuple[ResultDocument, ...]
    settings: tuple[Fingerprint, ...]

    @property
    def differences(self) -> str:
        """Each setting that differs, who has which value, on one line."""
        labelled: dict[str, Fingerprint] = {}
        for document, settings in zip(self.documents, self.settings, strict=True):
            label = f"{document.phase} ({document.provenance.engine})"
            if labelled.setdefault(label, settings).id != settings.id:
                labelled[f"{document.phase} ({document.provenance.engine}, {settings.id})"] = settings
        return "; ".join(differences(labelled))


def select_comparable(
    documents: Iterable[ResultDocument],
    *,
    fingerprint: str | None = None,
    engine: str | None = None,
    properties: Collection[str] | None = None,
) -> list[ResultDocument]:
    """Documents of one energy scale, with one potential for each element and one way for each property.

    Parameters
    ----------
    documents : iterable of ResultDocument
    fingerprint : str, optional
        Start of a calculation or fingerprint identifier to pick where the store holds several. A calculation stands
        for all results on that energy scale, a fingerprint for its results and those that can stand beside them.
        Several may be given with commas between them; what stays can stand beside each.
    engine : str, optional
        Keep this engine's results only.
    properties : collection of str, optional
        Keep these properties only; a fingerprint may be that of another one.

    Raises
    ------
    ReportError
        When results of unlike settings remain; the message lists what differs and in which phases. Also when a
        start fits nothing, or several that cannot meet.
    """
    chosen = [d for d in documents if engine is None or d.provenance.engine == engine]
    if fingerprint is not None:
        chosen = _picked(chosen, [start.strip() for start in fingerprint.split(",")])
    if properties is not None:
        chosen = [d for d in chosen if d.property in properties]
    if conflict := find_conflict(chosen):
        raise ReportError(
            f"{conflict.what} cannot meet in one diagram: {conflict.differences}",
            hint=f"pick one with --fingerprint or --engine; {_LIST}",
        )
    return chosen


def find_conflict(documents: Sequence[ResultDocument]) -> Conflict | None:
    """The first reason why results may not meet: energy scale, potentials, the way of a property or of the geometry.

    Each element has one potential among all results, or else all are refused, also where some would get on with both
    sides: sulfides that know nothing of sodium cannot join what two potentials of sodium keep apart.
    """
    everything = tuple(documents)
    tables = potentials_of(everything)
    on_scale = tuple(
        Fingerprint(calculation=d.fingerprint.scale | {k: json.loads(v) for k, v in table.items()})
        for d, table in zip(everything, tables, strict=True)
    )
    if len({d.calculation_id for d in everything}) > 1:
        return Conflict("results of unlike calculations", everything, on_scale)
    if not _agree(tables):
        return Conflict("results with unlike potentials", everything, on_scale)
    for prop in sorted({d.property for d in everything}):
        same = tuple(d for d in everything if d.property == prop)
        if len({_way(d) for d in same}) > 1:
            ways = tuple(Fingerprint(calculation={}, method=d.fingerprint.way) for d in same)
            return Conflict(f"{prop} results obtained in unlike ways", same, ways)
    relaxed = tuple(d for d in everything if _relax_settings(d))
    if len({_geometry(d) for d in relaxed}) > 1:
        ways = tuple(Fingerprint(calculation={}, method=_relax_settings(d)) for d in relaxed)
        return Conflict("results on geometries relaxed in unlike ways", relaxed, ways)
    return None


@dataclass(frozen=True)
class _Pick:
    """What the start of an identifier stands for: its results, and the settings that others need to join them."""

    named: tuple[ResultDocument, ...]
    scales: frozenset[str]
    properties: frozenset[str]
    ways: frozenset[tuple[str, str, str]]
    geometries: frozenset[tuple[str, str]]
    potentials: dict[str, str]

    @classmethod
    def of(cls, documents: Sequence[ResultDocument], tables: Sequence[PotentialTable], start: str) -> _Pick:
        """Results of the scales that begin with ``start``, and of the fingerprints that do."""
        scales = frozenset(d.calculation_id for d in documents if d.calculation_id.startswith(start))
        found = [
            (d, table)
            for d, table in zip(documents, tables, strict=True)
            if d.calculation_id in scales or d.fingerprint_id.startswith(start)
        ]
        if not found:
            raise ReportError(f"no result has a fingerprint that starts with {start!r}", hint=_LIST)
        named = tuple(d for d, _ in found)
        names = {d.calculation_id if d.calculation_id in scales else d.fingerprint_id for d in named}
        if len(names) > 1 and (conflict := find_conflict(named)):
            raise ReportError(
                f"{start!r} is the start of {some(names)}, which cannot meet: {conflict.differences}",
                hint=f"give more of one of them to --fingerprint; {_LIST}",
            )
        alone = [d for d in named if d.calculation_id not in scales]
        return cls(
            named=named,
            scales=scales,
            properties=frozenset(d.property for d in alone),
            ways=frozenset((d.calculation_id, d.property, _way(d)) for d in alone),
            geometries=frozenset((d.calculation_id, _geometry(d)) for d in alone),
            potentials={} if scales else {k: v for _, table in found for k, v in table.items()},
        )

    def takes(self, document: ResultDocument, table: PotentialTable) -> bool:
        """Whether a result belongs to what was picked, or can stand beside it."""
        scale = document.calculation_id
        if scale in self.scales:
            return True
        if document.property in self.properties:
            alike = (scale, document.property, _way(document)) in self.ways
        else:
            alike = (scale, _geometry(document)) in self.geometries
        return alike and _agree([self.potentials, table])


def _picked(documents: Sequence[ResultDocument], starts: Sequence[str]) -> list[ResultDocument]:
    """Results that can stand beside what each start of an identifier names."""
    tables = potentials_of(documents)
    picks = [_Pick.of(documents, tables, start) for start in starts]
    kept = [d for d, table in zip(documents, tables, strict=True) if all(pick.takes(d, table) for pick in picks)]
    there = {d.result_id for d in kept}
    if not all(any(d.result_id in there for d in pick.named) for pick in picks):
        conflict = find_conflict([d for pick in picks for d in pick.named])
        assert conflict is not None
        raise ReportError(f"{some(starts)} cannot meet: {conflict.differences}", hint=_LIST)
    return kept


PotentialTable = Mapping[str, str]
"""Potential of each element as JSON, by the key that it has in a calculation."""


def potentials_of(documents: Sequence[ResultDocument]) -> list[PotentialTable]:
    """Potentials of each result; where a scale has any, an element of the phase without one has none on record."""
    scales = {d.calculation_id for d in documents if d.fingerprint.potentials}
    return [_complete_potentials(d) if d.calculation_id in scales else {} for d in documents]


def _complete_potentials(document: ResultDocument) -> PotentialTable:
    elements = filter(None, document.chemical_system.split("-"))
    found: dict[str, Scalar] = dict.fromkeys(elements) | document.fingerprint.potentials
    return {f"{POTENTIAL}{element}": json.dumps(value) for element, value in found.items()}


def _agree(tables: Iterable[PotentialTable]) -> bool:
    """Whether no key has two values."""
    seen: dict[str, str] = {}
    return all(seen.setdefault(key, value) == value for table in tables for key, value in table.items())


def _way(document: ResultDocument) -> str:
    return digest(document.fingerprint.way)


def _relax_settings(document: ResultDocument) -> dict[str, Scalar]:
    """How the geometry was obtained, which all properties of a phase share."""
    return {k: v for k, v in document.fingerprint.method.items() if k.startswith("relax_")}


def _geometry(document: ResultDocument) -> str:
    return digest(_relax_settings(document))
