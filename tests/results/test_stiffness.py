"""Moduli against pymatgen and closed formulas."""

import numpy as np
import pytest
from pymatgen.analysis.elasticity import ElasticTensor
from scipy.spatial.transform import Rotation

from nawf.results.crystal import Crystal
from nawf.results.elastic import Moduli
from nawf.results.stiffness import (
    compliance_per_gpa,
    debye_temperature_k,
    density_kg_per_m3,
    eigenvalues_gpa,
    is_stable,
    moduli,
)

HALITE = Crystal.from_arrays(
    np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * 5.64 / 2, ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
)
COPPER = Crystal.from_arrays(np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * 3.615 / 2, ["Cu"], [[0, 0, 0]])


def cubic(c11, c12, c44):
    stiffness = np.diag([c11 - c12] * 3 + [c44] * 3).astype(float)
    stiffness[:3, :3] += c12
    return stiffness


def isotropic(bulk, shear):
    return cubic(bulk + 4 * shear / 3, bulk - 2 * shear / 3, shear)


def random_stable(seed):
    root = np.random.default_rng(seed).normal(size=(6, 6))
    return 10 * root @ root.T + 5 * np.eye(6)


@pytest.mark.parametrize("seed", range(5))
def test_moduli_are_those_of_pymatgen(seed):
    stiffness = random_stable(seed)
    tensor = ElasticTensor.from_voigt(stiffness)
    result = moduli(stiffness, HALITE)
    expected = {
        "bulk_voigt_gpa": tensor.k_voigt,
        "bulk_reuss_gpa": tensor.k_reuss,
        "bulk_hill_gpa": tensor.k_vrh,
        "shear_voigt_gpa": tensor.g_voigt,
        "shear_reuss_gpa": tensor.g_reuss,
        "shear_hill_gpa": tensor.g_vrh,
        "young_gpa": tensor.y_mod / 1e9,
        "poisson": tensor.homogeneous_poisson,
        "pugh_ratio": tensor.g_vrh / tensor.k_vrh,
        "universal_anisotropy": tensor.universal_anisotropy,
        "debye_temperature_k": tensor.debye_temperature(HALITE.to_structure()),
    }
    for name, value in expected.items():
        assert getattr(result, name) == pytest.approx(value, rel=1e-4 if name.startswith("debye") else 1e-9), name
    assert set(expected) == set(Moduli.model_fields) - {"errors"}
    assert compliance_per_gpa(stiffness) == pytest.approx(np.array(tensor.compliance_tensor.voigt))


def test_debye_temperature_of_copper():
    """Calorimetry gives 345 K; the averages of Hill lie a little above the mean over directions."""
    result = moduli(cubic(176.2, 124.9, 81.8), COPPER)
    assert density_kg_per_m3(COPPER) == pytest.approx(8935, rel=1e-3)
    assert 345 < result.debye_temperature_k < 355


def test_debye_temperature_by_hand():
    """All speeds are equal for K = -G/3, which no crystal has; for K = 2 G / 3 the longitudinal one is √2 times."""
    speed = 3000.0
    density = 2000.0
    shear_gpa = density * speed**2 / 1e9
    mean = (3 / (2 + 2**-1.5)) ** (1 / 3) * speed
    expected = 6.62607015e-34 * mean / 1.380649e-23 * (3 * 5e28 / (4 * np.pi)) ** (1 / 3)
    assert debye_temperature_k(2 * shear_gpa / 3, shear_gpa, density, 5e28) == pytest.approx(expected)


def test_an_isotropic_solid():
    result = moduli(isotropic(40.0, 15.0), HALITE)
    assert (result.bulk_voigt_gpa, result.bulk_reuss_gpa) == pytest.approx((40, 40))
    assert (result.shear_voigt_gpa, result.shear_reuss_gpa) == pytest.approx((15, 15))
    assert result.universal_anisotropy == pytest.approx(0, abs=1e-12)
    assert result.young_gpa == pytest.approx(9 * 40 * 15 / (120 + 15))
    assert result.poisson == pytest.approx(result.young_gpa / (2 * 15) - 1)
    assert result.pugh_ratio == pytest.approx(15 / 40)
    assert result.errors == {}


def test_eigenvalues_of_a_cubic_crystal_in_any_axes():
    """Three times the bulk modulus, twice (C11 - C12), thrice 2 C44; a turn changes the matrix but not these."""
    stiffness = cubic(60.0, 20.0, 12.0)
    expected = [24, 24, 24, 40, 40, 100]
    assert eigenvalues_gpa(stiffness) == pytest.approx(expected)
    turn = Rotation.from_euler("xyz", [0.4, 1.0, -0.3]).as_matrix()
    turned = np.array(ElasticTensor.from_voigt(stiffness).rotate(turn).voigt)
    assert np.abs(turned - stiffness).max() > 1
    assert eigenvalues_gpa(turned) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("stiffness", "stable"),
    [
        (cubic(60, 20, 12), True),
        (cubic(20, 30, 12), False),  # C11 < C12
        (cubic(60, 20, -1), False),
        (cubic(10, -6, 5), False),  # C11 + 2 C12 < 0
        (cubic(20, 20, 12), False),
        (np.zeros((6, 6)), False),
    ],
)
def test_borns_criteria_of_a_cubic_crystal(stiffness, stable):
    assert is_stable(stiffness) is stable
    result = moduli(stiffness, HALITE)
    if stable:
        assert result.debye_temperature_k is not None
    values = [value for value in result.model_dump(exclude={"errors"}).values() if value is not None]
    assert all(isinstance(value, float) for value in values)


def test_a_crystal_without_resistance_to_shear_has_finite_moduli_that_say_so():
    result = moduli(cubic(20.0, 20.0, 12.0), HALITE)
    assert result.bulk_hill_gpa == pytest.approx(20)
    assert result.shear_reuss_gpa == pytest.approx(0, abs=1e-6)
    assert np.isfinite(list(result.model_dump(exclude={"errors"}).values())).all()


def test_no_debye_temperature_where_an_average_is_negative():
    result = moduli(cubic(10.0, -6.0, 5.0), HALITE)
    assert result.bulk_hill_gpa < 0
    assert result.debye_temperature_k is None
    direction = cubic(1.0, 0.0, 0.0)
    assert "debye_temperature_k" not in moduli(cubic(10.0, -6.0, 5.0), HALITE, [direction], [[1.0]]).errors


def test_errors_by_hand():
    """Voigt's averages are linear: K = (C11 + 2 C12)/3, G = (C11 - C12 + 3 C44)/5."""
    directions = [cubic(1, 0, 0), cubic(0, 1, 0), cubic(0, 0, 1)]
    errors = moduli(cubic(60, 20, 12), HALITE, directions, np.diag([0.3, 0.2, 0.1]) ** 2).errors
    assert errors["bulk_voigt_gpa"] == pytest.approx(np.hypot(0.3, 0.4) / 3, rel=1e-6)
    assert errors["shear_voigt_gpa"] == pytest.approx(np.sqrt(0.09 + 0.04 + 0.09) / 5, rel=1e-6)
    correlated = moduli(cubic(60, 20, 12), HALITE, directions, [[0.09, 0.06, 0], [0.06, 0.04, 0], [0, 0, 0]]).errors
    assert correlated["bulk_voigt_gpa"] == pytest.approx((0.3 + 2 * 0.2) / 3, rel=1e-6)


def test_errors_are_the_scatter_of_moduli_over_draws():
    rng = np.random.default_rng(2)
    stiffness = random_stable(4)
    directions = [
        np.where((i == a) & (j == b) | (i == b) & (j == a), 1.0, 0.0)
        for a, b in np.transpose(np.triu_indices(6))
        for i, j in [np.indices((6, 6))]
    ]
    root = 0.05 * rng.normal(size=(21, 21)) / np.sqrt(21)
    covariance = root @ root.T
    result = moduli(stiffness, HALITE, directions, covariance)
    draws = rng.multivariate_normal(np.zeros(21), covariance, size=3000)
    found = [moduli(stiffness + np.tensordot(draw, directions, axes=1), HALITE).model_dump() for draw in draws]
    for name, error in result.errors.items():
        assert np.std([each[name] for each in found]) == pytest.approx(error, rel=0.06), name
    assert set(result.errors) == set(Moduli.model_fields) - {"errors"}
