"""Jobs of the engine ``vasp``. Each runs VASP where it stands, and hands on nawf's records.

Spin: the Materials Project's sets have spin everywhere, at twice the cost. Here the first run of each property has
it: the pre-relaxation, the static run, the first displaced and the first strained cell. Where it ends without
moments, what follows goes without. Its energies are those of a run with spin, and are recorded so; a phase that has
moments keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jobflow import Flow, Job, JobConfig, OnMissing, Response, job
from pydantic import BaseModel, ConfigDict

from nawf.engines.base import Label
from nawf.engines.potential import plausible_start, start_record
from nawf.engines.run_records import joined_run, run_to_its_end
from nawf.engines.vasp import STEPS_PER_RUN
from nawf.engines.vasp_options import VaspOptions
from nawf.engines.vasp_outputs import CellOutput, cell_output
from nawf.engines.vasp_protocols import Step, k_rule
from nawf.engines.vasp_run import run_vasp_step
from nawf.errors import CalculationError
from nawf.progress import step_of
from nawf.results.crystal import Crystal
from nawf.results.elastic import StrainedCells, StrainedState, StressesOutput
from nawf.results.fingerprint import Fingerprint, differences
from nawf.results.methods import ElasticMethod, RelaxMethod
from nawf.results.outputs import DisplacedCells, ForcesOutput, RelaxOutput, StaticResult
from nawf.results.strain import strained

# Jobs that are replaced by a flow have no output schema: jobflow puts a reference to the flow's output in their
# place, and holds that against the schema.


MOST_RUNS = 8
"""Of one relaxation; one that stops short of its aim so often will not reach it."""


class Vasp(BaseModel):
    """Engine, protocol and options; travels inside jobs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: str
    protocol: str
    options: VaspOptions

    def run(
        self,
        step: Step,
        crystal: Crystal,
        label: Label,
        *,
        name: str = "",
        at_rest: Crystal | None = None,
        spin: bool = True,
        force_ev_per_a: float | None = None,
        max_steps: int | None = None,
    ) -> CellOutput:
        """Run VASP on a crystal.

        Parameters
        ----------
        at_rest : Crystal, optional
            Cell whose k-mesh a strained one takes.
        spin : bool
            False once a run with spin has found no moments.
        """
        rule = k_rule(self.protocol, (at_rest or crystal).to_structure())
        ended = run_vasp_step(
            self.engine,
            self.protocol,
            step,
            crystal.to_structure(),
            label,
            self.options,
            name=name,
            force_ev_per_a=force_ev_per_a,
            max_steps=max_steps,
            spin=spin,
            mesh=None if at_rest is None else rule.mesh.divisions,
        )
        used = ended.task.calcs_reversed[0].input
        if at_rest is None and tuple(used.kpoints.kpts[0]) != rule.mesh.divisions:
            # A run that was taken up again has the mesh of the cell with which it began.
            rule = k_rule(self.protocol, used.structure)
        return cell_output(
            ended.task,
            crystal,
            ended.run,
            k_rule=rule,
            known_non_magnetic=not spin,
            n_earlier_steps=ended.n_earlier_steps,
        )


@job(output_schema=CellOutput)
def vasp_pre_relax(vasp: Vasp, crystal: Crystal, label: Label) -> CellOutput:
    """Relax cell and ions with PBEsol, whose cells are close to r2SCAN's; and find out whether there are moments."""
    with step_of(label.phase, "relax"):
        return vasp.run(Step.PRE_RELAX, crystal, label)


@job(output_schema=RelaxOutput)
def vasp_relax(vasp: Vasp, start: CellOutput, method: RelaxMethod, label: Label) -> RelaxOutput:
    """Relax cell and ions with r2SCAN, in as many runs as it takes."""
    with step_of(label.phase, "relax"):
        found = relax_in_runs(vasp, start.crystal, start.non_magnetic is not True, method, label)
        # What was corrected, or cut off, on the way to the start belongs to the record as well.
        return found.model_copy(update={"run": run_to_its_end([start.run, found.run])})


@job(output_schema=RelaxOutput)
def vasp_relax_from_potential(
    vasp: Vasp, crystal: Crystal, relaxed: RelaxOutput, method: RelaxMethod, label: Label
) -> RelaxOutput:
    """The same from where a potential relaxed to, if that is still the same phase."""
    with step_of(label.phase, "relax"):
        start = plausible_start(crystal, relaxed.crystal)
        found = relax_in_runs(vasp, start, True, method, label)
        return found.model_copy(update={"run": run_to_its_end([start_record(crystal, relaxed), found.run])})


@job(output_schema=StaticResult)
def vasp_static(vasp: Vasp, crystal: Crystal, method: RelaxMethod, label: Label) -> StaticResult:
    """Energy, forces and stress."""
    with step_of(label.phase, "static"):
        found = vasp.run(Step.STATIC, crystal, label)
        return StaticResult(
            crystal=crystal,
            energy_ev_per_atom=found.energy_ev_per_atom,
            max_force_ev_per_a=found.max_force_ev_per_a,
            stress_gpa=found.stress_gpa,
            calculation=found.calculation,
            method=method,
            run=found.run,
        )


@job
def vasp_forces(vasp: Vasp, cells: DisplacedCells, label: Label) -> Response:
    """Forces of all displaced cells: the first with spin, the others by what it finds."""
    crystals = cells.crystals()
    first = _displaced(vasp, crystals[0], 1, True, label)
    rest = vasp_other_forces(vasp, crystals[1:], first.output, label)
    return Response(replace=Flow([first, rest], output=rest.output, name="forces"))


@job
def vasp_other_forces(vasp: Vasp, crystals: Sequence[Crystal], first: CellOutput, label: Label) -> Response:
    """Forces of the second displaced cell and all after."""
    spin = first.non_magnetic is not True
    runs = [_displaced(vasp, crystal, n, spin, label) for n, crystal in enumerate(crystals, start=2)]
    end = vasp_collect_forces([first, *(run.output for run in runs)], label)
    return Response(replace=Flow([*runs, end], output=end.output, name="forces"))


@job(output_schema=CellOutput)
def vasp_displaced(vasp: Vasp, crystal: Crystal, number: int, spin: bool, label: Label) -> CellOutput:
    """Forces of one displaced cell."""
    with step_of(label.phase, "phonon"):
        return vasp.run(Step.DISPLACED, crystal, label, name=f"{number:03d}", spin=spin)


@job(output_schema=ForcesOutput, data=["forces_ev_per_a"])
def vasp_collect_forces(outputs: Sequence[CellOutput], label: Label) -> ForcesOutput:
    """All forces, if all cells were calculated alike."""
    with step_of(label.phase, "phonon"):
        return forces_output(outputs, label)


@job
def vasp_stresses(vasp: Vasp, cells: StrainedCells, label: Label) -> Response:
    """Stresses of all strained cells: the first with spin, the others by what it finds."""
    first = _strained(vasp, cells, 1, True, label)
    rest = vasp_other_stresses(vasp, cells, first.output, label)
    return Response(replace=Flow([first, rest], output=rest.output, name="stresses"))


@job(config=JobConfig(on_missing_references=OnMissing.NONE))
def vasp_other_stresses(vasp: Vasp, cells: StrainedCells, first: CellOutput | None, label: Label) -> Response:
    """Stresses of the second strained cell and all after; where the first ended without one, of it too, with spin.

    It may have been cut off. What came of it is here, so it could not be taken up again; among the others it can.
    """
    spin = first is None or first.non_magnetic is not True
    numbers = range(1 if first is None else 2, len(cells.strains) + 1)
    runs = [_strained(vasp, cells, n, spin, label) for n in numbers]
    outputs = [run.output for run in runs]
    end = vasp_collect_stresses(cells, outputs if first is None else [first, *outputs], label)
    return Response(replace=Flow([*runs, end], output=end.output, name="stresses"))


@job(output_schema=CellOutput)
def vasp_strained(vasp: Vasp, cells: StrainedCells, number: int, spin: bool, label: Label) -> CellOutput:
    """Stress of one strained cell, ions relaxed in as many runs as it takes."""
    with step_of(label.phase, "elastic"):
        crystal = strained(cells.crystal, cells.strains[number - 1])
        outputs = _in_runs(
            vasp,
            Step.STRAINED,
            crystal,
            label,
            method=cells.method,
            names=lambda n: f"{number:02d}" if n == 1 else f"{number:02d}-{n}",
            at_rest=cells.crystal,
            spin=spin,
        )
        return outputs[-1].model_copy(
            update={
                "n_steps": sum(output.n_steps for output in outputs),
                "non_magnetic": outputs[0].non_magnetic,
                "run": run_to_its_end([output.run for output in outputs]),
            }
        )


@job(output_schema=StressesOutput, config=JobConfig(on_missing_references=OnMissing.NONE))
def vasp_collect_stresses(cells: StrainedCells, outputs: Sequence[CellOutput | None], label: Label) -> StressesOutput:
    """All stresses; None for a cell that ended without one, or was calculated otherwise than most."""
    with step_of(label.phase, "elastic"):
        return stresses_output(cells, outputs, label)


def _displaced(vasp: Vasp, crystal: Crystal, number: int, spin: bool, label: Label) -> Job:
    unit = vasp_displaced(vasp, crystal, number, spin, label)
    unit.name = f"vasp_displaced {number:03d}"
    return unit


def _strained(vasp: Vasp, cells: StrainedCells, number: int, spin: bool, label: Label) -> Job:
    unit = vasp_strained(vasp, cells, number, spin, label)
    unit.name = f"vasp_strained {number:02d}"
    return unit


def relax_in_runs(vasp: Vasp, crystal: Crystal, spin: bool, method: RelaxMethod, label: Label) -> RelaxOutput:
    """Relax cell and ions until forces and stress are small enough, or the steps are used up."""
    outputs = _in_runs(vasp, Step.RELAX, crystal, label, method=method, names=str, spin=spin)
    last = outputs[-1]
    return RelaxOutput(
        crystal=last.crystal,
        energy_ev_per_atom=last.energy_ev_per_atom,
        max_force_ev_per_a=last.max_force_ev_per_a,
        max_stress_gpa=last.max_stress_gpa,
        n_steps=sum(output.n_steps for output in outputs),
        converged=_is_relaxed(last, method),
        calculation=last.calculation,
        run=run_to_its_end([output.run for output in outputs]),
    )


def _in_runs(
    vasp: Vasp,
    step: Step,
    crystal: Crystal,
    label: Label,
    *,
    method: RelaxMethod | ElasticMethod,
    names: Callable[[int], str],
    spin: bool,
    at_rest: Crystal | None = None,
) -> list[CellOutput]:
    """Runs one after another until a relaxation is done, or its steps are used up.

    VASP keeps the plane waves that it began with, and stops by its own measure of forces and stress. A run that
    leaves more than is asked for is followed by another; if it had steps left, the other has to reach smaller forces.
    """
    outputs: list[CellOutput] = []
    left, target = method.max_steps, method.force_ev_per_a
    while left > 0 and len(outputs) < MOST_RUNS and not (outputs and _is_relaxed(outputs[-1], method)):
        allowed = min(STEPS_PER_RUN, left)
        found = vasp.run(
            step,
            outputs[-1].crystal if outputs else crystal,
            label,
            name=names(len(outputs) + 1),
            at_rest=at_rest,
            spin=spin,
            force_ev_per_a=target,
            max_steps=allowed,
        )
        outputs.append(found)
        left -= found.n_steps
        spin = spin and found.non_magnetic is not True
        if found.n_steps < allowed:
            target /= 2
    return outputs


def _is_relaxed(found: CellOutput, method: RelaxMethod | ElasticMethod) -> bool:
    """Whether a run reached its aim; strained cells have no aim for the stress."""
    return (
        found.run.electronic_converged is not False
        and found.max_force_ev_per_a <= method.force_ev_per_a
        and (isinstance(method, ElasticMethod) or found.max_stress_gpa <= method.stress_gpa)
    )


def forces_output(outputs: Sequence[CellOutput], label: Label) -> ForcesOutput:
    """Forces of all cells.

    Raises
    ------
    CalculationError
        When the settings of some cells ended otherwise than those of the others.
    """
    settings = {f"cell {n}": Fingerprint(calculation=o.calculation) for n, o in enumerate(outputs, start=1)}
    if unlike := differences(settings):
        raise CalculationError(
            f"the displaced cells were not calculated alike: {'; '.join(unlike)}", where=f"{label.phase} phonon"
        )
    return ForcesOutput(
        forces_ev_per_a=tuple(output.forces_ev_per_a for output in outputs),
        calculation=outputs[0].calculation,
        run=joined_run([output.run for output in outputs]),
    )


def stresses_output(cells: StrainedCells, outputs: Sequence[CellOutput | None], label: Label) -> StressesOutput:
    """States of all strained cells.

    Raises
    ------
    CalculationError
        When none has a stress.
    """
    scales = [None if o is None else Fingerprint(calculation=o.calculation).id for o in outputs]
    present = [scale for scale in scales if scale is not None]
    if not present:
        raise CalculationError("no strained cell has a stress", where=f"{label.phase} elastic")
    usual = max(present, key=present.count)
    kept = [o if scale == usual else None for o, scale in zip(outputs, scales, strict=True)]
    found = [o for o in kept if o is not None]
    states: list[StrainedState | None] = [
        None if o is None else o.strained_state(cells.method.force_ev_per_a) for o in kept
    ]
    return StressesOutput(
        states=tuple(states), calculation=found[0].calculation, run=joined_run([o.run for o in found])
    )
