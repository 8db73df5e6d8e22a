"""How many finished runs ``nawf ingest`` reads in a second, and how long ingesting the same again takes.

Run ``python tests/benchmarks/bench_ingest.py``; ``--help`` lists the options. One relaxation of a cell of Na2S by the
stand-in for VASP is copied, each copy with a clock of its own, so that each is a run for itself.
"""

from __future__ import annotations

import argparse
import gzip
import io
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from nawf.phases.library import load_library
from nawf.rehearsal.potcar import stand_in
from nawf.rehearsal.run import run
from nawf.reports.tables import Column, Table, render
from nawf.results.crystal import Crystal
from nawf.running.ingest import ingest
from nawf.store.stores import open_stores

INCAR = {
    "NSW": 60, "IBRION": 2, "ISIF": 3, "EDIFFG": -0.001, "EDIFF": "1E-7", "ISPIN": 2, "LORBIT": 11, "ENCUT": 520,
    "ISMEAR": 0, "SIGMA": 0.05, "KSPACING": 0.4, "ISYM": 0,
}  # fmt: skip
BULK_EV_PER_A3, SPRING_EV_PER_A2 = 0.2, 4.0

COLUMNS = (
    Column("runs", "runs", ",d"),
    Column("atoms", "atoms", "d"),
    Column("steps", "ionic steps", "d"),
    Column("size_mb", "vasprun.xml (MB)", ".2f"),
    Column("packed", "packed"),
    Column("first_s", "first (s)", ".1f"),
    Column("rate", "runs per second", ".1f"),
    Column("second_s", "second (s)", ".1f"),
    Column("store_mb", "store (MB)", ".1f"),
)


def cell(edge_a: float) -> Crystal:
    """Conventional cell of Na2S."""
    structure = load_library().get("na2s").structure().get_sorted_structure()
    return Crystal.from_arrays(np.eye(3) * edge_a, [s.specie.symbol for s in structure], structure.frac_coords)


def springs(crystal: Crystal) -> tuple[float, np.ndarray, np.ndarray]:
    """Every atom on a spring to its place in a cell of 6.55 Å, which has a bulk modulus."""
    home = cell(6.55)
    away = (np.array(crystal.frac_coords) - np.array(home.frac_coords)) @ crystal.matrix_a
    expansion = crystal.volume_a3 / home.volume_a3 - 1
    energy_ev = SPRING_EV_PER_A2 / 2 * float((away**2).sum()) + BULK_EV_PER_A3 * home.volume_a3 / 2 * expansion**2
    stress = BULK_EV_PER_A3 * expansion * np.eye(3) + SPRING_EV_PER_A2 * away.T @ away / crystal.volume_a3
    return -45.0 + energy_ev, -SPRING_EV_PER_A2 * away, stress


def finished_run(folder: Path) -> Path:
    """A relaxation that began with atoms a little out of place."""
    from pymatgen.io.vasp.inputs import Poscar

    start = cell(6.45)
    shaken = np.array(start.frac_coords) + np.random.default_rng(1).uniform(-0.003, 0.003, (len(start), 3))
    start = Crystal.from_arrays(start.lattice_a, start.species, shaken)
    folder.mkdir()
    (folder / "INCAR").write_text("".join(f"{tag} = {value}\n" for tag, value in INCAR.items()))
    (folder / "POSCAR").write_text(Poscar(start.to_structure()).get_str(significant_figures=16))
    (folder / "POTCAR").write_text(stand_in("Na_pv", "PBE_64", 7.0) + stand_in("S", "PBE_64", 6.0))
    if run(folder, springs, log=io.StringIO(), environ={}):
        raise RuntimeError("the stand-in for VASP failed")
    return folder


def copies(source: Path, top: Path, n_runs: int, *, packed: bool) -> None:
    """Copies in folders of a hundred, with clocks that differ."""
    files = {name: (source / name).read_bytes() for name in ("vasprun.xml", "OUTCAR", "POTCAR", "CONTCAR")}
    head, mark, rest = files["vasprun.xml"].partition(b'<i name="time" type="string">')
    rest = rest[rest.index(b"<") :]
    for number in range(n_runs):
        folder = top / f"{number // 100:03d}" / f"run-{number:05d}"
        folder.mkdir(parents=True)
        clock = f"{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}".encode()
        for name, content in (files | {"vasprun.xml": head + mark + clock + rest}).items():
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content, compresslevel=6))
            else:
                (folder / name).write_bytes(content)


def measured(n_runs: int, *, packed: bool) -> dict[str, Any]:
    """Times of a first and a second ingest."""
    library = load_library()
    with tempfile.TemporaryDirectory(prefix="nawf-bench-") as scratch:
        folder = Path(scratch)
        source = finished_run(folder / "source")
        size = (source / "vasprun.xml").stat().st_size
        steps = (source / "vasprun.xml").read_text().count("<calculation>")
        copies(source, folder / "runs", n_runs, packed=packed)
        times = []
        with open_stores(str(folder / "store.db")) as stores:
            for expected in (n_runs, 0):
                began = time.perf_counter()
                summary = ingest([folder / "runs"], stores, library)
                times.append(time.perf_counter() - began)
                if len(summary.entered) != expected or summary.refused:
                    raise RuntimeError(f"{len(summary.entered)} entered, {summary.refused[:1]}")
        store_mb = (folder / "store.db").stat().st_size / 1e6
    return {
        "runs": n_runs, "atoms": 12, "steps": steps, "size_mb": size / 1e6, "packed": "gz" if packed else "no",
        "first_s": times[0], "rate": n_runs / times[0], "second_s": times[1], "store_mb": store_mb,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=1000, help="how many copies (1000)")
    options = parser.parse_args()
    rows = [measured(options.runs, packed=packed) for packed in (False, True)]
    print(render(Table("nawf ingest", COLUMNS, rows, [])))


if __name__ == "__main__":
    main()
