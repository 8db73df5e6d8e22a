"""Harmonic phonons by finite displacements: what to displace, and what the forces mean.

phonopy does the physics (A. Togo, J. Phys. Soc. Jpn. 92, 012001 (2023), 10.7566/JPSJ.92.012001), through its
Python interface: its documents as YAML take longer to write than the potential needs for all forces.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from nawf.errors import CalculationError
from nawf.results.crystal import Crystal, vector
from nawf.results.methods import PhononMethod, RelaxMethod
from nawf.results.outputs import (
    BornCharges,
    DisplacedCells,
    Displacement,
    ForcesOutput,
    Matrix,
    PhononResult,
)
from nawf.results.symmetry import supercell_rows
from nawf.units import KJ_PER_MOL_PER_EV

ACOUSTIC_CUTOFF_THZ = 0.01
"""Below this a mode is one of the three acoustic ones at Γ, which have no free energy."""

MOST_ASYMMETRY = 0.1
"""Of Born charges (e) and of the dielectric tensor; more is a calculation that went wrong, or another crystal."""


def displaced_cells(crystal: Crystal, method: PhononMethod, symprec_a: float) -> DisplacedCells:
    """Supercell of a symmetrised primitive cell and its symmetry-reduced displacements."""
    rows = supercell_rows(crystal, method.min_length_a, symprec_a)
    phonon = _phonopy(crystal, rows.T)
    phonon.generate_displacements(distance=method.displacement_a)
    supercell = phonon.supercell
    return DisplacedCells(
        unitcell=crystal,
        supercell_matrix=tuple(_triple(row) for row in rows.T),
        supercell=Crystal.from_arrays(supercell.cell, supercell.symbols, supercell.scaled_positions),
        displacements=tuple(
            Displacement(atom=int(d["number"]), vector_a=vector(d["displacement"]))
            for d in phonon.dataset["first_atoms"]
        ),
        method=method,
    )


def phonon_from_forces(cells: DisplacedCells, forces: np.ndarray) -> Any:
    """Object of phonopy with force constants, not symmetrised yet.

    Parameters
    ----------
    cells : DisplacedCells
    forces : numpy.ndarray, shape (displacements, supercell atoms, 3)
        eV/Å. The mean force of each cell is taken off: a potential with numerical noise leaves a small one.

    Raises
    ------
    CalculationError
        When the shape does not fit, or a force is not a number.
    """
    expected = (len(cells.displacements), len(cells.supercell), 3)
    if forces.shape != expected:
        raise CalculationError(f"forces have shape {forces.shape}, expected {expected}")
    if not np.isfinite(forces).all():
        raise CalculationError("some forces are not finite numbers")
    phonon = _phonopy(cells.unitcell, np.array(cells.supercell_matrix))
    forces = forces - forces.mean(axis=1, keepdims=True)
    phonon.dataset = {
        "natom": len(cells.supercell),
        "first_atoms": [
            {"number": d.atom, "displacement": np.array(d.vector_a), "forces": f}
            for d, f in zip(cells.displacements, forces, strict=True)
        ],
    }
    phonon.produce_force_constants(show_drift=False)
    return phonon


def sum_rule_violation(force_constants: np.ndarray, atoms: Any) -> float:
    """How far force constants are from the acoustic sum rule, as a fraction.

    Parameters
    ----------
    force_constants : numpy.ndarray, shape (n, n, 3, 3)
    atoms : sequence of int
        Atoms to look at, those of the primitive cell.

    Returns
    -------
    float
        Largest component of the force on an atom when all atoms move alike, relative to the largest force constant
        of an atom with itself.

    Notes
    -----
    The first index is that of the atom that moves. The sum over the other one is the net force on a displaced cell,
    which is zero here whatever the engine: the mean force was taken off.
    """
    chosen = list(atoms)
    moved_alike = force_constants[:, chosen].sum(axis=0)
    return float(np.abs(moved_alike).max() / np.abs(force_constants[chosen, chosen]).max())


def symmetrised_born(born: BornCharges, crystal: Crystal) -> BornCharges:
    """Born charges and dielectric tensor with the symmetry of a crystal; the charges add up to zero.

    Raises
    ------
    CalculationError
        When they are of another crystal, or symmetry changes them by more than :data:`MOST_ASYMMETRY`.
    """
    from phonopy.structure.symmetry import symmetrize_borns_and_epsilon

    if born.crystal != crystal:
        raise CalculationError("the Born charges are of another crystal than the forces")
    if born.charges_e is None or born.dielectric is None:
        return born
    given, tensor = np.array(born.charges_e), np.array(born.dielectric)
    with warnings.catch_warnings():
        # Said below, as an error.
        warnings.filterwarnings("ignore", message="Symmetry of Born effective charge")
        charges, dielectric = symmetrize_borns_and_epsilon(given, tensor, crystal.to_phonopy())
    change = max(np.abs(charges - given).max(), np.abs(dielectric - tensor).max())
    if change > MOST_ASYMMETRY:
        raise CalculationError(
            f"the Born charges and the dielectric tensor lack the symmetry of the crystal, by up to {change:.2g}"
        )
    return born.model_copy(update={"charges_e": tuple(map(_matrix, charges)), "dielectric": _matrix(dielectric)})


def add_non_analytical_term(phonon: Any, born: BornCharges) -> None:
    """Give phonopy's object, whose primitive cell is the crystal of the charges, what splits its optical modes.

    Between the points that the supercell knows, the long-range part of the force constants is that of dipoles:
    X. Gonze and C. Lee, Phys. Rev. B 55, 10355 (1997), 10.1103/PhysRevB.55.10355.
    """
    phonon.nac_params = {
        "born": np.array(born.charges_e),
        "dielectric": np.array(born.dielectric),
        "factor": coulomb_ev_a(),
        "method": "gonze",
    }


def coulomb_ev_a() -> float:
    """Energy of two elementary charges (eV) times their distance (Å), as phonopy has it."""
    from phonopy.physical_units import get_physical_units

    units = get_physical_units()
    return float(units.Hartree * units.Bohr)


def phonon_result(
    cells: DisplacedCells, output: ForcesOutput, relax_method: RelaxMethod, born: BornCharges | None = None
) -> PhononResult:
    """Frequencies on the mesh, imaginary modes, and F, S, Cv per atom, from symmetrised force constants.

    Parameters
    ----------
    cells : DisplacedCells
    output : ForcesOutput
    relax_method : RelaxMethod
    born : BornCharges, optional
        For the non-analytical term; those of a crystal without a band gap leave the phonons as they are.

    Raises
    ------
    CalculationError
        When forces or charges cannot be used, or charges were asked for and are not there.
    """
    method = cells.method
    if method.born and born is None:
        raise CalculationError("the method asks for Born charges, and there are none")
    forces = np.array(output.forces_ev_per_a)
    phonon = phonon_from_forces(cells, forces)
    violation = sum_rule_violation(phonon.force_constants, phonon.primitive.p2s_map)
    phonon.symmetrize_force_constants(show_drift=False)
    if born is not None:
        born = symmetrised_born(born, cells.unitcell)
        if born.has_gap:
            add_non_analytical_term(phonon, born)
    return PhononResult(
        crystal=cells.unitcell,
        supercell_matrix=cells.supercell_matrix,
        n_supercell_atoms=len(cells.supercell),
        n_displacements=len(cells.displacements),
        **mesh_properties(phonon, method),
        net_force_ev_per_a=float(np.linalg.norm(forces.sum(axis=1), axis=1).max()),
        sum_rule_violation=violation,
        born=born,
        calculation=output.calculation,
        method=method,
        relax_method=relax_method,
        run=output.run,
    )


def mesh_properties(phonon: Any, method: PhononMethod) -> dict[str, Any]:
    """What a :class:`PhononResult` says of the modes on the mesh, from phonopy's object with force constants."""
    phonon.run_mesh(method.mesh_length_a)
    frequencies, weights = phonon.mesh.frequencies, phonon.mesh.weights
    imaginary = ((frequencies < -method.imaginary_limit_thz).sum(axis=1) * weights).sum()
    as_real = _thermal(phonon, method, pretend_real=True)
    thermal = _thermal(phonon, method)
    per_atom_ev = 1.0 / KJ_PER_MOL_PER_EV / len(phonon.primitive)
    return {
        "mesh": _triple(phonon.mesh_numbers),
        "temperatures_k": _floats(thermal["temperatures"]),
        "free_energy_ev_per_atom": _floats(thermal["free_energy"] * per_atom_ev),
        "entropy_ev_per_k_per_atom": _floats(thermal["entropy"] / 1e3 * per_atom_ev),
        "heat_capacity_ev_per_k_per_atom": _floats(thermal["heat_capacity"] / 1e3 * per_atom_ev),
        "soft_mode_shift_ev_per_atom": _floats((as_real["free_energy"] - thermal["free_energy"]) * per_atom_ev),
        "lowest_frequency_thz": float(frequencies.min()),
        "highest_frequency_thz": float(frequencies.max()),
        "imaginary_fraction": float(imaginary / (weights.sum() * frequencies.shape[1])),
    }


def _thermal(phonon: Any, method: PhononMethod, *, pretend_real: bool = False) -> Any:
    """F (kJ/mol), S and Cv (J/K/mol) of the primitive cell on the temperature grid."""
    phonon.run_thermal_properties(
        t_min=0.0,
        t_max=method.max_temperature_k,
        t_step=method.temperature_step_k,
        cutoff_frequency=ACOUSTIC_CUTOFF_THZ,
        pretend_real=pretend_real,
    )
    return phonon.get_thermal_properties_dict()


def _phonopy(crystal: Crystal, supercell_matrix: Any) -> Any:
    from phonopy import Phonopy

    return Phonopy(crystal.to_phonopy(), supercell_matrix=supercell_matrix, log_level=0)


def _triple(values: Any) -> tuple[int, int, int]:
    x, y, z = (int(v) for v in values)
    return x, y, z


def _matrix(rows: Any) -> Matrix:
    return tuple(vector(row) for row in rows)


def _floats(values: Any) -> tuple[float, ...]:
    return tuple(float(v) for v in values)
