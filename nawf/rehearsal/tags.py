"""INCAR tags: their kinds, and the sections and defaults with which vasprun.xml lists them.

Names, kinds and defaults are those of the VASP wiki. A default of None follows from the other input; see
:mod:`nawf.rehearsal.controls`.
"""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Final, Literal

Kind = Literal["int", "float", "logical", "string", "ints", "floats"]
Value = int | float | bool | str | list[int] | list[float]

SECTIONS: Final[dict[str, tuple[tuple[str, Kind, Value | None], ...]]] = {
    "general": (("SYSTEM", "string", "unknown system"), ("LCOMPAT", "logical", False)),
    "electronic": (
        ("PREC", "string", "normal"),
        ("ENMAX", "float", None),
        ("ENAUG", "float", None),
        ("EDIFF", "float", 1e-4),
        ("IALGO", "int", None),
        ("IWAVPR", "int", 11),
        ("NBANDS", "int", None),
        ("NELECT", "float", None),
    ),
    "electronic smearing": (
        ("ISMEAR", "int", 1),
        ("SIGMA", "float", 0.2),
        ("KSPACING", "float", 0.5),
        ("KGAMMA", "logical", True),
    ),
    "electronic projectors": (
        ("LREAL", "logical", False),
        ("ROPT", "floats", None),
        ("LMAXPAW", "int", -100),
        ("LMAXMIX", "int", 2),
        ("NLSPLINE", "logical", False),
    ),
    "electronic startup": (("ISTART", "int", None), ("ICHARG", "int", None), ("INIWAV", "int", 1)),
    "electronic spin": (
        ("ISPIN", "int", 1),
        ("LNONCOLLINEAR", "logical", False),
        ("MAGMOM", "floats", None),
        ("NUPDOWN", "float", -1.0),
        ("LSORBIT", "logical", False),
    ),
    "electronic exchange-correlation": (("LASPH", "logical", False), ("LMETAGGA", "logical", None)),
    "electronic convergence": (
        ("NELM", "int", 60),
        ("NELMDL", "int", None),
        ("NELMIN", "int", 2),
        ("ENINI", "float", None),
    ),
    "electronic convergence detail": (
        ("LDIAG", "logical", True),
        ("WEIMIN", "float", 0.001),
        ("DEPER", "float", 0.3),
        ("TIME", "float", 0.4),
    ),
    "electronic mixer": (
        ("AMIX", "float", 0.4),
        ("BMIX", "float", 1.0),
        ("AMIN", "float", 0.1),
        ("AMIX_MAG", "float", 1.6),
        ("BMIX_MAG", "float", 1.0),
        ("IMIX", "int", 4),
        ("MAXMIX", "int", -45),
        ("WC", "float", 100.0),
        ("INIMIX", "int", 1),
        ("MIXPRE", "int", 1),
    ),
    "electronic dipolcorrection": (
        ("LDIPOL", "logical", False),
        ("LMONO", "logical", False),
        ("IDIPOL", "int", 0),
        ("EPSILON", "float", 1.0),
        ("EFIELD", "float", 0.0),
    ),
    "grids": (
        ("NGX", "int", None),
        ("NGY", "int", None),
        ("NGZ", "int", None),
        ("NGXF", "int", None),
        ("NGYF", "int", None),
        ("NGZF", "int", None),
        ("ADDGRID", "logical", False),
    ),
    "ionic": (
        ("NSW", "int", 0),
        ("IBRION", "int", None),
        ("MDALGO", "int", 0),
        ("ISIF", "int", 2),
        ("PSTRESS", "float", 0.0),
        ("EDIFFG", "float", None),
        ("NFREE", "int", 0),
        ("POTIM", "float", 0.5),
        ("SMASS", "float", -3.0),
        ("SCALEE", "float", 1.0),
    ),
    "symmetry": (("ISYM", "int", 2), ("SYMPREC", "float", 1e-5)),
    "dos": (
        ("LORBIT", "int", 0),
        ("NEDOS", "int", 301),
        ("EMIN", "float", 10.0),
        ("EMAX", "float", -10.0),
        ("EFERMI", "float", 0.0),
    ),
    "writing": (
        ("NWRITE", "int", 2),
        ("LWAVE", "logical", True),
        ("LCHARG", "logical", True),
        ("LPARD", "logical", False),
        ("LVTOT", "logical", False),
        ("LVHAR", "logical", False),
        ("LAECHG", "logical", False),
        ("LELF", "logical", False),
        ("LOPTICS", "logical", False),
    ),
    "performance": (
        ("NPAR", "int", 1),
        ("NCORE", "int", 1),
        ("KPAR", "int", 1),
        ("NSIM", "int", 4),
        ("LPLANE", "logical", True),
        ("LSCALAPACK", "logical", True),
    ),
    "miscellaneous": (("LCORR", "logical", True), ("IVDW", "int", 0)),
    "electronic exchange-correlation details": (
        ("GGA", "string", "--"),
        ("GGA_COMPAT", "logical", True),
        ("VOSKOWN", "int", 0),
        ("LDAU", "logical", False),
        ("LHFCALC", "logical", False),
        ("AEXX", "float", 0.0),
        ("ALDAX", "float", 1.0),
        ("ALDAC", "float", 1.0),
        ("AGGAX", "float", 1.0),
        ("AGGAC", "float", 1.0),
        ("HFSCREEN", "float", 0.0),
        ("LMIXTAU", "logical", False),
        ("LMAXTAU", "int", 6),
    ),
    "vdW DFT": (
        ("LUSE_VDW", "logical", False),
        ("ZAB_VDW", "float", -0.8491),
        ("PARAM1", "float", 0.1234),
        ("PARAM2", "float", 1.0),
        ("BPARAM", "float", 6.3),
        ("CPARAM", "float", 0.0093),
    ),
    "linear response parameters": (
        ("LEPSILON", "logical", False),
        ("LCALCEPS", "logical", False),
        ("LCALCPOL", "logical", False),
        ("LPEAD", "logical", False),
        ("LCHIMAG", "logical", False),
    ),
}

_MORE: Final[dict[str, Kind]] = {
    "ALGO": "string",
    "ENCUT": "float",
    "EFERMI": "string",
    "ISEARCH": "int",
    "LKPOINTS_OPT": "logical",
    "LREAL": "string",
    "METAGGA": "string",
}
_LIBRARY_KINDS: Final[dict[str, Kind]] = {
    "int": "int",
    "float": "float",
    "bool": "logical",
    "str": "string",
    "list": "floats",
}


@cache
def known_tags() -> dict[str, Kind]:
    """Kinds of all tags that may stand in an INCAR, those that pymatgen knows among them."""
    # The list alone: pymatgen.io.vasp takes a second to import.
    spec = importlib.util.find_spec("pymatgen.io.vasp")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("pymatgen.io.vasp")
    listed = json.loads(Path(spec.origin).with_name("incar_parameters.json").read_text(encoding="utf-8"))
    kinds = {name: _LIBRARY_KINDS.get(facts["type"], "string") for name, facts in listed.items()}
    kinds |= {name: kind for section in SECTIONS.values() for name, kind, _ in section}
    return kinds | _MORE | {"LDAUL": "ints"}
