"""The engine ``vasp``: r2SCAN by VASP, through atomate2 and custodian.

Nothing of atomate2 is loaded before a job runs.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

from nawf.engines.base import EngineSpec, Label
from nawf.engines.preflight import Finding
from nawf.engines.vasp_options import VaspOptions
from nawf.errors import EngineError
from nawf.results.crystal import Crystal
from nawf.results.methods import ElasticMethod, Methods, PhononMethod, RelaxMethod
from nawf.results.outputs import Calculation
from nawf.results.tasks import PhaseTask

REHEARSAL = "vasp-rehearsal"
"""Name of the engine that runs a stand-in for VASP. Its results and plans are none of the engine ``vasp``."""

K_SPACING_PER_A = 0.22
STEPS_PER_RUN = 99
"""Ionic steps of one run of VASP; a relaxation that needs more goes on in the next, with a new basis."""

METHODS = Methods(
    # The basis is made anew for the static run, which then sees another stress than the relaxation ended with.
    relax=RelaxMethod(force_ev_per_a=0.001, stress_gpa=0.05, polish_steps=0, max_steps=3 * STEPS_PER_RUN),
    # Forces of meta-GGAs carry noise of the real-space grid; twice the usual displacement halves its share.
    phonon=PhononMethod(displacement_a=0.02),
    elastic=ElasticMethod(polish_steps=0, max_steps=STEPS_PER_RUN),
)

_POTENTIALS = {"mp24": "PBE_64", "mpscan": "PBE_54", "ji2024": "PBE_54"}


class VaspEngine:
    """r2SCAN by VASP. Protocols: :mod:`nawf.engines.vasp_protocols`."""

    def __init__(self, spec: EngineSpec) -> None:
        """Check that atomate2 is there.

        Raises
        ------
        EngineError
            When it is not.
        """
        self.spec = spec
        for package in ("atomate2", "custodian"):
            if importlib.util.find_spec(package) is None:
                hint = "install it with: pip install 'nawf[vasp]'"
                raise EngineError(f"engine {spec.name} needs the package {package}", hint=hint)

    def calculation(self) -> Calculation:
        """Settings as intended; those of results come from the runs themselves."""
        return {
            "engine": self.spec.name,
            "protocol": self.spec.protocol,
            "functional": "r2SCAN",
            "encut_ev": 680.0,
            "potentials": _POTENTIALS[self.spec.protocol],
        }

    def methods(self) -> Methods:
        return METHODS

    def relax_job(self, crystal: Any, method: RelaxMethod, label: Label) -> Any:
        """Flow of pre-relaxation, with PBEsol or the embedded potential, and relaxation."""
        from jobflow import Flow

        from nawf.engines.vasp_jobs import vasp_pre_relax, vasp_relax, vasp_relax_from_potential

        vasp = self._vasp()
        if vasp.options.start == "potential":
            from nawf.engines.potential import relaxed_by_potential

            first = relaxed_by_potential(crystal, label)
            second = vasp_relax_from_potential(vasp, crystal, first.output, method, label)
        else:
            first = vasp_pre_relax(vasp, crystal, label)
            second = vasp_relax(vasp, first.output, method, label)
        return Flow([first, second], output=second.output, name="relax")

    def static_job(self, crystal: Any, method: RelaxMethod, label: Label) -> Any:
        from nawf.engines.vasp_jobs import vasp_static

        return vasp_static(self._vasp(), crystal, method, label)

    def forces_job(self, cells: Any, label: Label) -> Any:
        from nawf.engines.vasp_jobs import vasp_forces

        return vasp_forces(self._vasp(), cells, label)

    def stresses_job(self, cells: Any, label: Label) -> Any:
        from nawf.engines.vasp_jobs import vasp_stresses

        return vasp_stresses(self._vasp(), cells, label)

    def born_job(self, crystal: Any, label: Label) -> Any:
        """Job with :class:`nawf.results.outputs.BornCharges`, from PBEsol."""
        from nawf.engines.vasp_born import vasp_born

        return vasp_born(self._vasp(), crystal, label)

    def seconds(self, step: str, cell: Crystal, n_cells: int = 1) -> float:
        """Core-seconds: a guess, not measured, for the order of things in a plan.

        Electronic steps cost about the square of the atoms for each k-point, of which a larger cell has fewer.
        """
        per_ionic_step = 60.0 * len(cell) ** 1.5
        # Born charges: the responses to three fields and to the wave vector along three directions.
        ionic_steps = {"relax": 30, "static": 1, "phonon": n_cells, "elastic": 6 * n_cells, "born": 8}
        return per_ionic_step * ionic_steps[step]

    def preflight(self, tasks: Sequence[PhaseTask]) -> Sequence[Finding]:
        """What stops the tasks on this machine, and what to expect of them."""
        from nawf.engines.vasp_preflight import vasp_findings

        return vasp_findings(self.spec, VaspOptions.of_settings(), tasks)

    def command(self) -> str:
        """What starts VASP here; its stand-in is one process."""
        from nawf.engines.vasp_run import command_here

        return "" if self.spec.name == REHEARSAL else command_here(VaspOptions.of_settings(), self.spec.name, "")

    def _vasp(self) -> Any:
        from nawf.engines.vasp_jobs import Vasp

        return Vasp(engine=self.spec.name, protocol=self.spec.protocol, options=VaspOptions.of_settings())
