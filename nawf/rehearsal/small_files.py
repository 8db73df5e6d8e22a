"""OSZICAR, CONTCAR, XDATCAR, the lists of k-points and bands, and placeholders for volumetric data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nawf.rehearsal.bands import Bands, Density
from nawf.rehearsal.formats import fortran_e, row
from nawf.rehearsal.kpoints import KPoints
from nawf.rehearsal.scf import ElectronicStep
from nawf.rehearsal.version import NOTICE
from nawf.results.crystal import Crystal

WAVECAR = f"{NOTICE}, no wavefunctions\n"
_GRID = 4
Groups = Sequence[tuple[str, int]]


def oszicar_head() -> str:
    """Column names in front of every electronic loop."""
    return "       N       E                     dE             d eps       ncg     rms          rms(c)\n"


def oszicar_line(label: str, step: ElectronicStep) -> str:
    """One electronic step."""
    charge = "" if step.charge_residual is None else f"    {fortran_e(step.charge_residual, 9, 3)}"
    energy, change = fortran_e(step.energy_ev, 19, 12), fortran_e(step.change_ev, 12, 5)
    bands, residual = fortran_e(step.band_change_ev, 12, 5), fortran_e(step.residual, 10, 3)
    return f"{label}: {step.number:3d}    {energy}   {change}   {bands}{step.n_applications:6d}  {residual}{charge}\n"


def oszicar_summary(number: int, energy_ev: float, change_ev: float, *, spin: bool) -> str:
    """One ionic step."""
    energy = fortran_e(energy_ev, 14, 8, leading_zero=False)
    change = fortran_e(change_ev, 13, 6, leading_zero=False)
    moment = f"  mag= {0.0:10.4f}" if spin else ""
    return f"{number:4d} F= {energy} E0= {energy}  d E ={change}{moment}\n"


def contcar(crystal: Crystal, groups: Groups, comment: str, free: np.ndarray | None) -> str:
    """Structure to go on from, in the format of POSCAR."""
    lattice = "".join(f" {row(vector, 22, 16)}\n" for vector in crystal.matrix_a)
    flags = [""] * len(crystal) if free is None else ["   " + "   ".join("FT"[int(f)] for f in row_) for row_ in free]
    positions = "".join(f"{row(p, 20, 16)}{f}\n" for p, f in zip(crystal.frac_coords, flags, strict=True))
    velocities = "  0.00000000E+00  0.00000000E+00  0.00000000E+00\n" * len(crystal)
    selective = "" if free is None else "Selective dynamics\n"
    head = f"{comment}\n   1.00000000000000     \n{lattice}{_species(groups)}{selective}"
    return f"{head}Direct\n{positions}\n{velocities}"


def xdatcar_head(crystal: Crystal, groups: Groups, system: str) -> str:
    """Cell, at the start and after each of its changes."""
    lattice = "".join(f"   {row(vector, 12, 6)}\n" for vector in crystal.matrix_a)
    return f"{system}\n           1\n{lattice}{_species(groups)}"


def xdatcar_frame(crystal: Crystal, number: int) -> str:
    """Positions of an ionic step."""
    return f"Direct configuration={number:6d}\n" + "".join(f"{row(p, 12, 8)}\n" for p in crystal.frac_coords)


def _species(groups: Groups) -> str:
    names = "".join(f"   {symbol:<2}" for symbol, _ in groups)
    return f"{names}\n{''.join(f'{count:6d}' for _, count in groups)}\n"


def ibzkpt(kpoints: KPoints) -> str:
    """Irreducible k-points with whole weights."""
    lines = "".join(
        f"{row(point, 20, 14)} {round(float(m)):13d}\n"
        for point, m in zip(kpoints.points, kpoints.multiplicities, strict=True)
    )
    return f"Automatically generated mesh\n{len(kpoints):8d}\nReciprocal lattice\n{lines}"


def eigenval(bands: Bands, kpoints: KPoints, n_atoms: int, n_electrons: float, n_spins: int, system: str) -> str:
    """Eigenvalues and occupations."""
    text = f"{n_atoms:5d}{n_atoms:5d}{1:5d}{n_spins:5d}\n" + _five_lines(system)
    text += f"{round(n_electrons):7d}{len(kpoints):7d}{bands.energies_ev.shape[1]:7d}\n"
    for point, weight, energies, occupations in zip(
        kpoints.points, kpoints.weights, bands.energies_ev, bands.occupations, strict=True
    ):
        text += "\n" + "".join(fortran_e(v, 15, 7) for v in (*point, weight)) + "\n"
        for i, (e, o) in enumerate(zip(energies, occupations, strict=True), start=1):
            text += f"{i:5d}" + f"{e:15.6f}" * n_spins + f"{o:11.6f}" * n_spins + "\n"
    return text


def doscar(density: Density, fermi_ev: float, n_atoms: int, n_spins: int, system: str) -> str:
    """Density of states."""
    grid = density.energies_ev
    both = 2 / n_spins
    text = f"{n_atoms:4d}{n_atoms:4d}{1:4d}{0:4d}\n" + _five_lines(system)
    text += f"{grid[-1]:16.8f}{grid[0]:16.8f}{len(grid):5d}{fermi_ev:16.8f}{1.0:16.8f}\n"
    for e, d, i in zip(grid, density.density, density.integrated, strict=True):
        text += f"{e:11.3f}" + fortran_e(both * d, 12, 4) * n_spins + fortran_e(both * i, 12, 4) * n_spins + "\n"
    return text


def _five_lines(system: str) -> str:
    return "  0.0000000E+00" * 5 + "\n  1.000000000000000E-004\n  CAR \n" + f" {system}\n"


def pcdat(system: str) -> str:
    """Placeholder of the pair correlation function."""
    return f"{system}\n{NOTICE}, no pair correlation\n"


def volumetric(crystal: Crystal, groups: Groups, value: float, n_spins: int = 1) -> str:
    """Uniform placeholder of a charge density or potential on a small grid."""
    lattice = "".join(f" {row(vector, 12, 6)}\n" for vector in crystal.matrix_a)
    positions = "".join(f"{row(p, 10, 6)}\n" for p in crystal.frac_coords)
    text = f"{NOTICE}, uniform\n   1.00000000000000     \n{lattice}{_species(groups)}Direct\n{positions}\n"
    for spin in range(n_spins):
        number = f" {fortran_e(value if spin == 0 else 0.0, 17, 11)}"
        numbers = [number] * _GRID**3
        lines = "".join("".join(numbers[i : i + 5]) + "\n" for i in range(0, len(numbers), 5))
        text += f" {_GRID:4d} {_GRID:4d} {_GRID:4d}\n{lines}"
    return text
