"""Phonons against a lattice whose frequencies are known, and against phonopy driven by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from nawf.engines.registry import build_engine, engine_spec
from nawf.errors import CalculationError
from nawf.flows.phonon import (
    ACOUSTIC_CUTOFF_THZ,
    displaced_cells,
    phonon_from_forces,
    phonon_result,
    sum_rule_violation,
)
from nawf.phases.library import load_library
from nawf.results.crystal import Crystal
from nawf.results.methods import PhononMethod, RelaxMethod
from nawf.results.outputs import DisplacedCells, ForcesOutput, RunRecord
from nawf.results.symmetry import primitive_cell
from nawf.units import BOLTZMANN_EV_PER_K, EV_PER_THZ

EDGE_A = 4.0
NA_MASS_AMU = 22.98976928
# sqrt(eV/Å²/amu) in THz (angular frequency over 2 pi), from CODATA values
THZ_PER_ROOT_EV_A2_AMU = np.sqrt(1.602176634e-19 / 1e-20 / 1.66053906660e-27) / (2 * np.pi) * 1e-12
RUN = RunRecord(host="here", started_at=datetime.now(UTC), finished_at=datetime.now(UTC), versions={})


def spring_forces(cells: DisplacedCells, spring_ev_a2: float) -> ForcesOutput:
    """Forces of a simple cubic lattice whose neighbours are tied by springs, the same for all directions."""
    matrix = cells.supercell.matrix_a
    frac = np.array(cells.supercell.frac_coords)
    delta = frac[:, None] - frac[None, :]
    delta -= np.round(delta)
    neighbours = np.abs(np.linalg.norm(delta @ matrix, axis=-1) - EDGE_A) < 1e-6
    assert (neighbours.sum(axis=1) == 6).all()
    forces = []
    for displacement in cells.displacements:
        moved = np.zeros((len(frac), 3))
        moved[displacement.atom] = displacement.vector_a
        forces.append(-spring_ev_a2 * (6 * moved - neighbours @ moved))
    return ForcesOutput(
        forces_ev_per_a=tuple(tuple(map(tuple, f.tolist())) for f in forces),
        calculation={"engine": "springs"},
        run=RUN,
    )


@pytest.fixture
def cubic() -> DisplacedCells:
    crystal = Crystal.from_arrays(np.eye(3) * EDGE_A, ["Na"], [[0, 0, 0]])
    method = PhononMethod(min_length_a=12.0, mesh_length_a=40.0, max_temperature_k=500.0)
    return displaced_cells(crystal, method, 0.01)


def exact_frequencies_thz(mesh: tuple[int, int, int], spring_ev_a2: float) -> np.ndarray:
    """w² = (2 k / m) sum over axes of (1 - cos q), the same for all three polarisations; Γ-centred mesh."""
    axes = [2 * np.pi * np.arange(n) / n for n in mesh]
    q = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    squared = 2 * spring_ev_a2 / NA_MASS_AMU * (1 - np.cos(q)).sum(axis=1)
    return np.repeat(np.sqrt(squared)[:, None], 3, axis=1) * THZ_PER_ROOT_EV_A2_AMU


def exact_free_energy_ev(frequencies_thz: np.ndarray, temperature_k: float) -> float:
    quantum = frequencies_thz[frequencies_thz > ACOUSTIC_CUTOFF_THZ] * EV_PER_THZ
    thermal = BOLTZMANN_EV_PER_K * temperature_k
    energy = quantum / 2
    if temperature_k > 0:
        energy = energy + thermal * np.log(-np.expm1(-quantum / thermal))
    return float(energy.sum() / len(frequencies_thz))


def test_free_energy_of_a_lattice_of_springs(cubic: DisplacedCells) -> None:
    spring = 0.4
    result = phonon_result(cubic, spring_forces(cubic, spring), RelaxMethod())
    exact = exact_frequencies_thz(result.mesh, spring)
    assert result.highest_frequency_thz == pytest.approx(exact.max(), rel=1e-6)
    assert result.lowest_frequency_thz == pytest.approx(0.0, abs=1e-3)
    assert result.imaginary_fraction == 0.0
    for temperature in (0.0, 100.0, 300.0, 500.0):
        i = result.temperatures_k.index(temperature)
        expected = exact_free_energy_ev(exact, temperature)
        assert result.free_energy_ev_per_atom[i] == pytest.approx(expected, abs=1e-6)


def test_entropy_and_heat_capacity_follow_from_the_free_energy(cubic: DisplacedCells) -> None:
    result = phonon_result(cubic, spring_forces(cubic, 0.4), RelaxMethod())
    t = np.array(result.temperatures_k)
    entropy = -np.gradient(np.array(result.free_energy_ev_per_atom), t)
    assert np.array(result.entropy_ev_per_k_per_atom)[10:-1] == pytest.approx(entropy[10:-1], rel=1e-3)
    x = exact_frequencies_thz(result.mesh, 0.4) * EV_PER_THZ / (BOLTZMANN_EV_PER_K * 500.0)
    x = x[x > 1e-6]
    expected = BOLTZMANN_EV_PER_K * (x**2 * np.exp(x) / np.expm1(x) ** 2).sum() / np.prod(result.mesh)
    assert result.heat_capacity_ev_per_k_per_atom[-1] == pytest.approx(expected, rel=1e-5)
    # Dulong and Petit's 3 k, less a few per cent that quantum mechanics still takes at 500 K.
    assert 0.97 < expected / (3 * BOLTZMANN_EV_PER_K) < 1.0


def test_a_lattice_of_negative_springs_is_imaginary_everywhere_but_at_gamma(cubic: DisplacedCells) -> None:
    result = phonon_result(cubic, spring_forces(cubic, -0.4), RelaxMethod())
    exact = exact_frequencies_thz(result.mesh, 0.4)
    assert result.lowest_frequency_thz == pytest.approx(-exact.max(), rel=1e-6)
    expected = (exact > cubic.method.imaginary_limit_thz).mean()
    assert result.imaginary_fraction == pytest.approx(expected, abs=1e-9)
    i = result.temperatures_k.index(300.0)
    assert result.free_energy_ev_per_atom[i] == pytest.approx(0.0, abs=1e-9)
    # All of F is missing here, and the shift says so.
    assert result.soft_mode_shift_ev_per_atom[i] == pytest.approx(exact_free_energy_ev(exact, 300.0), abs=1e-6)


def test_a_net_force_is_reported_and_taken_off(cubic: DisplacedCells) -> None:
    clean = spring_forces(cubic, 0.4)
    noisy = np.array(clean.forces_ev_per_a) + np.array([1e-3, 0, 0])
    output = clean.model_copy(update={"forces_ev_per_a": tuple(tuple(map(tuple, f)) for f in noisy.tolist())})
    result = phonon_result(cubic, output, RelaxMethod())
    assert result.net_force_ev_per_a == pytest.approx(1e-3 * len(cubic.supercell), rel=1e-6)
    reference = phonon_result(cubic, clean, RelaxMethod())
    assert result.free_energy_ev_per_atom == pytest.approx(reference.free_energy_ev_per_atom, abs=1e-9)


def test_the_sum_rule_is_that_of_a_translation() -> None:
    """Two atoms on a spring of 2; the second pulls back with a quarter too much when it is the one that moves."""
    springs = np.array([[2.0, -2.0], [-2.0, 2.0]])[:, :, None, None] * np.eye(3)
    assert sum_rule_violation(springs, [0, 1]) == 0.0
    springs[1, :] *= 1.25
    assert sum_rule_violation(springs, [0]) == pytest.approx(0.5 / 2.0)
    assert sum_rule_violation(springs, [0, 1]) == pytest.approx(0.5 / 2.5)


def test_springs_keep_the_sum_rule(cubic: DisplacedCells) -> None:
    result = phonon_result(cubic, spring_forces(cubic, 0.4), RelaxMethod())
    assert result.sum_rule_violation == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("fault", ["shape", "nan"])
def test_unusable_forces_are_refused(cubic: DisplacedCells, fault: str) -> None:
    forces = np.array(spring_forces(cubic, 0.4).forces_ev_per_a)
    forces = forces[:, :-1] if fault == "shape" else np.where(forces == forces.max(), np.nan, forces)
    with pytest.raises(CalculationError, match="shape" if fault == "shape" else "finite"):
        phonon_from_forces(cubic, forces)


def direct_free_energy_mev(crystal: Crystal, supercell_matrix: Any, temperature_k: float) -> float:
    """phonopy with chgnet's calculator and ASE, cell by cell; nothing of nawf but the numbers of the crystal."""
    from ase import Atoms
    from chgnet.model import CHGNet, CHGNetCalculator
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms

    unit = PhonopyAtoms(symbols=crystal.species, cell=crystal.lattice_a, scaled_positions=crystal.frac_coords)
    phonon = Phonopy(unit, supercell_matrix=supercell_matrix)
    phonon.generate_displacements(distance=0.01)
    calculator = CHGNetCalculator(model=CHGNet.load(model_name="r2scan", use_device="cpu", verbose=False))
    forces = []
    for cell in phonon.supercells_with_displacements:
        atoms = Atoms(
            cell.symbols, cell=cell.cell, scaled_positions=cell.scaled_positions, pbc=True, calculator=calculator
        )
        forces.append(atoms.get_forces())
    phonon.forces = forces
    phonon.produce_force_constants()
    phonon.symmetrize_force_constants()
    phonon.run_mesh(100.0)
    phonon.run_thermal_properties(temperatures=[temperature_k], cutoff_frequency=0.01)
    kj_per_mol = phonon.get_thermal_properties_dict()["free_energy"][0]
    return kj_per_mol / 96.48533212 * 1e3 / len(phonon.primitive)


@pytest.mark.parametrize(
    ("phase", "min_length_a", "n_atoms", "published_mev"),
    # Reference values of an independent calculation: 3x3x3 primitive cells of Na2S; bcc Na in 4x4x4 of them,
    # which the 54 atoms here agree with.
    [("na2s", 11.0, 81, -40.1), ("na-bcc", 12.0, 54, -80.8)],
)
def test_free_energy_agrees_with_phonopy_by_hand(
    phase: str, min_length_a: float, n_atoms: int, published_mev: float
) -> None:
    engine: Any = build_engine(engine_spec("chgnet-r2scan"))
    start = primitive_cell(Crystal.from_structure(load_library().get(phase).structure()), 0.01)
    relaxed = primitive_cell(engine.relax(start, engine.methods().relax).crystal, 0.01)
    cells = displaced_cells(relaxed, PhononMethod(min_length_a=min_length_a), 0.01)
    assert len(cells.supercell) == n_atoms
    result = phonon_result(cells, engine.forces(cells), engine.methods().relax)
    ours = 1e3 * result.free_energy_ev_per_atom[result.temperatures_k.index(300.0)]
    direct = direct_free_energy_mev(relaxed, np.array(cells.supercell_matrix), 300.0)
    assert ours == pytest.approx(direct, abs=0.3)
    assert ours == pytest.approx(published_mev, abs=2.0)
