"""Reading INCAR tags as VASP does: in any case, written in any way; and which of them an energy depends on."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from nawf.errors import EngineError

# VASP reports these in vasprun.xml in another form than they were given, as a default where a KPOINTS file was used,
# or not at all; for all others its report is what the calculation ended with.
_AS_GIVEN = {
    "METAGGA", "GGA", "LREAL", "KSPACING", "KGAMMA", "IVDW", "BPARAM", "CPARAM", "LDAUU", "LDAUJ", "LDAUL", "LDAUTYPE"
}  # fmt: skip

# Tags that say how the ground state is reached, what is printed, or how ions move: they do not change the energy of
# the atoms where they end. ALGO, for one, is what error handlers change most, with the same ground state; LMIXTAU and
# LMAXMIX say what the density mixer sees; MAGMOM is where a spin density starts, ISPIN whether there is one; EDIFF is
# how close to the ground state, which checks judge; symmetry saves k-points of the same mesh.
_PARALLEL = "NCORE NPAR KPAR NSIM NBLK LPLANE LSCALAPACK LSCALU LSCAAWARE LASYNC MAXMEM NCSHMEM LUSENCCL"
_OUTPUT = (
    "SYSTEM NWRITE LWAVE LCHARG LH5 LVTOT LVHAR LELF LAECHG LPARD LORBIT RWIGS NEDOS EMIN EMAX LDAUPRINT LKPROJ "
    "LOCPROJ LORBMOM LDOWNSAMPLE LKPOINTS_OPT LOPTICS CSHIFT LEPSILON LCALCEPS LPEAD LRPA LNABLA LVEL LCALCPOL DIPOL "
    "LEFG QUAD_EFG LCHIMAG LHYPERFINE NGYROMAG LWANNIER90 LWANNIER90_RUN LWRITE_MMN_AMN LSEPB LSEPK NBMOD EINT IBAND "
    "KPUSE"
)
_ELECTRONIC = (
    "ISTART INIWAV MAGMOM ALGO IALGO NELM NELMIN NELMDL EDIFF ENINI LDIAG LSUBROT NRMM TIME EBREAK DEPER WEIMIN "
    "NBANDS EFERMI LFOCKACE IMIX AMIX BMIX AMIN AMIX_MAG BMIX_MAG MAXMIX MIXPRE INIMIX MREMOVE WC LMAXMIX LMIXTAU "
    "ISEARCH ISYM SYMPREC LORBITALREAL RANDOM_SEED ICHARG LCORR LMETAGGA"
)
_IONIC = (
    "IBRION NSW ISIF EDIFFG POTIM NFREE SMASS POMASS TEBEG TEEND NBLOCK KBLOCK MDALGO IOPT MAXMOVE "
    "LATTICE_CONSTRAINTS ANDERSEN_PROB LANGEVIN_GAMMA LANGEVIN_GAMMA_L PMASS"
)
HARMLESS = frozenset(f"{_PARALLEL} {_OUTPUT} {_ELECTRONIC} {_IONIC}".split())

# Further tags that change the energy, with the value that says nothing.
_NEUTRAL: dict[str, float | bool] = {
    "PSTRESS": 0, "NUPDOWN": -1, "EFIELD": 0, "IDIPOL": 0, "LDIPOL": False, "LMONO": False, "I_CONSTRAINED_M": 0,
    "ICORELEVEL": 0, "SCALEE": 1, "VOSKOWN": 0, "LMAXPAW": -100, "LMAXTAU": 6, "LSOL": False, "NLSPLINE": False,
    "LSPIRAL": False, "ML_LMLFF": False,
}  # fmt: skip

# Ways to the same ground state; ALGO = Exact, Eigenval, GW and the like are something else.
_GROUND_STATE_ALGO = frozenset(
    ("normal", "n", "veryfast", "v", "fast", "f", "conjugate", "c", "all", "a", "damped", "d")
)
_FIRST_FIXED_DENSITY = 10
_FIRST_GROUND_STATE_IALGO = 8


class Tags:
    """The settings of a run: its INCAR, and what VASP reported of them."""

    def __init__(self, incar: Mapping[str, Any], parameters: Mapping[str, Any] | None = None) -> None:
        self.given = {k.strip().upper(): v for k, v in incar.items() if not k.startswith("@") and v is not None}
        self.reported = {k.strip().upper(): v for k, v in (parameters or {}).items() if v is not None}

    def value(self, tag: str) -> Any:
        """Value of a tag, or None: as reported, or as given where the report does not tell."""
        first, second = (self.given, self.reported) if tag in _AS_GIVEN else (self.reported, self.given)
        return first.get(tag, second.get(tag))

    def number(self, tag: str, default: float) -> float:
        """A number.

        Raises
        ------
        EngineError
            When it is none.
        """
        value = self.value(tag)
        return default if value is None else _number(tag, value)

    def numbers(self, tag: str) -> list[float]:
        """A list of numbers, such as one for each species; empty where the tag is absent."""
        value = self.value(tag)
        if value is None:
            return []
        if not isinstance(value, str):
            return [_number(tag, item) for item in (value if isinstance(value, list | tuple) else [value])]
        found: list[float] = []
        for item in value.split():
            times, star, number = item.rpartition("*")
            found += [_number(tag, number)] * (int(_number(tag, times)) if star else 1)
        return found

    def logical(self, tag: str, default: bool) -> bool:
        """A truth value: .TRUE., T, true.

        Raises
        ------
        EngineError
            When it is neither true nor false.
        """
        value = self.value(tag)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        letter = str(value).strip().lstrip(".").upper()[:1]
        if letter not in ("T", "F"):
            raise EngineError(f"{tag} = {value!r} is neither true nor false", where="INCAR")
        return letter == "T"

    def text(self, tag: str) -> str:
        """A word in capitals, empty where the tag is absent or says that there is none."""
        value = self.value(tag)
        word = "" if value is None or value is False else str(value).strip().upper()
        return "" if word in ("--", "NONE", "F", "FALSE", ".FALSE.") else word

    def further(self, understood: Collection[str]) -> str | None:
        """Tags of the INCAR that may change the energy and that nothing else tells of, or None.

        A tag that nobody has thought of counts: better two results too few in a diagram than one too many.
        """
        found = []
        for tag, value in sorted(self.given.items()):
            if tag in understood or (tag in HARMLESS and not self._is_special(tag)):
                continue
            if tag in _NEUTRAL and self._is_neutral(tag):
                continue
            found.append(f"{tag} {shown(value)}")
        return ", ".join(found) or None

    def _is_special(self, tag: str) -> bool:
        """Whether a tag that mostly says how to reach the ground state says that another state is wanted."""
        if tag == "ALGO":
            return str(self.given[tag]).strip().lower() not in _GROUND_STATE_ALGO
        if tag == "ICHARG":
            return _number(tag, self.given[tag]) >= _FIRST_FIXED_DENSITY
        return tag == "IALGO" and _number(tag, self.given[tag]) < _FIRST_GROUND_STATE_IALGO

    def _is_neutral(self, tag: str) -> bool:
        neutral = _NEUTRAL[tag]
        if isinstance(neutral, bool):
            return self.logical(tag, neutral) is neutral
        return self.number(tag, neutral) == neutral


def _number(tag: str, value: Any) -> float:
    try:
        return float(value.split()[0] if isinstance(value, str) else value)
    except (IndexError, TypeError, ValueError):
        raise EngineError(f"{tag} = {value!r} is not a number", where="INCAR") from None


def shown(value: Any) -> str:
    """Value of a tag in one spelling: numbers without needless digits, T and F, words in small letters."""
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, int | float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return " ".join(map(shown, value))
    return " ".join(map(_word_shown, str(value).lower().split()))


def _word_shown(word: str) -> str:
    if re.fullmatch(r"\.?(t|true|f|false)\.?", word):
        return word.lstrip(".")[0].upper()
    try:
        return f"{float(word):g}"
    except ValueError:
        return word
