"""The steps of the engine ``gpaw``, each in a place where it can be taken up again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from nawf.engines.ase_relax import averaged_over_symmetry, calculator_of, relax_with_ase
from nawf.engines.base import Label, run_record
from nawf.engines.gpaw_cells import Reduction
from nawf.engines.gpaw_log import EvaluationLog, Rows, place_key
from nawf.engines.gpaw_protocols import (
    DENSITY,
    EIGENSTATES,
    PROTOCOLS,
    SMEARING_EV,
    XC,
    Step,
    protocol_settings,
    smearing_text,
)
from nawf.engines.gpaw_scf import Electrons, with_smearing
from nawf.engines.gpaw_versions import gpaw_version, libxc_version, potential_digests
from nawf.engines.strained import relax_strained_cells
from nawf.progress import State, emit
from nawf.results.crystal import Crystal
from nawf.results.elastic import StrainedCells, StressesOutput
from nawf.results.methods import RelaxMethod
from nawf.results.outputs import (
    Calculation,
    Correction,
    DisplacedCells,
    ForcesOutput,
    RelaxOutput,
    RunRecord,
    StaticResult,
)
from nawf.units import GPA_PER_EV_PER_A3

ENGINE = "gpaw"
_PACKAGES = ("gpaw", "gpaw-data", "ase", "spglib")

_NET_FORCE_EV_PER_A = 0.001
"""A third of what relaxations may leave."""

Output = RelaxOutput | StaticResult | ForcesOutput | StressesOutput


@dataclass(frozen=True)
class Gpaw:
    """A protocol, and where its steps have their places.

    Attributes
    ----------
    protocol : str
    root : Path or None
        Folder of the places; None keeps nothing.
    writes : bool
        False for all but one of the processes of a parallel run.
    parallel : bool
        Whether this is one of them.
    """

    protocol: str
    root: Path | None
    writes: bool = True
    parallel: bool = False

    def relax(self, crystal: Crystal, method: RelaxMethod, label: Label, hessian: Rows | None = None) -> RelaxOutput:
        """Relax cell and ions; the k-mesh is that of the cell at the start.

        The minimiser begins with the Hessian that the first attempt was given: with another one it would not come
        by the geometries that are known.
        """
        asked = {"crystal": crystal.model_dump(mode="json"), "method": method.model_dump(exclude={"max_steps"})}
        log = self._log(Step.RELAX, label, crystal, asked)
        first = log.first_hessian(hessian)

        def relaxed(smearing_ev: float) -> Any:
            electrons = self._electrons(Step.RELAX, crystal, log, smearing_ev)
            return relax_with_ase(crystal, calculator_of(electrons.balanced), method, first)

        started_at = datetime.now(UTC)
        end, smearing_ev = with_smearing(log, relaxed, f"{label.phase} relax")
        return RelaxOutput(
            **vars(end), calculation=self._calculation(log, smearing_ev), run=_run_record(log, started_at)
        )

    def static(self, crystal: Crystal, method: RelaxMethod, label: Label) -> StaticResult:
        """Energy, forces and stress; the latter two averaged over the symmetry of the crystal, as in relaxations."""
        log = self._log(Step.STATIC, label, crystal, {"crystal": crystal.model_dump(mode="json")})
        started_at = datetime.now(UTC)
        (energy_ev, forces, stress), smearing_ev = with_smearing(
            log,
            lambda width: self._electrons(Step.STATIC, crystal, log, width).balanced(crystal),
            f"{label.phase} static",
        )
        forces, stress = averaged_over_symmetry(crystal, forces, stress, method.symprec_a)
        (xx, xy, xz), (_, yy, yz), (_, _, zz) = (stress * GPA_PER_EV_PER_A3).tolist()
        return StaticResult(
            crystal=crystal,
            energy_ev_per_atom=energy_ev / len(crystal),
            max_force_ev_per_a=float(np.linalg.norm(forces, axis=1).max()),
            stress_gpa=(xx, yy, zz, yz, xz, xy),
            calculation=self._calculation(log, smearing_ev),
            method=method,
            run=_run_record(log, started_at),
        )

    def forces(self, cells: DisplacedCells, label: Label) -> ForcesOutput:
        """Forces of all displaced cells. Each has its own symmetry, and begins with electrons of its own."""
        supercell = cells.supercell
        asked = {
            "crystal": supercell.model_dump(mode="json"),
            "displacements": [d.model_dump(mode="json") for d in cells.displacements],
        }
        log = self._log(Step.DISPLACED, label, supercell, asked)
        displaced = cells.crystals()

        def all_forces(smearing_ev: float) -> list[np.ndarray]:
            electrons = self._electrons(Step.DISPLACED, supercell, log, smearing_ev)
            found = []
            for crystal in displaced:
                electrons.forget()
                found.append(electrons.evaluate(crystal)[1])
                emit(State.ADVANCED, done=len(found), total=len(displaced))
            return found

        started_at = datetime.now(UTC)
        forces, smearing_ev = with_smearing(log, all_forces, f"{label.phase} phonon")
        return ForcesOutput(
            forces_ev_per_a=tuple(tuple(map(tuple, f.tolist())) for f in forces),
            calculation=self._calculation(log, smearing_ev),
            run=_run_record(log, started_at, balanced=False),
        )

    def stresses(self, cells: StrainedCells, label: Label) -> StressesOutput:
        """Stresses of all strained cells, with the k-mesh of the cell at rest."""
        asked = {
            "crystal": cells.crystal.model_dump(mode="json"),
            "strains": cells.strains,
            "method": cells.method.model_dump(exclude={"max_steps"}),
        }
        log = self._log(Step.STRAINED, label, cells.crystal, asked)

        def all_states(smearing_ev: float) -> list[Any]:
            electrons = self._electrons(Step.STRAINED, cells.crystal, log, smearing_ev)
            states = []
            for state in relax_strained_cells(cells, calculator_of(_per_cell(electrons))):
                states.append(state)
                emit(State.ADVANCED, done=len(states), total=len(cells.strains))
            return states

        started_at = datetime.now(UTC)
        states, smearing_ev = with_smearing(log, all_states, f"{label.phase} elastic")
        return StressesOutput(
            states=tuple(states), calculation=self._calculation(log, smearing_ev), run=_run_record(log, started_at)
        )

    def _electrons(self, step: Step, at_rest: Crystal, log: EvaluationLog, smearing_ev: float) -> Electrons:
        """What calculates; the k-mesh is that of the cell at rest, whatever is done to it."""
        level = PROTOCOLS[self.protocol].levels[step]
        reduction = Reduction.of(at_rest.matrix_a)
        mesh = level.k.mesh(reduction.applied(at_rest))
        return Electrons(level, mesh, reduction, log, smearing_ev, self.parallel)

    def _log(self, step: Step, label: Label, at_rest: Crystal, asked: Mapping[str, Any]) -> EvaluationLog:
        """Evaluations in the place of a step: its name has all that goes into a result.

        That is what is asked, the settings with the k-mesh that they lead to, the PAW sets, and the programs.
        """
        if self.root is None:
            return EvaluationLog(None)
        level = PROTOCOLS[self.protocol].levels[step]
        mesh = level.k.mesh(Reduction.of(at_rest.matrix_a).applied(at_rest))
        settings = [XC, str(level), mesh, SMEARING_EV, DENSITY, EIGENSTATES, gpaw_version(), libxc_version()]
        key = place_key({"asked": asked, "settings": settings, "potentials": potential_digests(at_rest.species)})
        return EvaluationLog(self.root / label.phase / f"gpaw-{step}-{key}", writes=self.writes)

    def _calculation(self, log: EvaluationLog, smearing_ev: float) -> Calculation:
        """Settings as they ended."""
        last = log.used[-1]
        potentials = {f"potential_{element}": last.potentials[element] for element in sorted(last.potentials)}
        settings = intended_calculation(self.protocol)
        return (
            settings
            | {"code_version": last.versions["gpaw"], "libxc_version": last.versions["libxc"]}
            | {"smearing": smearing_text(smearing_ev)}
            | potentials
        )


def intended_calculation(protocol: str) -> Calculation:
    """Settings as they are before a run, which tells libxc, the potentials, and the smearing that was needed."""
    return {
        "engine": ENGINE,
        "code_version": gpaw_version(),
        **protocol_settings(protocol),
        "smearing": smearing_text(SMEARING_EV),
    }


def _per_cell(electrons: Electrons) -> Callable[[Crystal], tuple[float, np.ndarray, np.ndarray]]:
    """Evaluation that begins with new electrons whenever the cell is another one: so is its symmetry then."""
    last: list[np.ndarray] = []

    def evaluate(crystal: Crystal) -> tuple[float, np.ndarray, np.ndarray]:
        if not last or np.abs(last[0] - crystal.matrix_a).max() > 0.0:
            electrons.forget()
            last[:] = [crystal.matrix_a]
        return electrons.balanced(crystal)

    return evaluate


def _run_record(log: EvaluationLog, started_at: datetime, *, balanced: bool = True) -> RunRecord:
    """Where, when and with what, attempts that were cut off included, and whether net forces were taken off."""
    run = run_record(started_at, _PACKAGES)
    return run.model_copy(
        update={
            "host": log.attempts[-1].host if log.attempts else run.host,
            "started_at": log.attempts[0].started_at if log.attempts else started_at,
            "finished_at": max(e.finished_at for e in log.used),
            "versions": run.versions | log.used[-1].versions,
            "electronic_converged": True,
            "corrections": (*log.corrections, *(_taken_off(log) if balanced else ())),
        }
    )


def _taken_off(log: EvaluationLog) -> list[Correction]:
    """That net forces were taken off, where they count."""
    if log.net_force_ev_per_a < _NET_FORCE_EV_PER_A:
        return []
    size = f"net force of up to {log.net_force_ev_per_a:.1g} eV/Å for each atom"
    return [Correction(handler="gpaw-net-force", errors=(size,), actions=("taken off",))]
