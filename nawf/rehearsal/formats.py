"""Numbers as Fortran writes them."""

from __future__ import annotations

import math
from collections.abc import Iterable


def fortran_e(value: float, width: int, digits: int, *, leading_zero: bool = True) -> str:
    """Exponential form with a mantissa below one, such as ``0.123E+02``; stars when it does not fit.

    Without ``leading_zero`` the zero before the point is left out, as in the ``F=`` of OSZICAR.
    """
    if not math.isfinite(value):
        return "NaN".rjust(width) if math.isnan(value) else "Infinity".rjust(width)
    mantissa, exponent = f"{abs(value):.{digits - 1}E}".split("E")
    power = int(exponent) + 1 if value != 0 else 0
    sign = "-" if math.copysign(1.0, value) < 0 and value != 0 else ""
    zero = "0" if leading_zero else ""
    text = f"{sign}{zero}.{mantissa.replace('.', '')}E{power:+03d}"
    return text.rjust(width) if len(text) <= width else "*" * width


def fixed(value: float, width: int, digits: int) -> str:
    """Fixed-point form without a negative zero; stars when it does not fit."""
    text = f"{value:{width}.{digits}f}"
    if float(text) == 0 and "-" in text:
        text = f"{0.0:{width}.{digits}f}"
    return text if len(text) <= width else "*" * width


def row(values: Iterable[float], width: int, digits: int) -> str:
    """Numbers side by side in fixed-point form."""
    return "".join(fixed(v, width, digits) for v in values)
