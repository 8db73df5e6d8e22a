"""Chemical formulas and systems of the phase cards, read without any heavy library."""

from __future__ import annotations

import re

_SYMBOLS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr "
    "Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb "
    "Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr"
)
ELEMENTS = frozenset(_SYMBOLS.split())

_TERM = re.compile(r"([A-Z][a-z]?)([1-9][0-9]*)?")


def parse_formula(formula: str) -> dict[str, int]:
    """Elements and their counts, in the order of the formula.

    Parameters
    ----------
    formula : str
        One formula unit such as ``Na3SbS4``: element symbols and whole numbers, each element once, no
        brackets, charges or fractions.

    Returns
    -------
    dict of str to int
        Atoms of each element in one formula unit.

    Raises
    ------
    ValueError
        If it is not such a formula.

    Examples
    --------
    >>> parse_formula("Na3SbS4")
    {'Na': 3, 'Sb': 1, 'S': 4}
    """
    counts: dict[str, int] = {}
    position = 0
    for match in _TERM.finditer(formula):
        symbol, number = match.groups()
        if match.start() != position or symbol not in ELEMENTS:
            break
        if symbol in counts:
            raise ValueError(f"formula {formula!r} names {symbol} twice")
        counts[symbol] = int(number or 1)
        position = match.end()
    if not counts or position != len(formula):
        raise ValueError(f"{formula!r} is not a formula of element symbols and whole numbers, such as Na3SbS4")
    return counts


def parse_system(system: str) -> frozenset[str]:
    """Elements of a chemical system written with hyphens, such as ``Na-S``.

    Raises
    ------
    ValueError
        If a part is not an element symbol or is given twice.
    """
    parts = system.split("-")
    unknown = [part for part in parts if part not in ELEMENTS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not an element symbol; write a chemical system as in Na-S-Sb")
    if len(set(parts)) != len(parts):
        raise ValueError(f"chemical system {system!r} names an element twice")
    return frozenset(parts)
