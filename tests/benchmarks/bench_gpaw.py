"""GPAW: how energies converge with cut-off and k-mesh, and what the embedded potential saves its relaxations.

    python tests/benchmarks/bench_gpaw.py convergence [--phases na2s,na-bcc]
    python tests/benchmarks/bench_gpaw.py start [--phases ...] [--protocol coarse]

Both go on where they were when they are run again: what is done is in FOLDER (--folder, bench-gpaw by default).
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nawf.engines.ase_hessian import first_hessian
from nawf.engines.ase_relax import calculator_of, relax_with_ase
from nawf.engines.chgnet import ChgnetEngine
from nawf.engines.gpaw_cells import Reduction
from nawf.engines.gpaw_log import EvaluationLog
from nawf.engines.gpaw_protocols import PROTOCOLS, KLengths, Level, Step
from nawf.engines.gpaw_scf import Electrons
from nawf.engines.potential import plausible_start
from nawf.engines.registry import engine_spec
from nawf.phases.library import load_library
from nawf.reports.tables import Column, Table, render
from nawf.results.crystal import Crystal
from nawf.results.symmetry import primitive_cell

CUTOFFS_EV = (400, 450, 500, 600, 700, 800)
K_LENGTHS_A = {"na-bcc": (24, 36, 42, 48, 60), "na2s": (9, 13, 16, 19.5, 26)}
WAYS = ("given", "geometry", "hessian", "both")
START_PHASES = ("na2s", "na2s-pnma", "na2s2-alpha", "p-black", "na3p-p63mmc")


def main() -> None:
    """Do what is asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("convergence", "start"))
    parser.add_argument("--phases", default="", help="comma-separated")
    parser.add_argument("--protocol", default="coarse", choices=sorted(PROTOCOLS), help="of the relaxations")
    parser.add_argument("--folder", type=Path, default=Path("bench-gpaw"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    done = Done(options.folder / f"{options.what}.jsonl")
    phases = [p for p in options.phases.split(",") if p]
    if options.what == "convergence":
        print(render(convergence(phases or list(K_LENGTHS_A), done)), end="")
    else:
        print(render(starts(phases or list(START_PHASES), options.protocol, done)), end="")


class Done:
    """Figures by key, each a line of a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self._known = {tuple(key): figures for key, figures in map(json.loads, lines)}

    def get(self, key: tuple[Any, ...], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Figures of a key, made now if they are not known."""
        if key not in self._known:
            self._known[key] = make()
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, self._known[key]]) + "\n")
        return self._known[key]


def start_of(phase: str) -> Crystal:
    """Primitive cell of a phase of the library."""
    return primitive_cell(Crystal.from_structure(load_library().get(phase).structure()), 0.01)


def electrons_of(crystal: Crystal, level: Level) -> Electrons:
    """GPAW for a crystal and what becomes of it."""
    reduction = Reduction.of(crystal.matrix_a)
    mesh = level.k.mesh(reduction.applied(crystal))
    return Electrons(level, mesh, reduction, EvaluationLog(None))


def convergence(phases: list[str], done: Done) -> Table:
    """Energy, stress and time with each cut-off at the k-mesh of ``accurate``, and with each mesh at its cut-off."""
    usual = PROTOCOLS["accurate"].levels[Step.STATIC]
    rows = []
    for phase in phases:
        crystal = start_of(phase)
        usual_k = usual.k.of(crystal)
        points = [(cutoff, usual_k) for cutoff in CUTOFFS_EV]
        points += [(usual.cutoff_ev, k) for k in K_LENGTHS_A.get(phase, ()) if k != usual_k]
        for cutoff_ev, k_a in points:
            level = Level(float(cutoff_ev), KLengths(k_a, k_a, k_a))
            key = (phase, float(cutoff_ev), float(k_a))
            figures = done.get(key, lambda level=level, crystal=crystal: evaluated(crystal, level))
            rows.append({"phase": phase, "cutoff_ev": cutoff_ev, "k_a": k_a, **figures})
    return Table("r2SCAN by GPAW, geometry of the library", CONVERGENCE, rows)


CONVERGENCE = (
    Column("phase", "phase"),
    Column("cutoff_ev", "cut-off, eV", "g"),
    Column("k_a", "k, Å", "g"),
    Column("mesh", "mesh"),
    Column("energy_ev_per_atom", "E, eV/atom", ".5f"),
    Column("pressure_gpa", "pressure, GPa", ".3f"),
    Column("seconds", "CPU, s", ".0f"),
)


def evaluated(crystal: Crystal, level: Level) -> dict[str, Any]:
    """One static run."""
    electrons = electrons_of(crystal, level)
    began = time.process_time()
    energy_ev, _, stress = electrons.evaluate(crystal)
    return {
        "mesh": "x".join(map(str, electrons.mesh)),
        "energy_ev_per_atom": energy_ev / len(crystal),
        "pressure_gpa": -float(np.trace(stress)) / 3 * 160.2176634,
        "seconds": time.process_time() - began,
    }


def starts(phases: list[str], protocol: str, done: Done) -> Table:
    """Steps and time of relaxations that begin in each of four ways, and where they end."""
    potential = ChgnetEngine(engine_spec("chgnet-r2scan"))
    rows = []
    for phase, way in itertools.product(phases, WAYS):
        figures = done.get((phase, protocol, way), lambda p=phase, w=way: relaxed(p, w, protocol, potential))
        rows.append({"phase": phase, "way": way, **figures})
    return Table(f"Relaxations by GPAW, protocol {protocol}", STARTS, rows)


STARTS = (
    Column("phase", "phase"),
    Column("n_atoms", "atoms", "d"),
    Column("way", "start"),
    Column("n_runs", "GPAW runs", "d"),
    Column("seconds", "CPU, s", ".0f"),
    Column("potential_seconds", "of the potential, s", ".1f"),
    Column("energy_ev_per_atom", "E, eV/atom", ".5f"),
    Column("volume_a3_per_atom", "V, Å³/atom", ".3f"),
    Column("converged", "converged"),
)


def relaxed(phase: str, way: str, protocol: str, potential: ChgnetEngine) -> dict[str, Any]:
    """One relaxation."""
    given = start_of(phase)
    began = time.process_time()
    start = given
    if way in ("geometry", "both"):
        start = plausible_start(given, potential.relax(given, PROTOCOLS["coarse"].methods.relax).crystal)
    hessian = first_hessian(start, potential.evaluate) if way in ("hessian", "both") else None
    before_s = time.process_time() - began
    electrons = electrons_of(given, PROTOCOLS[protocol].levels[Step.RELAX])
    began = time.process_time()
    method = PROTOCOLS[protocol].methods.relax
    end = relax_with_ase(start, calculator_of(electrons.evaluate), method, hessian)
    return {
        "n_atoms": len(given),
        "n_runs": len(electrons.log.evaluations),
        "seconds": time.process_time() - began,
        "potential_seconds": before_s,
        "energy_ev_per_atom": end.energy_ev_per_atom,
        "volume_a3_per_atom": end.crystal.volume_a3 / len(given),
        "converged": end.converged,
    }


if __name__ == "__main__":
    main()
