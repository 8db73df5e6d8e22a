"""The steps of a property as jobs that need no engine: symmetrising, displacing, analysing."""

from __future__ import annotations

from jobflow import Response, job

from nawf.engines.base import Label
from nawf.flows.elastic import elastic_result
from nawf.flows.phonon import displaced_cells, phonon_result
from nawf.progress import step_of
from nawf.quality.gate import judge
from nawf.results.crystal import Crystal
from nawf.results.elastic import ElasticResult, StrainedCells, StressesOutput
from nawf.results.methods import ElasticMethod, PhononMethod, RelaxMethod
from nawf.results.outputs import (
    BornCharges,
    DisplacedCells,
    ForcesOutput,
    PhononResult,
    RelaxOutput,
    RelaxResult,
)
from nawf.results.strain import strained_cells
from nawf.results.symmetry import space_group, symmetrise


@job(output_schema=RelaxResult)
def symmetrise_relaxed(initial: Crystal, relaxed: RelaxOutput, method: RelaxMethod, label: Label) -> Response:
    """Symmetrised primitive cell of a relaxed crystal; nothing is run on one that fails its checks."""
    with step_of(label.phase, "symmetrise"):
        result = relax_result(initial, relaxed, method)
        return Response(output=result, stop_children=judge(result).failed)


def relax_result(initial: Crystal, relaxed: RelaxOutput, method: RelaxMethod) -> RelaxResult:
    """Relaxation with the symmetrised primitive cell of what it ended with."""
    crystal, shift_a = symmetrise(relaxed.crystal, method.symprec_a)
    return RelaxResult(
        initial=initial,
        crystal=crystal,
        initial_space_group=space_group(initial, method.symprec_a),
        space_group=space_group(crystal, method.symprec_a),
        volume_change=crystal.volume_a3_per_atom / initial.volume_a3_per_atom - 1.0,
        symmetrisation_shift_a=shift_a,
        method=method,
        **{name: getattr(relaxed, name) for name in RelaxOutput.model_fields if name != "crystal"},
    )


@job(output_schema=DisplacedCells)
def displace(crystal: Crystal, method: PhononMethod, symprec_a: float, label: Label) -> DisplacedCells:
    """Supercell and displacements of a symmetrised crystal."""
    with step_of(label.phase, "displace"):
        return displaced_cells(crystal, method, symprec_a)


@job(output_schema=PhononResult)
def analyse_phonons(
    cells: DisplacedCells,
    forces: ForcesOutput,
    relax_method: RelaxMethod,
    label: Label,
    born: BornCharges | None = None,
) -> PhononResult:
    """Frequencies on the mesh and free energies."""
    with step_of(label.phase, "free energy"):
        return phonon_result(cells, forces, relax_method, born)


@job(output_schema=StrainedCells)
def strain(crystal: Crystal, method: ElasticMethod, symprec_a: float, label: Label) -> StrainedCells:
    """Strains of a symmetrised crystal, in the axes of the IEEE standard."""
    with step_of(label.phase, "strain"):
        return strained_cells(crystal, method, symprec_a)


@job(output_schema=ElasticResult)
def analyse_stresses(
    cells: StrainedCells, stresses: StressesOutput, relax_method: RelaxMethod, label: Label
) -> ElasticResult:
    """Elastic tensor and moduli."""
    with step_of(label.phase, "elastic tensor"):
        return elastic_result(cells, stresses, relax_method)
