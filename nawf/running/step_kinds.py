"""Which jobs calculate what, by their names: what a step asks of a cluster goes by its kind.

Jobs that are not named here make cells, collect and analyse: seconds on one core.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class StepKind(StrEnum):
    """Kinds of steps, as in the settings of a cluster."""

    RELAX = "relax"
    STATIC = "static"
    DISPLACEMENT = "displacement"
    STRAIN = "strain"
    BORN = "born"
    ANALYSIS = "analysis"


MANY_CELLS = frozenset({StepKind.DISPLACEMENT, StepKind.STRAIN})
"""Kinds that come in swarms of like jobs, fit for a batch worker."""

_BY_VASP = MappingProxyType(
    {
        "vasp_pre_relax": StepKind.RELAX,
        "vasp_relax": StepKind.RELAX,
        "vasp_static": StepKind.STATIC,
        "vasp_displaced": StepKind.DISPLACEMENT,
        "vasp_strained": StepKind.STRAIN,
        "vasp_born": StepKind.BORN,
    }
)
_BY_GPAW = MappingProxyType(
    {
        "gpaw_relax": StepKind.RELAX,
        "gpaw_static": StepKind.STATIC,
        "gpaw_forces": StepKind.DISPLACEMENT,
        "gpaw_stresses": StepKind.STRAIN,
    }
)
_IN_PROCESS = MappingProxyType(
    {
        "run_relax": StepKind.RELAX,
        "run_static": StepKind.STATIC,
        "run_forces": StepKind.DISPLACEMENT,
        "run_stresses": StepKind.STRAIN,
    }
)


def calculations(engine: str) -> Mapping[str, StepKind]:
    """Beginnings of the names of the jobs that calculate, for an engine.

    With VASP and GPAW, a first relaxation by a potential is no calculation that needs their cores.
    """
    if engine.startswith("vasp"):
        return _BY_VASP
    return _BY_GPAW if engine == "gpaw" else _IN_PROCESS


def kind_of(name: str, engine: str) -> StepKind:
    """Kind of a job by its name, such as ``vasp_displaced 003 na2s``."""
    return next((kind for start, kind in calculations(engine).items() if name.startswith(start)), StepKind.ANALYSIS)
