"""Mandel notation against tensors written out, and against pymatgen's Voigt notation."""

import numpy as np
import pytest
from pymatgen.analysis.elasticity import ElasticTensor, Strain, Stress
from scipy.spatial.transform import Rotation

from nawf.results.mandel import (
    mandel_rotation,
    mandel_stiffness,
    mandel_strain,
    mandel_stress,
    mandel_vector,
    tensor_of,
    voigt_stiffness,
    voigt_stress,
)


def symmetric(rng):
    matrix = rng.normal(size=(3, 3))
    return matrix + matrix.T


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_strains_and_stresses_are_those_of_pymatgen(rng):
    strain, stress = symmetric(rng), symmetric(rng)
    assert tensor_of(mandel_strain(Strain(strain).voigt)) == pytest.approx(strain)
    assert tensor_of(mandel_stress(Stress(stress).voigt)) == pytest.approx(stress)
    assert voigt_stress(mandel_vector(stress)) == pytest.approx(np.array(Stress(stress).voigt))


def test_lengths_and_products_are_those_of_the_tensors(rng):
    one, other = symmetric(rng), symmetric(rng)
    assert mandel_vector(one) @ mandel_vector(other) == pytest.approx((one * other).sum())


def test_many_tensors_at_once(rng):
    tensors = np.array([[symmetric(rng) for _ in range(3)] for _ in range(2)])
    vectors = mandel_vector(tensors)
    assert vectors.shape == (2, 3, 6)
    assert tensor_of(vectors) == pytest.approx(tensors)


def test_a_stiffness_does_the_same_in_both_notations(rng):
    voigt = rng.normal(size=(6, 6))
    voigt = voigt + voigt.T
    strain = symmetric(rng)
    stress = np.einsum("ijkl,kl->ij", np.array(ElasticTensor.from_voigt(voigt)), strain)
    assert tensor_of(mandel_stiffness(voigt) @ mandel_vector(strain)) == pytest.approx(stress)
    assert voigt_stiffness(mandel_stiffness(voigt)) == pytest.approx(voigt)


@pytest.mark.parametrize("sign", [1, -1])
def test_rotations_of_vectors_are_those_of_tensors(rng, sign):
    rotation = sign * Rotation.random(rng=rng).as_matrix()
    tensor = symmetric(rng)
    operation = mandel_rotation(rotation)
    assert tensor_of(operation @ mandel_vector(tensor)) == pytest.approx(rotation @ tensor @ rotation.T)
    assert operation @ operation.T == pytest.approx(np.eye(6))
    assert mandel_rotation(-rotation) == pytest.approx(operation)


def test_rotations_follow_one_another(rng):
    first, second = Rotation.random(2, rng=rng).as_matrix()
    stacked = mandel_rotation(np.array([first, second]))
    assert mandel_rotation(second @ first) == pytest.approx(stacked[1] @ stacked[0])
