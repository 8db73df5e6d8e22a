"""From the options of a report to what it is made from: results of the store, joined and comparable."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from nawf.cli.context import library_for, settings_for
from nawf.cli.options import comma_separated, elements_of
from nawf.errors import InputError, ReportError

if TYPE_CHECKING:
    from nawf.campaigns.schema import Campaign
    from nawf.cli.report_options import ReportOptions
    from nawf.reports.basis import Basis
    from nawf.results.documents import ResultDocument
    from nawf.settings import Settings
    from nawf.thermo.conditions import Condition


def basis_for(options: ReportOptions) -> Basis:
    """Results of the store that a report may use, joined and checked for comparability."""
    from nawf.reports.basis import Basis
    from nawf.results.documents import energetics
    from nawf.results.selection import select_comparable
    from nawf.store.query import load_results
    from nawf.store.stores import open_stores

    settings = settings_for(options.store, options.structures)
    campaign = options.load_campaign()
    references, asked = options.references(campaign), options.conditions()
    wanted = _wanted_phases(campaign, settings)
    with open_stores(settings.store, read_only=True) as stores:
        documents = load_results(stores.results, phases=wanted)
    documents = _of_engine(options, campaign, documents)
    found = {d.phase for d in documents}
    documents = _filtered(options, documents)
    left_out = found - {d.phase for d in documents}
    if not documents:
        raise ReportError(
            "there are no results for this report",
            where=settings.store,
            hint=f"nawf run {options.campaign or 'CAMPAIGN'} makes them",
        )
    chosen = select_comparable(documents, fingerprint=options.fingerprint, engine=options.engine)
    joined = energetics(chosen)
    there = {e.phase for e in joined}
    missing = {
        phase: "left out on request" if phase in left_out else "no static energy in the store"
        for phase in wanted or sorted({d.phase for d in documents})
    }
    return Basis(
        energetics=tuple(joined),
        conditions=asked or _default_conditions(campaign, any(e.vibrations for e in joined)),
        references=references,
        include_soft=options.keeps_soft(campaign),
        settings=_settings_line(chosen),
        caption=_caption(chosen),
        missing={p: reason for p, reason in missing.items() if p not in there},
        command=shlex.join(["nawf", *sys.argv[1:]]),
    )


def _wanted_phases(campaign: Campaign | None, settings: Settings) -> list[str] | None:
    """Phases of the campaign, or None for all that the store holds."""
    if campaign is None:
        return None
    from nawf.campaigns.plan import campaign_phases

    return [p.id for p in campaign_phases(campaign, library_for(settings))]


def _of_engine(
    options: ReportOptions, campaign: Campaign | None, documents: list[ResultDocument]
) -> list[ResultDocument]:
    """Results of the campaign's engine and protocol, unless an option names others."""
    from nawf.engines.registry import engine_spec

    if campaign is None or options.engine is not None or options.fingerprint is not None:
        return documents
    spec = engine_spec(campaign.engine, campaign.protocol)
    return [d for d in documents if (d.provenance.engine, d.provenance.protocol) == (spec.name, spec.protocol)]


def _filtered(options: ReportOptions, documents: list[ResultDocument]) -> list[ResultDocument]:
    """Results that no option leaves out."""
    if options.system is not None:
        elements = elements_of(options.system)
        documents = [d for d in documents if set(d.chemical_system.split("-")) <= elements]
    exclude = set(comma_separated(options.exclude))
    unknown = exclude - {d.phase for d in documents}
    if unknown:
        raise InputError(f"--exclude names phases without results: {', '.join(sorted(unknown))}")
    return [
        d
        for d in documents
        if d.phase not in exclude
        and d.card.origin not in (options.exclude_origin or ())
        and not set(d.card.tags) & set(options.exclude_tag or ())
    ]


def _default_conditions(campaign: Campaign | None, has_phonons: bool) -> tuple[Condition, ...]:
    """Static, and the campaign's temperatures where there are free energies at all."""
    from nawf.thermo.conditions import STATIC, Condition

    wanted = campaign.temperatures_k if campaign else (0.0, 300.0)
    return (STATIC, *(Condition(t) for t in wanted)) if has_phonons else (STATIC,)


def _settings_line(documents: list[ResultDocument]) -> str:
    from nawf.engines.registry import ENGINES

    fingerprint = documents[0].fingerprint
    entry = ENGINES.get(fingerprint.engine)
    what = f" ({entry.summary})" if entry else ""
    return f"{fingerprint.engine}, {fingerprint.functional}, calculation {fingerprint.calculation_id}{what}"


def _caption(documents: list[ResultDocument]) -> str:
    """Settings for a picture, short; a potential is never taken for DFT."""
    from nawf.engines.registry import ENGINES

    fingerprint = documents[0].fingerprint
    entry = ENGINES.get(fingerprint.engine)
    kind = "" if entry is None or entry.is_dft else " (a potential, not DFT)"
    return f"{fingerprint.engine}{kind}, {fingerprint.functional}"
