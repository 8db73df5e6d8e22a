"""The embedded engine: CHGNet with the r2SCAN weights that ship in its wheel.

The model is CHGNet 0.3.0 transfer-learned on r2SCAN data (Deng et al., Nat. Mach. Intell. 5, 1031 (2023),
10.1038/s42256-023-00716-3; r2SCAN weights in the chgnet 0.4 package). It is soft and 40 to 70 meV/atom too
deep for sodium sulfides against published r2SCAN: fine to screen and to learn with, never to be shown as DFT.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from nawf.engines.ase_relax import calculator_of, relax_with_ase
from nawf.engines.base import EngineSpec, run_record
from nawf.engines.in_process import InProcessEngine
from nawf.engines.preflight import Finding
from nawf.engines.strained import relax_strained_cells
from nawf.errors import EngineError
from nawf.progress import State, emit
from nawf.results.crystal import Crystal
from nawf.results.elastic import StrainedCells, StressesOutput
from nawf.results.methods import ElasticMethod, Methods, PhononMethod, RelaxMethod
from nawf.results.outputs import Calculation, DisplacedCells, ForcesOutput, RelaxOutput, StaticResult
from nawf.results.tasks import PhaseTask
from nawf.units import GPA_PER_EV_PER_A3

MODEL_NAME = "r2scan"
PACKAGES = ("chgnet", "torch", "ase", "spglib")

_LAST_ELEMENT = 94
"""Plutonium; the network has a row for each element up to it."""

# α-S8 has imaginary modes at Γ when it is relaxed to 1 meV/Å and none at 0.2 meV/Å, which most phases reach; the
# forces jump where an atom crosses the 3 Å cutoff of the bond graph, and some get no further than 0.5 to 1 meV/Å.
_METHODS = {
    "seed": Methods(),
    "coarse": Methods(
        relax=RelaxMethod(force_ev_per_a=0.01, stress_gpa=0.05, polish_steps=0),
        phonon=PhononMethod(min_length_a=8.0, mesh_length_a=40.0),
        elastic=ElasticMethod(strains=(0.01,), force_ev_per_a=0.005, polish_steps=0),
    ),
}


class ChgnetEngine(InProcessEngine):
    """CHGNet-r2SCAN. Protocol ``seed`` is tight enough for phonons; ``coarse`` is for a first look."""

    def __init__(self, spec: EngineSpec) -> None:
        """Check that what is needed is there; torch itself is loaded with the model, when that is needed.

        Raises
        ------
        EngineError
            When a package, the weights or the device is missing.
        """
        super().__init__(spec)
        for package in ("torch", "chgnet"):
            if importlib.util.find_spec(package) is None:
                raise EngineError(
                    f"engine {spec.name} needs the package {package}",
                    hint="install it with: pip install torch==2.13.0 && pip install 'nawf[chgnet]'",
                )
        self._weights = _weights_file()
        if spec.device != "cpu":
            import torch

            if not torch.cuda.is_available():
                raise EngineError(f"device {spec.device!r} is not available", hint="use --device cpu")

    @cached_property
    def _network(self) -> Any:
        import torch
        from chgnet.model import CHGNet

        from nawf.engines.chgnet_network import Network

        if self.spec.threads:
            torch.set_num_threads(self.spec.threads)
        with contextlib.redirect_stdout(io.StringIO()):  # it greets
            return Network(CHGNet.load(model_name=MODEL_NAME, use_device=self.spec.device, verbose=False))

    def load(self) -> None:
        """Load the network now, not when it is first needed."""
        _ = self._network

    @cached_property
    def _weights_hash(self) -> str:
        return hashlib.sha256(self._weights.read_bytes()).hexdigest()

    def calculation(self) -> Calculation:
        return {
            "engine": self.spec.name,
            "model": f"CHGNet {MODEL_NAME}",
            "model_sha256": self._weights_hash,
            "functional": "r2SCAN",
            "precision": "float32",
            "dispersion": None,
        }

    def methods(self) -> Methods:
        return _METHODS[self.spec.protocol]

    def relax(self, crystal: Crystal, method: RelaxMethod) -> RelaxOutput:
        started_at = datetime.now(UTC)
        end = relax_with_ase(crystal, calculator_of(self._network.evaluate), method)
        return RelaxOutput(**vars(end), calculation=self.calculation(), run=run_record(started_at, PACKAGES))

    def evaluate(self, crystal: Crystal) -> tuple[float, np.ndarray, np.ndarray]:
        """Energy (eV), forces (eV/Å, shape (atoms, 3)) and stress (eV/Å³, shape (3, 3), positive under tension)."""
        energy_ev, forces, stress = self._network.evaluate(crystal)
        return energy_ev, forces, stress

    def static(self, crystal: Crystal, method: RelaxMethod) -> StaticResult:
        started_at = datetime.now(UTC)
        energy_ev, forces, stress = self._network.evaluate(crystal)
        (xx, xy, xz), (_, yy, yz), (_, _, zz) = (stress * GPA_PER_EV_PER_A3).tolist()
        return StaticResult(
            crystal=crystal,
            energy_ev_per_atom=energy_ev / len(crystal),
            max_force_ev_per_a=float(np.linalg.norm(forces, axis=1).max()),
            stress_gpa=(xx, yy, zz, yz, xz, xy),
            calculation=self.calculation(),
            method=method,
            run=run_record(started_at, PACKAGES),
        )

    def forces(self, cells: DisplacedCells) -> ForcesOutput:
        """Forces of all displaced cells, some at a time through the network.

        They share the neighbours of the undisplaced cell, found with a cutoff that is longer by the displacement.
        """
        started_at = datetime.now(UTC)
        supercell = cells.supercell
        displacements = np.zeros((len(cells.displacements), len(supercell), 3))
        for moved, displacement in zip(displacements, cells.displacements, strict=True):
            moved[displacement.atom] = displacement.vector_a
        topology = self._network.topology(supercell, skin_a=1.01 * float(np.abs(displacements).sum(axis=2).max()))
        rest = np.array(supercell.frac_coords) @ supercell.matrix_a
        found: list[np.ndarray] = []
        for start in range(0, len(displacements), self.spec.batch_size):
            moved = rest + displacements[start : start + self.spec.batch_size]
            found.extend(self._network.forces(topology, supercell.matrix_a, moved))
            emit(State.ADVANCED, done=len(found), total=len(displacements))
        return ForcesOutput(
            forces_ev_per_a=tuple(tuple(map(tuple, f.tolist())) for f in found),
            calculation=self.calculation(),
            run=run_record(started_at, PACKAGES),
        )

    def stresses(self, cells: StrainedCells) -> StressesOutput:
        started_at = datetime.now(UTC)
        calculator = calculator_of(self._network.evaluate)
        states = []
        for state in relax_strained_cells(cells, calculator):
            states.append(state)
            emit(State.ADVANCED, done=len(states), total=len(cells.strains))
        return StressesOutput(
            states=tuple(states), calculation=self.calculation(), run=run_record(started_at, PACKAGES)
        )

    def seconds(self, step: str, cell: Crystal, n_cells: int = 1) -> float:
        """Core-seconds, from runs on one core of a 2020s server: 1.5 ms per atom and evaluation."""
        n_atoms = len(cell)
        per_evaluation = 0.01 + 0.0015 * n_atoms
        evaluations = {"relax": 30 + 3 * n_atoms, "static": 1, "phonon": n_cells, "elastic": 10 * n_cells}
        return per_evaluation * evaluations[step]

    def preflight(self, tasks: Sequence[PhaseTask]) -> Sequence[Finding]:
        """Elements that the network has never seen."""
        return tuple(
            Finding(
                f"{task.phase} has {element}: CHGNet knows the elements up to {chemical_symbols[_LAST_ELEMENT]}",
                "leave the phase out, or use another engine",
                stops=True,
                everywhere=True,
            )
            for task in tasks
            for element in sorted(set(task.start.species))
            if atomic_numbers[element] > _LAST_ELEMENT
        )


def _weights_file() -> Path:
    """File of the r2SCAN weights inside the installed chgnet, found without importing it."""
    spec = importlib.util.find_spec("chgnet")
    origin = spec.origin if spec is not None else None
    folder = Path(origin).parent / "pretrained" / MODEL_NAME if origin else Path()
    found = sorted(folder.glob("*.pth.tar"))
    if not found:
        raise EngineError("the installed chgnet has no r2SCAN weights", hint="install chgnet==0.4.2")
    return found[0]
