"""Heads of POTCAR files, and stand-ins for pseudopotentials that hold nothing of VASP's.

A stand-in has the head that programs look at: title, element, number of valence electrons. It says REHEARSAL in
its title, and its body is a sentence: VASP cannot calculate with it.
"""

from __future__ import annotations

import bz2
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nawf.errors import InputError
from nawf.files import write_text_atomically
from nawf.rehearsal.stop import StopError

STAND_IN_DATE = "REHEARSAL"
_END = "End of Dataset"
_HAS_TAU = "kinetic energy-density"
_MADE_UP_ENMAX_EV = 300.0


@dataclass(frozen=True)
class Pseudopotential:
    """What the head of one potential says.

    ``header`` is its first line, which vasprun.xml repeats; ``has_kinetic_energy_density`` is whether a meta-GGA can
    use it.
    """

    header: str
    title: str
    element: str
    valence_electrons: float
    mass_u: float
    enmax_ev: float
    enaug_ev: float
    lexch: str
    has_kinetic_energy_density: bool


def read_potcar(text: str) -> tuple[Pseudopotential, ...]:
    """Potentials of a POTCAR, in order.

    Raises
    ------
    StopError
        When there is none, or one has no readable head.
    """
    datasets = [part.lstrip("\n") for part in text.split(_END) if part.strip()]
    if not datasets:
        raise StopError("ERROR: the file POTCAR is empty or has no 'End of Dataset'")
    return tuple(_read_head(data) for data in datasets)


def _read_head(data: str) -> Pseudopotential:
    head = data.split("END of PSCTR", 1)[0]
    keys = {k: v.strip() for k, v in re.findall(r"(\w+)\s*=\s*([^;\n]*)", head)}
    try:
        title = keys["TITEL"]
        return Pseudopotential(
            header=data.split("\n", 1)[0].strip(),
            title=title,
            element=_element(title.split()[1]),
            valence_electrons=_number(keys["ZVAL"]),
            mass_u=_number(keys["POMASS"]),
            enmax_ev=_number(keys["ENMAX"]),
            enaug_ev=_number(keys.get("EAUG", "600.0")),
            lexch=keys["LEXCH"].split()[0],
            has_kinetic_energy_density=_HAS_TAU in data,
        )
    except (KeyError, IndexError, ValueError) as error:
        raise StopError("ERROR: a dataset of POTCAR has no readable head", f"missing or wrong: {error}") from None


def _element(symbol: str) -> str:
    """Element of a potential's symbol; hydrogens of fractional charge are called H.25 and so on."""
    match = re.match(r"[A-Z][a-z]?", symbol)
    if match is None:
        raise ValueError(symbol)
    return match[0]


def _number(text: str) -> float:
    return float(text.split()[0])


def make_potcar_library(
    folder: Path | str,
    functionals: Iterable[str] = ("PBE_54", "PBE_64"),
    symbols: Iterable[str] | None = None,
) -> Path:
    """Folder of stand-in potentials, laid out as the installed pymatgen looks for them.

    Give it to pymatgen as PMG_VASP_PSP_DIR. Files of an earlier call are replaced.

    Parameters
    ----------
    folder : Path or str
        Made if it is not there.
    functionals : iterable of str
        Families by pymatgen's names.
    symbols : iterable of str, optional
        Such as ``Na_pv``; all that pymatgen knows in a family by default.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        For an unknown family or symbol, where a file is in the way that is no stand-in, or when nothing can be
        written.
    """
    folder = Path(folder)
    for functional in functionals:
        subfolder, facts = _subfolder(functional), _facts().get(functional, {})
        wanted = sorted(facts) if symbols is None else list(symbols)
        if unknown := sorted(set(wanted) - set(facts)):
            raise InputError(f"pymatgen knows no {functional} potential named {', '.join(unknown)}")
        for symbol in wanted:
            valence, lexch = facts[symbol]
            _write(folder / subfolder / symbol / "POTCAR", stand_in(symbol, functional, valence, lexch))
    return folder


def stand_in(symbol: str, functional: str, valence_electrons: float, lexch: str = "PE") -> str:
    """Text of a stand-in for the potential ``symbol`` of a family; numbers but mass and valence are made up."""
    from pymatgen.core import Element

    title = f"PAW_PBE {symbol} {STAND_IN_DATE}" if lexch == "PE" else f"PAW {symbol} {STAND_IN_DATE}"
    element = _element(symbol)
    digest = hashlib.sha256(f"{functional} {symbol}".encode()).hexdigest()
    release = "".join(filter(str.isdigit, functional)) or "0"
    return "\n".join(
        [
            f"  {title}",
            f"   {valence_electrons:.14f}",
            " parameters from PSCTR are:",
            f"   SHA256 =  {digest} {symbol}/POTCAR",
            f"   VRHFIN ={element}: no potential",
            f"   LEXCH  = {lexch}",
            f"   TITEL  = {title}",
            "   LULTRA =        F    use ultrasoft PP ?",
            "   LPAW   =        T    paw PP",
            f"   POMASS = {float(Element(element).atomic_mass):8.3f}; ZVAL   = {valence_electrons:8.3f}",
            f"   ENMAX  = {_MADE_UP_ENMAX_EV:8.3f}; ENMIN  = {0.75 * _MADE_UP_ENMAX_EV:8.3f} eV",
            f"   EAUG   = {2 * _MADE_UP_ENMAX_EV:8.3f}",
            "  END of PSCTR-controll parameters",
            f" stand-in for rehearsals, family {functional}, without a pseudopotential",
            f"  {release}.0",
            f" {_HAS_TAU}",
            "  0.0",
            f" {_END}",
            "",
        ]
    )


def _subfolder(functional: str) -> str:
    """Name of the folder in which pymatgen looks for a family; it has changed between versions."""
    from pymatgen.core import SETTINGS
    from pymatgen.io.vasp.inputs import PotcarSingle

    names = PotcarSingle.functional_dir | SETTINGS.get("PMG_VASP_PSP_SUB_DIRS", {})
    if functional not in names:
        raise InputError(f"pymatgen knows no potentials {functional!r}", hint=f"choose from {', '.join(names)}")
    return str(names[functional])


@cache
def _facts() -> dict[str, dict[str, tuple[float, str]]]:
    """Valence and LEXCH by family and symbol, from the statistics by which pymatgen knows potentials."""
    from pymatgen.io.vasp.inputs import POTCAR_STATS_PATH

    with bz2.open(POTCAR_STATS_PATH, "rt", encoding="utf-8") as file:
        statistics = json.load(file)
    return {
        functional: {
            variant["symbol"]: (float(variant["ZVAL"]), str(variant["LEXCH"]).split()[0])
            for variants in titles.values()
            for variant in variants
        }
        for functional, titles in statistics.items()
    }


def _write(path: Path, text: str) -> None:
    """Write a stand-in, or leave it as it is; other jobs may be reading it."""
    try:
        if path.exists():
            there = path.read_text(encoding="utf-8", errors="replace")
            if there == text:
                return
            if STAND_IN_DATE not in there[:200]:
                raise InputError("is no stand-in and stays", where=str(path), hint="choose another folder")
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=str(path)) from error
    write_text_atomically(path, text)
