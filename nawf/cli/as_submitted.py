"""A campaign as it was submitted: with the engine and protocol of its jobs in the queue, unless others are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nawf.cli.context import Setup, set_up
from nawf.cli.options import comma_separated
from nawf.running.backend import Selection

if TYPE_CHECKING:
    from nawf.running.backend import Backend
    from nawf.settings import Settings


def set_up_as_submitted(campaign: str, settings: Settings, phases: str | None, backend: Backend | None) -> Setup:
    """Set up a campaign with the settings of its jobs, or with its own where there are none, or of several kinds."""
    from nawf.engines.registry import ENGINES
    from nawf.running.status import newest

    setup = set_up(campaign, settings, phases=comma_separated(phases))
    if backend is None:
        return setup
    jobs = newest(backend.jobs(Selection(phases=tuple(phase.id for phase in setup.phases))))
    found = {(job.engine, job.protocol) for job in jobs if job.campaign == setup.campaign.name}
    if len(found) != 1:
        return setup
    ((engine, protocol),) = found
    if engine not in ENGINES or protocol not in ENGINES[engine].protocols:
        return setup
    if (engine, protocol) == (setup.engine.spec.name, setup.engine.spec.protocol):
        return setup
    return set_up(campaign, settings, engine=engine, protocol=protocol, phases=comma_separated(phases))


def options_for(setup: Setup) -> str:
    """Options that lead a command to the engine and protocol of a set-up; empty for those of its campaign."""
    from nawf.engines.registry import engine_spec

    spec, campaign = setup.engine.spec, setup.campaign
    is_own = spec.name == campaign.engine
    usual = engine_spec(spec.name, campaign.protocol if is_own else None).protocol
    if spec.protocol != usual:
        return f" --engine {spec.name} --protocol {spec.protocol}"
    return "" if is_own else f" --engine {spec.name}"
