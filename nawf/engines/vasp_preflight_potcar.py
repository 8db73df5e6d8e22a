"""Whether the POTCARs that a campaign needs are there, and are what it needs. Their content is never shown."""

from __future__ import annotations

import re
import warnings
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymatgen.core import SETTINGS, Element, Lattice, Structure
from pymatgen.io.vasp.inputs import PmgVaspPspDirError, PotcarSingle, UnknownPotcarWarning

from nawf.engines.preflight import Finding
from nawf.engines.vasp_potcar import FAMILY_FOLDERS, potcar_library
from nawf.engines.vasp_protocols import Step, input_set
from nawf.rehearsal.potcar import STAND_IN_DATE
from nawf.results.tasks import PhaseTask

_STEPS = {
    "relax": (Step.PRE_RELAX, Step.RELAX),
    "static": (Step.STATIC,),
    "phonon": (Step.DISPLACED,),
    "elastic": (Step.STRAINED,),
}
_KINETIC = "kinetic energy-density"
_LEXCH = {"PE": "PBE", "CA": "the LDA", "91": "PW91", "PS": "PBEsol"}
_UNREADABLE = (OSError, EOFError, zlib.error, ValueError, LookupError, AttributeError)
_STAND_IN_FAMILY = re.compile(r"stand-in for rehearsals, family (\w+)")
_SAME_FAMILY = re.compile(r"^unvie_|_W_HASH$")


@dataclass(frozen=True, order=True)
class Potential:
    """A potential that some step takes, and whether one of them is with a meta-GGA."""

    family: str
    element: str
    symbol: str
    meta_gga: bool

    @property
    def name(self) -> str:
        return f"{self.element} ({self.symbol} of {self.family})"


def potentials_needed(protocol: str, tasks: Sequence[PhaseTask]) -> tuple[Potential, ...]:
    """Potentials that the missing steps of tasks take, by the input sets of a protocol."""
    meta: dict[tuple[str, str, str], bool] = {}
    for prop, steps in _STEPS.items():
        elements = sorted({e for task in tasks if prop in task.properties for e in task.start.species})
        for step in steps if elements else ():
            generator = input_set(protocol, step)
            generator.structure = _one_of_each(elements)
            is_meta = bool(generator.incar.get("METAGGA"))
            for site, symbol in zip(generator.poscar.site_symbols, generator.potcar_symbols, strict=True):
                key = (generator.potcar_functional, site, symbol)
                meta[key] = meta.get(key, False) or is_meta
    return tuple(sorted(Potential(*key, is_meta) for key, is_meta in meta.items()))


def _one_of_each(elements: Sequence[str]) -> Structure:
    """Atoms far from one another: potentials depend on elements only."""
    n = len(elements)
    return Structure(Lattice.orthorhombic(4.0 * n, 4.0, 4.0), elements, [[i / n, 0, 0] for i in range(n)])


def potcar_findings(
    needed: Iterable[Potential], folder: str, *, rehearsal: bool
) -> tuple[list[Finding], dict[str, float]]:
    """Look at every potential.

    Parameters
    ----------
    needed : iterable of Potential
    folder : str
        Library of POTCARs; empty for pymatgen's setting.
    rehearsal : bool
        Whether the calculation is a stand-in for VASP, to which stand-ins for POTCARs are good enough.

    Returns
    -------
    list of Finding
    dict of str to float
        Valence electrons by element, of what can be used.
    """
    found: list[Finding] = []
    missing: list[Potential] = []
    valence: dict[str, float] = {}
    for potential in needed:
        with potcar_library(folder, potential.family):
            single = _read(potential)
        if single is None:
            missing.append(potential)
        elif isinstance(single, str):
            found.append(Finding(f"the POTCAR of {potential.name} {single}", _where(folder), stops=True))
        else:
            judged = _judged(single, potential, folder, rehearsal=rehearsal)
            found += judged
            if not any(finding.stops for finding in judged):
                valence[potential.element] = float(single.keywords["ZVAL"])
    return [*_missing(missing, folder), *found], valence


def stand_ins(folder: str) -> list[Finding]:
    """That a rehearsal makes stand-ins, where a setting names a folder that is not there."""
    if not folder and not SETTINGS.get("PMG_VASP_PSP_DIR"):
        return []
    return [Finding("there are no POTCARs, and the rehearsal makes stand-ins", _where(folder))]


def _read(potential: Potential) -> PotcarSingle | str | None:
    """The potential, what is wrong with its file, or None without one."""
    try:
        with warnings.catch_warnings():
            # Whether pymatgen knows the potential is looked at below, and said in other words.
            warnings.simplefilter("ignore", category=UnknownPotcarWarning)
            single = PotcarSingle.from_symbol_and_functional(potential.symbol, potential.family)
        heads = [single.keywords[key] for key in ("TITEL", "LEXCH", "VRHFIN", "ZVAL")]
        float(heads[-1])
    except (PmgVaspPspDirError, FileNotFoundError):
        return None
    except PermissionError:
        return "cannot be read: no permission"
    except _UNREADABLE:
        return "cannot be read: it is damaged or no POTCAR"
    return single


def _judged(single: Any, potential: Potential, folder: str, *, rehearsal: bool) -> list[Finding]:
    """What is wrong with a potential that could be read."""
    wrong, known = [], True
    element = re.match("[A-Z][a-z]?", str(single.VRHFIN).strip().lstrip("=").strip())
    if element is None or not Element.is_valid_symbol(element[0]) or element[0] != potential.element:
        wrong.append("is one of another element")
    symbol = [*str(single.TITEL).split(), "", ""][1]
    if not wrong and symbol != potential.symbol:
        wrong.append(f"is not {potential.symbol} by its title")
    kind = str(single.LEXCH).strip().upper()
    if kind != "PE":
        wrong.append(f"was made for {_LEXCH.get(kind, 'another functional')}, not PBE")
    if potential.meta_gga and _KINETIC not in single.data:
        wrong.append("has no kinetic energy density, which r2SCAN needs")
    if STAND_IN_DATE in str(single.TITEL):
        stands_for = _STAND_IN_FAMILY.search(single.data)
        if not rehearsal:
            wrong.append("is a stand-in for rehearsals, with which VASP cannot calculate")
        elif stands_for is not None and stands_for[1] != potential.family:
            wrong.append(f"is a stand-in of {stands_for[1]}")
    else:
        families = {_SAME_FAMILY.sub("", name) for name in single.identify_potcar(mode="data")[0]}
        known = bool(families)
        if families and potential.family not in families:
            wrong.append(f"is one of {' or '.join(sorted(families))}")
    if wrong:
        return [Finding(f"the POTCAR of {potential.name} {' and '.join(wrong)}", _where(folder), stops=True)]
    if not known:
        return [Finding(f"the POTCAR of {potential.name} is none that pymatgen knows", "make sure of its release")]
    return []


def _missing(missing: Sequence[Potential], folder: str) -> list[Finding]:
    """One line for each family."""
    by_family: dict[str, list[Potential]] = {}
    for potential in missing:
        by_family.setdefault(potential.family, []).append(potential)
    return [_missing_of(family, own, folder) for family, own in by_family.items()]


def _missing_of(family: str, missing: Sequence[Potential], folder: str) -> Finding:
    names = ", ".join(f"{potential.element} ({potential.symbol})" for potential in missing)
    others = [name for name in _families_in(folder) if name != family]
    place = f"{FAMILY_FOLDERS.get(family, (family,))[0]}/{missing[0].symbol}/POTCAR"
    hint = f"{_where(folder)}, there must be {place} and so on"
    return Finding(
        f"no POTCAR of {family} for {names}" + (f"; there are those of {', '.join(others)}" if others else ""),
        hint,
        stops=True,
    )


def _families_in(folder: str) -> list[str]:
    library = folder or SETTINGS.get("PMG_VASP_PSP_DIR")
    names: Mapping[str, Sequence[str]] = FAMILY_FOLDERS
    if not library:
        return []
    return [family for family, known in names.items() if any((Path(library) / name).is_dir() for name in known)]


def _where(folder: str) -> str:
    """Where POTCARs were looked for, and which setting says so."""
    if folder:
        return f"potcar_folder is {folder}" + ("" if Path(folder).is_dir() else ", which is no folder")
    if library := SETTINGS.get("PMG_VASP_PSP_DIR"):
        exists = Path(library).expanduser().is_dir()
        return f"PMG_VASP_PSP_DIR is {library}" + ("" if exists else ", which is no folder")
    return "set potcar_folder in nawf.yaml, NAWF_POTCAR_FOLDER, or pymatgen's PMG_VASP_PSP_DIR to a folder"
