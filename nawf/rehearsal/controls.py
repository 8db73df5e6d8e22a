"""What the tags of INCAR make a run do, with the defaults that VASP fills in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nawf.rehearsal.incar import Incar
from nawf.rehearsal.potcar import Pseudopotential
from nawf.rehearsal.stop import StopError, not_rehearsed
from nawf.rehearsal.tags import SECTIONS, Kind, Value
from nawf.results.crystal import Crystal

_HBAR2_OVER_2M_EV_A2 = 3.80998
_STATIC = -1
_RELAXATIONS = (1, 2, 3)
"""IBRION of quasi-Newton, conjugate gradients and damped motion."""
_IALGO = {"normal": 38, "veryfast": 48, "fast": 68, "all": 58, "damped": 53, "exact": 90, "eigenval": 3, "none": 2}
_BY_FIRST_LETTER = {"n": "normal", "v": "veryfast", "f": "fast", "a": "all", "c": "all", "d": "damped"}
_LABELS = {"normal": "DAV", "fast": "RMM", "veryfast": "RMM", "all": "CGA", "damped": "DMP"}
_REFUSED = ("LCALCEPS", "LOPTICS", "LCALCPOL", "LHFCALC", "LNONCOLLINEAR", "LSORBIT", "LCHIMAG", "LEFG")


@dataclass(frozen=True)
class Controls:
    """Resolved settings; names are those of the tags.

    ``algo`` is the algorithm's full name in lower case, ``magmom`` one moment an atom, ``n_bands`` the number of
    bands of one spin. ``parameters`` are the sections of vasprun.xml.
    """

    algo: str
    nsw: int
    ibrion: int
    isif: int
    ediff_ev: float
    ediffg: float
    potim: float
    smass: float
    nelm: int
    nelmin: int
    nelmdl: int
    ispin: int
    ismear: int
    sigma_ev: float
    isym: int
    symprec: float
    encut_ev: float
    n_electrons: float
    n_bands: int
    nedos: int
    lorbit: int
    lepsilon: bool
    istart: int
    writes_charge: bool
    writes_wave: bool
    writes_potential: bool
    writes_all_electron: bool
    magmom: tuple[float, ...]
    parameters: Mapping[str, tuple[tuple[str, Kind, Value], ...]]

    @property
    def label(self) -> str:
        """Three letters in front of every electronic step."""
        return _LABELS.get(self.algo, "DAV")

    @property
    def relaxes(self) -> bool:
        return self.nsw > 0 and self.ibrion in _RELAXATIONS


def resolve(
    incar: Incar,
    crystal: Crystal,
    potentials: Sequence[Pseudopotential],
    counts: Sequence[int],
    *,
    has_wavefunctions: bool,
) -> Controls:
    """Fill in the defaults.

    Raises
    ------
    StopError
        When VASP would refuse the tags, or a rehearsal has nothing to give for them.
    """
    tags = _Tags(incar)
    _refuse_what_is_not_rehearsed(tags, incar, potentials)
    n_electrons = tags.real("NELECT", sum(p.valence_electrons * n for p, n in zip(potentials, counts, strict=True)))
    ispin = tags.whole("ISPIN", 1)
    magmom = _moments(incar, len(crystal)) if ispin == 2 else ()
    algo = _algorithm(incar)
    ediff = tags.real("EDIFF", 1e-4)
    nsw = tags.whole("NSW", 0)
    ibrion = tags.whole("IBRION", _STATIC if nsw in (-1, 0) else 0)
    if ibrion not in (_STATIC, *_RELAXATIONS):
        raise not_rehearsed(f"IBRION = {ibrion}" + (" (molecular dynamics)" if ibrion == 0 else ""))
    isif = tags.whole("ISIF", 2)
    if incar.get("LEPSILON") is True and ibrion != _STATIC:
        raise not_rehearsed("LEPSILON = .TRUE. with ions that move")
    if not 0 <= isif <= 8:
        raise StopError(f"ERROR: ISIF = {isif} is not between 0 and 8")
    istart = tags.whole("ISTART", int(has_wavefunctions))
    nelmdl = tags.whole("NELMDL", {"veryfast": -12, "fast": -12}.get(algo, -5) if istart == 0 else 0)
    encut = tags.real("ENCUT", tags.real("ENMAX", max(p.enmax_ev for p in potentials)))
    computed: dict[str, Value] = {
        "ENMAX": encut,
        "ENAUG": tags.real("ENAUG", max(p.enaug_ev for p in potentials)),
        "IALGO": _IALGO[algo],
        "NBANDS": tags.whole("NBANDS", default_n_bands(n_electrons, len(crystal), magmom)),
        "NELECT": n_electrons,
        "LREAL": _is_real_space(incar),
        "ISTART": istart,
        "ICHARG": tags.whole("ICHARG", 2 if istart == 0 else 0),
        "MAGMOM": list(magmom) or [1.0] * len(crystal),
        "LMETAGGA": _has_metagga(incar),
        "NELMDL": nelmdl,
        "ENINI": encut,
        "IBRION": ibrion,
        "EDIFFG": tags.real("EDIFFG", 10 * ediff),
        **_grids(tags, crystal, encut, str(incar.get("PREC", "normal"))),
    }
    if 2 * int(str(computed["NBANDS"])) < n_electrons:
        raise StopError("ERROR: the number of bands is not sufficient to hold all electrons: I REFUSE TO CONTINUE")
    parameters = _parameters(incar, computed)
    value: dict[str, Any] = {name: v for section in parameters.values() for name, _, v in section}
    return Controls(
        algo=algo,
        nsw=nsw,
        ibrion=ibrion,
        isif=isif,
        ediff_ev=ediff,
        ediffg=float(value["EDIFFG"]),
        potim=float(value["POTIM"]),
        smass=float(value["SMASS"]),
        nelm=int(value["NELM"]),
        nelmin=int(value["NELMIN"]),
        nelmdl=nelmdl,
        ispin=ispin,
        ismear=int(value["ISMEAR"]),
        sigma_ev=float(value["SIGMA"]),
        isym=int(value["ISYM"]),
        symprec=float(value["SYMPREC"]),
        encut_ev=encut,
        n_electrons=n_electrons,
        n_bands=int(value["NBANDS"]),
        nedos=max(2, int(value["NEDOS"])),
        lorbit=int(value["LORBIT"]),
        lepsilon=bool(value["LEPSILON"]),
        istart=istart,
        writes_charge=bool(value["LCHARG"]),
        writes_wave=bool(value["LWAVE"]),
        writes_potential=bool(value["LVTOT"] or value["LVHAR"]),
        writes_all_electron=bool(value["LAECHG"]),
        magmom=magmom,
        parameters=parameters,
    )


def default_n_bands(n_electrons: float, n_ions: int, magmom: Sequence[float] = ()) -> int:
    """NBANDS as VASP chooses it, by the rule in its wiki; ``magmom`` is empty without spin polarisation."""
    enough_for_electrons = math.floor(n_electrons + 2.5) // 2 + max(n_ions // 2, 3)
    n_bands = max(enough_for_electrons, int(0.6 * n_electrons))
    return n_bands + max(int((sum(magmom) + 1) // 2), 0) if magmom else n_bands


class _Tags:
    """Tags of one kind, or a default."""

    def __init__(self, incar: Incar) -> None:
        self._incar = incar

    def whole(self, name: str, default: int) -> int:
        value: Any = self._incar.get(name, default)
        return int(value)

    def real(self, name: str, default: float) -> float:
        value: Any = self._incar.get(name, default)
        return float(value)


def _refuse_what_is_not_rehearsed(tags: _Tags, incar: Incar, potentials: Sequence[Pseudopotential]) -> None:
    if _has_metagga(incar):
        if incar.get("LEPSILON") is True:
            raise StopError("ERROR: LEPSILON = .TRUE. is not implemented for meta-GGA functionals (METAGGA)")
        for potential in potentials:
            if not potential.has_kinetic_energy_density:
                raise StopError(
                    "ERROR: METAGGA needs potentials with the kinetic energy density of the core,",
                    f"which {potential.title} of POTCAR does not have",
                )
    for name in _REFUSED:
        if incar.get(name) is True:
            raise not_rehearsed(f"{name} = .TRUE.")
    if tags.real("PSTRESS", 0.0) != 0.0:
        raise not_rehearsed("PSTRESS")
    if tags.whole("ICHARG", 0) >= 10:
        raise not_rehearsed("a calculation at fixed charge density (ICHARG >= 10)")


def _has_metagga(incar: Incar) -> bool:
    return str(incar.get("METAGGA", "--")).upper() not in ("--", "NONE", "")


def _algorithm(incar: Incar) -> str:
    if "ALGO" not in incar:
        by_number = {number: name for name, number in _IALGO.items()}
        return by_number.get(int(str(incar.get("IALGO", 38))), "normal")
    given = str(incar["ALGO"]).lower()
    name = given if given in _IALGO else _BY_FIRST_LETTER.get(given[:1], "")
    if name not in _IALGO or given.startswith(("gw", "chi")):
        raise not_rehearsed(f"ALGO = {incar['ALGO']}")
    return name


def _is_real_space(incar: Incar) -> bool:
    text = str(incar.get("LREAL", "F")).lower().lstrip(".")
    return text.startswith(("t", "a", "o"))


def _moments(incar: Incar, n_ions: int) -> tuple[float, ...]:
    given: Any = incar.get("MAGMOM", [1.0] * n_ions)
    if len(given) < n_ions:
        raise StopError("Error reading item 'MAGMOM' from file INCAR.", f"Error code was IERR= 5, N={len(given)}")
    return tuple(given[:n_ions])


def _grids(tags: _Tags, crystal: Crystal, encut_ev: float, precision: str) -> dict[str, Value]:
    """FFT grids that hold the spheres of plane waves without (accurate) or with some wrap-around errors."""
    accurate = precision.lower().startswith(("a", "h"))
    radius = math.sqrt(encut_ev / _HBAR2_OVER_2M_EV_A2)
    lengths = np.linalg.norm(crystal.matrix_a, axis=1)
    grids: dict[str, Value] = {}
    for axis, length in zip("XYZ", lengths, strict=True):
        highest = radius * length / (2 * math.pi)
        n = tags.whole(f"NG{axis}", _next_smooth(math.ceil((4.0 if accurate else 3.0) * highest)))
        grids[f"NG{axis}"] = n
        grids[f"NG{axis}F"] = tags.whole(f"NG{axis}F", 2 * n)
    return grids


def _next_smooth(n: int) -> int:
    """Smallest even number from ``n`` on without prime factors above 7."""
    n += n % 2
    while True:
        rest = n
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 2


def _parameters(incar: Incar, computed: Mapping[str, Value]) -> dict[str, tuple[tuple[str, Kind, Value], ...]]:
    sections: dict[str, tuple[tuple[str, Kind, Value], ...]] = {}
    for section, entries in SECTIONS.items():
        rows = []
        for name, kind, default in entries:
            value = computed.get(name, incar.get(name, default))
            if name == "EFERMI" and isinstance(value, str):
                value = default
            if value is not None:
                rows.append((name, kind, value))
        sections[section] = tuple(rows)
    return sections
