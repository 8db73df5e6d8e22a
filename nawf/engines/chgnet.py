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
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nawf.engines.ase_relax import atoms_of, relax_with_ase
from nawf.engines.base import EngineSpec, run_record
from nawf.engines.in_process import InProcessEngine
from nawf.errors import EngineError
from nawf.progress import State, emit
from nawf.results.crystal import Crystal
from nawf.results.methods import PhononMethod, RelaxMethod
from nawf.results.outputs import Calculation, DisplacedCells, ForcesOutput, RelaxOutput, StaticResult
from nawf.units import GPA_PER_EV_PER_A3

MODEL_NAME = "r2scan"
PACKAGES = ("chgnet", "torch", "ase", "spglib")

# α-S8 has imaginary modes at Γ when it is relaxed to 1 meV/Å and none at 0.2 meV/Å, which most phases reach; the
# forces jump where an atom crosses the 3 Å cutoff of the bond graph, and some get no further than 0.5 to 1 meV/Å.
_RELAX = {
    "seed": RelaxMethod(),
    "coarse": RelaxMethod(force_ev_per_a=0.01, stress_gpa=0.05, polish_steps=0),
}
_PHONON = {"seed": PhononMethod(), "coarse": PhononMethod(min_length_a=8.0, mesh_length_a=40.0)}


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
    def _model(self) -> Any:
        import torch
        from chgnet.model import CHGNet

        if self.spec.threads:
            torch.set_num_threads(self.spec.threads)
        with contextlib.redirect_stdout(io.StringIO()):  # it greets
            return CHGNet.load(model_name=MODEL_NAME, use_device=self.spec.device, verbose=False)

    @cached_property
    def _calculator(self) -> Any:
        from chgnet.model import CHGNetCalculator

        with contextlib.redirect_stdout(io.StringIO()):
            return CHGNetCalculator(
                model=self._model,
                use_device=self.spec.device,
                stress_weight=1.0 / GPA_PER_EV_PER_A3,
                on_isolated_atoms="error",
            )

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

    def relax_method(self) -> RelaxMethod:
        return _RELAX[self.spec.protocol]

    def phonon_method(self) -> PhononMethod:
        return _PHONON[self.spec.protocol]

    def relax(self, crystal: Crystal, method: RelaxMethod) -> RelaxOutput:
        started_at = datetime.now(UTC)
        end = relax_with_ase(crystal, self._calculator, method)
        return RelaxOutput(**vars(end), calculation=self.calculation(), run=run_record(started_at, PACKAGES))

    def static(self, crystal: Crystal, method: RelaxMethod) -> StaticResult:
        started_at = datetime.now(UTC)
        atoms = atoms_of(crystal)
        atoms.calc = self._calculator
        energy_ev = float(atoms.get_potential_energy())
        xx, yy, zz, yz, xz, xy = (float(s) * GPA_PER_EV_PER_A3 for s in atoms.get_stress())
        return StaticResult(
            crystal=crystal,
            energy_ev_per_atom=energy_ev / len(crystal),
            max_force_ev_per_a=float(np.linalg.norm(atoms.get_forces(), axis=1).max()),
            stress_gpa=(xx, yy, zz, yz, xz, xy),
            calculation=self.calculation(),
            method=method,
            run=run_record(started_at, PACKAGES),
        )

    def forces(self, cells: DisplacedCells) -> ForcesOutput:
        """Forces of all displaced cells, some at a time through the network.

        Graphs are built as they are needed: those of a few hundred displaced cells at once would fill the
        memory of a laptop.
        """
        started_at = datetime.now(UTC)
        supercell = cells.supercell.to_structure()
        forces = []
        total = len(cells.displacements)
        for start in range(0, total, self.spec.batch_size):
            graphs = []
            for displacement in cells.displacements[start : start + self.spec.batch_size]:
                moved = supercell.copy()
                moved.translate_sites(
                    [displacement.atom], displacement.vector_a, frac_coords=False, to_unit_cell=False
                )
                graphs.append(self._model.graph_converter(moved))
            predicted = self._model.predict_graph(graphs, task="ef", batch_size=len(graphs))
            for one in [predicted] if len(graphs) == 1 else predicted:
                forces.append(np.asarray(one["f"], dtype=float))
            emit(State.ADVANCED, done=len(forces), total=total)
        return ForcesOutput(
            forces_ev_per_a=tuple(tuple(map(tuple, f.tolist())) for f in forces),
            calculation=self.calculation(),
            run=run_record(started_at, PACKAGES),
        )

    def seconds(self, step: str, n_atoms: int, n_cells: int = 1) -> float:
        """Core-seconds, from runs on one core of a 2020s server: 1.5 ms per atom and evaluation."""
        per_evaluation = 0.01 + 0.0015 * n_atoms
        evaluations = {"relax": 30 + 3 * n_atoms, "static": 1, "phonon": n_cells}
        return per_evaluation * evaluations[step]


def _weights_file() -> Path:
    """File of the r2SCAN weights inside the installed chgnet, found without importing it."""
    spec = importlib.util.find_spec("chgnet")
    origin = spec.origin if spec is not None else None
    folder = Path(origin).parent / "pretrained" / MODEL_NAME if origin else Path()
    found = sorted(folder.glob("*.pth.tar"))
    if not found:
        raise EngineError("the installed chgnet has no r2SCAN weights", hint="install chgnet==0.4.2")
    return found[0]
