"""Elastic tensors from the stresses of known ones, written out as tensors, and from the embedded engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.elasticity import ElasticTensor, Strain, Stress, diff_fit
from scipy.spatial.transform import Rotation
from scipy.stats import t as student

from nawf.engines.registry import build_engine, engine_spec
from nawf.errors import CalculationError
from nawf.flows.elastic import elastic_result, fit_stiffness, piola_kirchhoff_stress
from nawf.phases.library import load_library
from nawf.results.crystal import Crystal
from nawf.results.elastic import ElasticResult, StrainedCells, StrainedState, StressesOutput
from nawf.results.elastic_model import ElasticModel
from nawf.results.mandel import mandel_vector, tensor_of, voigt_stiffness, voigt_stress
from nawf.results.methods import ElasticMethod, RelaxMethod
from nawf.results.strain import deformation_gradient, strained_cells
from nawf.results.symmetry import primitive_cell, symmetrise

SYMPREC_A = 0.01
FULL = ElasticMethod(symmetry_reduced=False)
ONE_SIZE = ElasticMethod(strains=(0.01,))

# Independent constants by J. F. Nye, Physical Properties of Crystals. A number stands for a space group.
N_CONSTANTS = {
    "na2s": 3,
    "na3sbs3": 3,  # class 23
    "na2s2-alpha": 5,
    "sn-beta": 6,
    "na2s4": 6,
    88: 7,  # class 4/m: C16
    "sb": 6,  # class -3m: C14
    162: 6,  # class -3m: C15
    "snp2s6": 7,  # class 3: both
    "sns": 9,
    "nasbs2-c2m": 13,
    "lip": 13,
    "p2s7-p1": 21,
}

Build = Callable[..., Any]


@pytest.mark.parametrize(("phase", "n_constants"), N_CONSTANTS.items())
def test_a_known_tensor_comes_back(material: Build, phase: str | int, n_constants: int) -> None:
    known = material(phase)
    for method in (ElasticMethod(), FULL, ElasticMethod(strains=(0.004, 0.007, 0.01)), ONE_SIZE):
        cells = known.cells(method)
        result = known.result(cells)
        expected = known.stiffness(cells)
        assert np.array(result.stiffness_gpa) == pytest.approx(expected, abs=0.1)
        assert (result.n_constants, result.n_missing) == (n_constants, 0)
        scale = np.array([1, 1, 1, 2**0.5, 2**0.5, 2**0.5])
        eigenvalues = np.linalg.eigvalsh(expected * np.outer(scale, scale))
        assert result.eigenvalues_gpa == pytest.approx(eigenvalues, abs=0.3)
        if method is ONE_SIZE:
            assert result.symmetry_residual_gpa < 0.2
            continue
        # To fourth order the series is exact.
        assert np.array(result.stiffness_gpa) == pytest.approx(expected, abs=1e-5)
        assert np.array(result.stiffness_error_gpa).max() < 1e-5
        assert result.rest_stress_gpa == pytest.approx(_voigt(known.rest_stress(cells)), abs=1e-7)
        assert result.fit_residual_gpa < 1e-8
        assert result.symmetry_residual_gpa < 1e-4


def _voigt(stress: np.ndarray) -> np.ndarray:
    return voigt_stress(mandel_vector(stress))


def test_zeros_and_ties_of_a_tensor_are_exact(material: Build) -> None:
    known = material("na2s2-alpha")
    stiffness = np.array(known.result(known.cells()).stiffness_gpa)
    assert stiffness == pytest.approx(stiffness.T, abs=1e-12)
    assert stiffness[5, 5] == pytest.approx((stiffness[0, 0] - stiffness[0, 1]) / 2)
    assert not stiffness[:3, 3:].any()
    assert not np.signbit(stiffness[:3, 3:]).any()


@settings(max_examples=12, deadline=None)
@given(
    phase=st.sampled_from(["na2s", "sb", "na2s4", 88, "nasbs2-c2m", "p2s7-p1"]),
    quaternion=st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1),
)
def test_a_turned_crystal_has_the_same_tensor(material: Build, phase: str | int, quaternion: list[float]) -> None:
    known = material(phase)
    other = known.turned(Rotation.from_quat(quaternion).as_matrix())
    first, second = (each.result(each.cells()) for each in (known, other))
    assert np.array(second.stiffness_gpa) == pytest.approx(np.array(first.stiffness_gpa), abs=1e-4)
    assert second.moduli.model_dump(exclude={"errors"}) == pytest.approx(first.moduli.model_dump(exclude={"errors"}))


@pytest.mark.parametrize("phase", ["na2s", "na2s2-alpha", "na2s4", "sb", "sns"])
def test_tensors_and_moduli_are_those_of_pymatgen(material: Build, phase: str) -> None:
    """Its tensor in IEEE axes of the crystal as it was given, and what it makes of it."""
    known = material(phase)
    structure = known.crystal.to_structure()
    tensor = ElasticTensor(known.constants[1]).convert_to_ieee(structure)
    result = known.result(known.cells())
    assert np.array(result.stiffness_gpa) == pytest.approx(np.array(tensor.voigt), abs=1e-4)
    assert result.moduli.bulk_reuss_gpa == pytest.approx(tensor.k_reuss)
    assert result.moduli.shear_hill_gpa == pytest.approx(tensor.g_vrh)
    assert result.moduli.universal_anisotropy == pytest.approx(tensor.universal_anisotropy)
    assert result.moduli.debye_temperature_k == pytest.approx(tensor.debye_temperature(structure), rel=1e-4)


def pymatgen_data(cells: StrainedCells, cauchy: np.ndarray) -> tuple[list[Strain], list[Stress]]:
    """Strains and second Piola-Kirchhoff stresses, by pymatgen's own transformation."""
    strains = [Strain.from_voigt(strain) for strain in cells.strains]
    gradients = [strain.get_deformation_matrix(shape="symmetric") for strain in strains]
    return strains, [Stress(s).piola_kirchoff_2(f) for s, f in zip(cauchy, gradients, strict=True)]


@pytest.mark.parametrize("phase", ["na2s", "snp2s6", "nasbs2-c2m", "p2s7-p1"])
def test_fits_of_a_linear_solid_are_those_of_pymatgen(material: Build, phase: str) -> None:
    known = material(phase, anharmonic=False)
    cells = known.cells(FULL)
    strains, stresses = pymatgen_data(cells, known.cauchy(cells))
    ours = np.array(known.result(cells).stiffness_gpa)
    with pytest.warns(UserWarning, match="Pseudo-inverse"):
        theirs = ElasticTensor.from_pseudoinverse(strains, stresses)
    assert ours == pytest.approx(np.array(theirs.voigt), abs=1e-3)
    theirs = ElasticTensor.from_independent_strains(strains, stresses, eq_stress=np.zeros((3, 3)), tol=1e-9)
    assert ours == pytest.approx(np.array(theirs.voigt), abs=1e-3)


def test_the_curve_is_followed_as_pymatgen_does(material: Build) -> None:
    """Differences over five points are exact to fourth order, as the series is."""
    known = material("p2s7-p1")
    cells = known.cells(FULL)
    strains, stresses = pymatgen_data(cells, known.cauchy(cells))
    theirs, *_ = diff_fit(strains, stresses, Stress(known.rest_stress(cells)), order=2)
    assert np.array(known.result(cells).stiffness_gpa) == pytest.approx(np.array(theirs.voigt), abs=1e-3)


def test_second_piola_kirchhoff_stress_by_hand() -> None:
    """A bar of unit cross section, stretched by λ: S = σ / λ. A pressure p: S = -p J F⁻¹F⁻ᵀ."""
    found = piola_kirchhoff_stress((0.02, 0, 0, 0, 0, 0), (3.0, 0, 0, 0, 0, 0))
    assert found == pytest.approx([3 / 1.04**0.5, 0, 0, 0, 0, 0])
    strain = (0.01, -0.02, 0.03, 0.01, -0.02, 0.015)
    metric = 2 * np.array([[0.01, 0.0075, -0.01], [0.0075, -0.02, 0.005], [-0.01, 0.005, 0.03]]) + np.eye(3)
    expected = -2 * np.sqrt(np.linalg.det(metric)) * np.linalg.inv(metric)
    assert tensor_of(piola_kirchhoff_stress(strain, (-2, -2, -2, 0, 0, 0))) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("phase", "method"),
    [
        ("na2s", ElasticMethod()),
        ("na2s", FULL),
        ("snp2s6", ElasticMethod()),
        ("nasbs2-c2m", ElasticMethod(strains=(0.004, 0.007, 0.01))),
    ],
)
def test_errors_are_the_scatter_of_the_tensor_over_draws(material: Build, phase: str, method: ElasticMethod) -> None:
    known = material(phase)
    cells = known.cells(method)
    model = ElasticModel.of(cells.crystal, SYMPREC_A)
    exact = np.array(
        [piola_kirchhoff_stress(e, tuple(_voigt(s))) for e, s in zip(cells.strains, known.cauchy(cells), strict=True)]
    )
    rng = np.random.default_rng(11)
    n_draws = 300
    noise = rng.normal(scale=0.003, size=(n_draws, *exact.shape))
    fits = [fit_stiffness(model, cells.strains, exact + each) for each in noise]
    found = np.array([voigt_stiffness(fit.stiffness) for fit in fits])
    slopes = voigt_stiffness(fits[0].derivatives)
    errors = np.sqrt(np.array([np.einsum("nij,nm,mij->ij", slopes, fit.covariance, slopes) for fit in fits]))
    own = np.triu(errors[0] > 1e-9 * errors[0].max())
    deviations = (found - known.stiffness(cells))[:, own]
    scatter = deviations.std(axis=0)
    assert (np.abs(deviations.mean(axis=0)) / scatter).max() < 4 / n_draws**0.5
    assert scatter / np.sqrt((errors[:, own] ** 2).mean(axis=0)) == pytest.approx(1, abs=4 / (2 * n_draws) ** 0.5)
    # Few degrees of freedom make Student's distribution of it.
    share = 2 * student.cdf(1, fits[0].degrees_of_freedom) - 1
    within = (np.abs(deviations) < errors[:, own]).mean()
    assert within == pytest.approx(share, abs=4 * (share * (1 - share) / n_draws) ** 0.5)


def test_noise_is_in_the_residual_and_in_the_errors_of_the_record(material: Build) -> None:
    known = material("nasbs2-c2m")
    cells = known.cells(FULL)
    noise = np.random.default_rng(3).normal(scale=0.002, size=(24, 3, 3))
    noise = (noise + np.swapaxes(noise, 1, 2)) / 2
    result = known.result(cells, known.cauchy(cells) + noise)
    deviations = np.abs(np.array(result.stiffness_gpa) - known.stiffness(cells))
    errors = np.array(result.stiffness_error_gpa)
    # Less than the noise by what the constants take up of it.
    size = np.sqrt((_voigt(noise) ** 2).mean())
    assert 0.5 * size < result.fit_residual_gpa < size
    assert ((errors > 0) == (np.array(result.stiffness_gpa) != 0)).all()
    assert (deviations <= 4 * errors + 1e-9).all()
    # A component by itself is off by a few errors.
    assert 0.1 * errors.max() < result.symmetry_residual_gpa < 10 * errors.max()
    assert 0 < result.moduli.errors["bulk_hill_gpa"] < errors.max()


def test_one_size_of_strain_counts_the_third_order_as_scatter(material: Build) -> None:
    known = material("na2s")
    one, two = (known.result(known.cells(method)) for method in (ONE_SIZE, ElasticMethod()))
    errors = np.array(one.stiffness_error_gpa)
    assert errors[0, 0] > 100 * two.stiffness_error_gpa[0][0]
    assert np.abs(np.array(one.stiffness_gpa) - np.array(two.stiffness_gpa)).max() < errors[0, 0]
    assert one.fit_residual_gpa > 1e-3


def changed(output: StressesOutput, states: dict[int, StrainedState | None]) -> StressesOutput:
    new = tuple(states.get(i, state) for i, state in enumerate(output.states))
    return output.model_copy(update={"states": new})


def test_states_without_a_stress_are_left_out(material: Build) -> None:
    known = material("na2s")
    cells = known.cells(FULL)
    output = known.output(known.cauchy(cells))
    state = output.states[0]
    rubbish = state.model_copy(update={"converged": False, "stress_gpa": (9.0,) * 6})
    nothing = state.model_copy(update={"stress_gpa": (float("nan"),) * 6})
    result = elastic_result(cells, changed(output, {2: None, 7: rubbish, 13: nothing}), RelaxMethod())
    assert result.n_missing == 3
    assert len(result.states) == len(result.strains) == 24
    assert np.array(result.stiffness_gpa) == pytest.approx(known.stiffness(cells), abs=1e-4)


@pytest.mark.parametrize("missing", [0, 3, 6])
def test_one_sign_of_one_size_does_not_pass_its_third_order_for_elasticity(material: Build, missing: int) -> None:
    """Its equivalents by symmetry determine the tensor."""
    known = material("na2s")
    cells = known.cells(ElasticMethod(strains=(0.01,), symmetry_reduced=False))
    output = changed(known.output(known.cauchy(cells)), {missing: None})
    result = elastic_result(cells, output, RelaxMethod())
    assert np.array(result.stiffness_gpa) == pytest.approx(known.stiffness(cells), abs=0.1)


def test_a_reduced_set_can_do_with_one_less(material: Build) -> None:
    known = material("na2s2-alpha")
    cells = known.cells()
    output = known.output(known.cauchy(cells))
    for missing in range(len(cells.strains)):
        result = elastic_result(cells, changed(output, {missing: None}), RelaxMethod())
        assert np.array(result.stiffness_gpa) == pytest.approx(known.stiffness(cells), abs=0.5)
        assert result.n_missing == 1


def test_too_few_states_are_an_error_that_names_the_strains(material: Build) -> None:
    known = material("na2s")
    cells = known.cells()
    output = known.output(known.cauchy(cells))
    shears: dict[int, StrainedState | None] = {i: None for i, strain in enumerate(cells.strains) if strain[3]}
    with pytest.raises(CalculationError, match=r"yz \+0\.005, yz \+0\.01: the others do not determine") as caught:
        elastic_result(cells, changed(output, shears), RelaxMethod())
    assert "xx" not in str(caught.value)
    nothing: dict[int, StrainedState | None] = dict.fromkeys(range(len(cells.strains)))
    with pytest.raises(CalculationError, match=r"xx \+0\.005, xx -0\.005, .* do not determine"):
        elastic_result(cells, changed(output, nothing), RelaxMethod())
    with pytest.raises(CalculationError, match="5 states of 6 strained cells"):
        elastic_result(cells, output.model_copy(update={"states": output.states[1:]}), RelaxMethod())


def test_stresses_of_moving_ions_are_fitted_only_where_there_are_no_others(material: Build) -> None:
    known = material("na2s")
    cells = known.cells()
    output = known.output(known.cauchy(cells))
    moving = {
        i: state.model_copy(update={"converged": False})
        for i, state in enumerate(output.states)
        if state is not None and cells.strains[i][3]
    }
    result = elastic_result(cells, changed(output, dict(moving)), RelaxMethod())
    assert result.uses_unrelaxed
    assert result.n_missing == len(moving) == 2
    assert np.array(result.stiffness_gpa) == pytest.approx(known.stiffness(cells), abs=1e-4)
    assert not elastic_result(cells, output, RelaxMethod()).uses_unrelaxed
    first = next(iter(moving))
    moving[first] = moving[first].model_copy(update={"stress_gpa": (float("nan"),) * 6})
    result = elastic_result(cells, changed(output, dict(moving)), RelaxMethod())
    assert np.array(result.stiffness_gpa) == pytest.approx(known.stiffness(cells), abs=0.5)


def test_a_fit_with_nothing_to_spare_is_refused(material: Build) -> None:
    model = ElasticModel.of(material("na2s").crystal, SYMPREC_A)
    with pytest.raises(CalculationError, match="more sizes of strain"):
        fit_stiffness(model, [(0.01, 0.01, 0.01, 0, 0, 0)], np.ones((1, 6)))


def with_extra(known: Any, cells: StrainedCells, extra: Callable[[Any], np.ndarray]) -> np.ndarray:
    """Cauchy stresses with something added to the second Piola-Kirchhoff stress under each strain."""
    stresses = []
    for strain, stress in zip(cells.strains, known.cauchy(cells), strict=True):
        gradient = deformation_gradient(strain)
        stresses.append(stress + gradient @ extra(strain) @ gradient.T / np.linalg.det(gradient))
    return np.array(stresses)


@pytest.mark.parametrize("sizes", [(0.01,), (0.005, 0.01)])
def test_symmetry_residual_of_one_component_that_differs(material: Build, sizes: tuple[float, ...]) -> None:
    """syy under yy strain, 0.9 GPa too stiff: C11 rises by a third of that, and the residual is the rest."""
    known = material("na2s", anharmonic=False)
    cells = known.cells(ElasticMethod(strains=sizes, symmetry_reduced=False))
    result = known.result(cells, with_extra(known, cells, lambda strain: np.diag([0, 0.9 * strain[1], 0])))
    assert result.stiffness_gpa[0][0] == pytest.approx(known.stiffness(cells)[0, 0] + 0.3, abs=1e-6)
    assert result.symmetry_residual_gpa == pytest.approx(0.6, abs=1e-6)


@pytest.mark.parametrize("forbidden", [("xz", [[0, 0, 1], [0, 0, 0], [1, 0, 0]]), ("yy-zz", np.diag([0, 1, -1]))])
def test_symmetry_residual_of_a_stress_that_symmetry_forbids(material: Build, forbidden: Any) -> None:
    """Neither sxz nor syy - szz may come with a yz strain; the tensor does not notice them."""
    known = material("na2s", anharmonic=False)
    cells = known.cells()
    extra = 0.4 * np.array(forbidden[1])
    clean = known.result(cells)
    result = known.result(cells, with_extra(known, cells, lambda strain: strain[3] * extra))
    assert np.array(result.stiffness_gpa) == pytest.approx(np.array(clean.stiffness_gpa), abs=1e-9)
    assert result.symmetry_residual_gpa == pytest.approx(0.4, abs=1e-6)
    assert result.fit_residual_gpa > 1e-4


def test_an_unstable_crystal_has_a_record(material: Build) -> None:
    """A cubic one with C11 < C12, by Born's criterion."""
    known = material("na2s", anharmonic=False)
    cells = known.cells()
    unstable = np.diag([-10.0, -10, -10, 5, 5, 5]) + np.pad(np.full((3, 3), 15.0), (0, 3))
    known.set_stiffness(cells, unstable)
    result = known.result(cells)
    assert np.array(result.stiffness_gpa) == pytest.approx(unstable, abs=1e-6)
    assert result.eigenvalues_gpa == pytest.approx((-10, -10, 10, 10, 10, 35))
    assert result.moduli.bulk_hill_gpa == pytest.approx(35 / 3)


def test_a_record_travels_as_json(material: Build) -> None:
    known = material("na2s")
    result = known.result(known.cells())
    assert ElasticResult.model_validate_json(result.model_dump_json()) == result
    assert result.crystal_system == "cubic"
    assert result.methods.elastic == ElasticMethod()


def test_sodium_sulfide_by_the_embedded_engine() -> None:
    """Constants of an independent calculation with the same potential: 24.5, 16.9 and 5.5 GPa."""
    engine: Any = build_engine(engine_spec("chgnet-r2scan", "seed"))
    method = engine.methods()
    start = primitive_cell(Crystal.from_structure(load_library().get("na2s").structure()), SYMPREC_A)
    relaxed, _ = symmetrise(engine.relax(start, method.relax).crystal, SYMPREC_A)
    results = []
    for is_reduced in (True, False):
        elastic = method.elastic.model_copy(update={"symmetry_reduced": is_reduced})
        cells = strained_cells(relaxed, elastic, SYMPREC_A)
        results.append(elastic_result(cells, engine.stresses(cells), method.relax))
    reduced, full = (np.array(result.stiffness_gpa) for result in results)
    assert reduced[0, [0, 1]] == pytest.approx([24.5, 16.9], abs=1.0)
    assert reduced[3, 3] == pytest.approx(5.5, abs=1.0)
    assert reduced == pytest.approx(full, abs=0.2)
    for result in results:
        assert result.n_missing == 0
        assert min(result.eigenvalues_gpa) > 0
        assert result.fit_residual_gpa < 0.005
        assert result.symmetry_residual_gpa < 0.3
