"""Moduli along directions against closed formulas for cubic and hexagonal crystals, and averages over the sphere."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymatgen.analysis.elasticity import ElasticTensor
from scipy.integrate import lebedev_rule
from scipy.spatial.transform import Rotation

from nawf.errors import ReportError
from nawf.results.stiffness import compliance_per_gpa
from nawf.thermo.mechanics import (
    BRITTLE_PUGH_RATIO,
    Ductility,
    ductility,
    linear_compressibility_per_gpa,
    young_extremes,
    young_modulus_gpa,
)


def cubic(c11, c12, c44):
    stiffness = np.diag([c11 - c12] * 3 + [c44] * 3).astype(float)
    stiffness[:3, :3] += c12
    return stiffness


def random_stable(seed):
    root = np.random.default_rng(seed).normal(size=(6, 6))
    return 10 * root @ root.T + 5 * np.eye(6)


COPPER = cubic(168.4, 121.4, 75.4)
NA2S = cubic(24.5, 16.9, 5.5)
ISOTROPIC = cubic(60.0, 20.0, 20.0)


@pytest.mark.parametrize("stiffness", [COPPER, NA2S, cubic(30.0, 5.0, 3.0)])
def test_a_cubic_crystal(stiffness):
    """1/E = s11 - 2 (s11 - s12 - s44/2)(l²m² + m²n² + l²n²), J. F. Nye, Physical Properties of Crystals."""
    c11, c12, c44 = stiffness[0, 0], stiffness[0, 1], stiffness[3, 3]
    s11 = (c11 + c12) / (c11 - c12) / (c11 + 2 * c12)
    s12 = -c12 / (c11 - c12) / (c11 + 2 * c12)
    s44 = 1 / c44
    for direction, product in (((1, 0, 0), 0.0), ((1, 1, 0), 0.25), ((1, 1, 1), 1 / 3), ((0, -2, 0), 0.0)):
        expected = 1 / (s11 - 2 * (s11 - s12 - s44 / 2) * product)
        assert young_modulus_gpa(stiffness, direction) == pytest.approx(expected)
    found = young_extremes(stiffness)
    ends = sorted([1 / s11, 1 / (s11 - 2 * (s11 - s12 - s44 / 2) / 3)])
    assert (found.smallest_gpa, found.largest_gpa) == pytest.approx(tuple(ends), rel=1e-8)
    assert found.anisotropy == pytest.approx(ends[1] / ends[0])
    cube, diagonal = found.softest_direction, found.stiffest_direction
    if ends[1] == pytest.approx(1 / s11):
        cube, diagonal = diagonal, cube
    assert sorted(np.abs(cube)) == pytest.approx([0, 0, 1], abs=1e-3)
    assert np.abs(diagonal) == pytest.approx([3**-0.5] * 3, abs=1e-3)


def test_an_isotropic_solid_is_the_same_everywhere():
    directions = np.random.default_rng(0).normal(size=(4, 5, 3))
    expected = 9 * (100 / 3) * 20 / (100 + 20)
    found = young_modulus_gpa(ISOTROPIC, directions)
    assert found.shape == (4, 5)
    assert found == pytest.approx(np.full((4, 5), expected))
    extremes = young_extremes(ISOTROPIC)
    assert (extremes.smallest_gpa, extremes.largest_gpa) == pytest.approx((expected, expected))


def test_a_hexagonal_crystal():
    """1/E = (1 - c²)² s11 + c⁴ s33 + c²(1 - c²)(2 s13 + s44) at an angle to the axis of cosine c, after Nye."""
    stiffness = np.diag([30.0, 30.0, 50.0, 6.0, 6.0, 10.0])
    stiffness[0, 1] = stiffness[1, 0] = 10.0
    stiffness[:2, 2] = stiffness[2, :2] = 8.0
    s = np.linalg.inv(stiffness)
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(50, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    cosine2 = directions[:, 2] ** 2
    inverse = (1 - cosine2) ** 2 * s[0, 0] + cosine2**2 * s[2, 2] + cosine2 * (1 - cosine2) * (2 * s[0, 2] + s[3, 3])
    assert young_modulus_gpa(stiffness, directions) == pytest.approx(1 / inverse)
    cosine2 = np.linspace(0, 1, 100001)
    inverse = (1 - cosine2) ** 2 * s[0, 0] + cosine2**2 * s[2, 2] + cosine2 * (1 - cosine2) * (2 * s[0, 2] + s[3, 3])
    found = young_extremes(stiffness)
    assert found.smallest_gpa == pytest.approx(1 / inverse.max(), rel=1e-8)
    assert found.largest_gpa == pytest.approx(1 / inverse.min(), rel=1e-8)
    assert found.stiffest_direction == pytest.approx((0, 0, 1), abs=1e-3)
    assert found.softest_direction[2] ** 2 == pytest.approx(cosine2[inverse.argmax()], abs=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_means_over_the_sphere_are_reuss_averages(seed):
    """<1/E> = 1/(9 K) + 1/(3 G) and <linear compressibility> = 1/(3 K), with Reuss's K and G."""
    stiffness = random_stable(seed)
    points, weights = lebedev_rule(11)
    tensor = ElasticTensor.from_voigt(stiffness)
    mean = weights @ (1 / young_modulus_gpa(stiffness, points.T)) / weights.sum()
    assert mean == pytest.approx(1 / (9 * tensor.k_reuss) + 1 / (3 * tensor.g_reuss))
    mean = weights @ linear_compressibility_per_gpa(stiffness, points.T) / weights.sum()
    assert mean == pytest.approx(1 / (3 * tensor.k_reuss))


@pytest.mark.parametrize("seed", range(4))
def test_moduli_along_a_direction_are_those_of_pymatgen(seed):
    stiffness = random_stable(seed)
    direction = np.random.default_rng(seed).normal(size=3)
    direction /= np.linalg.norm(direction)
    s = np.array(ElasticTensor.from_voigt(stiffness).compliance_tensor)
    expected = 1 / np.einsum("ijkl,i,j,k,l", s, *[direction] * 4)
    assert young_modulus_gpa(stiffness, direction) == pytest.approx(expected)
    expected = np.einsum("ijkk,i,j", s, direction, direction)
    assert linear_compressibility_per_gpa(stiffness, 3 * direction) == pytest.approx(expected)


def test_compressibilities_of_three_axes_add_up_to_that_of_the_volume():
    stiffness = random_stable(7)
    axes = Rotation.from_euler("xyz", [0.4, 1.0, -0.3]).as_matrix()
    expected = compliance_per_gpa(stiffness)[:3, :3].sum()
    assert linear_compressibility_per_gpa(stiffness, axes).sum() == pytest.approx(expected)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
@example(152785)  # a sharp peak between points of the grid, beside a lower and broader one
def test_no_direction_is_beyond_the_extremes(seed):
    stiffness = random_stable(seed)
    found = young_extremes(stiffness)
    directions = np.random.default_rng(seed).normal(size=(20000, 3))
    moduli = young_modulus_gpa(stiffness, directions)
    assert moduli.min() >= found.smallest_gpa * (1 - 1e-9)
    assert moduli.max() <= found.largest_gpa * (1 + 1e-9)
    # 20,000 directions come close to them, too.
    assert moduli.min() == pytest.approx(found.smallest_gpa, rel=0.02)
    assert moduli.max() == pytest.approx(found.largest_gpa, rel=0.02)
    for value, direction in (
        (found.smallest_gpa, found.softest_direction),
        (found.largest_gpa, found.stiffest_direction),
    ):
        assert young_modulus_gpa(stiffness, direction) == pytest.approx(value, rel=1e-6)
        assert np.linalg.norm(direction) == pytest.approx(1)
        assert next(x for x in reversed(direction) if x) > 0


@pytest.mark.parametrize(
    ("ratio", "error", "verdict"),
    [
        (0.19, 0.0, Ductility.DUCTILE),
        (0.458, 0.1, Ductility.DUCTILE),
        (0.458, 0.12, Ductility.BORDERLINE),
        (0.6, 0.0, Ductility.BRITTLE),
        (0.6, 0.02, Ductility.BRITTLE),
        (0.6, 0.03, Ductility.BORDERLINE),
        (0.571, 0.0, Ductility.BORDERLINE),
    ],
)
def test_pughs_criterion(ratio, error, verdict):
    assert ductility(ratio, error) is verdict


def test_the_limit_is_pughs():
    assert pytest.approx(1.75, abs=2e-3) == 1 / BRITTLE_PUGH_RATIO
    assert str(Ductility.BORDERLINE) == "borderline"


@pytest.mark.parametrize("stiffness", [cubic(20, 30, 12), cubic(20, 20, 12), np.zeros((6, 6))])
def test_an_unstable_crystal_has_no_moduli_along_directions(stiffness):
    for attempt in (
        lambda: young_modulus_gpa(stiffness, [1, 0, 0]),
        lambda: linear_compressibility_per_gpa(stiffness, [1, 0, 0]),
        lambda: young_extremes(stiffness),
    ):
        with pytest.raises(ReportError, match="not stable"):
            attempt()
