"""Relaxation, static energy and phonons of the Na-S phases: nawf against atomate2's force-field phonon flow.

    python tests/benchmarks/bench_workflow.py [--phases na-bcc,na2s] [--threads 1] [--min-length 12] [--keep FOLDER]

Both sides are whole processes timed from outside, one after the other, with the same potential (CHGNet-r2SCAN),
threads, starting cells, force tolerance, supercells, displacement and temperatures. nawf is ``nawf run`` on a
campaign file, with one worker and its file store. atomate2 is its ``PhononMaker`` under ``jobflow.run_locally``,
one phase after the other in one process, with a store in memory. README.md beside this file says more.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

CAMPAIGN = "na-s"
ENGINE = "chgnet-r2scan"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
TEMPERATURES_K = (0.0, 300.0, 400.0)
MAX_TEMPERATURE_K = 490.0
"""Both tabulate F from 0 to 490 K in steps of 10 K, which is atomate2's default."""
EXPLAINED_AT_K = 300.0
STEPS = ("run_relax", "symmetrise_relaxed", "run_static", "displace", "run_forces", "analyse_phonons")
NAWF_AIMS_AT = 0.2
"""nawf relaxes on towards this part of its tolerance. atomate2 gets no less than what nawf reached."""
SAME_CELL = 0.05
"""Relative: the two relaxations may end in cells that differ a little, soft as these crystals are."""


@dataclass(frozen=True)
class Side:
    """What one side says of a phase: energies, F by temperature (K), and lengths that tell supercells apart."""

    seconds: float
    static_ev_per_atom: float
    free_energy_ev_per_atom: Mapping[float, float]
    n_atoms: int
    n_displacements: int
    lengths_a: Sequence[float]
    relax_steps: int
    relax_converged: bool


def main() -> None:
    """Run both sides and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phases", default="", help="comma-separated identifiers (default: the whole Na-S system)")
    parser.add_argument("--threads", type=int, default=1, help="threads of either side (default: 1)")
    parser.add_argument("--min-length", type=float, default=12.0, help="least height of a supercell, Å (default: 12)")
    parser.add_argument("--keep", default="", help="folder to keep stores and results in (default: a temporary one)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(arguments.keep or scratch).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        ours = NawfRun(folder, arguments.phases, arguments.threads, arguments.min_length)
        theirs = Atomate2Run(folder, ours, arguments.threads)
        print_times(ours, theirs)
        print_energies(ours, theirs)
        print_steps(ours)


@dataclass(frozen=True)
class Measured:
    """Times of a whole process (s), and how it ended."""

    wall_s: float
    cpu_s: float
    code: int
    errors: str


def measured(command: Sequence[str], folder: Path, threads: int) -> Measured:
    """Run a process with its threads fixed and no settings of the user's."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NAWF_")}
    environment |= dict.fromkeys(THREAD_VARIABLES, str(threads)) | {"MPLBACKEND": "Agg"}
    cpu_s, start = _children_cpu_s(), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    wall_s = time.perf_counter() - start
    return Measured(wall_s, _children_cpu_s() - cpu_s, done.returncode, done.stderr)


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class NawfRun:
    """One ``nawf run`` of the campaign, and what its store says of it."""

    def __init__(self, folder: Path, phases: str, threads: int, min_length_a: float) -> None:
        self.threads = threads
        self.store = folder / "nawf.db"
        self.store.unlink(missing_ok=True)
        campaign = _campaign_file(folder, min_length_a)
        command = [sys.executable, "-m", "nawf.cli.main", "run", str(campaign), "--store", str(self.store)]
        command += ["--workers", "1", "--threads", str(threads)] + (["--phases", phases] if phases else [])
        self.started_at = time.time()
        self.process = measured(command, folder, threads)
        # 1 says that a step failed: a phase that does not relax is a result here, not a mishap.
        if self.process.code not in (0, 1):
            sys.exit(f"nawf run failed:\n{self.process.errors}")

    @cached_property
    def records(self) -> dict[str, dict[str, Any]]:
        """Typed results by phase and property."""
        from nawf.store.query import load_results
        from nawf.store.stores import open_stores

        found: dict[str, dict[str, Any]] = {}
        with open_stores(str(self.store), read_only=True) as stores:
            for document in load_results(stores.results):
                found.setdefault(document.phase, {})[document.property] = document.record()
        return found

    @cached_property
    def steps(self) -> dict[str, dict[str, float]]:
        """Seconds of every step by phase, in the order of the run; ``start-up`` is what came before.

        A step lasts from the end of the one before to its own end: writing to the store and building results
        are in it, and the loading of the model is in the first.
        """
        from nawf.store.stores import open_stores

        with open_stores(str(self.store), read_only=True) as stores:
            found = list(stores.jobs.query({}, properties=["name", "completed_at"]))
        ends = sorted((datetime.fromisoformat(d["completed_at"]).timestamp(), *d["name"].split()) for d in found)
        before = self.records[ends[0][2]]["relax"].run.started_at.timestamp()
        steps: dict[str, dict[str, float]] = {"start-up": {"start-up": before - self.started_at}}
        for end, step, phase in ends:
            steps.setdefault(phase, {})[step] = end - before
            before = end
        return steps

    @cached_property
    def sides(self) -> dict[str, Side]:
        """Phases with all three properties: one that does not relax has no phonons, and is not compared."""
        return {
            phase: _our_side(self.records[phase], sum(steps.values()))
            for phase, steps in self.steps.items()
            if {"relax", "static", "phonon"} <= set(self.records.get(phase, ()))
        }


def _campaign_file(folder: Path, min_length_a: float) -> Path:
    import yaml

    from nawf.campaigns.schema import shipped_campaigns

    campaign = yaml.safe_load(shipped_campaigns()[CAMPAIGN].read_text(encoding="utf-8"))
    campaign["properties"] = ["relax", "static", "phonon"]
    campaign["phonon"] = {"min_length_a": min_length_a, "max_temperature_k": MAX_TEMPERATURE_K}
    path = folder / f"{CAMPAIGN}.yaml"
    path.write_text(yaml.safe_dump(campaign), encoding="utf-8")
    return path


def _our_side(found: Mapping[str, Any], seconds: float) -> Side:
    relax, static, phonon = found["relax"], found["static"], found["phonon"]
    free = dict(zip(phonon.temperatures_k, phonon.free_energy_ev_per_atom, strict=True))
    return Side(
        seconds=seconds,
        static_ev_per_atom=static.energy_ev_per_atom,
        free_energy_ev_per_atom={t: free[t] for t in TEMPERATURES_K},
        n_atoms=phonon.n_supercell_atoms,
        n_displacements=phonon.n_displacements,
        lengths_a=_lengths_a(relax.crystal.matrix_a, phonon.supercell_matrix),
        relax_steps=relax.n_steps,
        relax_converged=relax.converged,
    )


def _lengths_a(lattice_a: Any, supercell_matrix: Any) -> list[float]:
    """Lengths of the axes and of the face and body diagonals of a supercell, sorted: they tell cells apart."""
    import numpy as np

    a, b, c = np.array(supercell_matrix).T @ np.array(lattice_a)
    vectors = [a, b, c, a + b, a - b, b + c, b - c, c + a, c - a, a + b + c, a + b - c, a - b + c, b + c - a]
    return sorted(float(np.linalg.norm(v)) for v in vectors)


class Atomate2Run:
    """The phases that nawf completed, by atomate2, in one process."""

    def __init__(self, folder: Path, ours: NawfRun, threads: int) -> None:
        self.ours, self.folder = ours, folder
        asked, answer = folder / "atomate2-input.json", folder / "atomate2-output.json"
        asked.write_text(json.dumps([_task(phase, ours.records[phase]) for phase in ours.sides]), encoding="utf-8")
        command = [sys.executable, str(Path(__file__).with_name("atomate2_phonons.py")), str(asked), str(answer)]
        self.process = measured(command, folder, threads)
        if self.process.code:
            sys.exit(f"the atomate2 flows failed:\n{self.process.errors}")
        self.answers: dict[str, dict[str, Any]] = json.loads(answer.read_text(encoding="utf-8"))

    @cached_property
    def sides(self) -> dict[str, Side]:
        return {phase: _their_side(answer) for phase, answer in self.answers.items()}

    def explained_ev_per_atom(self, phase: str) -> tuple[float, float, float]:
        """F at ``EXPLAINED_AT_K`` of atomate2's own force constants and cell, in three other ways.

        Returns
        -------
        float
            Of its force constants, summed over the modes of nawf's mesh.
        float
            The same after symmetrising them as nawf does.
        float
            Of nawf's phonons on atomate2's relaxed cell.
        """
        import numpy as np
        from phonopy import Phonopy

        answer = self.answers[phase]
        ours = self.ours.records[phase]["phonon"]
        cell = _crystal(answer)
        phonon = Phonopy(cell.to_phonopy(), supercell_matrix=answer["supercell_matrix"], symprec=answer["symprec_a"])
        phonon.force_constants = np.load(answer["force_constants"])
        as_it_is = _mode_sum_ev_per_atom(phonon, ours.method.mesh_length_a)
        phonon.symmetrize_force_constants()
        return as_it_is, _mode_sum_ev_per_atom(phonon, ours.method.mesh_length_a), self._ours_on(cell, phase)

    def _ours_on(self, cell: Any, phase: str) -> float:
        from nawf.engines.registry import build_engine, engine_spec
        from nawf.flows.phonon import displaced_cells, phonon_result
        from nawf.results.symmetry import symmetrise

        relax_method = self.ours.records[phase]["relax"].method
        engine = build_engine(engine_spec(ENGINE, threads=self.ours.threads))
        symmetric, _ = symmetrise(cell, relax_method.symprec_a)
        cells = displaced_cells(symmetric, self.ours.records[phase]["phonon"].method, relax_method.symprec_a)
        result = phonon_result(cells, engine.forces(cells), relax_method)
        return float(result.free_energy_ev_per_atom[result.temperatures_k.index(EXPLAINED_AT_K)])


def _crystal(answer: Mapping[str, Any]) -> Any:
    from nawf.results.crystal import Crystal

    return Crystal.from_arrays(answer["lattice_a"], answer["symbols"], answer["frac_coords"])


def _mode_sum_ev_per_atom(phonon: Any, mesh_length_a: float) -> float:
    from nawf.flows.phonon import ACOUSTIC_CUTOFF_THZ
    from nawf.units import KJ_PER_MOL_PER_EV

    phonon.run_mesh(mesh_length_a)
    phonon.run_thermal_properties(temperatures=[EXPLAINED_AT_K], cutoff_frequency=ACOUSTIC_CUTOFF_THZ)
    kj_per_mol = float(phonon.get_thermal_properties_dict()["free_energy"][0])
    return kj_per_mol / KJ_PER_MOL_PER_EV / len(phonon.primitive)


def _task(phase: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """What atomate2 gets: the cell that nawf started from, and nawf's settings for it."""
    relax, phonon = found["relax"], found["phonon"]
    return {
        "phase": phase,
        "structure": relax.initial.to_structure().as_dict(),
        "supercell_matrix": phonon.supercell_matrix,
        "displacement_a": phonon.method.displacement_a,
        "fmax_ev_per_a": max(NAWF_AIMS_AT * relax.method.force_ev_per_a, _residual_ev_per_a(relax)),
    }


def _residual_ev_per_a(relax: Any) -> float:
    """Largest force that nawf was left with, the cell's own included (stress times the volume of an atom)."""
    from nawf.units import GPA_PER_EV_PER_A3

    return max(relax.max_force_ev_per_a, relax.max_stress_gpa / GPA_PER_EV_PER_A3 * relax.crystal.volume_a3_per_atom)


def _their_side(answer: Mapping[str, Any]) -> Side:
    """atomate2 gives F in J/mol and the energy in eV, both for a reduced formula unit."""
    import numpy as np

    from nawf.units import KJ_PER_MOL_PER_EV

    n, symbols = answer["n_formula_atoms"], answer["symbols"]
    free = dict(zip(answer["temperatures_k"], answer["free_energies_j_per_mol"], strict=True))
    matrix = np.array(answer["supercell_matrix"])
    return Side(
        seconds=answer["seconds"],
        static_ev_per_atom=answer["energy_ev"] / n,
        free_energy_ev_per_atom={t: free[t] / 1e3 / KJ_PER_MOL_PER_EV / n for t in TEMPERATURES_K},
        n_atoms=len(symbols) * round(abs(np.linalg.det(matrix))),
        n_displacements=answer["n_displacements"],
        lengths_a=_lengths_a(answer["lattice_a"], matrix),
        relax_steps=answer["relax_steps"],
        relax_converged=answer["relax_converged"],
    )


def print_times(ours: NawfRun, theirs: Atomate2Run) -> None:
    """Wall times by phase and of the whole processes, and their ratios."""
    from nawf.reports.tables import Column, Table, render
    from nawf.units import MEV_PER_EV

    rows: list[dict[str, Any]] = []
    for phase, their in theirs.sides.items():
        our = ours.sides[phase]
        rows.append(
            {
                "phase": phase,
                "nawf": our.seconds,
                "atomate2": their.seconds,
                "ratio": their.seconds / our.seconds,
                "atoms": our.n_atoms,
                "cells": f"{our.n_displacements} / {their.n_displacements}",
                "steps": f"{_relaxation(our)} / {_relaxation(their)}",
                "fmax": _task(phase, ours.records[phase])["fmax_ev_per_a"] * MEV_PER_EV,
            }
        )
        same = all(abs(a - b) < SAME_CELL * a for a, b in zip(our.lengths_a, their.lengths_a, strict=True))
        rows[-1]["cell"] = "same" if same and our.n_atoms == their.n_atoms else "DIFFERS"
    failed = [phase for phase in ours.records if phase not in theirs.sides]
    failed_s = sum(sum(ours.steps[phase].values()) for phase in failed)
    phases_s = sum(r["nawf"] for r in rows), sum(r["atomate2"] for r in rows)
    rest_s = ours.process.wall_s - failed_s - phases_s[0], theirs.process.wall_s - phases_s[1]
    rows.append(
        {"phase": "start-up and end", "nawf": rest_s[0], "atomate2": rest_s[1], "ratio": rest_s[1] / rest_s[0]}
    )
    total_s = phases_s[0] + rest_s[0], phases_s[1] + rest_s[1]
    rows.append(
        {"phase": "whole process", "nawf": total_s[0], "atomate2": total_s[1], "ratio": total_s[1] / total_s[0]}
    )
    cpu_s = ours.process.cpu_s, theirs.process.cpu_s
    rows.append({"phase": "CPU time", "nawf": cpu_s[0], "atomate2": cpu_s[1], "ratio": cpu_s[1] / cpu_s[0]})
    columns = [
        Column("phase", "phase"),
        Column("nawf", "nawf s", ".2f"),
        Column("atomate2", "atomate2 s", ".2f"),
        Column("ratio", "ratio", ".1f"),
        Column("atoms", "atoms", "d"),
        Column("cells", "cells n/a", right=True),
        Column("steps", "relax steps n/a", right=True),
        Column("fmax", "to meV/Å", ".2f"),
        Column("cell", "supercell"),
    ]
    notes = [
        f"{ours.threads} thread(s) on either side; * did not converge.",
        f"{next(iter(theirs.sides))} was the first on either side and bears the loading of the model.",
    ]
    if failed:
        notes.append(f"Not compared, as nawf did not complete them ({failed_s:.1f} s): {', '.join(failed)}")
    print(render(Table("Wall times, nawf / atomate2", columns, rows, notes)))


def _relaxation(side: Side) -> str:
    return f"{side.relax_steps}{'' if side.relax_converged else '*'}"


def print_energies(ours: NawfRun, theirs: Atomate2Run) -> None:
    """Differences in energies, and where those in F come from."""
    from nawf.reports.tables import Column, Table, render
    from nawf.units import MEV_PER_EV

    rows = []
    for phase, their in theirs.sides.items():
        our = ours.sides[phase]
        row: dict[str, Any] = {"phase": phase}
        row["static"] = (their.static_ev_per_atom - our.static_ev_per_atom) * MEV_PER_EV
        for t in TEMPERATURES_K:
            free = our.free_energy_ev_per_atom[t]
            row[f"f_{t:g}"] = free * MEV_PER_EV
            row[f"d_{t:g}"] = (their.free_energy_ev_per_atom[t] - free) * MEV_PER_EV
        modes, symmetrised, same_cell = theirs.explained_ev_per_atom(phase)
        row["modes"] = (modes - our.free_energy_ev_per_atom[EXPLAINED_AT_K]) * MEV_PER_EV
        row["same_cell"] = (symmetrised - same_cell) * MEV_PER_EV
        row["imaginary"] = ours.records[phase]["phonon"].imaginary_fraction * 100
        rows.append(row)
    columns = [Column("phase", "phase"), Column("static", "ΔE static", "+.3f")]
    columns += [Column(f"f_{t:g}", f"F {t:g} K", ".2f") for t in TEMPERATURES_K]
    columns += [Column(f"d_{t:g}", f"ΔF {t:g} K", "+.2f") for t in TEMPERATURES_K]
    columns += [Column("modes", "mode sum", "+.2f"), Column("same_cell", "same cell", "+.2f")]
    columns += [Column("imaginary", "imaginary %", ".2f")]
    notes = [
        "meV/atom. F is nawf's, Δ is atomate2 − nawf.",
        f"mode sum: ΔF({EXPLAINED_AT_K:g} K) when F of atomate2's force constants is summed over modes, as nawf's",
        "is, and not taken from the integral over its density of states.",
        "same cell: and nawf's phonons are those of atomate2's relaxed cell (both with symmetrised force constants).",
    ]
    print(render(Table("Energies", columns, rows, notes)))


def print_steps(ours: NawfRun) -> None:
    """Where nawf's own time goes."""
    from nawf.reports.tables import Column, Table, render

    phases = {phase: steps for phase, steps in ours.steps.items() if phase != "start-up"}
    rows: list[dict[str, Any]] = [{"phase": phase, **steps} for phase, steps in phases.items()]
    rows.append({"phase": "all", **{s: sum(steps.get(s, 0.0) for steps in phases.values()) for s in STEPS}})
    columns = [Column("phase", "phase"), *(Column(s, s.split("_")[-1], ".2f") for s in STEPS)]
    start_s = ours.steps["start-up"]["start-up"]
    end_s = ours.process.wall_s - start_s - sum(sum(steps.values()) for steps in phases.values())
    note = f"Before the first step {start_s:.2f} s (imports, plan, opening the store); after the last {end_s:.2f} s."
    print(render(Table("nawf's time by step (s)", columns, rows, [note])))


if __name__ == "__main__":
    main()
