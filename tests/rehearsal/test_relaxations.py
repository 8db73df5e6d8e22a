"""Relaxations against ASE's own, with the same effective-medium potential."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from nawf.results.crystal import Crystal
from nawf.units import GPA_PER_EV_PER_A3


def atoms_of(crystal: Crystal) -> Any:
    from ase import Atoms

    return Atoms(list(crystal.species), cell=crystal.matrix_a, scaled_positions=crystal.frac_coords, pbc=True)


def emt(crystal: Crystal) -> tuple[float, np.ndarray, np.ndarray]:
    from ase.calculators.emt import EMT

    atoms = atoms_of(crystal)
    atoms.calc = EMT()
    return float(atoms.get_potential_energy()), atoms.get_forces(), atoms.get_stress(voigt=False)


@cache
def alloy() -> Crystal:
    """CuAu of type L1_0 in a cell that is too small, sheared, and shaken."""
    lattice = np.diag([3.85, 3.85, 3.65]) @ (np.eye(3) + [[0.0, 0.03, 0.0], [0.03, 0.0, 0.01], [0.0, 0.01, 0.0]])
    places = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    shifts = np.random.default_rng(5).uniform(-0.02, 0.02, (4, 3))
    return Crystal.from_arrays(lattice, ["Cu", "Cu", "Au", "Au"], np.array(places) + shifts)


@cache
def ase_relaxation(isif: int) -> tuple[float, np.ndarray]:
    """Energy (eV) and lattice (Å) of a relaxation by ASE."""
    from ase.calculators.emt import EMT
    from ase.filters import FrechetCellFilter, StrainFilter
    from ase.optimize import BFGS

    atoms = atoms_of(alloy())
    atoms.calc = EMT()
    filters = {
        2: lambda a: a,
        3: FrechetCellFilter,
        4: lambda a: FrechetCellFilter(a, constant_volume=True),
        6: StrainFilter,
        7: lambda a: FrechetCellFilter(a, hydrostatic_strain=True, mask=[1] * 6),
        8: lambda a: FrechetCellFilter(a, hydrostatic_strain=True),
    }
    if isif == 7:
        from ase.constraints import FixAtoms

        atoms.set_constraint(FixAtoms(range(4)))
    BFGS(filters[isif](atoms), logfile=None).run(fmax=1e-4, steps=500)
    return float(atoms.get_potential_energy()), atoms.cell.array


@pytest.mark.parametrize(
    ("isif", "ibrion", "extra"),
    [
        (2, 1, {}),
        (2, 2, {}),
        (2, 3, {}),
        (3, 1, {}),
        (3, 2, {}),
        (3, 3, {"SMASS": 0.4}),
        (4, 1, {}),
        (4, 2, {}),
        (6, 2, {}),
        (7, 2, {}),
        (8, 2, {}),
    ],
)
def test_ends_where_ase_ends(case: Any, kit: Any, isif: int, ibrion: int, extra: dict[str, Any]) -> None:
    incar = kit.RELAX | {"IBRION": ibrion, "ISIF": isif, "EDIFFG": -0.0005, "NSW": 300, "EDIFF": "1e-8"} | extra
    code, log = case.write(alloy(), incar).run(emt)
    assert code == 0
    assert "reached required accuracy" in log
    energy, cell = ase_relaxation(isif)
    vasprun = case.vasprun()
    assert vasprun.final_energy == pytest.approx(energy, abs=2e-4)
    end = vasprun.final_structure.lattice
    theirs = Crystal.from_arrays(cell, ["Cu"], [[0, 0, 0]]).to_structure().lattice
    assert end.volume == pytest.approx(theirs.volume, rel=2e-3)
    assert end.abc == pytest.approx(theirs.abc, abs=0.02)
    last = vasprun.ionic_steps[-1]
    stress_gpa = np.array(last["stress"]) / 10
    if isif in (2, 3, 4, 8):
        assert np.linalg.norm(last["forces"], axis=1).max() < 0.0005
    if isif in (3, 6):
        assert np.abs(stress_gpa).max() < 0.0005 * 4 / end.volume * GPA_PER_EV_PER_A3
    if isif == 4:
        assert stress_gpa - np.eye(3) * np.trace(stress_gpa) / 3 == pytest.approx(np.zeros((3, 3)), abs=0.01)
        assert end.volume == pytest.approx(alloy().volume_a3, rel=1e-7)
    if isif in (6, 7):
        assert vasprun.final_structure.frac_coords == pytest.approx(np.array(alloy().frac_coords), abs=1e-8)
    if isif in (7, 8):
        assert end.angles == pytest.approx(alloy().to_structure().lattice.angles, abs=1e-4)
    if isif == 2:
        assert np.allclose(end.matrix, alloy().matrix_a, atol=1e-8)
