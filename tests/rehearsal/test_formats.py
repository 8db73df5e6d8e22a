"""Numbers as Fortran writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nawf.rehearsal.formats import fixed, fortran_e, row


@pytest.mark.parametrize(
    ("value", "width", "digits", "text"),
    [
        (-16.143123521, 19, 12, "-0.161431235210E+02"),
        (0.0, 12, 5, " 0.00000E+00"),
        (0.1, 10, 3, " 0.100E+00"),
        (1e-5, 8, 1, " 0.1E-04"),
        (999.96, 10, 3, " 0.100E+04"),
        (1.0, 5, 8, "*****"),
        (float("nan"), 6, 2, "   NaN"),
    ],
)
def test_exponents(value: float, width: int, digits: int, text: str) -> None:
    assert fortran_e(value, width, digits) == text


def test_without_the_zero() -> None:
    assert fortran_e(-16.14312352, 14, 8, leading_zero=False) == "-.16143124E+02"


@given(st.floats(-1e9, 1e9), st.integers(3, 14))
def test_exponents_keep_their_digits(value: float, digits: int) -> None:
    assert float(fortran_e(value, 30, digits)) == pytest.approx(value, rel=10.0 ** (1 - digits), abs=1e-300)


@pytest.mark.parametrize(
    ("value", "width", "digits", "text"),
    [(-1.25, 10, 4, "   -1.2500"), (-1e-9, 9, 4, "   0.0000"), (12345.678, 8, 3, "********"), (-0.0, 6, 2, "  0.00")],
)
def test_fixed_points(value: float, width: int, digits: int, text: str) -> None:
    assert fixed(value, width, digits) == text


def test_rows() -> None:
    assert row([1.0, -2.5], 8, 2) == "    1.00   -2.50"
