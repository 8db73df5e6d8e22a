"""The flow of one phase: relax, then static, phonon and elastic on the relaxed cell, with any engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobflow import Flow

from nawf.engines.base import Engine, Label, intended_fingerprint, with_born_charges
from nawf.flows.steps import analyse_phonons, analyse_stresses, displace, strain, symmetrise_relaxed
from nawf.results.symmetry import primitive_cell
from nawf.results.tasks import PhaseTask

METADATA_KEY = "nawf"


def phase_flow(task: PhaseTask, engine: Engine) -> Flow:
    """Jobflow flow with the missing steps of a phase, each job stamped with what it is."""
    label = Label(phase=task.phase, campaign=task.campaign)
    jobs: list[Any] = []
    crystal: Any = task.relaxed
    if "relax" in task.properties:
        start = primitive_cell(task.start, task.methods.relax.symprec_a)
        relax = engine.relax_job(start, task.methods.relax, label)
        done = symmetrise_relaxed(start, relax.output, task.methods.relax, label)
        jobs += [_stamp(relax, task, engine, "relax"), _stamp(done, task, engine, "relax", final=True)]
        crystal = done.output.crystal
    if crystal is None:
        raise ValueError(f"{task.phase}: no relaxed crystal to start {', '.join(task.properties)} from")
    if "static" in task.properties:
        static = engine.static_job(crystal, task.methods.relax, label)
        jobs.append(_stamp(static, task, engine, "static", final=True))
    if "phonon" in task.properties:
        jobs += _phonon_jobs(task, engine, crystal, label)
    if "elastic" in task.properties:
        jobs += _elastic_jobs(task, engine, crystal, label)
    return Flow(jobs, name=task.phase)


def _phonon_jobs(task: PhaseTask, engine: Engine, crystal: Any, label: Label) -> Sequence[Any]:
    cells = displace(crystal, task.methods.phonon, task.methods.relax.symprec_a, label)
    forces = engine.forces_job(cells.output, label)
    jobs = [cells, forces]
    more = {}
    if task.methods.phonon.born:
        jobs.append(with_born_charges(engine).born_job(crystal, label))
        more["born"] = jobs[-1].output
    analysis = analyse_phonons(cells.output, forces.output, task.methods.relax, label, **more)
    return [
        *(_stamp(unit, task, engine, "phonon") for unit in jobs),
        _stamp(analysis, task, engine, "phonon", final=True),
    ]


def _elastic_jobs(task: PhaseTask, engine: Engine, crystal: Any, label: Label) -> Sequence[Any]:
    cells = strain(crystal, task.methods.elastic, task.methods.relax.symprec_a, label)
    stresses = engine.stresses_job(cells.output, label)
    analysis = analyse_stresses(cells.output, stresses.output, task.methods.relax, label)
    return [
        _stamp(cells, task, engine, "elastic"),
        _stamp(stresses, task, engine, "elastic"),
        _stamp(analysis, task, engine, "elastic", final=True),
    ]


def _stamp(unit: Any, task: PhaseTask, engine: Engine, prop: str, *, final: bool = False) -> Any:
    """Name and metadata of a job (or flow): by these, status and queries find it."""
    intent = intended_fingerprint(engine, prop, task.methods)
    metadata: Mapping[str, Any] = {
        "campaign": task.campaign,
        "phase": task.phase,
        "property": prop,
        "step": unit.name,
        "final": final,
        "engine": engine.spec.name,
        "protocol": engine.spec.protocol,
        "intent": intent.id,
        "card": task.card,
    }
    unit.update_metadata({METADATA_KEY: dict(metadata)})
    unit.append_name(f" {task.phase}")
    return unit
