"""Folders with VASP's input, and potentials whose energies, forces and stresses are known by a formula."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from nawf.rehearsal.potcar import stand_in
from nawf.rehearsal.run import run
from nawf.results.crystal import Crystal

VALENCE = {"Na_pv": 7.0, "S": 6.0, "Cu_pv": 17.0, "Au": 11.0}
SYMBOL_OF = {"Na": "Na_pv", "S": "S", "Cu": "Cu_pv", "Au": "Au"}


@dataclass(frozen=True)
class Springs:
    """Every atom on a spring to its place in the cell, and a cell with a bulk modulus.

    E = E0 + k/2 Σ |u|² + B V0 / 2 (V/V0 - 1)² with u the way from the places in ``home``.
    """

    home: Crystal
    energy_ev: float = -10.0
    spring_ev_per_a2: float = 4.0
    bulk_ev_per_a3: float = 0.2

    def __call__(self, crystal: Crystal) -> tuple[float, np.ndarray, np.ndarray]:
        matrix = crystal.matrix_a
        away = (np.array(crystal.frac_coords) - np.array(self.home.frac_coords)) @ matrix
        expansion = crystal.volume_a3 / self.home.volume_a3 - 1
        energy = (
            self.energy_ev
            + self.spring_ev_per_a2 / 2 * float((away**2).sum())
            + self.bulk_ev_per_a3 * self.home.volume_a3 / 2 * expansion**2
        )
        stress = self.bulk_ev_per_a3 * expansion * np.eye(3)
        stress = stress + self.spring_ev_per_a2 * away.T @ away / crystal.volume_a3
        return energy, -self.spring_ev_per_a2 * away, stress


def na2s(length_a: float = 6.5) -> Crystal:
    """Primitive cell of Na2S, sulfur on the face-centred sites."""
    half = length_a / 2
    lattice = [[0, half, half], [half, 0, half], [half, half, 0]]
    return Crystal.from_arrays(lattice, ["Na", "Na", "S"], [[0.25] * 3, [0.75] * 3, [0, 0, 0]])


def cubic_na2s(length_a: float = 6.5) -> Crystal:
    """Conventional cell, so that atoms can be moved without much symmetry."""
    fcc = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    sodium = np.concatenate([fcc + 0.25, fcc + 0.75]) % 1
    return Crystal.from_arrays(np.eye(3) * length_a, ["Na"] * 8 + ["S"] * 4, np.concatenate([sodium, fcc]))


def shaken(crystal: Crystal, size: float = 0.01, seed: int = 1) -> Crystal:
    """Crystal with every fractional coordinate changed by up to ``size``."""
    shifts = np.random.default_rng(seed).uniform(-size, size, (len(crystal), 3))
    return Crystal.from_arrays(crystal.lattice_a, crystal.species, np.array(crystal.frac_coords) + shifts)


def poscar_text(crystal: Crystal) -> str:
    from pymatgen.io.vasp.inputs import Poscar

    return Poscar(crystal.to_structure(), comment="Na2S test").get_str(significant_figures=16)


def potcar_text(crystal: Crystal, order: list[str] | None = None) -> str:
    elements = order or list(dict.fromkeys(crystal.species))
    return "".join(stand_in(SYMBOL_OF[e], "PBE_64", VALENCE[SYMBOL_OF[e]]) for e in elements)


@dataclass
class Case:
    """A folder to run in."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def write(self, crystal: Crystal, incar: Mapping[str, Any], kpoints: str | None = None) -> Case:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "INCAR").write_text("".join(f"{k} = {v}\n" for k, v in incar.items()))
        (self.folder / "POSCAR").write_text(poscar_text(crystal))
        (self.folder / "POTCAR").write_text(potcar_text(crystal))
        if kpoints is not None:
            (self.folder / "KPOINTS").write_text(kpoints)
        return self

    def run(self, evaluate: Callable[[Crystal], Any]) -> tuple[int, str]:
        """Exit code and log."""
        log = io.StringIO()
        code = run(self.folder, evaluate, log=log, environ=self.environ)
        return code, log.getvalue()

    def vasprun(self, **options: Any) -> Any:
        from pymatgen.io.vasp.outputs import Vasprun

        return Vasprun(self.folder / "vasprun.xml", **options)


DRIVER = """\
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("kit", {conftest!r})
kit = importlib.util.module_from_spec(spec)
sys.modules["kit"] = kit
spec.loader.exec_module(kit)
sys.exit(kit.run(Path.cwd(), kit.Springs(kit.cubic_na2s(6.5), energy_ev=-40.0)))
"""
"""A program that is called as VASP is, with the springs that hold a cubic cell of Na2S."""


class Kit:
    """What the tests of this folder share."""

    GAMMA_222 = "mesh\n0\nGamma\n2 2 2\n0 0 0\n"
    STATIC: ClassVar[dict[str, Any]] = {"NSW": 0, "ISMEAR": 0, "SIGMA": 0.05, "ENCUT": 300, "EDIFF": "1e-6"}
    RELAX: ClassVar[dict[str, Any]] = STATIC | {"NSW": 60, "IBRION": 2, "ISIF": 3, "EDIFFG": -0.001}

    Case = Case
    Springs = Springs
    na2s = staticmethod(na2s)
    cubic_na2s = staticmethod(cubic_na2s)
    shaken = staticmethod(shaken)
    poscar_text = staticmethod(poscar_text)
    potcar_text = staticmethod(potcar_text)


@pytest.fixture(scope="session")
def kit() -> type[Kit]:
    return Kit


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path / "run")


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Command of a rehearsal with springs."""
    script = tmp_path_factory.mktemp("driver") / "vasp.py"
    script.write_text(DRIVER.format(conftest=__file__))
    return [sys.executable, str(script)]
