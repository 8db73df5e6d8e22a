"""Which strains determine an elastic tensor, and the cells they make."""

from __future__ import annotations

import numpy as np

from nawf.results.crystal import Crystal
from nawf.results.elastic import StrainedCells, Voigt
from nawf.results.elastic_model import ElasticModel
from nawf.results.ieee_axes import in_ieee_axes
from nawf.results.mandel import mandel_strain, tensor_of
from nawf.results.methods import ElasticMethod
from nawf.results.point_group import maps


def strained_cells(crystal: Crystal, method: ElasticMethod, symprec_a: float) -> StrainedCells:
    """Crystal in IEEE axes and the strains to calculate.

    Strains are the six components of Voigt notation, one at a time, in every size and with both signs. A reduced set
    leaves out what symmetry makes of another strain in it, and components without which all constants are determined:
    xx and yz remain of a cubic crystal, xx, zz and yz of a hexagonal one, all six of a triclinic one.

    Parameters
    ----------
    crystal : Crystal
        Symmetrised primitive cell in any orientation.
    method : ElasticMethod
    symprec_a : float
        Tolerance for finding the symmetry (Å).

    Raises
    ------
    CalculationError
        When spglib finds no symmetry.
    """
    turned = in_ieee_axes(crystal, symprec_a)
    modes = [
        [_along(component, sign * size) for size in method.strains for sign in (1, -1)] for component in range(6)
    ]
    if method.symmetry_reduced:
        strains = _reduced(modes, ElasticModel.of(turned, symprec_a))
    else:
        strains = [strain for mode in modes for strain in mode]
    return StrainedCells(crystal=turned, strains=tuple(strains), method=method)


def strained(crystal: Crystal, strain: Voigt) -> Crystal:
    """Crystal deformed by a Green-Lagrange strain; fractional coordinates stay.

    The deformation is :func:`deformation_gradient`'s.
    """
    gradient = deformation_gradient(strain)
    return Crystal.from_arrays(crystal.matrix_a @ gradient.T, crystal.species, crystal.frac_coords)


def deformation_gradient(strain: Voigt) -> np.ndarray:
    """F = (1 + 2 E)^(1/2), shape (3, 3), the deformation that strains by E without turning."""
    squares, axes = np.linalg.eigh(2.0 * tensor_of(mandel_strain(strain)) + np.eye(3))
    return np.asarray(axes * np.sqrt(squares) @ axes.T)


def _along(component: int, size: float) -> Voigt:
    xx, yy, zz, yz, xz, xy = (size if i == component else 0.0 for i in range(6))
    return xx, yy, zz, yz, xz, xy


def _reduced(modes: list[list[Voigt]], model: ElasticModel) -> list[Voigt]:
    kept: list[Voigt] = []
    for mode in modes:
        more: list[Voigt] = []
        for strain in mode:
            if not any(_is_image(strain, other, model.operations) for other in kept + more):
                more.append(strain)
        if model.n_determined(kept + more) > model.n_determined(kept):
            kept += more
    return kept


def _is_image(strain: Voigt, other: Voigt, operations: np.ndarray) -> bool:
    return bool(maps(operations, mandel_strain(other), mandel_strain(strain)).any())
