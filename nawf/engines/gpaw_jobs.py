"""Jobs of the engine ``gpaw``: each runs GPAW where it stands, and hands on nawf's records."""

from __future__ import annotations

from typing import Any

from jobflow import job
from pydantic import BaseModel, ConfigDict

from nawf.engines.base import Label
from nawf.engines.gpaw_options import GpawOptions
from nawf.engines.gpaw_process import Question, answer
from nawf.engines.gpaw_protocols import Step
from nawf.engines.potential import plausible_start, potential_hessian, start_record
from nawf.engines.run_records import run_to_its_end
from nawf.progress import step_of
from nawf.results.crystal import Crystal
from nawf.results.elastic import StrainedCells, StressesOutput
from nawf.results.methods import RelaxMethod
from nawf.results.outputs import DisplacedCells, ForcesOutput, RelaxOutput, StaticResult


class GpawTask(BaseModel):
    """Protocol and options; travels inside jobs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: str
    options: GpawOptions

    def answer(self, step: Step, label: Label, **what: Any) -> Any:
        """What a step gives, with the settings of this machine."""
        options = self.options.here()
        return answer(
            Question(protocol=self.protocol, root=options.root, step=step, label=label, **what), options.command
        )


@job(output_schema=RelaxOutput)
def gpaw_relax(task: GpawTask, crystal: Crystal, method: RelaxMethod, label: Label) -> RelaxOutput:
    """Relax cell and ions."""
    with step_of(label.phase, "relax"):
        return _relaxed(task, crystal, method, label)


@job(output_schema=RelaxOutput)
def gpaw_relax_from_potential(
    task: GpawTask, crystal: Crystal, relaxed: RelaxOutput, method: RelaxMethod, label: Label
) -> RelaxOutput:
    """The same from where a potential relaxed to, if that is still the same phase."""
    with step_of(label.phase, "relax"):
        found = _relaxed(task, plausible_start(crystal, relaxed.crystal), method, label)
        return found.model_copy(update={"run": run_to_its_end([start_record(crystal, relaxed), found.run])})


@job(output_schema=StaticResult)
def gpaw_static(task: GpawTask, crystal: Crystal, method: RelaxMethod, label: Label) -> StaticResult:
    """Energy, forces and stress."""
    with step_of(label.phase, "static"):
        return task.answer(Step.STATIC, label, crystal=crystal, method=method)


@job(output_schema=ForcesOutput, data=["forces_ev_per_a"])
def gpaw_forces(task: GpawTask, cells: DisplacedCells, label: Label) -> ForcesOutput:
    """Forces of all displaced cells."""
    with step_of(label.phase, "phonon"):
        return task.answer(Step.DISPLACED, label, displaced=cells)


@job(output_schema=StressesOutput)
def gpaw_stresses(task: GpawTask, cells: StrainedCells, label: Label) -> StressesOutput:
    """Stresses of all strained cells, ions relaxed."""
    with step_of(label.phase, "elastic"):
        return task.answer(Step.STRAINED, label, strained=cells)


def _relaxed(task: GpawTask, crystal: Crystal, method: RelaxMethod, label: Label) -> RelaxOutput:
    hessian = potential_hessian(crystal) if task.options.here().hessian == "potential" else None
    found: RelaxOutput = task.answer(Step.RELAX, label, crystal=crystal, method=method, hessian=hessian)
    return found
