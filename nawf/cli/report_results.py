"""From the options of a report to the results that it may use: one path for all reports."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nawf.cli.context import library_for, settings_for
from nawf.cli.options import comma_separated, elements_of
from nawf.errors import CampaignError, InputError, ReportError
from nawf.store.location import redacted

if TYPE_CHECKING:
    from nawf.campaigns.schema import Campaign
    from nawf.cli.report_options import ReportOptions
    from nawf.phases.library import Phase
    from nawf.results.documents import ResultDocument
    from nawf.settings import Settings


@dataclass(frozen=True)
class Found:
    """Results that no option leaves out, not yet checked for comparability.

    Attributes
    ----------
    options : ReportOptions
    settings : Settings
    campaign : Campaign or None
    phases : tuple of Phase or None
        Phases of the campaign that are reported on, or None without a campaign.
    documents : tuple of ResultDocument
    left_out : frozenset of str
        Phases with results that are left out on request.
    other_engines : tuple of str
        Those whose reference results were left out because nobody said which to take.
    """

    options: ReportOptions
    settings: Settings
    campaign: Campaign | None
    phases: tuple[Phase, ...] | None
    documents: tuple[ResultDocument, ...]
    left_out: frozenset[str]
    other_engines: tuple[str, ...] = ()

    @property
    def wanted(self) -> list[str]:
        """Phases of the campaign, or those with results."""
        if self.phases is not None:
            return [p.id for p in self.phases]
        return sorted({d.phase for d in self.documents})

    @property
    def elements(self) -> dict[str, frozenset[str]]:
        """Elements of the phases of the campaign, and of those with results."""
        of_campaign = {p.id: p.elements for p in self.phases or ()}
        return of_campaign | {d.phase: frozenset(d.chemical_system.split("-")) for d in self.documents}

    def comparable(self, properties: Collection[str], *, of: str | None = None) -> list[ResultDocument]:
        """Results of some properties that may stand in one report.

        Parameters
        ----------
        properties : collection of str
        of : str, optional
            Take only the phases that have this property.

        Raises
        ------
        ReportError
            When there are none, or they were obtained in unlike ways.
        """
        from nawf.results.selection import select_comparable

        phases = {d.phase for d in self.documents if of in (None, d.property)}
        chosen = select_comparable(
            [d for d in self.documents if d.phase in phases],
            fingerprint=self.options.fingerprint or (self.campaign.fingerprint if self.campaign else None),
            engine=self.options.engine,
            properties=properties,
        )
        if not any(of in (None, d.property) for d in chosen):
            raise self.nothing(of)
        return chosen

    def settings_line(self, document: ResultDocument) -> str:
        """Settings of a report in one line, and what else there would be."""
        others = ", ".join(self.other_engines)
        return settings_line(document) + (f"; of reference results, --engine chooses {others}" if others else "")

    def nothing(self, prop: str | None = None) -> ReportError:
        """The error that there are no results."""
        return _nothing(self.options, self.settings, prop)


def find_results(options: ReportOptions, *, unlike: bool = False) -> Found:
    """Results of the store that the options ask for.

    Parameters
    ----------
    options : ReportOptions
    unlike : bool
        Take reference results of all engines, where nobody says which.

    Raises
    ------
    ReportError
        When there are none.
    InputError
        When an option names a phase, tag or origin that is not there.
    """
    if options.reference and options.store is not None:
        raise InputError("--reference reads no store", hint="leave --store out, or --reference")
    _check_origins(options)
    settings = settings_for(options.store, options.structures)
    campaign = options.load_campaign()
    phases = _campaign_phases(options, campaign, settings)
    documents = stored_results(
        settings.store, reference=options.reference, phases=None if phases is None else [p.id for p in phases]
    )
    engines = {d.provenance.engine for d in documents}
    documents = _of_engine(options, campaign, documents, unlike=unlike)
    others = engines - {d.provenance.engine for d in documents} if campaign is None else set()
    if campaign is None:
        documents = _named(options, documents)
    there = {d.phase for d in documents}
    _check_tags(options, documents, settings)
    documents = _filtered(options, documents)
    if not documents:
        raise _nothing(options, settings)
    left_out = frozenset(there - {d.phase for d in documents})
    return Found(options, settings, campaign, phases, tuple(documents), left_out, tuple(sorted(others)))


def stored_results(
    location: str,
    *,
    reference: bool = False,
    phases: Collection[str] | None = None,
    properties: Collection[str] | None = None,
) -> list[ResultDocument]:
    """Results of a store, or the reference results that come with nawf."""
    if reference:
        from nawf.store.reference import reference_results

        return [d for d in reference_results(phases) if properties is None or d.property in properties]
    from nawf.store.query import load_results
    from nawf.store.stores import open_stores

    with open_stores(location, read_only=True) as stores:
        return load_results(stores.results, phases=phases, properties=properties)


def command_line() -> str:
    """The command that is running, as it would be typed."""
    return shlex.join(["nawf", *map(redacted, sys.argv[1:])])


def settings_line(document: ResultDocument) -> str:
    """Engine, functional and calculation in one line."""
    from nawf.engines.registry import ENGINES

    fingerprint = document.fingerprint
    entry = ENGINES.get(fingerprint.engine)
    what = f" ({entry.summary})" if entry else ""
    return f"{fingerprint.engine}, {fingerprint.functional}, calculation {fingerprint.calculation_id}{what}"


def caption(document: ResultDocument) -> str:
    """Settings for a picture, short; a potential is never taken for DFT."""
    from nawf.engines.registry import ENGINES

    fingerprint = document.fingerprint
    entry = ENGINES.get(fingerprint.engine)
    kind = "" if entry is None or entry.is_dft else " (a potential, not DFT)"
    return f"{fingerprint.engine}{kind}, {fingerprint.functional}"


def _nothing(options: ReportOptions, settings: Settings, prop: str | None = None) -> ReportError:
    how = f" --properties {prop}" if prop else ""
    return ReportError(
        f"there are no {prop + ' ' if prop else ''}results for this report",
        where="reference results" if options.reference else redacted(settings.store),
        hint="nawf query --reference lists them"
        if options.reference
        else f"nawf run {options.campaign or 'CAMPAIGN'}{how} makes them",
    )


def _campaign_phases(
    options: ReportOptions, campaign: Campaign | None, settings: Settings
) -> tuple[Phase, ...] | None:
    """Phases of the campaign, of which ``--phases`` may choose; None without a campaign."""
    if campaign is None:
        return None
    from nawf.campaigns.plan import campaign_phases

    phases = campaign_phases(campaign, library_for(settings))
    named = comma_separated(options.phases)
    for phase in named:
        if phase not in {p.id for p in phases}:
            known = ", ".join(p.id for p in phases[:8]) + (" ..." if len(phases) > 8 else "")
            raise CampaignError(f"has no phase {phase!r}", where=campaign.name, hint=f"it has {known}")
    return tuple(p for p in phases if not named or p.id in named)


def _of_engine(
    options: ReportOptions, campaign: Campaign | None, documents: list[ResultDocument], *, unlike: bool
) -> list[ResultDocument]:
    """Results of the campaign's engine and protocol, or of the default one of the reference results.

    Options that name others go first.
    """
    from nawf.engines.registry import engine_spec
    from nawf.store.reference import of_default_engine

    if options.engine is not None or options.fingerprint is not None:
        return documents
    if campaign is None:
        return of_default_engine(documents) if options.reference and not unlike else documents
    spec = engine_spec(campaign.engine, campaign.protocol)
    return [d for d in documents if (d.provenance.engine, d.provenance.protocol) == (spec.name, spec.protocol)]


def _named(options: ReportOptions, documents: list[ResultDocument]) -> list[ResultDocument]:
    """Results of the phases that ``--phases`` names."""
    named = set(comma_separated(options.phases))
    _check_known("--phases", named, documents)
    return [d for d in documents if not named or d.phase in named]


def _filtered(options: ReportOptions, documents: list[ResultDocument]) -> list[ResultDocument]:
    """Results that no option leaves out."""
    _check_known("--exclude", set(comma_separated(options.exclude)), documents)
    return [
        d
        for d in documents
        if is_kept(options, d.phase, frozenset(d.chemical_system.split("-")), d.card.origin, d.card.tags)
    ]


def is_kept(options: ReportOptions, phase: str, elements: frozenset[str], origin: str, tags: Collection[str]) -> bool:
    """Whether no option leaves a phase out."""
    return (
        (options.system is None or elements <= elements_of(options.system))
        and phase not in comma_separated(options.exclude)
        and origin not in (options.exclude_origin or ())
        and not set(tags) & set(options.exclude_tag or ())
    )


def _check_origins(options: ReportOptions) -> None:
    """Refuse an ``--exclude-origin`` that no structure can have."""
    from nawf.phases.library import parse_origin

    for origin in options.exclude_origin or ():
        parse_origin(origin)


def _check_tags(options: ReportOptions, documents: Sequence[ResultDocument], settings: Settings) -> None:
    """Refuse an ``--exclude-tag`` that neither a result nor a phase of the library has."""
    unknown = set(options.exclude_tag or ()) - {tag for d in documents for tag in d.card.tags}
    if unknown:
        library = library_for(settings)
        for tag in sorted(unknown):
            library.with_tag(tag)


def _check_known(option: str, names: set[str], documents: Sequence[ResultDocument]) -> None:
    unknown = names - {d.phase for d in documents}
    if unknown:
        raise InputError(f"{option} names phases without results: {', '.join(sorted(unknown))}")
