"""What the embedded potential does for engines that cost more: where relaxations begin, and with which Hessian.

It never has a say in where they end.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nawf.engines.base import Label
from nawf.engines.registry import build_engine, engine_spec
from nawf.errors import EngineError
from nawf.results.crystal import Crystal
from nawf.results.outputs import Correction, RelaxOutput, RunRecord

MOST_VOLUME_CHANGE = 0.1
"""Of a relaxation with the potential; beyond that the start is taken as it was given."""

_SPEC = engine_spec("chgnet-r2scan", "coarse")


def relaxed_by_potential(crystal: Any, label: Label) -> Any:
    """Job of a first relaxation with the embedded engine."""
    from nawf.engines.in_process import run_relax

    return run_relax(_SPEC, crystal, build_engine(_SPEC).methods().relax, label)


def plausible_start(crystal: Crystal, relaxed: Crystal) -> Crystal:
    """What a potential relaxed to, or the crystal itself where its volume changed by more than a tenth."""
    change = relaxed.volume_a3 / crystal.volume_a3 - 1.0
    return relaxed if abs(change) <= MOST_VOLUME_CHANGE else crystal


def start_record(crystal: Crystal, relaxed: RelaxOutput) -> RunRecord:
    """Record of the relaxation with a potential, with what was made of it."""
    change = relaxed.crystal.volume_a3 / crystal.volume_a3 - 1.0
    if plausible_start(crystal, relaxed.crystal) is not relaxed.crystal:
        found = f"the potential changed the volume by {100 * change:+.0f} %"
        done = Correction(handler="start", errors=(found,), actions=("start: as given",))
        return relaxed.run.model_copy(update={"corrections": (*relaxed.run.corrections, done)})
    return relaxed.run


def potential_hessian(crystal: Crystal) -> tuple[tuple[float, ...], ...] | None:
    """Hessian of the embedded engine (eV/Å²) to begin a relaxation with.

    None where that engine is not installed, or cannot calculate the crystal: a relaxation goes without it then.
    """
    try:
        engine: Any = build_engine(_SPEC)
    except EngineError:
        return None
    from nawf.engines.ase_hessian import first_hessian

    try:
        hessian = first_hessian(crystal, engine.evaluate)
    except (ValueError, np.linalg.LinAlgError):
        # An atom without neighbours, or a number that is not finite.
        return None
    return tuple(map(tuple, hessian.tolist())) if np.isfinite(hessian).all() else None
