"""Choosing results that may meet in one diagram, and refusing those that may not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nawf.errors import ReportError
from nawf.results.documents import ResultDocument
from nawf.results.fingerprint import Fingerprint, differences


def select_comparable(
    documents: Iterable[ResultDocument], *, fingerprint: str | None = None, engine: str | None = None
) -> list[ResultDocument]:
    """Documents of one energy scale, with one fingerprint for each property.

    Parameters
    ----------
    documents : iterable of ResultDocument
    fingerprint : str, optional
        Start of a calculation or fingerprint identifier to pick where the store holds several.
    engine : str, optional
        Keep this engine's results only.

    Raises
    ------
    ReportError
        When results of unlike settings remain; the message lists what differs and in which phases.
    """
    chosen = [d for d in documents if engine is None or d.provenance.engine == engine]
    if fingerprint is not None:
        chosen = _picked(chosen, fingerprint)
    scales = {d.calculation_id: d.fingerprint for d in chosen}
    if len(scales) > 1:
        raise _refusal(chosen, "results of unlike calculations", by_calculation=True)
    for prop in sorted({d.property for d in chosen}):
        same = [d for d in chosen if d.property == prop]
        if len({d.fingerprint_id for d in same}) > 1:
            raise _refusal(same, f"{prop} results obtained in unlike ways", by_calculation=False)
    return chosen


def _picked(documents: Sequence[ResultDocument], start: str) -> list[ResultDocument]:
    """Results whose calculation starts with ``start``, or those that were made along with a fingerprint."""
    scale = [d for d in documents if d.calculation_id.startswith(start)]
    if scale:
        return scale
    exact = [d for d in documents if d.fingerprint_id.startswith(start)]
    if not exact:
        raise ReportError(
            f"no result has a fingerprint that starts with {start!r}",
            hint="nawf query fingerprints lists them",
        )
    properties = {d.property for d in exact}
    together = {(d.calculation_id, d.provenance.protocol) for d in exact}
    relax_methods = {_relax_settings(d) for d in exact}
    others = [
        d
        for d in documents
        if d.property not in properties
        and (d.calculation_id, d.provenance.protocol) in together
        and _relax_settings(d) in relax_methods
    ]
    return exact + others


def _relax_settings(document: ResultDocument) -> tuple[tuple[str, object], ...]:
    """How the geometry was obtained, which all properties of a phase share."""
    method = document.fingerprint.method
    return tuple(sorted((k, v) for k, v in method.items() if k.startswith("relax_")))


def _refusal(documents: Sequence[ResultDocument], what: str, *, by_calculation: bool) -> ReportError:
    labelled: dict[str, Fingerprint] = {}
    for document in documents:
        fingerprint = document.fingerprint
        if by_calculation:
            fingerprint = Fingerprint(calculation=fingerprint.calculation)
        labelled.setdefault(f"{document.phase} ({document.provenance.engine})", fingerprint)
        if labelled[f"{document.phase} ({document.provenance.engine})"].id != fingerprint.id:
            labelled[f"{document.phase} ({document.provenance.engine}, {fingerprint.id})"] = fingerprint
    lines = "; ".join(differences(labelled))
    return ReportError(f"{what} cannot meet in one diagram: {lines}", hint="pick one with --fingerprint or --engine")
