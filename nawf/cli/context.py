"""From command-line options to a plan: settings, campaign, phases, engine, store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nawf.errors import CampaignError, EngineError
from nawf.settings import Settings, load_settings

if TYPE_CHECKING:
    from nawf.campaigns.schema import Campaign
    from nawf.engines.base import Engine
    from nawf.phases.library import Library, Phase


@dataclass(frozen=True)
class Setup:
    """What the commands that plan and run a campaign share."""

    settings: Settings
    campaign: Campaign
    library: Library
    phases: tuple[Phase, ...]
    engine: Engine
    properties: tuple[str, ...]


def settings_for(store: str | None = None, structures: Sequence[Path] | None = None, **flags: Any) -> Settings:
    """Settings with command-line flags on top; folders of structures add up."""
    base = load_settings({"store": store, **flags})
    if not structures:
        return base
    return load_settings({"store": store, **flags, "structures": (*base.structures, *map(str, structures))})


def library_for(settings: Settings) -> Library:
    """The structure library with the user's own folders."""
    from nawf.phases.library import load_library

    return load_library(*settings.structures)


def refuse_unfit_phases(phases: Sequence[Phase]) -> None:
    """Refuse phases of the user's own that are not fit to be calculated; the shipped ones are known to be.

    Raises
    ------
    StructureError
        With the first thing that is wrong with one of them.
    """
    own = [phase for phase in phases if not phase.is_shipped]
    if own:
        from nawf.phases.check import refuse_unfit

        refuse_unfit(own)


def set_up(
    name: str,
    settings: Settings,
    *,
    engine: str | None = None,
    protocol: str | None = None,
    phases: Sequence[str] = (),
    properties: Sequence[str] = (),
    workers: int = 1,
) -> Setup:
    """Load a campaign and what it needs.

    Raises
    ------
    CampaignError
        When a phase or property is asked for that the campaign or nawf does not have.
    """
    from nawf.campaigns.plan import campaign_phases
    from nawf.campaigns.schema import load_campaign
    from nawf.engines.registry import build_engine, engine_spec
    from nawf.results.tasks import PROPERTIES

    campaign = load_campaign(name)
    library = library_for(settings)
    chosen = campaign_phases(campaign, library)
    for phase in phases:
        if phase not in {p.id for p in chosen}:
            known = ", ".join(p.id for p in chosen[:8]) + (" ..." if len(chosen) > 8 else "")
            raise CampaignError(f"has no phase {phase!r}", where=campaign.name, hint=f"it has {known}")
    for prop in properties:
        if prop not in PROPERTIES:
            raise CampaignError(f"unknown property {prop!r}", hint="choose from " + ", ".join(PROPERTIES))
    if phases:
        chosen = tuple(p for p in chosen if p.id in phases)
    from nawf.running.local import choose_workers

    # A protocol of the campaign's engine means nothing to another.
    own = campaign.protocol if engine in (None, campaign.engine) else None
    _, threads = choose_workers(len(chosen), workers, settings.threads, settings.device)
    try:
        spec = engine_spec(
            engine or campaign.engine,
            protocol or own,
            device=settings.device,
            threads=threads,
            batch_size=settings.batch_size,
        )
    except EngineError as error:
        where = None if engine or protocol else campaign.name
        raise EngineError(error.what, where=where, hint=error.hint) from error
    return Setup(settings, campaign, library, chosen, build_engine(spec), tuple(properties))
