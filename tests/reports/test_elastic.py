import json

import numpy as np
import pytest
from csv_reading import csv_rows

from nawf.level import Level
from nawf.reports.elastic import elastic_tables
from nawf.reports.selected import Selected
from nawf.reports.tables import Format, render
from nawf.results.verdict import Reason, Verdict

# Constants of the record that the fixture makes (GPa), and the textbook formulas for a cubic solid.
C11, C12, C44 = 57.7, 17.2, 19.9
BULK = (C11 + 2 * C12) / 3
SHEAR_VOIGT = (C11 - C12 + 3 * C44) / 5
SHEAR_REUSS = 5 * (C11 - C12) * C44 / (4 * C44 + 3 * (C11 - C12))
SHEAR = (SHEAR_VOIGT + SHEAR_REUSS) / 2


@pytest.fixture
def tensor(records):
    def make(phase="na2s", formula="Na2S", verdict=None, **changes):
        given = {} if verdict is None else {"verdict": verdict}
        result = records.elastic(**changes)
        return records.document(phase, "elastic", result, card={"formula": formula}, **given)

    return make


def moduli(tensor_result, **changes):
    return tensor_result.moduli.model_copy(update=changes)


def report(*documents, **options):
    return elastic_tables(Selected("elastic", documents, settings="springs, harmonic"), **options)


def test_moduli_of_a_cubic_solid(tensor):
    (table,) = report(tensor())
    (row,) = table.rows
    assert (row["phase"], row["formula"], row["crystal_system"]) == ("na2s", "Na2S", "cubic")
    expected = {
        "bulk_hill_gpa": BULK,
        "shear_voigt_gpa": SHEAR_VOIGT,
        "shear_reuss_gpa": SHEAR_REUSS,
        "shear_hill_gpa": SHEAR,
        "young_gpa": 9 * BULK * SHEAR / (3 * BULK + SHEAR),
        "pugh_ratio": SHEAR / BULK,
        "universal_anisotropy": 5 * SHEAR_VOIGT / SHEAR_REUSS - 5,
    }
    assert {key: row[key] for key in expected} == pytest.approx(expected)


def test_stiff_and_soft_directions_of_a_cubic_solid(tensor):
    """Along [100] and [111] by hand; 2 C44 < C11 - C12 makes [100] the stiff one."""
    (table,) = report(tensor())
    (row,) = table.rows
    s11 = (C11 + C12) / ((C11 - C12) * (C11 + 2 * C12))
    s12 = -C12 / ((C11 - C12) * (C11 + 2 * C12))
    along_111 = s11 - 2 * (s11 - s12 - 1 / (2 * C44)) / 3
    assert row["largest_young_gpa"] == pytest.approx(1 / s11)
    assert row["smallest_young_gpa"] == pytest.approx(1 / along_111)
    assert sorted(np.abs(row["stiffest_direction"])) == pytest.approx([0, 0, 1], abs=1e-4)
    assert np.abs(row["softest_direction"]) == pytest.approx([3**-0.5] * 3, abs=1e-4)
    assert row["young_range"] == f"{1 / along_111:.1f}–{1 / s11:.1f}"


def test_people_see_values_with_their_errors(tensor):
    (table,) = report(tensor())
    (line,) = [text for text in render(table).splitlines() if text.startswith("na2s")]
    assert f"{BULK:.1f} ± 0.0" in line
    assert f"{SHEAR / BULK:.3f} ± 0.001  brittle" in line
    assert "±: standard error of the fit" in "\n".join(table.notes)


def test_machines_get_full_precision_and_units_in_keys(tensor):
    (table,) = report(tensor())
    (row,) = csv_rows(render(table, Format.CSV))
    assert float(row["bulk_hill_gpa"]) == pytest.approx(BULK, abs=1e-12)
    assert (float(row["bulk_hill_error_gpa"]), float(row["pugh_ratio_error"])) == (0.04, 0.001)
    assert row["debye_temperature_error_k"] == ""
    (row,) = json.loads(render(table, Format.JSON))["rows"]
    assert row["young_error_gpa"] == 0.07
    assert len(row["softest_direction"]) == 3


@pytest.mark.parametrize(
    ("ratio", "error", "verdict"),
    [(0.3, 0.01, "ductile"), (0.565, 0.01, "borderline"), (0.58, 0.01, "borderline"), (0.6, 0.01, "brittle")],
)
def test_ductile_or_brittle_by_pugh(records, tensor, ratio, error, verdict):
    changed = moduli(records.elastic(), pugh_ratio=ratio, errors={"pugh_ratio": error})
    (table,) = report(tensor(moduli=changed))
    assert table.rows[0]["ductility"] == verdict
    assert any("brittle above G/B = 0.571" in note for note in table.notes)


def test_a_tensor_without_errors_has_none(records, tensor):
    (table,) = report(tensor(moduli=moduli(records.elastic(), errors={})))
    assert "±" not in render(table)
    assert table.rows[0]["ductility"] == "brittle"


def test_published_ratios_stand_beside_every_polymorph(tensor):
    (table,) = report(tensor("a", "Na3PS4"), tensor("b", "Na3PS4"), tensor("c", "Na3SbS4"), tensor("d", "Na2S"))
    assert {r["phase"]: r["yuan2025"] for r in table.rows} == {"a": 0.458, "b": 0.458, "c": 0.19, "d": None}
    (note,) = [n for n in table.notes if n.startswith("yuan2025")]
    assert "DFT elastic tensors, quoted (doi:10.1039/d4ee06171c), beside every polymorph" in note


def test_no_column_without_published_values(tensor):
    (table,) = report(tensor())
    assert "yuan2025" not in table.machine_keys()
    assert "yuan2025" not in "\n".join(table.notes)


def test_a_failed_tensor_is_listed_with_its_reason_and_not_as_numbers(tensor):
    failed = Verdict(reasons=(Reason(rule="born-stability", level=Level.FAIL, message="mechanically unstable"),))
    tables = report(tensor("bad", verdict=failed), tensor("good"), with_tensors=True)
    assert [{row["phase"] for row in table.rows} for table in tables] == [{"good"}] * 3
    assert "Left out: bad: elastic: mechanically unstable" in tables[0].notes
    assert [row["phase"] for row in csv_rows(render(tables[0], Format.CSV))] == ["good"]


def test_an_unstable_tensor_that_the_gate_let_through_has_no_directions(tensor):
    matrix = np.array(tensor().record().stiffness_gpa)
    matrix[5, 5] = -1.0
    (table,) = report(tensor(stiffness_gpa=tuple(map(tuple, matrix.tolist())), verdict=Verdict()))
    assert "young_range" not in table.rows[0]


def test_warnings_are_marked(tensor):
    warned = Verdict(reasons=(Reason(rule="rest-stress", level=Level.WARN, message="stress without strain"),))
    (table,) = report(tensor(verdict=warned))
    assert table.rows[0]["marks"] == "*"
    assert "* na2s: stress without strain" in table.notes


def test_all_failed_leaves_a_table_that_says_so(tensor):
    failed = Verdict(reasons=(Reason(rule="fit", level=Level.FAIL, message="nonsense"),))
    (table,) = report(tensor(verdict=failed))
    text = render(table)
    assert "(no rows)" in text
    assert "Left out: na2s: elastic: nonsense" in text


def test_components_with_errors_and_what_equals_them(tensor):
    _, components, _ = report(tensor(), with_tensors=True)
    rows = [
        (r["component"], r["stiffness_gpa"], r["stiffness_error_gpa"], r["equal_components"]) for r in components.rows
    ]
    assert rows == [
        ("C11", 57.7, pytest.approx(2e-3 * 57.7), "C22, C33"),
        ("C12", 17.2, pytest.approx(2e-3 * 17.2), "C13, C23"),
        ("C44", 19.9, pytest.approx(2e-3 * 19.9), "C55, C66"),
    ]
    assert "57.70 ± 0.12" in render(components)


def test_how_good_the_fit_is(records, tensor):
    states = (*records.elastic().states[:-1], None)
    _, _, fits = report(tensor(states=states), with_tensors=True)
    (row,) = fits.rows
    assert (row["n_constants"], row["n_strains"], row["n_strains_used"]) == (3, 8, 7)
    assert row["strains_shown"] == "7 of 8"
    assert row["largest_strain"] == 0.01
    assert (row["largest_rest_stress_gpa"], row["rest_stress_xx_gpa"], row["rest_stress_xy_gpa"]) == (1e-3, 1e-3, 0.0)
    assert row["is_stable"] is True
    expected = sorted([C11 + 2 * C12, *[C11 - C12] * 2, *[2 * C44] * 3])
    assert [row[f"eigenvalue_{i}_gpa"] for i in range(1, 7)] == pytest.approx(expected)
    assert row["eigenvalues_shown"] == "39.8, 39.8, 39.8, 40.5, 40.5, 92.1"
