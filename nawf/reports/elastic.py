"""Report of elastic moduli and tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nawf.reports.basis import phase_columns
from nawf.reports.elastic_components import Component, components
from nawf.reports.literature import PUGH_RATIO
from nawf.reports.selected import Selected
from nawf.reports.tables import Column, Table, shown
from nawf.results.documents import ResultDocument
from nawf.results.elastic import ElasticResult
from nawf.results.stiffness import is_stable
from nawf.thermo.mechanics import BRITTLE_PUGH_RATIO, ductility, young_extremes

_VOIGT = ("xx", "yy", "zz", "yz", "xz", "xy")

_PLAIN_COLUMNS = (
    ("bulk_voigt_gpa", "bulk_voigt_error_gpa"),
    ("bulk_reuss_gpa", "bulk_reuss_error_gpa"),
    ("shear_voigt_gpa", "shear_voigt_error_gpa"),
    ("shear_reuss_gpa", "shear_reuss_error_gpa"),
)
"""For machines only."""

_COLUMNS = (
    Column("crystal_system", "system"),
    Column("bulk_hill_gpa", "K (GPa)", ".1f", error_key="bulk_hill_error_gpa"),
    Column("shear_hill_gpa", "G (GPa)", ".1f", error_key="shear_hill_error_gpa"),
    Column("young_gpa", "E (GPa)", ".1f", error_key="young_error_gpa"),
    Column("young_range", "E min–max", right=True),
    Column("poisson", "ν", ".2f"),
    Column("pugh_ratio", "G/B", ".3f", error_key="pugh_ratio_error"),
    Column("ductility", "by Pugh"),
    Column("universal_anisotropy", "A", ".2f"),
    Column("debye_temperature_k", "θ (K)", ".0f", error_key="debye_temperature_error_k"),
    Column("poisson_error", "", for_machines=True),
    Column("universal_anisotropy_error", "", for_machines=True),
    *(Column(key, "", for_machines=True) for pair in _PLAIN_COLUMNS for key in pair),
    Column("smallest_young_gpa", "", for_machines=True),
    Column("softest_direction", "", for_machines=True),
    Column("largest_young_gpa", "", for_machines=True),
    Column("stiffest_direction", "", for_machines=True),
)


def elastic_tables(selected: Selected, *, with_tensors: bool = False) -> list[Table]:
    """Moduli of every phase, and on request its tensor and how good the fit is.

    Parameters
    ----------
    selected : Selected
        Elastic tensors.
    with_tensors : bool
        Add a table of the components and one of the fits.
    """
    found = [(document, elastic_result(document)) for document in selected.shown]
    tables = [_moduli_table(selected, found)]
    if with_tensors:
        tables += [_components_table(selected, found), _fits_table(selected, found)]
    return tables


def elastic_result(document: ResultDocument) -> ElasticResult:
    """The tensor of a document."""
    result = document.record()
    assert isinstance(result, ElasticResult)
    return result


def _moduli_table(selected: Selected, found: Sequence[tuple[ResultDocument, ElasticResult]]) -> Table:
    rows = [
        selected.phase_cells(document)
        | _moduli_cells(result)
        | {PUGH_RATIO.key: PUGH_RATIO.value_of(document.card.formula)}
        for document, result in found
    ]
    columns = [*phase_columns(), *_COLUMNS]
    notes = [
        "K (or B), G: averages of Hill; E, ν: from these; E min–max: Young's modulus over all directions (GPa); A: "
        "universal anisotropy, 0 for an isotropic solid; θ: Debye temperature.",
        f"By Pugh: brittle above G/B = {BRITTLE_PUGH_RATIO}, borderline within one standard error of it.",
    ]
    if any(result.moduli.errors for _, result in found):
        notes.append("±: standard error of the fit to the strains; it knows nothing of the engine's own error.")
    if any(row[PUGH_RATIO.key] is not None for row in rows):
        columns.append(Column(PUGH_RATIO.key, f"{PUGH_RATIO.key} G/B", ".3g"))
        notes.append(
            f"{PUGH_RATIO.key} G/B: {PUGH_RATIO.method} (doi:{PUGH_RATIO.doi}), beside every polymorph of the "
            "formula, as it is not known of which one it is."
        )
    return Table("Elastic moduli", columns, rows, notes + selected.notes())


def _moduli_cells(result: ElasticResult) -> dict[str, Any]:
    values = result.moduli.model_dump(exclude={"errors"})
    errors = result.moduli.errors
    cells: dict[str, Any] = {"crystal_system": result.crystal_system, **values}
    cells |= {_error_key(name): error for name, error in errors.items()}
    cells["ductility"] = str(ductility(result.moduli.pugh_ratio, errors.get("pugh_ratio", 0.0)))
    if is_stable(result.stiffness_gpa):
        extremes = young_extremes(result.stiffness_gpa)
        cells |= {
            "young_range": f"{shown(extremes.smallest_gpa, '.1f')}–{shown(extremes.largest_gpa, '.1f')}",
            "smallest_young_gpa": extremes.smallest_gpa,
            "softest_direction": list(extremes.softest_direction),
            "largest_young_gpa": extremes.largest_gpa,
            "stiffest_direction": list(extremes.stiffest_direction),
        }
    return cells


def _error_key(name: str) -> str:
    """Key of a standard error; the unit stays at the end."""
    for unit in ("_gpa", "_k"):
        if name.endswith(unit):
            return f"{name.removesuffix(unit)}_error{unit}"
    return f"{name}_error"


def _components_table(selected: Selected, found: Sequence[tuple[ResultDocument, ElasticResult]]) -> Table:
    """Components of all tensors that symmetry does not make zero or equal to one above."""
    rows = [
        selected.phase_cells(document) | _component_cells(component)
        for document, result in found
        for component in components(result)
    ]
    columns = [
        *phase_columns(),
        Column("component", "component"),
        Column("stiffness_gpa", "C (GPa)", ".2f", error_key="stiffness_error_gpa"),
        Column("equal_components", "the same as"),
        Column("relation", "follows from"),
    ]
    notes = [
        "Voigt notation (xx, yy, zz, yz, xz, xy) in the axes of the IEEE standard; components not listed are zero."
    ]
    return Table("Elastic tensors", columns, rows, notes)


def _component_cells(component: Component) -> dict[str, Any]:
    return {
        "component": component.name,
        "stiffness_gpa": component.value_gpa,
        "stiffness_error_gpa": component.error_gpa,
        "equal_components": ", ".join(component.equal) or None,
        "relation": component.relation,
    }


def _fits_table(selected: Selected, found: Sequence[tuple[ResultDocument, ElasticResult]]) -> Table:
    """How the tensors were obtained, and how good they are."""
    rows = [selected.phase_cells(document) | _fit_cells(result) for document, result in found]
    columns = [
        *phase_columns(),
        Column("n_constants", "constants", "d"),
        Column("strains_shown", "strains used", right=True),
        Column("n_strains", "", for_machines=True),
        Column("n_strains_used", "", for_machines=True),
        Column("largest_strain", "largest strain", ".3g"),
        Column("fit_residual_gpa", "fit residual (GPa)", ".4f"),
        Column("symmetry_residual_gpa", "symmetry residual (GPa)", ".2f"),
        Column("largest_rest_stress_gpa", "rest stress (GPa)", ".3f"),
        *(Column(f"rest_stress_{axes}_gpa", "", for_machines=True) for axes in _VOIGT),
        Column("eigenvalues_shown", "eigenvalues (GPa)"),
        *(Column(f"eigenvalue_{i}_gpa", "", for_machines=True) for i in range(1, 7)),
        Column("is_stable", "stable (Born)"),
    ]
    notes = [
        "Fit residual: root mean square difference of stresses from the fit; symmetry residual: largest difference "
        "of a component from one strain alone; rest stress: largest component at zero strain, as the fit has it.",
        "Eigenvalues of the tensor in Mandel notation; the crystal is stable where all are positive.",
    ]
    return Table("Fits of the elastic tensors", columns, rows, notes)


def _fit_cells(result: ElasticResult) -> dict[str, Any]:
    n_strains = len(result.strains)
    return {
        "n_constants": result.n_constants,
        "strains_shown": f"{n_strains - result.n_missing} of {n_strains}",
        "n_strains": n_strains,
        "n_strains_used": n_strains - result.n_missing,
        "largest_strain": max(abs(value) for strain in result.strains for value in strain),
        "fit_residual_gpa": result.fit_residual_gpa,
        "symmetry_residual_gpa": result.symmetry_residual_gpa,
        "largest_rest_stress_gpa": max(map(abs, result.rest_stress_gpa)),
        **{f"rest_stress_{axes}_gpa": v for axes, v in zip(_VOIGT, result.rest_stress_gpa, strict=True)},
        "eigenvalues_shown": ", ".join(shown(value, ".1f") for value in result.eigenvalues_gpa),
        **{f"eigenvalue_{i}_gpa": value for i, value in enumerate(result.eigenvalues_gpa, start=1)},
        "is_stable": is_stable(result.stiffness_gpa),
    }
