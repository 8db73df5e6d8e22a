"""The non-analytical term: against the formula of an ionic crystal, and against phonopy with a BORN file."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from phonopy import Phonopy
from phonopy.file_IO import parse_BORN

from nawf.errors import CalculationError
from nawf.flows.phonon import (
    add_non_analytical_term,
    coulomb_ev_a,
    displaced_cells,
    phonon_from_forces,
    phonon_result,
    symmetrised_born,
)
from nawf.results.crystal import Crystal
from nawf.results.methods import PhononMethod, RelaxMethod
from nawf.results.outputs import BornCharges, DisplacedCells, ForcesOutput, RunRecord

RUN = RunRecord(host="here", started_at=datetime.now(UTC), finished_at=datetime.now(UTC), versions={})
METHOD = PhononMethod(min_length_a=10.0, mesh_length_a=40.0, max_temperature_k=600.0, born=True)

EDGE_A = 5.64
ROCK_SALT = Crystal.from_arrays(EDGE_A / 2 * (1 - np.eye(3)), ["Cl", "Na"], [[0, 0, 0], [0.5, 0.5, 0.5]])
SPRING_EV_A2, CHARGE_E, DIELECTRIC = 0.6, 1.1, 2.4
# Along b there is room; S and Na in the order that no sort by name or electronegativity gives.
LAYERS = Crystal.from_arrays(
    np.diag([3.6, 3.9, 5.2]), ["S", "Na", "S", "Na"], [[0, 0, 0], [0.5, 0.5, 0.2], [0.5, 0.5, 0.5], [0, 0, 0.76]]
)


def spring_forces(cells: DisplacedCells, spring_ev_a2: float, reach_a: float) -> ForcesOutput:
    """Forces of atoms tied by springs along their bonds and, with a third of the strength, across them."""
    frac, matrix = np.array(cells.supercell.frac_coords), cells.supercell.matrix_a
    delta = frac[:, None] - frac[None]
    delta = (delta - np.round(delta)) @ matrix
    length = np.linalg.norm(delta, axis=-1)
    near = (length > 1e-6) & (length < reach_a)
    unit = np.divide(delta, length[..., None], out=np.zeros_like(delta), where=near[..., None])
    stiff = spring_ev_a2 * (2 * unit[..., :, None] * unit[..., None, :] + np.eye(3)) / 3 * near[..., None, None]
    forces = []
    for displacement in cells.displacements:
        moved = np.zeros_like(frac)
        moved[displacement.atom] = displacement.vector_a
        forces.append(-np.einsum("ijab,ijb->ia", stiff, moved[:, None] - moved[None]))
    rows = tuple(tuple(map(tuple, f.tolist())) for f in forces)
    return ForcesOutput(forces_ev_per_a=rows, calculation={"functional": "r2SCAN"}, run=RUN)


def born(crystal: Crystal, charges: np.ndarray, dielectric: np.ndarray) -> BornCharges:
    return BornCharges(
        crystal=crystal,
        gap_ev=2.0,
        dielectric=tuple(map(tuple, np.asarray(dielectric, dtype=float).tolist())),
        charges_e=tuple(tuple(map(tuple, z)) for z in np.asarray(charges, dtype=float).tolist()),
        calculation={"functional": "PBEsol"},
        run=RUN,
    )


IONS = born(ROCK_SALT, np.array([-CHARGE_E, CHARGE_E])[:, None, None] * np.eye(3), DIELECTRIC * np.eye(3))


@pytest.mark.parametrize("direction", [(1, 0, 0), (1, 1, 0), (1, 2, 3)])
def test_optical_modes_split_as_born_and_huang_say(direction: tuple[int, int, int]) -> None:
    """ω_LO² - ω_TO² = Z² e² / (ε0 ε∞ V μ), with SI constants; by Lyddane, Sachs and Teller, ε0/ε∞ = (LO/TO)²."""
    cells = displaced_cells(ROCK_SALT, METHOD, 0.01)
    phonon = phonon_from_forces(cells, np.array(spring_forces(cells, SPRING_EV_A2, 3.0).forces_ev_per_a))
    phonon.symmetrize_force_constants(show_drift=False)
    masses = dict(zip(phonon.primitive.symbols, phonon.primitive.masses, strict=True))
    reduced_kg = masses["Na"] * masses["Cl"] / (masses["Na"] + masses["Cl"]) * 1.66053906892e-27
    add_non_analytical_term(phonon, symmetrised_born(IONS, ROCK_SALT))
    phonon.run_qpoints([[0, 0, 0]], nac_q_direction=direction)
    frequencies = phonon.get_qpoints_dict()["frequencies"][0]
    # Along bonds there are two of the six springs, and across them four of a third.
    transverse = np.sqrt((2 + 4 / 3) * SPRING_EV_A2 * 1.602176634e-19 * 1e20 / reduced_kg) / (2 * np.pi) * 1e-12
    volume_m3 = EDGE_A**3 / 4 * 1e-30
    split = (CHARGE_E * 1.602176634e-19) ** 2 / (8.8541878188e-12 * DIELECTRIC * volume_m3 * reduced_kg)
    longitudinal = np.sqrt(transverse**2 + split / (2 * np.pi * 1e12) ** 2)
    assert frequencies[:3] == pytest.approx(0.0, abs=1e-3)
    assert frequencies[3:] == pytest.approx([transverse, transverse, longitudinal], rel=1e-6)
    assert longitudinal / transverse > 1.3


def test_the_unit_is_that_of_coulomb() -> None:
    """Phonopy has VASP's constants, which are a little older."""
    assert coulomb_ev_a() == pytest.approx(1.602176634e-19 / (4 * np.pi * 8.8541878188e-12) * 1e10, rel=1e-6)


def born_file(path, phonon, charges, dielectric):
    """As people write it for phonopy: factor, dielectric tensor, and the charges of independent atoms."""
    independent = phonon.primitive_symmetry.get_independent_atoms()
    rows = ["14.39964548", " ".join(f"{x:.10f}" for x in np.ravel(dielectric))]
    rows += [" ".join(f"{x:.10f}" for x in np.ravel(charges[i])) for i in independent]
    path.write_text("\n".join(rows) + "\n")
    return parse_BORN(phonon.primitive, filename=path)


@pytest.mark.parametrize(
    ("crystal", "charges"),
    [
        (ROCK_SALT, [-1.1 * np.eye(3), 1.1 * np.eye(3)]),
        (LAYERS, [np.diag(z) for z in ([-0.8, -1.1, -1.5], [0.9, 1.0, 1.2], [-0.8, -1.1, -1.5], [0.7, 1.2, 1.8])]),
    ],
    ids=["rock salt", "layers"],
)
def test_free_energy_is_that_of_phonopy_by_hand(tmp_path, crystal: Crystal, charges) -> None:
    dielectric = np.diag([2.0, 2.0, 2.0] if crystal is ROCK_SALT else [2.0, 2.4, 3.1])
    cells = displaced_cells(crystal, METHOD, 0.01)
    output = spring_forces(cells, SPRING_EV_A2, 3.5)
    result = phonon_result(cells, output, RelaxMethod(), born(crystal, charges, dielectric))

    phonon = Phonopy(crystal.to_phonopy(), supercell_matrix=cells.supercell_matrix)
    phonon.generate_displacements(distance=METHOD.displacement_a)
    phonon.forces = np.array(output.forces_ev_per_a)
    phonon.produce_force_constants()
    phonon.symmetrize_force_constants()
    free = {}
    for name in ("without", "with"):
        if name == "with":
            phonon.nac_params = born_file(tmp_path / "BORN", phonon, np.array(charges), dielectric)
        phonon.run_mesh(METHOD.mesh_length_a)
        phonon.run_thermal_properties(t_min=0, t_max=600, t_step=10, cutoff_frequency=0.01)
        free[name] = phonon.get_thermal_properties_dict()["free_energy"] / 96.48533212 / len(crystal)
    assert result.free_energy_ev_per_atom == pytest.approx(free["with"], abs=1e-8)
    # The term counts, or nothing would be tested.
    assert abs(free["with"] - free["without"]).max() > 2e-4


def test_each_atom_has_its_own_charge() -> None:
    """Charges of two unlike atoms of one element exchanged are another crystal's."""
    cells = displaced_cells(LAYERS, METHOD, 0.01)
    output = spring_forces(cells, SPRING_EV_A2, 3.5)
    given = np.array([-1.0, 0.6, -1.0, 1.4])[:, None, None] * np.eye(3)
    one, other = (
        phonon_result(cells, output, RelaxMethod(), born(LAYERS, given[order], 2 * np.eye(3)))
        for order in ([0, 1, 2, 3], [0, 3, 2, 1])
    )
    assert one.born is not None
    assert np.array(one.born.charges_e) == pytest.approx(given)
    assert one.highest_frequency_thz != pytest.approx(other.highest_frequency_thz, abs=1e-3)


def test_charges_get_the_symmetry_of_the_crystal_and_add_up_to_nothing() -> None:
    rng = np.random.default_rng(3)
    noise = 0.02 * rng.normal(size=(2, 3, 3))
    given = born(ROCK_SALT, np.array(IONS.charges_e) + noise, DIELECTRIC * np.eye(3) + 0.02 * rng.normal(size=(3, 3)))
    found = symmetrised_born(given, ROCK_SALT)
    charges, dielectric = np.array(found.charges_e), np.array(found.dielectric)
    assert charges.sum(axis=0) == pytest.approx(np.zeros((3, 3)))
    assert charges[1] == pytest.approx(charges[1, 0, 0] * np.eye(3))
    assert charges[1, 0, 0] == pytest.approx(CHARGE_E + np.trace(noise[1] - noise[0]) / 6)
    assert dielectric == pytest.approx(np.trace(np.array(given.dielectric)) / 3 * np.eye(3))
    assert (found.calculation, found.run) == (given.calculation, given.run)


@pytest.mark.parametrize("what", ["charges_e", "dielectric"])
def test_charges_that_lack_the_symmetry_are_refused(what: str, recwarn: pytest.WarningsRecorder) -> None:
    skewed = np.array(getattr(IONS, what))
    skewed[..., 0, 0] += 0.3
    changed = IONS.model_copy(update={what: skewed.tolist()})
    with pytest.raises(CalculationError, match=r"lack the symmetry of the crystal, by up to 0\.[23]"):
        symmetrised_born(changed, ROCK_SALT)
    assert not recwarn.list


def test_what_does_not_belong_together_is_refused() -> None:
    cells = displaced_cells(ROCK_SALT, METHOD, 0.01)
    output = spring_forces(cells, SPRING_EV_A2, 3.0)
    other = IONS.model_copy(update={"crystal": LAYERS})
    with pytest.raises(CalculationError, match="another crystal"):
        phonon_result(cells, output, RelaxMethod(), other)
    with pytest.raises(CalculationError, match="asks for Born charges"):
        phonon_result(cells, output, RelaxMethod())


def test_a_metal_goes_without_and_says_so() -> None:
    plain = displaced_cells(ROCK_SALT, METHOD.model_copy(update={"born": False}), 0.01)
    asked = displaced_cells(ROCK_SALT, METHOD, 0.01)
    none = BornCharges(crystal=ROCK_SALT, gap_ev=0.0, calculation={"functional": "PBEsol"}, run=RUN)
    output = spring_forces(asked, SPRING_EV_A2, 3.0)
    found = phonon_result(asked, output, RelaxMethod(), none)
    assert found.born == none
    assert found.free_energy_ev_per_atom == phonon_result(plain, output, RelaxMethod()).free_energy_ev_per_atom
