"""The series for a cubic crystal against its textbook form, and what strains determine."""

import numpy as np
import pytest

from nawf.results.crystal import Crystal
from nawf.results.elastic_model import FOURTH_ORDER, REST, STIFFNESS, THIRD_ORDER, ElasticModel
from nawf.results.mandel import mandel_stiffness, mandel_vector, tensor_of

CUBE = Crystal.from_arrays(np.eye(3) * 4.0, ["Na"], [[0, 0, 0]])


@pytest.fixture(scope="module")
def model():
    return ElasticModel.of(CUBE, 0.01)


def along(component, size):
    return tuple(size * np.eye(6)[component])


def coefficients(model, order, tensor):
    """Constants of a Mandel tensor in the basis of the model, which must hold it."""
    basis = model.constants(order)
    found = basis.reshape(len(basis), -1) @ tensor.ravel()
    assert np.tensordot(found, basis, axes=1) == pytest.approx(tensor)
    return found


def stress_voigt(model, strain, order, tensor):
    """Stress by one block of the design matrix, xx, yy, zz, yz, xz, xy."""
    design = model.design([strain], max(order, THIRD_ORDER))
    free = model.free_components(strain)
    stress = tensor_of(
        design.blocks[order] @ (coefficients(model, order, tensor) * design.unit ** (order - 1)) @ free
    )
    return [stress[i, j] for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))]


def test_hydrostatic_rest_stress(model):
    stress = stress_voigt(model, along(0, 0.01), REST, mandel_vector(np.eye(3) * 0.7))
    assert stress == pytest.approx([0.7, 0.7, 0.7, 0, 0, 0])


def test_hookes_law(model):
    c11, c12, c44 = 50.0, 20.0, 8.0
    stiffness = np.diag([c11 - c12] * 3 + [c44] * 3)
    stiffness[:3, :3] += c12
    for strain, expected in (
        (along(0, 0.01), [c11, c12, c12, 0, 0, 0]),
        (along(3, 0.01), [0, 0, 0, c44, 0, 0]),
        (along(5, -0.01), [0, 0, 0, 0, 0, -c44]),
    ):
        stress = stress_voigt(model, strain, STIFFNESS, mandel_stiffness(stiffness))
        assert stress == pytest.approx(0.01 * np.array(expected), abs=1e-12)


def cubic_third_order(c111, c112, c123, c144, c155, c456):
    """Voigt tensor C_IJK of class m-3m with all its permutations and equivalents (Brugger 1965)."""
    tensor = np.zeros((6, 6, 6))
    for x, y, z in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        for indices, value in (
            ((x, x, x), c111),
            ((x, x, y), c112),
            ((x, x, z), c112),
            ((x, y, z), c123),
            ((x, x + 3, x + 3), c144),
            ((x, y + 3, y + 3), c155),
            ((x, z + 3, z + 3), c155),
            ((3, 4, 5), c456),
        ):
            for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
                tensor[tuple(indices[i] for i in order)] = value
    return tensor


def test_third_order(model):
    """S1 = C111 η²/2, S2 = C112 η²/2 under η along x; S1 = C144 γ²/2, S2 = S3 = C155 γ²/2 under a shear γ in yz."""
    scale = np.array([1, 1, 1, *[np.sqrt(2)] * 3])
    voigt = cubic_third_order(-500.0, -200.0, 30.0, 12.0, -90.0, 7.0)
    mandel = voigt * np.einsum("i,j,k->ijk", scale, scale, scale)
    assert len(model.constants(THIRD_ORDER)) == 6
    stress = stress_voigt(model, along(0, 0.02), THIRD_ORDER, mandel)
    assert stress == pytest.approx(np.array([-500, -200, -200, 0, 0, 0]) * 0.02**2 / 2)
    stress = stress_voigt(model, along(3, 0.02), THIRD_ORDER, mandel)
    assert stress == pytest.approx(np.array([12, -90, -90, 0, 0, 0]) * 0.02**2 / 2)


def test_fourth_order_is_a_sixth_of_the_cube(model):
    rng = np.random.default_rng(1)
    tensor = np.tensordot(rng.normal(size=len(model.constants(FOURTH_ORDER))), model.constants(FOURTH_ORDER), axes=1)
    strain = mandel_vector(np.diag([0.02, 0, 0]))
    expected = tensor_of(tensor @ strain @ strain @ strain / 6)
    stress = stress_voigt(model, along(0, 0.02), FOURTH_ORDER, tensor)
    assert stress[:3] == pytest.approx(np.diag(expected))


def test_components_that_the_strained_crystal_may_have(model):
    """Under a strain along x, sxx and syy = szz; under a shear in yz, sxx, syy = szz and syz."""
    for strain, n in ((along(0, 0.01), 2), (along(3, 0.01), 3), ((0.01, 0.02, 0.03, 0, 0, 0), 3), ((0.01,) * 6, 2)):
        assert len(model.free_components(strain)) == n


def test_what_strains_determine(model):
    assert model.n_constants == 3
    assert model.n_determined([]) == 0
    # One strain alone cannot tell C from D.
    assert model.n_determined([along(0, 0.01)]) == 0
    assert model.n_determined([along(0, 0.01), along(0, -0.01)]) == 2
    # A shear is the mirror image of its opposite.
    assert model.n_determined([along(3, 0.01)]) == 1
    assert model.n_determined([along(0, 0.01), along(0, -0.01), along(3, 0.01)]) == 3
    # Two uneven strains tell of C11 - C12, which a hydrostatic rest stress does not touch, but not of C11.
    assert model.n_determined([along(0, 0.01), along(0, -0.005)]) == 1
    assert model.n_determined([along(0, 0.01), along(0, -0.005), along(3, 0.01), along(3, 0.005)]) == 3


def test_one_size_of_strain_leaves_rest_stress_and_third_order_mixed(model):
    one = [along(0, 0.01), along(0, -0.01), along(3, 0.01)]
    two = [*one, *(tuple(np.array(strain) / 2) for strain in one)]
    design = model.design(one, THIRD_ORDER)
    assert design.determines(STIFFNESS)
    assert not design.determines(REST)
    for order in (THIRD_ORDER, FOURTH_ORDER):
        design = model.design(two, order)
        assert design.determines(STIFFNESS)
        assert design.determines(REST)
        # Nothing can be said of strains along several axes at once.
        assert not design.determines(order)
