"""Components of an elastic tensor as a reader wants them: independent ones, and what symmetry makes of the rest."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from nawf.results.elastic import ElasticResult
from nawf.results.mandel import voigt_stiffness
from nawf.results.point_group import invariant_tensors, mandel_operations

_UPPER = [(i, j) for i in range(6) for j in range(i, 6)]
_ZERO = 1e-6


@dataclass(frozen=True)
class Component:
    """A component of a stiffness matrix with its standard error, and what is equal to it.

    ``equal`` holds names such as ``C22`` or ``−C24``; ``relation`` is how a component that is not independent follows
    from the others, such as ``(C11 − C12)/2``.
    """

    name: str
    value_gpa: float
    error_gpa: float
    equal: tuple[str, ...] = ()
    relation: str | None = None


def components(result: ElasticResult) -> list[Component]:
    """Components that are neither zero by symmetry nor equal to an earlier one, in the order of the matrix."""
    operations = mandel_operations(result.crystal, result.relax_method.symprec_a)
    basis = voigt_stiffness(invariant_tensors(operations, 2))
    if len(basis) != result.n_constants:  # found with another tolerance: then nothing is known to be equal
        basis = voigt_stiffness(invariant_tensors(np.eye(6)[None], 2))
    columns = np.array([basis[:, i, j] for i, j in _UPPER])
    independent, weights = _independent(columns)
    found = []
    for n, (i, j) in enumerate(_UPPER):
        if n in independent:
            equal = tuple(_equal(weights, independent.index(n), n))
            found.append(_component(result, i, j, equal))
        elif np.count_nonzero(weights[n]) > 1 or np.any(np.abs(np.abs(weights[n][weights[n] != 0]) - 1) > _ZERO):
            found.append(_component(result, i, j, relation=_relation(weights[n], independent)))
    return found


def _independent(columns: np.ndarray) -> tuple[list[int], np.ndarray]:
    """The first components that determine all others, and the weights with which they do, shape (21, constants)."""
    independent: list[int] = []
    for n in range(len(columns)):
        if np.linalg.matrix_rank(columns[[*independent, n]], tol=_ZERO) > len(independent):
            independent.append(n)
    weights = np.linalg.lstsq(columns[independent].T, columns.T, rcond=None)[0].T
    return independent, np.where(np.abs(weights) < _ZERO, 0.0, weights)


def _equal(weights: np.ndarray, place: int, own: int) -> list[str]:
    """Names of the components that are this one, or its negative."""
    unit = np.eye(weights.shape[1])[place]
    names = []
    for n, (i, j) in enumerate(_UPPER):
        for sign, text in ((1, ""), (-1, "−")):
            if n != own and np.allclose(weights[n], sign * unit, atol=_ZERO):
                names.append(text + _name(i, j))
    return names


def _relation(weights: np.ndarray, independent: list[int]) -> str:
    """Sum of the independent components in words, such as ``(C11 − C12)/2``."""
    shares = {n: Fraction(float(w)).limit_denominator(12) for n, w in zip(independent, weights, strict=True) if w}
    common = max(share.denominator for share in shares.values())
    text = ""
    for n, share in shares.items():
        factor = share * common
        size = "" if abs(factor) == 1 else f"{abs(factor)} "
        sign = ("−" if factor < 0 else "") if not text else (" − " if factor < 0 else " + ")
        text += sign + size + _name(*_UPPER[n])
    return text if common == 1 else f"({text})/{common}"


def _component(
    result: ElasticResult, i: int, j: int, equal: tuple[str, ...] = (), relation: str | None = None
) -> Component:
    return Component(_name(i, j), result.stiffness_gpa[i][j], result.stiffness_error_gpa[i][j], equal, relation)


def _name(i: int, j: int) -> str:
    return f"C{i + 1}{j + 1}"
