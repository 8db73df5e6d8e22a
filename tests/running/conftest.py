"""Folders with finished runs of a stand-in for VASP, on springs between the neighbours of bcc sodium."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

LENGTH_A = 4.2
SPRINGS_EV_PER_A2 = (0.25, 0.1)


def springs(crystal: Any) -> tuple[float, np.ndarray, np.ndarray]:
    """Energy, forces and stress of springs to the first and second neighbours, at rest in bcc of 4.2 Å."""
    cell, n = crystal.matrix_a, len(crystal)
    positions = np.array(crystal.frac_coords) @ cell
    heights = abs(np.linalg.det(cell)) / np.linalg.norm(
        [np.cross(cell[i - 2], cell[i - 1]) for i in range(3)], axis=1
    )
    reach = np.ceil(5.0 / heights).astype(int) + 1
    images = np.array(list(itertools.product(*(range(-r, r + 1) for r in reach)))) @ cell
    energy, forces, virial = -1.3 * n, np.zeros((n, 3)), np.zeros((3, 3))
    for i in range(n):
        bonds = (positions[None] + images[:, None] - positions[i]).reshape(-1, 3)
        r = np.linalg.norm(bonds, axis=1)
        bonds, r = bonds[(r > 1e-6) & (r < 4.9)], r[(r > 1e-6) & (r < 4.9)]
        is_first = r < LENGTH_A * (np.sqrt(3) / 2 + 1) / 2
        rest = np.where(is_first, LENGTH_A * np.sqrt(3) / 2, LENGTH_A)
        stiffness = np.where(is_first, *SPRINGS_EV_PER_A2)
        energy += float((stiffness * (r - rest) ** 2).sum()) / 4
        pull = (stiffness * (r - rest) / r)[:, None] * bonds
        forces[i] = pull.sum(axis=0)
        virial += 0.5 * bonds.T @ pull
    return energy, forces, virial / crystal.volume_a3


class Runs:
    """Makes folders of finished runs."""

    STATIC: ClassVar[dict[str, Any]] = {
        "NSW": 0,
        "ISMEAR": 0,
        "SIGMA": 0.05,
        "ENCUT": 300,
        "EDIFF": "1e-7",
        "KSPACING": 0.5,
        "GGA": "PE",
    }
    RELAX: ClassVar[dict[str, Any]] = STATIC | {"NSW": 60, "IBRION": 2, "ISIF": 3, "EDIFFG": -0.001}
    springs = staticmethod(springs)

    def make(self, folder: Path, crystal: Any, incar: dict[str, Any], environ: dict[str, str] | None = None) -> Path:
        """Run in a folder; ``incar`` is taken as it is."""
        from pymatgen.io.vasp.inputs import Poscar

        from nawf.rehearsal.potcar import stand_in
        from nawf.rehearsal.run import run

        folder.mkdir(parents=True)
        (folder / "INCAR").write_text("".join(f"{k} = {v}\n" for k, v in incar.items()))
        (folder / "POSCAR").write_text(Poscar(crystal.to_structure()).get_str(significant_figures=16))
        (folder / "POTCAR").write_text(stand_in("Na_pv", "PBE_64", 7.0))
        log = io.StringIO()
        assert run(folder, springs, log=log, environ=environ or {}) == 0, log.getvalue()
        return folder

    def crystal(self, length_a: float = 4.28) -> Any:
        """Primitive bcc cell."""
        from nawf.results.crystal import Crystal

        half = length_a / 2
        return Crystal.from_arrays([[-half, half, half], [half, -half, half], [half, half, -half]], ["Na"], [[0] * 3])

    def ended(self, folder: Path) -> Any:
        """Crystal in the CONTCAR of a run."""
        from pymatgen.core import Structure

        from nawf.results.crystal import Crystal

        return Crystal.from_structure(Structure.from_file(folder / "CONTCAR"))

    def redated(self, folder: Path, target: Path, clock: str, suffix: str = "") -> Path:
        """Copy of a run that began at another time of its day; files get a suffix such as ``.relax1``."""
        target.mkdir(parents=True, exist_ok=True)
        for name in ("vasprun.xml", "OUTCAR", "POTCAR"):
            (target / f"{name}{suffix}").write_bytes((folder / name).read_bytes())
        xml = target / f"vasprun.xml{suffix}"
        head, mark, rest = xml.read_text().partition('<i name="time" type="string">')
        xml.write_text(head + mark + clock + rest[rest.index("<") :])
        return target


@pytest.fixture(scope="session")
def vasp_runs() -> Runs:
    pytest.importorskip("emmet.core")
    return Runs()


@pytest.fixture(scope="session")
def finished(vasp_runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A relaxation of bcc sodium, and a static run of what it ended with."""
    top = tmp_path_factory.mktemp("finished")
    relax = vasp_runs.make(top / "relax", vasp_runs.crystal(), vasp_runs.RELAX)
    static = vasp_runs.make(top / "static", vasp_runs.ended(relax), vasp_runs.STATIC)
    vasp_runs.redated(relax, relax, "10:00:00")
    vasp_runs.redated(static, static, "11:00:00")
    return top
