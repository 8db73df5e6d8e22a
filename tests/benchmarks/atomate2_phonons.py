"""atomate2's side of bench_workflow.py: its own force-field phonon flow for some phases, in one process.

    python tests/benchmarks/atomate2_phonons.py INPUT.json OUTPUT.json

It imports nothing of nawf, and is a file of its own so that the measured process pays for nothing else.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any


def main(asked: Path, answer: Path) -> None:
    """Run what is asked for, one phase after the other."""
    tasks = json.loads(asked.read_text(encoding="utf-8"))
    answers = {task["phase"]: run_phase(task, answer.parent) for task in tasks}
    answer.write_text(json.dumps(answers), encoding="utf-8")


@lru_cache(maxsize=1)
def _model() -> Any:
    from chgnet.model import CHGNet

    return CHGNet.load(model_name="r2scan", use_device="cpu", verbose=False)


def r2scan_calculator(**kwargs: Any) -> Any:
    """Calculator for atomate2's makers, which want one for every job; the model is loaded only once."""
    from chgnet.model import CHGNetCalculator

    return CHGNetCalculator(model=_model(), use_device="cpu", **kwargs)


def run_phase(task: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Run the flow of one phase, and read its documents."""
    import numpy as np
    from atomate2.forcefields.flows.phonons import PhononMaker
    from emmet.core.types.enums import TaskState
    from jobflow import JobStore, run_locally
    from maggma.stores import MemoryStore
    from pymatgen.core import Structure

    start = time.perf_counter()
    maker = PhononMaker.from_force_field_name(
        {"@module": Path(__file__).stem, "@callable": r2scan_calculator.__name__}
    )
    maker.displacement = task["displacement_a"]
    maker.bulk_relax_maker.relax_kwargs = {"fmax": task["fmax_ev_per_a"]}
    flow = maker.make(Structure.from_dict(task["structure"]), supercell_matrix=task["supercell_matrix"])
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    with tempfile.TemporaryDirectory(prefix="atomate2-") as scratch:
        responses = run_locally(flow, store=store, create_folders=True, root_dir=scratch, ensure_success=True)
    seconds = time.perf_counter() - start

    relax, phonon = responses[flow.jobs[0].uuid][1].output, responses[flow.output.uuid][1].output
    force_constants = folder / f"atomate2-{task['phase']}.npy"
    np.save(force_constants, np.array(phonon.force_constants.force_constants))
    return {
        "seconds": seconds,
        "temperatures_k": phonon.temperatures,
        "free_energies_j_per_mol": phonon.free_energies,
        "energy_ev": phonon.total_dft_energy,
        "n_formula_atoms": phonon.structure.composition.reduced_composition.num_atoms,
        "symbols": [site.specie.symbol for site in phonon.structure],
        "lattice_a": phonon.structure.lattice.matrix.tolist(),
        "frac_coords": phonon.structure.frac_coords.tolist(),
        "supercell_matrix": phonon.supercell_matrix,
        "symprec_a": maker.symprec,
        "force_constants": str(force_constants),
        "n_displacements": len(phonon.uuids.displacements_uuids),
        "relax_steps": relax.output.n_steps,
        "relax_converged": relax.state == TaskState.SUCCESS,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
