"""The version that a rehearsal writes into its files, and how to tell its results from those of VASP."""

from __future__ import annotations

from typing import Any, Final

MARK: Final = "rehearsal"
VERSION: Final = f"6.4.2-{MARK}"
"""Looks like a version of VASP to parsers. Validators, which want whole numbers, refuse it."""

NOTICE: Final = "nawf rehearsal: not VASP, energies of an interatomic potential"


def is_rehearsal(source: Any) -> bool:
    """Whether a result comes from a rehearsal.

    Parameters
    ----------
    source : str or object
        A VASP version, or anything that has one as ``vasp_version``: pymatgen's ``Vasprun``, emmet's
        ``TaskDoc`` and ``Calculation``.

    Raises
    ------
    TypeError
        When there is no version to look at: a result of unknown origin must not pass for one of VASP.
    """
    version = source if isinstance(source, str) else getattr(source, "vasp_version", None)
    if not isinstance(version, str):
        raise TypeError(f"{type(source).__name__} has no VASP version")
    return MARK in version
