"""From the options of a report to what it is made from: energies, results of one property, or all results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from nawf.cli.context import library_for, set_up
from nawf.cli.options import comma_separated
from nawf.cli.report_results import Found, caption, command_line, find_results, is_kept, settings_line
from nawf.errors import EngineError, InputError, ReportError
from nawf.level import Level

if TYPE_CHECKING:
    from nawf.campaigns.schema import Campaign
    from nawf.cli.report_options import EnergyOptions, ReportOptions
    from nawf.reports.basis import Basis
    from nawf.reports.quality import OpenStep, Survey
    from nawf.reports.selected import Selected
    from nawf.results.documents import ResultDocument
    from nawf.results.energetics import PhaseEnergetics
    from nawf.thermo.conditions import Condition

ENERGY_PROPERTIES = ("relax", "static", "phonon")
_OTHER_VERSION = "calculated from another version of the structure than the library has now"

_ABSENT = {
    "relax": "no relaxation in the store",
    "static": "no static energy in the store",
    "elastic": "no elastic tensor in the store",
}


def basis_for(options: EnergyOptions) -> Basis:
    """Energies of the store that a report may use, joined and checked for comparability.

    Temperatures of the command line are asked for. Those of a campaign are not: it names them before anyone knows
    which phases will have free energies.
    """
    from nawf.reports.basis import Basis
    from nawf.results.documents import energetics

    # Before the store is opened, so that what is wrong with an option is said first.
    asked, named = options.conditions(), options.named_references()
    found = find_results(options)
    _check_elements(named, found)
    chosen = found.comparable(ENERGY_PROPERTIES)
    changed = _changed_since(found, chosen)
    joined = [
        replace(e, warnings=(_OTHER_VERSION, *e.warnings)) if e.phase in changed else e for e in energetics(chosen)
    ]
    there = {e.phase for e in joined}
    missing = {
        phase: "left out on request" if phase in found.left_out else _why_absent(found, phase, "static", chosen[0])
        for phase in found.wanted
        if phase not in there
    }
    conditions = asked or _default_conditions(found.campaign, any(e.vibrations for e in joined))
    _check_named(named, found, joined, missing)
    return Basis(
        energetics=tuple(joined),
        conditions=conditions,
        unasked=frozenset(c for c in conditions if not (asked or c.is_static)),
        references=(found.campaign.references if found.campaign else {}) | named,
        include_soft=options.keeps_soft(found.campaign),
        settings=found.settings_line(chosen[0]),
        caption=caption(chosen[0]),
        missing=missing,
        missing_elements=found.elements,
        tags={d.phase: d.card.tags for d in chosen},
        command=command_line(),
    )


def _changed_since(found: Found, documents: Sequence[ResultDocument]) -> set[str]:
    """Phases whose structure or card has changed since the results; of those that no library has, nobody knows."""
    phases = library_for(found.settings) if found.phases is None else found.phases
    hashes = {phase.id: phase.card_hash for phase in phases}
    return {d.phase for d in documents if d.card.card_hash != hashes.get(d.phase, d.card.card_hash)}


def _check_elements(named: Mapping[str, str], found: Found) -> None:
    """Refuse a reference of what is no element of the results: it would be left aside without a word."""
    elements = frozenset[str]().union(*found.elements.values())
    for element in named:
        if element not in elements:
            raise InputError(
                f"--reference-phase names {element!r}, which is no element of the results",
                hint=f"they hold {', '.join(sorted(elements))}",
            )


def _check_named(
    named: Mapping[str, str], found: Found, joined: Sequence[PhaseEnergetics], missing: Mapping[str, str]
) -> None:
    """Refuse a reference that has no energy, also where nothing else of its element is left to need one."""
    for element, phase in named.items():
        if any(e.phase == phase for e in joined):
            continue
        why = "left out on request" if phase in found.left_out else missing.get(phase, "there is no result of it")
        known = [e.phase for e in joined if found.elements[e.phase] == {element}]
        raise ReportError(
            f"cannot be the reference of {element}: {why}",
            where=phase,
            hint=f"phases of {element}: {', '.join(known) or 'none'}",
        )


def _default_conditions(campaign: Campaign | None, has_phonons: bool) -> tuple[Condition, ...]:
    """Static, and the campaign's temperatures where there are free energies at all."""
    from nawf.thermo.conditions import STATIC, Condition

    wanted = campaign.temperatures_k if campaign else (0.0, 300.0)
    return (STATIC, *(Condition(t) for t in wanted)) if has_phonons else (STATIC,)


def selected_for(options: ReportOptions, prop: str) -> tuple[Selected, Found]:
    """Comparable results of one property with the relaxations below them, and where they were found."""
    from nawf.reports.selected import Selected

    found = find_results(options)
    chosen = found.comparable({prop, "relax"}, of=prop)
    there = {d.phase for d in chosen if d.property == prop}
    missing = {
        phase: "left out on request" if phase in found.left_out else _why_absent(found, phase, prop, chosen[0])
        for phase in _wanted(found, prop)
        if phase not in there
    }
    return Selected(
        property=prop,
        documents=tuple(d for d in chosen if d.phase in there),
        settings=found.settings_line(chosen[0]),
        caption=caption(chosen[0]),
        missing=missing,
        command=command_line(),
    ), found


def _wanted(found: Found, prop: str) -> list[str]:
    """Phases of which the campaign wants a property, or all with results."""
    if found.campaign is None or found.phases is None:
        return found.wanted
    from nawf.campaigns.plan import properties_of

    return [p.id for p in found.phases if prop in properties_of(p, found.campaign)]


def _why_absent(found: Found, phase: str, prop: str, like: ResultDocument) -> str:
    """A failed relaxation leaves nothing to go on from; otherwise the property was not calculated yet."""
    relaxed = [
        d
        for d in found.documents
        if (d.phase, d.property, d.calculation_id) == (phase, "relax", like.calculation_id) and prop != "relax"
    ]
    if relaxed and all(d.verdict.failed for d in relaxed):
        reasons = dict.fromkeys(m for d in relaxed for m in d.verdict.messages(Level.FAIL))
        return "its relaxation failed its checks: " + "; ".join(reasons)
    return _ABSENT[prop]


def survey_for(options: ReportOptions) -> Survey:
    """All results of the store that the options ask for, like and unlike, and what a campaign still lacks."""
    from nawf.reports.quality import Survey

    found = find_results(options, unlike=True)
    starts = comma_separated(options.fingerprint)
    documents = [
        d
        for d in found.documents
        if options.engine in (None, d.provenance.engine)
        and (not starts or d.calculation_id.startswith(starts) or d.fingerprint_id.startswith(starts))
    ]
    if not documents:
        raise found.nothing()
    remarks: tuple[str, ...] = ()
    steps: list[OpenStep] = []
    if found.campaign is not None and not starts and not options.reference:
        try:
            steps = _open_steps(options, found)
        except EngineError as error:
            remarks = (f"What is missing cannot be told here: {error}",)
    settings = {d.calculation_id: settings_line(d) for d in documents}
    return Survey(tuple(documents), tuple(steps), (*settings.values(), *remarks), command_line())


def _open_steps(options: ReportOptions, found: Found) -> list[OpenStep]:
    """Steps of the campaign that are not done."""
    from nawf.campaigns.plan import StepState, make_plan
    from nawf.engines.base import intended_fingerprint
    from nawf.reports.quality import Calculation, OpenStep
    from nawf.store.stores import open_stores

    assert found.phases is not None
    assert options.campaign is not None
    kept = [p for p in found.phases if is_kept(options, p.id, p.elements, p.card.origin, p.card.tags)]
    formulas = {p.id: p.formula for p in kept}
    setup = set_up(options.campaign, found.settings, engine=options.engine, phases=tuple(formulas))
    engine = setup.engine
    with open_stores(found.settings.store, read_only=True) as stores:
        plan = make_plan(setup.campaign, setup.phases, engine, stores.results)
    scale = intended_fingerprint(engine, "relax", setup.campaign.methods(engine.methods())).calculation_id
    intended = Calculation(engine.spec.name, engine.spec.protocol, scale)
    return [
        OpenStep(step.phase, formulas[step.phase], step.property, str(step.state), intended)
        for step in plan.steps
        if step.state is not StepState.DONE
    ]
