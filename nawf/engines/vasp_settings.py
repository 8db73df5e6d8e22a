"""The settings of a VASP run that set its energy scale, as they were when it ended.

What belongs to them changes the energy of given atoms by more than rounding; how the ground state was found, what
was printed and how the ions moved does not (:mod:`nawf.engines.vasp_incar` lists these). So a run in which an error
handler changed ALGO has the fingerprint of one in which none had to, and one with another ISMEAR, SIGMA, ENCUT,
KSPACING, PREC or LREAL has not. The handlers' corrections are in the run's record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from nawf.engines.vasp_incar import Tags, shown
from nawf.engines.vasp_kpoints import KRule, Matrix, k_setting
from nawf.engines.vasp_potentials import potentials_of_run, title_of
from nawf.errors import EngineError
from nawf.results.outputs import Calculation

_GGA = {
    "PE": "PBE", "PS": "PBEsol", "RE": "revPBE", "RP": "RPBE", "AM": "AM05", "91": "PW91", "CA": "LDA", "PZ": "LDA",
    "OR": "optPBE", "BO": "optB88", "MK": "optB86b", "ML": "PW86R", "B3": "B3LYP", "B5": "B3LYP5",
}  # fmt: skip
_META_GGA = {
    "R2SCAN": "r2SCAN", "RSCAN": "rSCAN", "SCAN": "SCAN", "TPSS": "TPSS", "RTPSS": "revTPSS", "M06L": "M06-L",
}  # fmt: skip
_OF_POTCAR = {"PAW_PBE": "PBE", "PAW_GGA": "PW91", "PAW_LDA": "LDA", "PAW": "LDA", "US": "LDA", "US_GGA": "PW91"}
_DISPERSION = {
    1: "D2", 10: "D2", 11: "D3(0)", 12: "D3(BJ)", 13: "D4", 2: "TS", 20: "TS", 21: "TS/HI", 202: "MBD", 263: "MBD/FI",
    3: "ulg", 4: "dDsC",
}  # fmt: skip
_NON_LOCAL = ("IVDW_NL", "ZAB_VDW", "BPARAM", "CPARAM", "PARAM1", "PARAM2", "PARAM3", "AGGAC")
_HYBRID = {"AEXX": 0.25, "HFSCREEN": 0.0, "ALDAX": None, "AGGAX": None, "ALDAC": 1.0, "AGGAC": 1.0}
_HYBRID_GRID = ("PRECFOCK", "ENCUTFOCK", "NKRED", "NKREDX", "NKREDY", "NKREDZ", "LMAXFOCK", "HFRCUT", "LTHOMAS")
_PRECISION = {"a": "accurate", "n": "normal", "s": "single", "l": "low", "m": "medium", "h": "high"}
_SMEARING = {-1: "Fermi", 0: "Gaussian", -14: "tetrahedron, Fermi", -15: "tetrahedron (Blöchl), Fermi"}
_NO_WIDTH = {-5: "tetrahedron (Blöchl)", -4: "tetrahedron", -2: "fixed occupations", -3: "several"}
_TOLD = (
    "METAGGA GGA GGA_COMPAT LASPH ENCUT ENMAX PREC LREAL ADDGRID ISMEAR SIGMA ISPIN LNONCOLLINEAR LSORBIT KSPACING "
    "KGAMMA NELECT IVDW LVDW LUSE_VDW LDAU LDAUTYPE LDAUL LDAUU LDAUJ"
)


def vasp_calculation(
    incar: Mapping[str, Any],
    *,
    potcars: Sequence[Any],
    version: str,
    parameters: Mapping[str, Any] | None = None,
    kpoints: Any = None,
    lattice_a: Matrix | None = None,
    k_rule: KRule | None = None,
    neutral_electrons: float | None = None,
    non_magnetic: bool = False,
    engine: str = "vasp",
) -> Calculation:
    """Settings of a VASP run that set its energy scale.

    Parameters
    ----------
    incar : mapping
        INCAR of the last attempt, as vasprun.xml or emmet's ``calcs_reversed[0].input`` has it. What is not there has
        VASP's default.
    potcars : sequence of mapping
        For each species in order ``titel`` and ``sha256`` or ``hash`` or ``summary_stats``: emmet's ``potcar_spec``.
    version : str
        VASP's version.
    parameters : mapping, optional
        What VASP reports of its settings in vasprun.xml; goes before ``incar``.
    kpoints, lattice_a, k_rule
        See :func:`nawf.engines.vasp_kpoints.k_setting`.
    neutral_electrons : float, optional
        Sum of the valences of the POTCARs; without it, an NELECT in the INCAR is recorded as it is.
    non_magnetic : bool
        Whether a run with spin of the same phase ended without moments: a run without spin then has its energy, and
        is recorded as one with spin.
    engine : str
        Whoever only acts as VASP gives a name of its own, which no result of VASP has.

    Returns
    -------
    Calculation
        ``potential_<El>`` of each element among them: title, hash, and +U, which goes by element too.

    Raises
    ------
    EngineError
        When the cutoff, the functional, a potential or the version cannot be told, or a tag makes no sense.
    """
    tags = Tags(incar, parameters)
    titles = [title_of(spec) for spec in potcars]
    if not titles:
        raise EngineError("the run has no list of POTCARs", hint="its titles and hashes are part of every result")
    precision = _precision(tags)
    hybrid = _hybrid(tags)
    dispersion, of_dispersion = _dispersion(tags)
    # ENAUG sets the second grid of the old precisions only.
    idle = {"ENAUG"} if precision in ("accurate", "normal", "single") else set()
    of_hybrid = {*_HYBRID, *_HYBRID_GRID, "LHFCALC"} if hybrid else {"LHFCALC"}
    functional, of_functional = _functional(tags, titles)
    understood = set(_TOLD.split()) | idle | of_hybrid | of_dispersion | of_functional
    return {
        "engine": engine,
        "code_version": _version(version),
        "functional": functional,
        "hybrid": hybrid,
        "dispersion": dispersion,
        # True cuts the gradient field off along the FFT grid, False along a sphere: tenths of a meV.
        "gga_compat": tags.logical("GGA_COMPAT", True),
        "aspherical": tags.logical("LASPH", False),
        "encut_ev": _cutoff_ev(tags),
        "precision": precision,
        "projectors": _projectors(tags),
        "addgrid": tags.logical("ADDGRID", False),
        "smearing": _smearing(tags),
        "spin": _spin(tags, non_magnetic),
        "spin_orbit": tags.logical("LSORBIT", False),
        "k_points": k_setting(
            tags.number("KSPACING", 0.0) if "KSPACING" in tags.given else None,
            tags.logical("KGAMMA", True),
            kpoints,
            lattice_a=lattice_a,
            rule=k_rule,
        ),
        "excess_electrons": _excess_electrons(tags, neutral_electrons),
        "further": tags.further(understood),
        **potentials_of_run(tags, potcars),
    }


def _version(version: str) -> str:
    """The major version: releases of one major version give the same energies with the same POTCARs.

    What a release changed in defaults shows in the settings themselves. The whole version is in the run's record.
    Something that is no release of VASP keeps its whole name.
    """
    text = version.strip()
    if not text:
        raise EngineError("the run does not tell the version of VASP")
    found = re.match(r"(\d+)\.", text)
    return found[1] if found else text


def _functional(tags: Tags, titles: Sequence[str]) -> tuple[str, set[str]]:
    """Name of the functional, and the tags beyond METAGGA and GGA that are told by it."""
    meta, gga = tags.text("METAGGA"), tags.text("GGA")
    if meta == "LIBXC" or gga == "LIBXC":
        parts = [str(tags.value(tag)) for tag in ("LIBXC1", "LIBXC2") if tags.value(tag) is not None]
        return "libxc " + "+".join(parts), {"LIBXC1", "LIBXC2"}
    if meta:
        name = _META_GGA.get(meta, meta)
        # VASP takes GGA as well, and adds up what nobody means to add up: never the same as METAGGA alone.
        given = str(tags.given.get("GGA", "")).strip().upper()
        base = f"{name} with GGA {given}" if given not in ("", "--") else name
    elif tags.logical("LMETAGGA", False):
        raise EngineError("the run used a meta-GGA, but its INCAR does not tell which", where="METAGGA")
    else:
        base = _GGA.get(gga, gga) if gga else _of_potcars(titles)
    return _hybrid_name(tags, base) if tags.logical("LHFCALC", False) else base, set()


def _of_potcars(titles: Sequence[str]) -> str:
    """The functional that the POTCARs were made for, VASP's default."""
    prefixes = {title.split()[0] for title in titles}
    unknown = prefixes - set(_OF_POTCAR)
    names = {_OF_POTCAR[p] for p in prefixes - unknown}
    if unknown or len(names) > 1:
        raise EngineError(
            f"POTCARs of the kinds {', '.join(sorted(prefixes))} do not tell the functional",
            hint="set GGA or METAGGA",
        )
    return names.pop()


def _hybrid_name(tags: Tags, base: str) -> str:
    exchange, screening = tags.number("AEXX", 0.25), tags.number("HFSCREEN", 0.0)
    if exchange == 1.0:
        return f"Hartree-Fock exchange, {base}"
    if base == "PBE" and exchange == 0.25:
        named = {0.0: "PBE0", 0.2: "HSE06", 0.3: "HSE03"}
        return named.get(round(screening, 2), "PBE hybrid")
    return base if base.startswith("B3LYP") else f"{base} hybrid"


def _hybrid(tags: Tags) -> str | None:
    """Exact exchange in numbers, None without any."""
    if not tags.logical("LHFCALC", False):
        return None
    exchange = tags.number("AEXX", 0.25)
    defaults = _HYBRID | {"ALDAX": 1 - exchange, "AGGAX": 1 - exchange}
    parts = [f"{tag} {tags.number(tag, value or 0.0):g}" for tag, value in defaults.items()]
    parts += [f"{tag} {shown(tags.given[tag])}" for tag in _HYBRID_GRID if tag in tags.given]
    return ", ".join(parts)


def _dispersion(tags: Tags) -> tuple[str | None, set[str]]:
    """Dispersion correction with its parameters, and the tags that are told by it."""
    code = int(tags.number("IVDW", 1 if tags.logical("LVDW", False) else 0))
    parts, told = [], set()
    if code:
        told = {tag for tag in tags.given if tag.startswith(("VDW_", "LVDW_"))}
        parts.append(_with_parameters(_DISPERSION.get(code, f"IVDW {code}"), tags, sorted(told)))
    if tags.logical("LUSE_VDW", False):
        inner = [tag for tag in _NON_LOCAL if tag in tags.given]
        told |= set(inner)
        parts.append(_with_parameters("rVV10" if "BPARAM" in tags.given else "vdW-DF", tags, inner))
    return " and ".join(parts) or None, told


def _with_parameters(name: str, tags: Tags, names: Sequence[str]) -> str:
    values = ", ".join(f"{tag} {shown(tags.given[tag])}" for tag in names)
    return f"{name} ({values})" if values else name


def _cutoff_ev(tags: Tags) -> float:
    tag = "ENMAX" if "ENMAX" in tags.reported else "ENCUT" if "ENCUT" in tags.given else "ENMAX"
    cutoff_ev = tags.number(tag, 0.0)
    if cutoff_ev <= 0:
        raise EngineError(
            "the plane-wave cutoff of the run is not known", where="ENCUT", hint="set it, or give what VASP reports"
        )
    return round(cutoff_ev, 4)


def _precision(tags: Tags) -> str:
    word = (tags.text("PREC") or "NORMAL").lower()
    if word.startswith("singlen"):
        return "single, normal grid"
    if word[0] not in _PRECISION:
        raise EngineError(f"PREC = {word!r} is unknown", where="INCAR")
    return _PRECISION[word[0]]


def _projectors(tags: Tags) -> str:
    """Where projections are done: real space costs accuracy, differently for the ways to optimise the projectors."""
    value = tags.value("LREAL")
    letter = str(value).strip().lstrip(".").upper()[:1]
    if value is None or letter == "F":
        return "reciprocal space"
    optimised = {"A": " (Auto)", "O": " (On)", "T": ""}
    if letter not in optimised:
        raise EngineError(f"LREAL = {value!r} is unknown", where="INCAR")
    return f"real space{optimised[letter]}"


def _smearing(tags: Tags) -> str:
    """Occupations, with a width where there is one that counts."""
    order = int(tags.number("ISMEAR", 1))
    if order in _NO_WIDTH:
        return _NO_WIDTH[order]
    if order < 0 and order not in _SMEARING:
        raise EngineError(f"ISMEAR = {order} is unknown", where="INCAR")
    name = _SMEARING.get(order, f"Methfessel-Paxton {order}")
    return f"{name} {tags.number('SIGMA', 0.2):g} eV"


def _spin(tags: Tags, non_magnetic: bool) -> str:
    if tags.logical("LNONCOLLINEAR", False) or tags.logical("LSORBIT", False):
        return "non-collinear"
    return "collinear" if non_magnetic or int(tags.number("ISPIN", 1)) == 2 else "none"


def _excess_electrons(tags: Tags, neutral: float | None) -> float | str:
    if neutral is not None:
        return round(tags.number("NELECT", neutral) - neutral, 4) + 0.0
    return f"NELECT {tags.number('NELECT', 0.0):g}" if "NELECT" in tags.given else 0.0
