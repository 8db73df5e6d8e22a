"""Elastic tensor from stresses of strained cells, with honest errors.

The second Piola-Kirchhoff stress is fitted by least squares with the series of :mod:`nawf.results.elastic_model`.
Components that the symmetry of a strained cell forbids or ties together are no data; what they hold is noise, and
counts in the symmetry residual. Errors take the scatter of the stress to be the same for all strains and directions.

The fourth order is in the fit where two sizes of strain determine it: it bends the line whose slope at zero strain is
wanted. With one size, rest stress and third order cannot be told apart either; the slope is the same with and without
the third order then, which is left to count as scatter, and makes upper bounds of errors and residual.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nawf.errors import CalculationError
from nawf.results.elastic import ElasticResult, StrainedCells, StrainedState, StressesOutput, Voigt, VoigtMatrix
from nawf.results.elastic_model import (
    FOURTH_ORDER,
    NEGLIGIBLE,
    REST,
    STIFFNESS,
    THIRD_ORDER,
    ElasticModel,
)
from nawf.results.ieee_axes import crystal_system
from nawf.results.mandel import (
    mandel_strain,
    mandel_stress,
    mandel_vector,
    tensor_of,
    voigt_stiffness,
    voigt_stress,
)
from nawf.results.methods import RelaxMethod
from nawf.results.point_group import maps
from nawf.results.stiffness import eigenvalues_gpa, moduli
from nawf.results.strain import deformation_gradient
from nawf.results.symmetry import space_group

_COMPONENTS = ("xx", "yy", "zz", "yz", "xz", "xy")


@dataclass(frozen=True)
class ElasticFit:
    """Fit of the series to stresses; Mandel notation, GPa.

    Attributes
    ----------
    stiffness : numpy.ndarray, shape (6, 6)
    derivatives : numpy.ndarray, shape (n, 6, 6)
        Of the stiffness with respect to its independent constants.
    covariance : numpy.ndarray, shape (n, n)
        Of these constants.
    rest : numpy.ndarray, shape (6,)
        Stress at zero strain.
    residuals : numpy.ndarray, shape (strains, 6)
        Stresses less the fit.
    highest_order : int
        Of the energy in the strain.
    degrees_of_freedom : int
    """

    stiffness: np.ndarray
    derivatives: np.ndarray
    covariance: np.ndarray
    rest: np.ndarray
    residuals: np.ndarray
    highest_order: int
    degrees_of_freedom: int


def elastic_result(cells: StrainedCells, output: StressesOutput, relax_method: RelaxMethod) -> ElasticResult:
    """Elastic tensor, its errors and moduli.

    Raises
    ------
    CalculationError
        When there is not one state for each strain, or those with a stress do not determine the tensor.
    """
    if len(output.states) != len(cells.strains):
        raise CalculationError(f"there are {len(output.states)} states of {len(cells.strains)} strained cells")
    model = ElasticModel.of(cells.crystal, relax_method.symprec_a)
    pairs = [(e, s) for e, s in zip(cells.strains, output.states, strict=True) if s is not None and s.has_stress]
    at_rest = [(strain, state) for strain, state in pairs if state.is_usable]
    uses_unrelaxed = model.n_determined([strain for strain, _ in at_rest]) < model.n_constants
    used = pairs if uses_unrelaxed else at_rest
    strains = [strain for strain, _ in used]
    if model.n_determined(strains) < model.n_constants:
        raise CalculationError(_too_few(cells.strains, output.states))
    stresses = np.array([piola_kirchhoff_stress(strain, state.stress_gpa) for strain, state in used])
    fit = fit_stiffness(model, strains, stresses)
    stiffness = voigt_stiffness(fit.stiffness)
    derivatives = voigt_stiffness(fit.derivatives)
    variances = np.einsum("nij,nm,mij->ij", derivatives, fit.covariance, derivatives)
    return ElasticResult(
        crystal=cells.crystal,
        crystal_system=crystal_system(space_group(cells.crystal, relax_method.symprec_a).number),
        strains=cells.strains,
        states=output.states,
        stiffness_gpa=_matrix(stiffness),
        stiffness_error_gpa=_matrix(np.sqrt(np.maximum(variances, 0.0))),
        n_constants=model.n_constants,
        rest_stress_gpa=_voigt(voigt_stress(fit.rest)),
        fit_residual_gpa=float(np.sqrt((voigt_stress(fit.residuals) ** 2).mean())),
        symmetry_residual_gpa=symmetry_residual_gpa(model, strains, stresses, fit),
        eigenvalues_gpa=_voigt(eigenvalues_gpa(stiffness)),
        moduli=moduli(stiffness, cells.crystal, derivatives, fit.covariance),
        uses_unrelaxed=uses_unrelaxed,
        calculation=output.calculation,
        method=cells.method,
        relax_method=relax_method,
        run=output.run,
    )


def piola_kirchhoff_stress(strain: Voigt, cauchy_gpa: Voigt) -> np.ndarray:
    """Second Piola-Kirchhoff stress S = det(F) F⁻¹ σ F⁻ᵀ as Mandel vector (GPa), F without rotation."""
    gradient = deformation_gradient(strain)
    inverse = np.linalg.inv(gradient)
    return mandel_vector(np.linalg.det(gradient) * inverse @ tensor_of(mandel_stress(cauchy_gpa)) @ inverse.T)


def fit_stiffness(model: ElasticModel, strains: Sequence[Voigt], stresses: np.ndarray) -> ElasticFit:
    """Least-squares fit to stresses that determine the tensor.

    Parameters
    ----------
    model : ElasticModel
    strains : sequence of Voigt
    stresses : numpy.ndarray, shape (strains, 6)
        Mandel vectors, GPa.

    Raises
    ------
    CalculationError
        When there are no more data than constants, so that nothing tells how good the tensor is.
    """
    longest = model.design(strains, FOURTH_ORDER)
    designs = [longest.up_to(order) for order in (FOURTH_ORDER, THIRD_ORDER, STIFFNESS)]
    design = next((d for d in designs if d.n_spare > 0 and d.determines(REST) and d.determines(STIFFNESS)), None)
    if design is None:
        raise CalculationError(
            "the stresses leave nothing to judge the elastic tensor by", hint="calculate more sizes of strain"
        )
    data = design.components(stresses)
    constants = _solved(design.matrix, data)
    fitted = design.matrix @ constants
    variance = float(((data - fitted) ** 2).sum()) / design.n_spare
    # The tensor itself is never fitted without the third order. What counts of the columns of C is what is not in
    # those of the other constants too.
    series = designs[1] if design is designs[2] else design
    nuisance, stiffness = series.without(STIFFNESS), series.blocks[STIFFNESS]
    own = stiffness - nuisance @ _solved(nuisance, stiffness)
    return ElasticFit(
        stiffness=np.tensordot(_solved(own, data) / series.unit, model.constants(STIFFNESS), axes=1),
        derivatives=model.constants(STIFFNESS),
        covariance=variance * np.linalg.inv(own.T @ own) / series.unit**2,
        rest=constants[: len(model.constants(REST))] @ model.constants(REST),
        residuals=stresses - design.stresses(fitted),
        highest_order=max(series.blocks),
        degrees_of_freedom=design.n_spare,
    )


def _solved(matrix: np.ndarray, data: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.lstsq(matrix, data, rcond=NEGLIGIBLE)[0])


def symmetry_residual_gpa(
    model: ElasticModel, strains: Sequence[Voigt], stresses: np.ndarray, fit: ElasticFit
) -> float:
    """Largest difference between a component as one strain alone gives it and that of the symmetrised tensor.

    Where symmetry makes one sign of a strain of the other, the other's stress is made by each operation that does so,
    in turn. Parameters are those of :func:`fit_stiffness`.
    """
    largest = 0.0
    for component, unit in enumerate(mandel_strain(np.eye(6))):
        sizes = np.array([strain[component] for strain in strains])
        x, y = sizes[sizes != 0], stresses[sizes != 0]
        images = model.operations[maps(model.operations, unit, -unit)]
        if len(set(np.sign(x))) == 1 and len(images):
            curves = [(np.concatenate([x, -x]), np.concatenate([y, y @ image.T])) for image in images]
        else:
            curves = [(x, y)]
        for x, y in curves:
            if len(x) > 1:
                slope = np.polyfit(x, y, min(fit.highest_order, len(x)) - 1)[-2]
                difference = voigt_stress(slope) - voigt_stiffness(fit.stiffness)[:, component]
                largest = max(largest, float(np.abs(difference).max()))
    return largest


def _too_few(strains: Sequence[Voigt], states: Sequence[StrainedState | None]) -> str:
    missing = [
        f"{name} {size:+g}"
        for strain, state in zip(strains, states, strict=True)
        if state is None or not state.has_stress
        for name, size in zip(_COMPONENTS, strain, strict=True)
        if size
    ]
    return f"no stress under strain {', '.join(missing)}: the others do not determine the elastic tensor"


def _voigt(values: np.ndarray) -> Voigt:
    xx, yy, zz, yz, xz, xy = values.tolist()
    return xx, yy, zz, yz, xz, xy


def _matrix(values: np.ndarray) -> VoigtMatrix:
    # What symmetry makes zero is zero, not a rounding error with a sign.
    xx, yy, zz, yz, xz, xy = map(_voigt, np.where(np.abs(values) < 1e-9 * np.abs(values).max(), 0.0, values))
    return xx, yy, zz, yz, xz, xy
