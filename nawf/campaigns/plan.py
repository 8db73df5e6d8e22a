"""What of a campaign is done, what is missing, and what it will cost."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import spglib

from nawf.campaigns.schema import Campaign, PhaseSelection
from nawf.engines.base import Engine, intended_fingerprint, with_born_charges
from nawf.errors import CampaignError, StructureError
from nawf.phases.library import Library, Phase
from nawf.results.crystal import Crystal
from nawf.results.documents import ResultDocument
from nawf.results.elastic import ElasticResult
from nawf.results.methods import Methods
from nawf.results.outputs import RelaxResult
from nawf.results.strain import strained_cells
from nawf.results.symmetry import primitive_cell, supercell, supercell_rows
from nawf.results.tasks import PROPERTIES, PhaseTask
from nawf.results.verdict import Level
from nawf.store.query import load_results

if TYPE_CHECKING:
    from maggma.core import Store


class StepState(StrEnum):
    """Where a step stands before a run."""

    DONE = "done"
    MISSING = "missing"
    BLOCKED = "blocked"


@dataclass(frozen=True)
class PlannedStep:
    """One property of one phase: its state, its verdict if done, why it is blocked, and its cost if missing.

    ``intent`` is the intended fingerprint, by which jobs of a queue are known; empty where there is no store yet.
    """

    phase: str
    property: str
    state: StepState
    verdict: str = ""
    reason: str = ""
    core_seconds: float = 0.0
    intent: str = ""


@dataclass(frozen=True)
class Plan:
    """Steps of all phases, and what a runner needs to do the missing ones."""

    campaign: Campaign
    engine: Engine
    steps: tuple[PlannedStep, ...]
    tasks: tuple[PhaseTask, ...]

    @property
    def missing(self) -> tuple[PlannedStep, ...]:
        return tuple(s for s in self.steps if s.state is StepState.MISSING)

    @property
    def core_seconds(self) -> float:
        """Estimate for everything that is missing."""
        return sum(s.core_seconds for s in self.missing)


def campaign_phases(campaign: Campaign, library: Library) -> tuple[Phase, ...]:
    """Phases of a campaign.

    Raises
    ------
    CampaignError
        When a phase, system, tag or reference is unknown, or nothing is left.
    """
    try:
        return _checked_phases(campaign, library)
    except StructureError as error:
        raise CampaignError(error.what, where=campaign.name, hint=error.hint) from error


def _checked_phases(campaign: Campaign, library: Library) -> tuple[Phase, ...]:
    found = library.select(**campaign.phases.model_dump())
    if not found:
        raise CampaignError("no phase is left of the selection", where=campaign.name)
    ids = {p.id for p in found}
    for more in campaign.also:
        _check_also(more.phases, library, ids, campaign)
    for element, phase_id in campaign.references.items():
        if library.get(phase_id).elements != {element}:
            raise CampaignError(f"reference {phase_id} is not a phase of {element}", where=campaign.name)
        if phase_id not in ids:
            raise CampaignError(f"reference {phase_id} is not among its phases", where=campaign.name)
    formulas = {p.formula for p in library}
    for name in (name for task in campaign.voltage for name in task.skip):
        if name not in formulas:
            library.get(name)
    return found


def _check_also(selection: PhaseSelection, library: Library, ids: Collection[str], campaign: Campaign) -> None:
    """What is wanted besides is wanted of the campaign's own phases."""
    for phase_id in selection.ids:
        if phase_id not in ids:
            library.get(phase_id)
            raise CampaignError(f"also: {phase_id} is not among its phases", where=campaign.name)
    if not any(phase.id in ids for phase in library.select(**selection.model_dump())):
        raise CampaignError("also: a selection takes none of its phases", where=campaign.name)


def properties_of(phase: Phase, campaign: Campaign) -> tuple[str, ...]:
    """Properties that a campaign wants of a phase, with those that they build on."""
    wanted = set(campaign.properties)
    for more in campaign.also:
        if phase.is_selected(**more.phases.model_dump()):
            wanted.update(more.properties)
    return with_prerequisites(wanted)


def with_prerequisites(properties: Collection[str]) -> tuple[str, ...]:
    """Properties and those they build on, in order: everything needs a relaxed cell."""
    wanted = set(properties) | {"relax"}
    return tuple(p for p in PROPERTIES if p in wanted)


def make_plan(
    campaign: Campaign,
    phases: Sequence[Phase],
    engine: Engine,
    results: Store | None,
    *,
    properties: Collection[str] | None = None,
) -> Plan:
    """Compare what a campaign wants with what the phase store holds.

    A step is done when the store has a result of the intended settings that started from the library's
    present structure; whether it passed its checks is a matter for reports, not a reason to repeat it.

    Raises
    ------
    EngineError
        When Born charges are wanted that the engine does not have.
    """
    methods = campaign.methods(engine.methods())
    if methods.phonon.born and "phonon" in (properties or campaign.all_properties):
        with_born_charges(engine)
    done: dict[tuple[str, str], ResultDocument] = {}
    intents: dict[str, str] = {}
    if results is not None:
        intents = {p: intended_fingerprint(engine, p, methods).id for p in PROPERTIES}
        hashes = {p.id: p.card_hash for p in phases}
        for document in load_results(results, phases=set(hashes)):
            step = document.phase, document.property
            if document.card.card_hash != hashes[document.phase]:
                continue
            # What was meant to be otherwise, or as another job was, may have ended with these very settings.
            wanted = intents.get(document.property)
            if document.provenance.intent == wanted or (document.fingerprint_id == wanted and step not in done):
                done[step] = document
        _forget_given_up(done, methods)
    steps: list[PlannedStep] = []
    tasks: list[PhaseTask] = []
    for phase in phases:
        own = {p: d for (name, p), d in done.items() if name == phase.id}
        names = with_prerequisites(properties) if properties else properties_of(phase, campaign)
        planned, task = _plan_phase(phase, campaign, engine, names, own, methods)
        steps += [replace(step, intent=intents.get(step.property, "")) for step in planned]
        if task is not None:
            tasks.append(task)
    return Plan(campaign, engine, tuple(steps), tuple(tasks))


def _forget_given_up(done: dict[tuple[str, str], ResultDocument], methods: Methods) -> None:
    """What ran out of steps is not done if it may take more of them now: a relaxation, or that of a strained cell."""
    for (phase, prop), document in list(done.items()):
        if prop not in ("relax", "elastic") or document.verdict.level is Level.PASS:
            continue
        result = document.record()
        if isinstance(result, RelaxResult):
            gave_up, allowed = not result.converged, methods.relax.max_steps
        else:
            assert isinstance(result, ElasticResult)
            gave_up = any(state is not None and not state.converged for state in result.states)
            allowed = methods.elastic.max_steps
        if gave_up and result.method.max_steps < allowed:
            del done[phase, prop]


def _plan_phase(
    phase: Phase,
    campaign: Campaign,
    engine: Engine,
    wanted: Sequence[str],
    done: dict[str, ResultDocument],
    methods: Methods,
) -> tuple[list[PlannedStep], PhaseTask | None]:
    relax = done.get("relax")
    blocked = relax is not None and relax.verdict.failed
    missing = [p for p in wanted if p not in done]
    start = Crystal.from_structure(phase.structure()) if missing and not blocked else None
    costs = _costs(start, engine, missing, methods) if start is not None else {}
    steps = []
    for prop in wanted:
        if prop in done:
            steps.append(PlannedStep(phase.id, prop, StepState.DONE, verdict=done[prop].verdict.level))
        elif blocked:
            assert relax is not None
            reason = "relax failed its checks: " + "; ".join(relax.verdict.messages())
            steps.append(PlannedStep(phase.id, prop, StepState.BLOCKED, reason=reason))
        else:
            steps.append(PlannedStep(phase.id, prop, StepState.MISSING, core_seconds=costs[prop]))
    if start is None:
        return steps, None
    relaxed = relax.record() if relax is not None else None
    return steps, PhaseTask(
        phase=phase.id,
        campaign=campaign.name,
        properties=tuple(missing),
        start=start,
        relaxed=relaxed.crystal if isinstance(relaxed, RelaxResult) else None,
        methods=methods,
        card={
            "name": phase.card.name,
            "formula": phase.card.formula,
            "origin": phase.card.origin.value,
            "tags": list(phase.card.tags),
            "reference": phase.card.reference,
            "card_hash": phase.card_hash,
        },
    )


def _costs(
    start: Crystal,
    engine: Engine,
    missing: Sequence[str],
    methods: Methods,
) -> dict[str, float]:
    """Core-seconds of the missing steps, from the library's structure."""
    symprec_a = methods.relax.symprec_a
    primitive = primitive_cell(start, symprec_a)
    costs = {p: engine.seconds(p, primitive) for p in missing if p in ("relax", "static")}
    if "elastic" in missing:
        n_cells = len(strained_cells(primitive, methods.elastic, symprec_a).strains)
        costs["elastic"] = engine.seconds("elastic", primitive, n_cells)
    if "phonon" in missing:
        rows = supercell_rows(primitive, methods.phonon.min_length_a, symprec_a)
        costs["phonon"] = engine.seconds("phonon", supercell(primitive, rows), _displacement_count(primitive))
        if methods.phonon.born:
            costs["phonon"] += engine.seconds("born", primitive)
    return costs


def _displacement_count(primitive: Crystal) -> int:
    """About how many displacements symmetry leaves: six for each distinct atom over its site's symmetry."""
    dataset = spglib.get_symmetry_dataset(primitive.to_spglib())
    _, multiplicities = np.unique(dataset.equivalent_atoms, return_counts=True)
    operations = len(dataset.rotations)
    return int(sum(np.ceil(6 * m / operations) for m in multiplicities))
