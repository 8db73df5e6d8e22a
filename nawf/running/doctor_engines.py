"""Checks of the engines: whether each can be loaded and calculate, and what VASP needs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

from nawf.engines.base import EngineSpec
from nawf.engines.preflight import SelfChecking, findings
from nawf.engines.registry import ENGINES, build_engine, engine_spec
from nawf.errors import EngineError
from nawf.results.crystal import Crystal
from nawf.results.tasks import PhaseTask
from nawf.running.doctor import Check, Mark
from nawf.settings import Settings

SODIUM = Crystal.from_arrays([[4.21, 0, 0], [0, 4.21, 0], [0, 0, 4.21]], ["Na", "Na"], [[0, 0, 0], [0.5, 0.5, 0.5]])
"""Body-centred cubic sodium in its cube: two atoms."""

_AREA = "engines"
_ELEMENTS = ("Na", "S", "Sb", "P", "Sn")
_QUICK_S = 10.0
"""An engine that needs less for two atoms is tried out."""


def names() -> tuple[str, ...]:
    """Engines in the order in which they are looked at."""
    return tuple(ENGINES)


def engine(name: str, settings: Settings) -> Iterator[Check]:
    """One engine: loaded, tried out if that takes seconds, and what it says of this machine."""
    try:
        built = build_engine(engine_spec(name, device=settings.device))
    except EngineError as error:
        mark = Mark.UNUSED if "needs the package" in error.what else Mark.BAD
        yield Check(_AREA, name, mark, error.what, error.hint or "")
        return
    if hasattr(built, "evaluate") and built.seconds("static", SODIUM) < _QUICK_S:
        energy_ev, _, _ = built.evaluate(SODIUM)
        found = f"model loaded; sodium has {energy_ev / len(SODIUM):.3f} eV/atom"
        yield Check(_AREA, name, Mark.GOOD, found)
        return
    yield from _found(name, built, settings)


def _found(name: str, built: Any, settings: Settings) -> Iterator[Check]:
    """Findings of an engine that depends on what the machine has, for a campaign with all elements."""
    found = findings(built, [_all_elements(built)])
    if isinstance(built, SelfChecking):
        # The size of such a cell is of no interest.
        found = tuple(dict.fromkeys([*built.check(), *(finding for finding in found if finding.stops)]))
    stops = [finding for finding in found if finding.stops]
    notes = [finding for finding in found if not finding.stops]
    if stops and _is_unused(built.spec, settings):
        yield Check(_AREA, name, Mark.UNUSED, "not set up: " + stops[0].what, stops[0].hint)
        return
    mark = Mark.LOOK if stops and _runs_elsewhere(settings) else Mark.BAD
    for finding in stops:
        hint = finding.hint or "see its manual"
        yield Check(_AREA, name, mark, finding.what + (" (here)" if mark is Mark.LOOK else ""), hint)
    if not stops:
        told = "; ".join(note.what for note in notes if not note.hint)
        yield Check(_AREA, name, Mark.GOOD, told or "all it needs is here")
        yield from (Check(_AREA, name, Mark.LOOK, note.what, note.hint) for note in notes if note.hint)


def _all_elements(built: Any) -> PhaseTask:
    """A task whose cell has one atom of each element, far apart: potentials depend on elements only."""
    n = len(_ELEMENTS)
    cell = [[4.0 * n, 0, 0], [0, 4.0, 0], [0, 0, 4.0]]
    atoms = Crystal.from_arrays(cell, list(_ELEMENTS), [[i / n, 0, 0] for i in range(n)])
    properties = ("relax", "static")
    return PhaseTask(
        phase="all elements", campaign="", properties=properties, start=atoms, methods=built.methods(), card={}
    )


def _runs_elsewhere(settings: Settings) -> bool:
    return bool(settings.cluster.project or settings.cluster.worker)


def _is_unused(spec: EngineSpec, settings: Settings) -> bool:
    """Whether nobody has said how VASP is called, nor where POTCARs are."""
    is_set = settings.vasp_command or settings.vasp_gamma_command or settings.potcar_folder
    return spec.name == "vasp" and not is_set and shutil.which("vasp_std") is None
