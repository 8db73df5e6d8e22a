"""nawf's elastic tensor where atomate2's, at its default of reduced strains, is off by orders of magnitude.

A cell that was relaxed with its symmetry free is off by some 1e-7 Å. Its symmetry operations then carry a strain xx
not onto yy, but onto yy with 1e-10 to 1e-8 in other components. atomate2's ``expand_strains`` adds such copies to the
calculated strains, and pymatgen's ``diff_fit`` groups strains by which components are above 1e-10, then takes the
derivative of each group's stresses with respect to the smallest of them: to the residue. What the stress has of
second order in the strain, divided by 1e-9, is a constant of 1e5 to 1e8 GPa. Without reduction there are no copies,
and nothing of this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.core.elasticity import ElasticTensor, ElasticTensorExpansion, Strain, Stress
from pymatgen.core.tensors import TensorMapping
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from nawf.flows.elastic import elastic_result
from nawf.results.crystal import Crystal
from nawf.results.elastic import ElasticResult, StrainedCells, StrainedState, StressesOutput, Voigt
from nawf.results.methods import ElasticMethod, RelaxMethod
from nawf.results.strain import strained, strained_cells

SPECIES = ("Na", "Na", "S")
FRACTIONS = ((0.25, 0.25, 0.25), (0.75, 0.75, 0.75), (0.0, 0.0, 0.0))

# Na2S as CHGNet-r2SCAN and ASE's FIRE relaxed it in atomate2's flow with fix_symmetry=False, Å ...
RELAXED_A = (
    (1.216298111876881e-07, 3.2520742590318386, 3.252074270535275),
    (3.2520743832459553, 5.865210186199378e-08, 3.2520743335129825),
    (3.2520744577122613, 3.252074396475852, -1.581421939025521e-08),
)
# ... the second Piola-Kirchhoff stresses (GPa) of the six strains left by symmetry, and the stress at rest.
CALCULATED: dict[Voigt, Voigt] = {
    (-0.010, 0.0, 0.0, 0.0, 0.0, 0.0): (-0.255462, -0.180772, -0.180771, -0.000002, 0.000004, 0.000009),
    (-0.005, 0.0, 0.0, 0.0, 0.0, 0.0): (-0.128350, -0.090596, -0.090593, 0.000010, 0.000000, 0.000003),
    (0.005, 0.0, 0.0, 0.0, 0.0, 0.0): (0.114477, 0.075137, 0.075136, -0.000001, -0.000001, -0.000002),
    (0.010, 0.0, 0.0, 0.0, 0.0, 0.0): (0.216181, 0.132834, 0.132834, 0.000001, 0.000000, 0.000007),
    (0.0, 0.0, 0.0, -0.02, 0.0, 0.0): (0.001056, -0.001701, -0.001703, -0.114116, -0.000004, -0.000005),
    (0.0, 0.0, 0.0, -0.01, 0.0, 0.0): (0.001029, -0.000270, -0.000270, -0.055489, -0.000002, 0.000006),
}
REST_GPA = (-0.0000546, -0.0000548, -0.0000536, 0.0000023, -0.0000020, 0.0000072)


def cubic_gpa(c11: float, c12: float, c44: float) -> np.ndarray:
    stiffness = np.diag([c11 - c12] * 3 + [c44] * 3)
    stiffness[:3, :3] += c12
    return stiffness


# Of the relaxed cell, from all 24 strains, calculated one by one in a cell of exact symmetry.
ALL_STRAINS_GPA = cubic_gpa(24.515, 16.870, 5.498)
# Of the crystal that stresses are made up for.
MADE_UP_GPA = cubic_gpa(24.5, 16.9, 5.5)
MADE_UP_REST_GPA = 0.02 * np.eye(3)

# Other versions may do otherwise; what nawf does is tested with any.
known_pymatgen = pytest.mark.skipif(version("pymatgen-core") != "2026.10.16", reason="describes pymatgen 2026.10.16")


def tensor(voigt: Sequence[float], shear: float = 1.0) -> np.ndarray:
    xx, yy, zz, yz, xz, xy = np.array(voigt) * [1, 1, 1, shear, shear, shear]
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def voigt(matrix: np.ndarray, shear: float = 1.0) -> Voigt:
    values = np.array(matrix)[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]] * [1, 1, 1, shear, shear, shear]
    xx, yy, zz, yz, xz, xy = values.tolist()
    return xx, yy, zz, yz, xz, xy


def off_by(noise_a: float) -> Crystal:
    """Primitive cell of Na2S, its vectors off by random amounts."""
    lattice = 3.25 * (np.ones((3, 3)) - np.eye(3)) + noise_a * np.random.default_rng(0).normal(size=(3, 3))
    return Crystal.from_arrays(lattice, SPECIES, FRACTIONS)


def cubic_stress_gpa(strain: Voigt) -> np.ndarray:
    """Second Piola-Kirchhoff stress of a cubic crystal in its axes; its third order is that of an isotropic solid."""
    e = tensor(strain, 0.5)
    trace, unit, square = np.trace(e), np.eye(3), e @ e
    third = -30 * trace**2 * unit - 100 * (np.trace(square) * unit + 2 * trace * e) - 200 * square
    return np.asarray(MADE_UP_REST_GPA + tensor((MADE_UP_GPA @ strain).tolist()) + third)


def cauchy_gpa(gradient: np.ndarray, piola_kirchhoff_gpa: np.ndarray) -> np.ndarray:
    return np.asarray(gradient @ piola_kirchhoff_gpa @ gradient.T / np.linalg.det(gradient))


def copies(crystal: Crystal, calculated: dict[Voigt, Voigt]) -> tuple[list[Strain], list[Stress]]:
    """Calculated strains and stresses, and the copies by symmetry that have one component above 1e-3."""
    strains = [Strain.from_voigt(strain) for strain in calculated]
    stresses = [Stress(tensor(stress)) for stress in calculated.values()]
    known = TensorMapping(strains, [True] * len(strains))
    operations = SpacegroupAnalyzer(crystal.to_structure(), symprec=0.1).get_symmetry_operations(cartesian=True)
    for strain, stress in zip(strains[:], stresses[:], strict=True):
        for operation in operations:
            turned = strain.transform(operation)
            if sum(np.abs(turned.voigt) > 1e-3) == 1 and turned not in known:
                known[turned] = True
                strains.append(turned)
                stresses.append(stress.transform(operation))
    return strains, stresses


def by_finite_differences(strains: list[Strain], stresses: list[Stress], **settings: float) -> np.ndarray:
    rest = Stress(tensor(REST_GPA))
    tensors = ElasticTensorExpansion.from_diff_fit(strains, stresses, eq_stress=rest, order=2, **settings)
    return np.array(ElasticTensor(tensors[0]).voigt)


def by_nawf(cells: StrainedCells, law: Callable[[Voigt], np.ndarray], run: Any) -> ElasticResult:
    """Result from the stresses that a law gives for the cells, each in the axes of its cell."""
    states = []
    for strain in cells.strains:
        gradient = np.linalg.solve(cells.crystal.matrix_a, strained(cells.crystal, strain).matrix_a).T
        assert gradient.T @ gradient == pytest.approx(np.eye(3) + 2 * tensor(strain, 0.5), abs=1e-12)
        stress_gpa = voigt(cauchy_gpa(gradient, law(strain)))
        states.append(StrainedState(stress_gpa=stress_gpa, max_force_ev_per_a=1e-5, n_steps=9, converged=True))
    output = StressesOutput(states=tuple(states), calculation={"engine": "replayed"}, run=run)
    return elastic_result(cells, output, RelaxMethod())


@pytest.fixture
def relaxed() -> Crystal:
    return Crystal.from_arrays(RELAXED_A, SPECIES, FRACTIONS)


def test_copies_carry_residues_and_make_the_strains_complete(relaxed: Crystal) -> None:
    strains, _ = copies(relaxed, CALCULATED)
    sizes = np.abs([strain.voigt for strain in strains])
    assert len(strains) == 24
    assert ((sizes > 1e-3).sum(axis=1) == 1).all()
    residues = sizes[(sizes > 1e-10) & (sizes < 1e-3)]
    assert len(residues) > 20
    assert residues.max() < 1e-8


@known_pymatgen
def test_finite_differences_by_residues_give_nonsense(relaxed: Crystal) -> None:
    stiffness = by_finite_differences(*copies(relaxed, CALCULATED))
    assert np.abs(stiffness).max() > 1e5


def test_finite_differences_without_residues_agree_with_all_strains_calculated(relaxed: Crystal) -> None:
    stiffness = by_finite_differences(*copies(relaxed, CALCULATED), tol=1e-6)
    assert stiffness == pytest.approx(ALL_STRAINS_GPA, abs=0.01)


@pytest.mark.parametrize("with_copies", [False, True])
def test_nawf_makes_the_right_tensor_of_the_same_strains(relaxed: Crystal, records: Any, with_copies: bool) -> None:
    strains, stresses = copies(relaxed, CALCULATED)
    n = len(strains) if with_copies else len(CALCULATED)
    law = {voigt(strain, 2.0): np.array(stress) for strain, stress in zip(strains[:n], stresses[:n], strict=True)}
    assert len(law) == n
    cells = StrainedCells(crystal=relaxed, strains=tuple(law), method=ElasticMethod())
    result = by_nawf(cells, law.__getitem__, records.run())
    assert np.array(result.stiffness_gpa) == pytest.approx(ALL_STRAINS_GPA, abs=0.01)
    assert result.moduli.bulk_hill_gpa == pytest.approx(ALL_STRAINS_GPA[0, :3].mean(), abs=0.01)
    assert min(result.eigenvalues_gpa) > 0
    assert result.symmetry_residual_gpa < 0.01


@pytest.mark.parametrize("noise_a", [0.0, 1e-8, 1e-7, 1e-6, 1e-4])
@pytest.mark.parametrize("reduced", [True, False])
def test_nawf_does_not_mind_a_cell_that_is_off(records: Any, noise_a: float, reduced: bool) -> None:
    method = ElasticMethod(strains=(0.005, 0.01), symmetry_reduced=reduced)
    cells = strained_cells(off_by(noise_a), method, RelaxMethod().symprec_a)
    assert len(cells.strains) == (6 if reduced else 24)
    result = by_nawf(cells, cubic_stress_gpa, records.run())
    assert np.array(result.stiffness_gpa) == pytest.approx(MADE_UP_GPA, abs=max(1e-4, 30 * noise_a))
    assert result.fit_residual_gpa == pytest.approx(0.0, abs=max(1e-9, 0.1 * noise_a))


@known_pymatgen
@pytest.mark.parametrize("reduced", [True, False])
def test_atomate2_is_right_only_without_reduction(relaxed: Crystal, reduced: bool) -> None:
    pytest.importorskip("atomate2")
    if version("atomate2") != "0.1.5":
        pytest.skip("describes atomate2 0.1.5")
    document = by_atomate2(relaxed, reduced)
    off_gpa = np.abs(np.array(document.elastic_tensor.raw) - MADE_UP_GPA).max()
    n_calculated = len(set(document.fitting_data.uuids))
    if reduced:
        assert n_calculated == 6
        assert off_gpa > 1e5
        # It is the copies of above that do it.
        no_stress = voigt(np.zeros((3, 3)))
        strains, _ = copies(relaxed, {voigt(np.array(s), 2.0): no_stress for s in document.fitting_data.strains[:6]})
        assert np.array(document.fitting_data.strains) == pytest.approx(np.array(strains), abs=1e-14)
    else:
        assert n_calculated == 24
        assert off_gpa < 1e-6


def by_atomate2(crystal: Crystal, reduced: bool) -> Any:
    """Document from atomate2's jobs, the stresses those of the cubic law in kbar and with VASP's sign."""
    from atomate2.common.jobs.elastic import fit_elastic_tensor, generate_elastic_deformations

    structure = Structure(Lattice(crystal.matrix_a), crystal.species, crystal.frac_coords)
    data = [
        {
            "deformation": f,
            "stress": -10 * cauchy_gpa(np.array(f), cubic_stress_gpa(voigt(np.array(f.green_lagrange_strain), 2.0))),
            "uuid": str(i),
            "job_dir": None,
        }
        for i, f in enumerate(generate_elastic_deformations.original(structure, sym_reduce=reduced))
    ]
    symprec = {} if reduced else {"symprec": None}
    return fit_elastic_tensor.original(
        structure, data, equilibrium_stress=(-10 * MADE_UP_REST_GPA).tolist(), **symprec
    )
