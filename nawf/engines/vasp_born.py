"""Born effective charges and the electronic dielectric tensor, which split the optical modes at Γ.

From PBEsol by density functional perturbation theory: VASP has none for meta-GGAs. The record says so. A run without
the perturbation goes first, at a small part of the cost: it finds out whether there is a band gap with PBEsol,
without which there are no charges, and whether there are moments.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jobflow import job

from nawf.engines.base import Label
from nawf.engines.run_records import joined_run
from nawf.engines.vasp_jobs import Vasp
from nawf.engines.vasp_outputs import electrons_converged, is_non_magnetic, settings_of, vasp_order
from nawf.engines.vasp_protocols import Step, k_rule
from nawf.engines.vasp_run import Ended, run_vasp_step
from nawf.errors import CalculationError
from nawf.progress import step_of
from nawf.results.crystal import Crystal, vector
from nawf.results.outputs import BornCharges, Calculation, Matrix, RunRecord

MOST_CHARGE_LEFT = 0.05
"""Of the sum over all atoms, which is zero in a crystal (e per atom); more is a mesh that is too coarse."""

SMALLEST_GAP_EV = 0.01
"""A gap below this is none: the denominators of the perturbation theory vanish."""


@job(output_schema=BornCharges)
def vasp_born(vasp: Vasp, crystal: Crystal, label: Label) -> BornCharges:
    """Born charges of a relaxed crystal, or that it has no band gap."""
    with step_of(label.phase, "phonon"):
        first = _run(vasp, Step.BORN_GAP, crystal, label)
        if not first.run.electronic_converged:
            raise CalculationError("the electrons did not converge before Born charges", where=first.task.dir_name)
        if gap_ev(first.task) == 0:
            return without_gap(first.task, crystal, first.run, vasp.protocol)
        non_magnetic = is_non_magnetic(first.task.calcs_reversed[0]) is True
        ended = _run(vasp, Step.BORN, crystal, label, spin=not non_magnetic)
        run = joined_run([first.run, ended.run])
        return born_charges(ended.task, crystal, run, vasp.protocol, non_magnetic=non_magnetic)


def _run(vasp: Vasp, step: Step, crystal: Crystal, label: Label, **choices: Any) -> Ended:
    return run_vasp_step(vasp.engine, vasp.protocol, step, crystal.to_structure(), label, vasp.options, **choices)


def gap_ev(task: Any) -> float:
    """Band gap of a run; zero where it is none."""
    gap = task.calcs_reversed[0].output.bandgap or 0.0
    return float(gap) if gap >= SMALLEST_GAP_EV else 0.0


def without_gap(task: Any, crystal: Crystal, run: RunRecord, protocol: str) -> BornCharges:
    """Record of a crystal that has no Born charges."""
    return BornCharges(crystal=crystal, gap_ev=0.0, calculation=_settings(task, protocol, False), run=run)


def born_charges(
    task: Any, crystal: Crystal, run: RunRecord, protocol: str, *, non_magnetic: bool = False
) -> BornCharges:
    """Record of a run.

    Parameters
    ----------
    task : emmet.core.tasks.TaskDoc
    crystal : Crystal
        The cell that was asked for; it gives the order of the atoms.
    run : RunRecord
    protocol : str
    non_magnetic : bool
        Whether a run with spin of the same crystal had no moments.

    Raises
    ------
    CalculationError
        When the run has no Born charges, no band gap or no converged electrons, or its charges do not add up to zero.
    """
    output = task.calcs_reversed[0].output
    charges = np.array((output.outcar or {}).get("born") or (), dtype=float)
    if output.epsilon_static is None or charges.shape != (len(crystal), 3, 3):
        raise CalculationError("the run has no Born charges for all atoms", where=task.dir_name)
    if gap_ev(task) == 0:
        raise CalculationError("a crystal without a band gap has no Born charges", where=task.dir_name)
    if not electrons_converged(task.calcs_reversed[0]):
        raise CalculationError("the electrons did not converge under the Born charges", where=task.dir_name)
    left = np.abs(charges.sum(axis=0)).max() / len(crystal)
    if left > MOST_CHARGE_LEFT:
        raise CalculationError(f"the Born charges leave {left:.2g} e per atom over", where=task.dir_name)
    given = np.empty_like(charges)
    given[vasp_order(crystal)] = charges - charges.mean(axis=0)
    return BornCharges(
        crystal=crystal,
        gap_ev=gap_ev(task),
        dielectric=_matrix(output.epsilon_static),
        charges_e=tuple(map(_matrix, given)),
        calculation=_settings(task, protocol, non_magnetic),
        run=run,
    )


def _settings(task: Any, protocol: str, non_magnetic: bool) -> Calculation:
    rule = k_rule(protocol, task.calcs_reversed[0].input.structure)
    return settings_of(task, k_rule=rule, non_magnetic=non_magnetic)


def _matrix(rows: Any) -> Matrix:
    return tuple(vector(row) for row in rows)
