"""The engine ``gpaw``: r2SCAN by GPAW, a plane-wave PAW code that anybody may use.

GPAW itself is not loaded before a job runs. Settings: :mod:`nawf.engines.gpaw_protocols`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

from nawf.engines.base import EngineSpec, Label
from nawf.engines.gpaw_options import GpawOptions
from nawf.engines.gpaw_protocols import PROTOCOLS
from nawf.engines.preflight import Finding
from nawf.errors import EngineError
from nawf.results.crystal import Crystal
from nawf.results.methods import Methods, RelaxMethod
from nawf.results.outputs import Calculation
from nawf.results.tasks import PhaseTask


class GpawEngine:
    """r2SCAN by GPAW. ``fast`` for geometries and phonons, ``accurate`` for energies, ``coarse`` for a first look."""

    def __init__(self, spec: EngineSpec) -> None:
        """Check that GPAW is there.

        Raises
        ------
        EngineError
            When it is not.
        """
        self.spec = spec
        for package in ("gpaw", "gpaw_data"):
            if importlib.util.find_spec(package) is None:
                raise EngineError(
                    f"engine {spec.name} needs the package {package.replace('_', '-')}",
                    hint="install it with: deploy/install-gpaw",
                )

    def calculation(self) -> Calculation:
        """Settings as intended; those of results come from the runs themselves."""
        from nawf.engines.gpaw_steps import intended_calculation

        return intended_calculation(self.spec.protocol)

    def methods(self) -> Methods:
        return PROTOCOLS[self.spec.protocol].methods

    def relax_job(self, crystal: Any, method: RelaxMethod, label: Label) -> Any:
        """Job of a relaxation; a flow with a first one by the embedded potential, where that is asked for."""
        from jobflow import Flow

        from nawf.engines.gpaw_jobs import gpaw_relax, gpaw_relax_from_potential
        from nawf.engines.potential import relaxed_by_potential

        task = self._task()
        if task.options.start != "potential":
            return gpaw_relax(task, crystal, method, label)
        first = relaxed_by_potential(crystal, label)
        second = gpaw_relax_from_potential(task, crystal, first.output, method, label)
        return Flow([first, second], output=second.output, name="relax")

    def static_job(self, crystal: Any, method: RelaxMethod, label: Label) -> Any:
        from nawf.engines.gpaw_jobs import gpaw_static

        return gpaw_static(self._task(), crystal, method, label)

    def forces_job(self, cells: Any, label: Label) -> Any:
        from nawf.engines.gpaw_jobs import gpaw_forces

        return gpaw_forces(self._task(), cells, label)

    def stresses_job(self, cells: Any, label: Label) -> Any:
        from nawf.engines.gpaw_jobs import gpaw_stresses

        return gpaw_stresses(self._task(), cells, label)

    def seconds(self, step: str, cell: Crystal, n_cells: int = 1) -> float:
        """Core-seconds, from runs on one core of a 2020s server."""
        from nawf.engines.gpaw_size import estimated_seconds

        return estimated_seconds(self.spec.protocol, step, cell, n_cells)

    def preflight(self, tasks: Sequence[PhaseTask]) -> Sequence[Finding]:
        """What stops the tasks on this machine, and what to expect of them."""
        from nawf.engines.gpaw_preflight import gpaw_findings

        return gpaw_findings(self.spec.protocol, GpawOptions.of_settings(), tasks)

    def check(self) -> Sequence[Finding]:
        """With what GPAW was built here, and what that means. It is loaded for that."""
        from nawf.engines.gpaw_check import check_gpaw

        return check_gpaw()

    def command(self) -> str:
        """What starts the processes of a parallel run here."""
        return GpawOptions.of_settings().command

    def _task(self) -> Any:
        from nawf.engines.gpaw_jobs import GpawTask

        return GpawTask(protocol=self.spec.protocol, options=GpawOptions.of_settings())
