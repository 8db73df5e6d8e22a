"""The potentials of a VASP run by element: title and hash of the POTCAR, and +U, which makes another one of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from nawf.engines.vasp_incar import Tags
from nawf.errors import EngineError
from nawf.results.fingerprint import POTENTIAL, Scalar

_SHELLS = "spdf"
_STATISTICS_DIGITS = 6


def title_of(spec: Any) -> str:
    """Title of a POTCAR, such as ``PAW_PBE Na_pv 19Sep2006``.

    Raises
    ------
    EngineError
        When there is none that tells the element.
    """
    title = str(spec.get("titel") or "").split()
    if len(title) < 2 or not re.match("[A-Z]", title[1]):
        raise EngineError(f"a POTCAR of the run has no usable title: {' '.join(title)!r}")
    return " ".join(title)


def potentials_of_run(tags: Tags, potcars: Sequence[Any]) -> dict[str, Scalar]:
    """Title, hash and +U of each element; an element that comes as several species has all of theirs.

    Parameters
    ----------
    tags : Tags
    potcars : sequence of mapping
        For each species in order ``titel`` and ``sha256`` or ``hash`` or ``summary_stats``.

    Returns
    -------
    dict
        By ``potential_<El>``.
    """
    titles = [title_of(spec) for spec in potcars]
    hubbard = _hubbard(tags, len(titles))
    found: dict[str, set[str]] = {}
    for title, spec, u in zip(titles, potcars, hubbard, strict=True):
        element = re.match("[A-Z][a-z]?", title.split()[1])
        assert element is not None
        found.setdefault(element[0], set()).add(f"{title} {_identity(spec)}{u}")
    return {f"{POTENTIAL}{element}": " and ".join(sorted(texts)) for element, texts in sorted(found.items())}


def _identity(spec: Any) -> str:
    """Hash of a POTCAR: titles are the same in several releases of the potentials, and their energies are not."""
    for key in ("sha256", "hash"):
        if value := spec.get(key):
            return f"{'sha256' if len(str(value)) == 64 else 'md5'}:{str(value).lower()}"
    statistics = spec.get("summary_stats")
    if not statistics:
        return "(no hash)"
    text = json.dumps(_rounded(statistics), sort_keys=True)
    return f"stats:{hashlib.sha256(text.encode()).hexdigest()}"


def _rounded(content: Any) -> Any:
    """Numbers to a few digits: sums may differ in the last ones from machine to machine."""
    if isinstance(content, Mapping):
        return {str(k): _rounded(v) for k, v in content.items()}
    if isinstance(content, list | tuple):
        return [_rounded(v) for v in content]
    return f"{content:.{_STATISTICS_DIGITS}g}" if isinstance(content, float) else content


def _hubbard(tags: Tags, n_species: int) -> list[str]:
    """What +U adds to the text of each species; empty where there is none."""
    if not tags.logical("LDAU", False):
        return [""] * n_species
    lists = {tag: tags.numbers(tag) for tag in ("LDAUL", "LDAUU", "LDAUJ")}
    shells = [int(x) for x in lists["LDAUL"] or [2.0] * n_species]
    us, js = lists["LDAUU"], lists["LDAUJ"] or [0.0] * n_species
    if not len(shells) == len(us) == len(js) == n_species:
        raise EngineError(f"LDAUL, LDAUU and LDAUJ are not lists of {n_species} values, one a species", where="INCAR")
    kind = int(tags.number("LDAUTYPE", 2))
    return [_u_text(kind, shell, u, j) for shell, u, j in zip(shells, us, js, strict=True)]


def _u_text(kind: int, shell: int, u_ev: float, j_ev: float) -> str:
    if shell < 0 or not (u_ev or j_ev):
        return ""
    # Dudarev's form knows only the difference.
    size = f"U-J {u_ev - j_ev:g} eV" if kind == 2 else f"U {u_ev:g} J {j_ev:g} eV"
    return f" +{size} on {_SHELLS[shell]}" + ("" if kind == 2 else f" (LDAUTYPE {kind})")
