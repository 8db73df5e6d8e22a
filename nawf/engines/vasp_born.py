"""Born effective charges and the electronic dielectric tensor, which split the optical modes at Γ.

From PBEsol by density functional perturbation theory: VASP has none for meta-GGAs. The record says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jobflow import job

from nawf.engines.base import Label
from nawf.engines.vasp_jobs import Vasp
from nawf.engines.vasp_outputs import settings_of, vasp_order
from nawf.engines.vasp_protocols import Step, k_rule
from nawf.engines.vasp_run import run_vasp_step
from nawf.errors import CalculationError
from nawf.progress import step_of
from nawf.results.crystal import Crystal, vector
from nawf.results.outputs import Calculation, Matrix, Record, RunRecord

MOST_CHARGE_LEFT = 0.05
"""Of the sum over all atoms, which is zero in a crystal (e per atom); more is a mesh that is too coarse."""


class BornCharges(Record):
    """Born charges and dielectric tensor of a crystal, ions clamped.

    Attributes
    ----------
    dielectric : 3 x 3
    charges_e : 3 x 3 for each atom of ``crystal``, in its order
        First index: direction of the field; second: of the displacement.
    calculation : dict
        Settings of the run; its functional is not that of the forces.
    """

    crystal: Crystal
    dielectric: Matrix
    charges_e: tuple[Matrix, ...]
    calculation: Calculation
    run: RunRecord


@job(output_schema=BornCharges)
def vasp_born(vasp: Vasp, crystal: Crystal, label: Label) -> BornCharges:
    """Born charges of a relaxed crystal."""
    with step_of(label.phase, "phonon"):
        ended = run_vasp_step(vasp.engine, vasp.protocol, Step.BORN, crystal.to_structure(), label, vasp.options)
        return born_charges(ended.task, crystal, ended.run, vasp.protocol)


def born_charges(task: Any, crystal: Crystal, run: RunRecord, protocol: str) -> BornCharges:
    """Record of a run.

    Raises
    ------
    CalculationError
        When the run has no Born charges, is one of a metal, or its charges do not add up to zero.
    """
    output = task.calcs_reversed[0].output
    charges = np.array((output.outcar or {}).get("born") or (), dtype=float)
    if output.epsilon_static is None or charges.shape != (len(crystal), 3, 3):
        raise CalculationError("the run has no Born charges for all atoms", where=task.dir_name)
    if not output.bandgap:
        raise CalculationError("a crystal without a band gap has no Born charges", where=task.dir_name)
    left = np.abs(charges.sum(axis=0)).max() / len(crystal)
    if left > MOST_CHARGE_LEFT:
        raise CalculationError(f"the Born charges leave {left:.2g} e per atom over", where=task.dir_name)
    given = np.empty_like(charges)
    given[vasp_order(crystal)] = charges - charges.mean(axis=0)
    rule = k_rule(protocol, task.calcs_reversed[0].input.structure)
    return BornCharges(
        crystal=crystal,
        dielectric=_matrix(output.epsilon_static),
        charges_e=tuple(map(_matrix, given)),
        calculation=settings_of(task, k_rule=rule),
        run=run,
    )


def _matrix(rows: Any) -> Matrix:
    return tuple(vector(row) for row in rows)
