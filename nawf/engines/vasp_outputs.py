"""From a finished VASP run, as atomate2's task document, to nawf's records.

Atoms: pymatgen writes them sorted by electronegativity, so everything with an atom in it is put back into the order
of the crystal that was asked for. Stress: VASP counts compression as positive and in kbar; records count tension.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from nawf.engines.base import run_record
from nawf.engines.vasp import REHEARSAL
from nawf.engines.vasp_kpoints import KRule
from nawf.engines.vasp_settings import vasp_calculation
from nawf.errors import CalculationError
from nawf.rehearsal.version import is_rehearsal
from nawf.results.crystal import Crystal
from nawf.results.elastic import StrainedState
from nawf.results.outputs import Calculation, Correction, ForcesAndStress, Matrix, Record, RunRecord, Voigt
from nawf.units import KBAR_PER_GPA

PACKAGES = ("atomate2", "custodian", "emmet-core", "pymatgen-core")
SMALLEST_MOMENT = 0.02
"""A moment (µB) below this on every atom is none."""


class CellOutput(ForcesAndStress, Record):
    """One VASP run on one cell.

    ``forces_ev_per_a`` are in the order of the crystal that was asked for, ``stress_gpa`` in its axes.
    ``non_magnetic`` is whether a run with spin ended without moments; None for a run without spin.
    """

    crystal: Crystal
    energy_ev_per_atom: float
    forces_ev_per_a: Matrix
    stress_gpa: Voigt
    n_steps: int
    non_magnetic: bool | None
    calculation: Calculation
    run: RunRecord

    def strained_state(self, force_ev_per_a: float) -> StrainedState:
        """The same as the state of a strained cell, with the force at which ions count as relaxed."""
        converged = self.run.electronic_converged is not False and self.max_force_ev_per_a <= force_ev_per_a
        return StrainedState(
            stress_gpa=self.stress_gpa,
            max_force_ev_per_a=self.max_force_ev_per_a,
            n_steps=self.n_steps,
            converged=converged,
        )


def cell_output(
    task: Any,
    crystal: Crystal,
    run: RunRecord,
    *,
    k_rule: KRule | None = None,
    known_non_magnetic: bool = False,
    n_earlier_steps: int = 0,
) -> CellOutput:
    """Record of a run.

    Parameters
    ----------
    task : emmet.core.tasks.TaskDoc
    crystal : Crystal
        The cell that was asked for; it gives the order of the atoms.
    run : RunRecord
    k_rule : KRule, optional
        Where the k-points come from, if no tag of the INCAR tells.
    known_non_magnetic : bool
        Whether a run with spin of the same phase had no moments.
    n_earlier_steps : int
        Ionic steps of attempts that were cut off.

    Raises
    ------
    CalculationError
        When the document has no forces, no stress, or other atoms.
    """
    calculation = task.calcs_reversed[0]
    steps = calculation.output.ionic_steps or []
    if not steps or steps[-1].forces is None or steps[-1].stress is None or calculation.output.energy is None:
        raise CalculationError("the run has no energy, forces or stress", where=task.dir_name)
    order = vasp_order(crystal)
    structure = calculation.output.structure
    if [site.specie.symbol for site in structure] != [crystal.species[i] for i in order]:
        raise CalculationError("the run has other atoms than were asked for", where=task.dir_name)
    non_magnetic = is_non_magnetic(calculation)
    return CellOutput(
        crystal=_in_given_order(structure, order),
        energy_ev_per_atom=calculation.output.energy / len(crystal),
        forces_ev_per_a=tuple(map(_vector, _unsorted(steps[-1].forces, order))),
        stress_gpa=stress_gpa(steps[-1].stress),
        n_steps=len(steps) + n_earlier_steps,
        non_magnetic=non_magnetic,
        calculation=settings_of(
            task, k_rule=k_rule, non_magnetic=known_non_magnetic if non_magnetic is None else non_magnetic
        ),
        run=run,
    )


def settings_of(task: Any, *, k_rule: KRule | None = None, non_magnetic: bool = False) -> Calculation:
    """Settings of the energy scale, as the run ended."""
    given = task.calcs_reversed[0].input
    return vasp_calculation(
        given.incar,
        potcars=given.potcar_spec or (),
        version=task.vasp_version or "",
        parameters=given.parameters,
        kpoints=given.kpoints,
        lattice_a=given.structure.lattice.matrix,
        k_rule=k_rule,
        non_magnetic=non_magnetic,
        engine=REHEARSAL if is_rehearsal(task) else "vasp",
    )


def vasp_order(crystal: Crystal) -> list[int]:
    """Places in the crystal of the atoms as pymatgen writes them: a stable sort, like its own."""
    structure = crystal.to_structure()
    return sorted(range(len(structure)), key=structure.__getitem__)


def stress_gpa(stress_kbar: Sequence[Sequence[float]]) -> Voigt:
    """Stress under tension (GPa, Voigt) of VASP's tensor."""
    (xx, xy, xz), (_, yy, yz), (_, _, zz) = (-np.array(stress_kbar) / KBAR_PER_GPA).tolist()
    return xx, yy, zz, yz, xz, xy


def electrons_converged(calculation: Any) -> bool:
    """Whether the electronic loop of the last ionic step ended before NELM.

    VASP writes the loops under fields of a run for Born charges behind it; its own last step is the second of those
    that have all parts of the energy.
    """
    steps = calculation.output.ionic_steps[-1].electronic_steps or ()
    n_steps = len(steps)
    if calculation.input.parameters.get("LEPSILON"):
        whole = [number for number, step in enumerate(steps, start=1) if step.eentropy is not None]
        n_steps = whole[1] if len(whole) > 1 else n_steps
    return n_steps < int(calculation.input.parameters["NELM"])


def is_non_magnetic(calculation: Any) -> bool | None:
    """Whether a run with spin has no moments, on any atom and as a whole; None for a run without spin.

    The whole counts for itself: OUTCAR lists moments of the atoms only with LORBIT, in spheres.
    """
    if int(calculation.input.parameters.get("ISPIN", 1)) != 2:
        return None
    outcar = calculation.output.outcar or {}
    moments = [float(atom["tot"]) for atom in outcar.get("magnetization") or ()]
    total = outcar.get("total_magnetization")
    if not moments or total is None:
        return False
    return max(map(abs, moments)) < SMALLEST_MOMENT and abs(total) / len(moments) < SMALLEST_MOMENT


def run_record_of(
    task: Any, started_at: datetime, history: Sequence[Correction] = (), let_be: Sequence[str] = ()
) -> RunRecord:
    """Record of a run that ends now: versions, convergence, what was corrected on the way, and what was let be."""
    record = run_record(started_at, PACKAGES)
    warned = [Correction(handler="VASP", errors=tuple(let_be))] if let_be else []
    return record.model_copy(
        update={
            "versions": record.versions | {"vasp": task.vasp_version or "unknown"},
            "electronic_converged": electrons_converged(task.calcs_reversed[0]),
            "corrections": (*history, *corrections_of(task), *warned),
        }
    )


def corrections_of(task: Any) -> tuple[Correction, ...]:
    """What custodian's handlers did, in order."""
    logs = task.custodian or ()
    return tuple(_correction(entry) for log in logs for entry in (log.corrections or ()))


def was_stopped(task: Any) -> bool:
    """Whether a relaxation ended because a STOPCAR asked for it."""
    calculation = task.calcs_reversed[0]
    moves = int(calculation.input.parameters.get("NSW", 0)) > 1
    return moves and bool((calculation.output.outcar or {}).get("is_stopped"))


def _in_given_order(structure: Any, order: Sequence[int]) -> Crystal:
    species = [site.specie.symbol for site in structure]
    return Crystal.from_arrays(
        structure.lattice.matrix,
        [species[i] for i in np.argsort(order)],
        _unsorted(structure.frac_coords, order),
    )


def _unsorted(rows: Any, order: Sequence[int]) -> np.ndarray:
    sorted_rows = np.asarray(rows, dtype=float)
    given = np.empty_like(sorted_rows)
    given[list(order)] = sorted_rows
    return given


def _vector(row: np.ndarray) -> tuple[float, float, float]:
    x, y, z = row.tolist()
    return x, y, z


def _correction(entry: Mapping[str, Any]) -> Correction:
    handler = entry.get("handler") or {}
    name = handler.get("@class", "unknown") if isinstance(handler, Mapping) else type(handler).__name__
    return Correction(
        handler=str(name),
        errors=tuple(map(str, entry.get("errors") or ())),
        actions=tuple(text for action in entry.get("actions") or () for text in _action_texts(action)),
    )


def _action_texts(action: Mapping[str, Any]) -> list[str]:
    """A correction of custodian in words, such as ``INCAR: ALGO = All``."""
    target = action.get("dict") or action.get("file") or "run"
    texts = []
    for verb, content in (action.get("action") or {}).items():
        if verb == "_set":
            texts += [f"{target}: {key} = {value}" for key, value in content.items() if key != "structure"]
            texts += [f"{target}: new structure" for key in content if key == "structure"]
        elif verb == "_unset":
            texts += [f"{target}: {key} taken out" for key in content]
        elif verb == "_file_copy":
            texts.append(f"{target} copied to {content.get('dest')}")
        else:
            texts.append(f"{target}: {verb.strip('_').replace('_', ' ')}")
    return texts
