"""Independent components by symmetry, against the tables of Nye, Physical Properties of Crystals (1985)."""

import numpy as np
import pytest

from nawf.phases.library import load_library
from nawf.reports.elastic_components import components
from nawf.results.crystal import Crystal
from nawf.results.ieee_axes import in_ieee_axes
from nawf.results.mandel import mandel_stiffness, voigt_stiffness
from nawf.results.point_group import mandel_operations
from nawf.results.symmetry import primitive_cell

LIBRARY = load_library()

# Component: what it is equal to, or what it follows from.
CUBIC = {"C11": ("C22", "C33"), "C12": ("C13", "C23"), "C44": ("C55", "C66")}
HEXAGONAL = {
    "C11": ("C22",),
    "C12": (),
    "C13": ("C23",),
    "C33": (),
    "C44": ("C55",),
    "C66": "(C11 − C12)/2",
}
TRIGONAL = HEXAGONAL | {"C14": ("−C24", "C56")}
TRIGONAL_LOW = TRIGONAL | {"C15": ("−C25", "−C46")}
TETRAGONAL = {"C11": ("C22",), "C12": (), "C13": ("C23",), "C33": (), "C44": ("C55",), "C66": ()}
ORTHORHOMBIC = dict.fromkeys(("C11", "C12", "C13", "C22", "C23", "C33", "C44", "C55", "C66"), ())
MONOCLINIC = ORTHORHOMBIC | dict.fromkeys(("C15", "C25", "C35", "C46"), ())
TRICLINIC = {f"C{i}{j}": () for i in range(1, 7) for j in range(i, 7)}


@pytest.fixture
def result(records):
    """Elastic result of a shipped phase: a random tensor, made symmetric by averaging over its operations."""

    def make(phase_id, seed=3):
        structure = LIBRARY.get(phase_id).structure()
        crystal = in_ieee_axes(primitive_cell(Crystal.from_structure(structure), 0.01), 0.01)
        operations = mandel_operations(crystal, 0.01)
        random = np.random.default_rng(seed).normal(size=(6, 6))
        mandel = mandel_stiffness(random + random.T + 10 * np.eye(6))
        voigt = voigt_stiffness(np.mean([r @ mandel @ r.T for r in operations], axis=0))
        n_constants = np.linalg.matrix_rank(
            np.array(
                [
                    np.mean([r @ b @ r.T for r in operations], axis=0).ravel()
                    for b in (np.outer(e, f) + np.outer(f, e) for e in np.eye(6) for f in np.eye(6))
                ]
            ),
            tol=1e-6,
        )
        return records.elastic(
            crystal=crystal,
            stiffness_gpa=tuple(map(tuple, voigt.tolist())),
            stiffness_error_gpa=tuple(map(tuple, (0.01 * np.abs(voigt)).tolist())),
            n_constants=int(n_constants),
        )

    return make


@pytest.mark.parametrize(
    ("phase_id", "expected"),
    [
        ("na2s", CUBIC),
        ("na3sbs3", CUBIC),
        ("na2s2-alpha", HEXAGONAL),
        ("na2s2-beta", HEXAGONAL),
        ("sb", TRIGONAL),
        ("snp2s6", TRIGONAL_LOW),
        ("na3ps4-alpha", TETRAGONAL),
        ("s-alpha", ORTHORHOMBIC),
        ("nasb", MONOCLINIC),
        ("p4s10", TRICLINIC),
    ],
)
def test_components_of_each_crystal_system(result, phase_id, expected):
    found = components(result(phase_id))
    assert {c.name: c.relation or c.equal for c in found} == expected


@pytest.mark.parametrize("phase_id", ["na2s", "na2s2-alpha", "sb", "snp2s6", "na3ps4-alpha", "nasb", "p4s10"])
def test_what_is_listed_makes_the_whole_tensor(result, phase_id):
    tensor = result(phase_id)
    matrix = np.zeros((6, 6))
    for component in components(tensor):
        for name in (component.name, *component.equal):
            i, j = int(name[-2]) - 1, int(name[-1]) - 1
            matrix[i, j] = matrix[j, i] = -component.value_gpa if name.startswith("−") else component.value_gpa
    assert matrix == pytest.approx(np.array(tensor.stiffness_gpa), abs=1e-6)


@pytest.mark.parametrize("phase_id", ["sb", "na2s2-alpha", "snp2s6"])
def test_relations_hold_for_the_numbers(result, phase_id):
    found = {c.name: c for c in components(result(phase_id))}
    difference = found["C11"].value_gpa - found["C12"].value_gpa
    assert found["C66"].value_gpa == pytest.approx(difference / 2, abs=1e-6)
    assert found["C66"].relation == "(C11 − C12)/2"


def test_components_have_their_errors(result):
    for component in components(result("sb")):
        assert component.error_gpa == pytest.approx(0.01 * abs(component.value_gpa))


def test_a_tensor_fitted_with_less_symmetry_is_listed_whole(result):
    """The crystal is cubic to the tolerance of today, and was fitted as triclinic."""
    cubic = result("na2s").model_copy(update={"n_constants": 21})
    assert {c.name: c.equal for c in components(cubic)} == TRICLINIC
