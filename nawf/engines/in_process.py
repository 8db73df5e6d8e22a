"""Engines that calculate inside the Python process: their base, and the jobs that it makes for all of them.

The engine is rebuilt from its specification wherever the job runs; one process builds it once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from jobflow import job

from nawf.engines.base import EngineSpec, Label
from nawf.engines.registry import build_engine
from nawf.progress import step_of
from nawf.results.crystal import Crystal
from nawf.results.elastic import StrainedCells, StressesOutput
from nawf.results.methods import RelaxMethod
from nawf.results.outputs import Calculation, DisplacedCells, ForcesOutput, RelaxOutput, StaticResult


def _engine(spec: EngineSpec) -> InProcessEngine:
    engine = build_engine(spec)
    if not isinstance(engine, InProcessEngine):
        raise TypeError(f"{spec.name} does not calculate inside the Python process")
    return engine


@job(output_schema=RelaxOutput)
def run_relax(spec: EngineSpec, crystal: Crystal, method: RelaxMethod, label: Label) -> RelaxOutput:
    """Relax cell and ions."""
    with step_of(label.phase, "relax"):
        return _engine(spec).relax(crystal, method)


@job(output_schema=StaticResult)
def run_static(spec: EngineSpec, crystal: Crystal, method: RelaxMethod, label: Label) -> StaticResult:
    """Energy, forces and stress."""
    with step_of(label.phase, "static"):
        return _engine(spec).static(crystal, method)


@job(output_schema=ForcesOutput, data=["forces_ev_per_a"])
def run_forces(spec: EngineSpec, cells: DisplacedCells, label: Label) -> ForcesOutput:
    """Forces of all displaced cells in one job."""
    with step_of(label.phase, "phonon"):
        return _engine(spec).forces(cells)


@job(output_schema=StressesOutput)
def run_stresses(spec: EngineSpec, cells: StrainedCells, label: Label) -> StressesOutput:
    """Stresses of all strained cells in one job."""
    with step_of(label.phase, "elastic"):
        return _engine(spec).stresses(cells)


class InProcessEngine(ABC):
    """Base of engines that calculate inside the Python process: the jobs are made here, once."""

    def __init__(self, spec: EngineSpec) -> None:
        self.spec = spec

    @abstractmethod
    def calculation(self) -> Calculation:
        """Settings that make up the energy scale."""

    @abstractmethod
    def relax(self, crystal: Crystal, method: RelaxMethod) -> RelaxOutput:
        """Relax cell and ions with the space group kept."""

    @abstractmethod
    def static(self, crystal: Crystal, method: RelaxMethod) -> StaticResult:
        """Energy, forces and stress of a crystal."""

    @abstractmethod
    def forces(self, cells: DisplacedCells) -> ForcesOutput:
        """Forces of all displaced cells."""

    @abstractmethod
    def stresses(self, cells: StrainedCells) -> StressesOutput:
        """Stresses of all strained cells, ions relaxed at fixed cell with the symmetry of the strained cell kept."""

    def relax_job(self, crystal: Any, method: RelaxMethod, label: Label) -> Any:
        return run_relax(self.spec, crystal, method, label)

    def static_job(self, crystal: Any, method: RelaxMethod, label: Label) -> Any:
        return run_static(self.spec, crystal, method, label)

    def forces_job(self, cells: Any, label: Label) -> Any:
        return run_forces(self.spec, cells, label)

    def stresses_job(self, cells: Any, label: Label) -> Any:
        return run_stresses(self.spec, cells, label)
