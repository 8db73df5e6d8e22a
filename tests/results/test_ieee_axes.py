"""Axes of the IEEE standard by its rules on lattice vectors, and against pymatgen where that keeps to them."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.elasticity import ElasticTensor
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from pymatgen.symmetry.groups import SpaceGroup
from scipy.spatial.transform import Rotation

from nawf.errors import CalculationError
from nawf.phases.library import load_library
from nawf.results.crystal import Crystal
from nawf.results.ieee_axes import crystal_system, ieee_axes, in_ieee_axes
from nawf.results.symmetry import primitive_cell

SYMPREC_A = 0.01
PHASES = (
    *("na2s", "na-bcc", "na3sbs3", "na2s2-alpha", "na3p-p63cm", "sb", "snp2s6", "sns2", "na2s4", "sn-beta"),
    *("sns", "na2s3", "nasn2-cmmm", "nasbs2-c2m", "lip", "na2sns3", "p2s7-p1", "p4s10"),
)
LIBRARY = load_library()
CRYSTALS = {
    phase: primitive_cell(Crystal.from_structure(LIBRARY.get(phase).structure()), SYMPREC_A) for phase in PHASES
}
QUATERNIONS = st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1)


def general(group, lattice):
    """Atoms on general positions of a space group."""
    places = [[0.11, 0.23, 0.37], [0.41, 0.07, 0.19]]
    structure = Structure.from_spacegroup(group, lattice, ["Na", "S"], places)
    return primitive_cell(Crystal.from_structure(structure), SYMPREC_A)


def turned(crystal, rotation):
    return Crystal.from_arrays(crystal.matrix_a @ rotation.T, crystal.species, crystal.frac_coords)


def recut(crystal, rows):
    """The same crystal in a cell whose vectors are ``rows`` in units of the old ones."""
    assert abs(round(np.linalg.det(rows))) == 1
    coordinates = np.array(crystal.frac_coords) @ np.linalg.inv(rows)
    return Crystal.from_arrays(np.array(rows) @ crystal.matrix_a, crystal.species, coordinates)


def translations(crystal):
    """Shorter translations of a crystal in the axes, the shortest first, none of them twice with both signs."""
    steps = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3), axis=-1).reshape(-1, 3)
    steps = steps[len(steps) // 2 + 1 :]
    found = steps @ in_ieee_axes(crystal, SYMPREC_A).matrix_a
    return found[np.argsort(np.linalg.norm(found, axis=1), kind="stable")]


def has_translation(crystal, wanted):
    coefficients = np.linalg.solve(in_ieee_axes(crystal, SYMPREC_A).matrix_a.T, wanted)
    return np.allclose(coefficients, np.rint(coefficients), atol=1e-6)


@pytest.mark.parametrize("number", range(1, 231))
def test_crystal_systems(number):
    assert crystal_system(number) == SpaceGroup.from_int_number(number).crystal_system


@pytest.mark.parametrize("phase", PHASES)
def test_crystals_are_turned_and_nothing_else(phase):
    crystal = CRYSTALS[phase]
    axes = ieee_axes(crystal, SYMPREC_A)
    assert axes @ axes.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(axes) == pytest.approx(1)
    result = in_ieee_axes(crystal, SYMPREC_A)
    assert (result.species, result.frac_coords) == (crystal.species, crystal.frac_coords)
    assert result.matrix_a @ result.matrix_a.T == pytest.approx(crystal.matrix_a @ crystal.matrix_a.T)
    # A vector along x1 of the old axes is along x of the new ones.
    assert crystal.matrix_a @ axes[0] == pytest.approx(result.matrix_a[:, 0])
    assert np.linalg.det(result.matrix_a) == pytest.approx(np.linalg.det(crystal.matrix_a))


@settings(max_examples=100, deadline=None)
@given(phase=st.sampled_from(PHASES), quaternion=QUATERNIONS)
def test_the_first_orientation_does_not_matter(phase, quaternion):
    """Up to an operation of the crystal itself, or an inversion, which no elastic tensor notices."""
    crystal = CRYSTALS[phase]
    other = turned(crystal, Rotation.from_quat(quaternion).as_matrix())
    first, second = (in_ieee_axes(c, SYMPREC_A) for c in (crystal, other))
    between = np.linalg.solve(first.matrix_a, second.matrix_a).T
    assert between @ between.T == pytest.approx(np.eye(3), abs=1e-8)
    operations = SpacegroupAnalyzer(first.to_structure(), SYMPREC_A).get_point_group_operations(cartesian=True)
    rotations = np.array([operation.rotation_matrix for operation in operations])
    assert min(np.abs(sign * rotations - between).max(axis=(1, 2)).min() for sign in (1, -1)) < 1e-6


def test_cubic_axes_are_the_edges_of_the_cube():
    for phase, points in (("na2s", [[1, 1, 0], [0, 1, 1]]), ("na-bcc", [[1, 1, 1], [1, -1, 1]])):
        crystal = CRYSTALS[phase]
        edge = (crystal.volume_a3 * (4 if phase == "na2s" else 2)) ** (1 / 3)
        for wanted in np.vstack([2 * np.eye(3), points]) * edge / 2:
            assert has_translation(crystal, wanted)


@pytest.mark.parametrize("group", [76, 88, 136])
def test_tetragonal_axes(group):
    crystal = general(group, Lattice.tetragonal(5.5, 3.3))
    for wanted in ([5.5, 0, 0], [0, 5.5, 0], [0, 0, 3.3]):
        assert has_translation(crystal, wanted)
    # Body-centred cells have the centre, not a corner, at half of the diagonal.
    assert has_translation(crystal, [2.75, 2.75, 1.65]) is (group == 88)


@pytest.mark.parametrize("group", [144, 162, 164, 194])
def test_hexagonal_axes(group):
    crystal = general(group, Lattice.hexagonal(5.5, 7.3))
    for wanted in ([5.5, 0, 0], [-2.75, 2.75 * np.sqrt(3), 0], [0, 0, 7.3]):
        assert has_translation(crystal, wanted)


@pytest.mark.parametrize("phase", ["sb", "snp2s6"])
def test_rhombohedral_crystals_are_obverse(phase):
    crystal = CRYSTALS[phase]
    found = translations(crystal)
    a = np.linalg.norm(found[np.abs(found[:, 2]) < 1e-6], axis=1).min()
    c = np.abs(found[np.hypot(found[:, 0], found[:, 1]) < 1e-6, 2]).min()
    assert has_translation(crystal, [a, 0, 0])
    assert has_translation(crystal, [a / 2, a / np.sqrt(12), c / 3])
    assert not has_translation(crystal, [a / 2, -a / np.sqrt(12), c / 3])


@pytest.mark.parametrize("lengths", [(5, 6, 7), (7, 5, 6), (6, 7, 5), (5, 7, 6)])
def test_orthorhombic_axes_go_by_length(lengths):
    """c < a < b, whatever the order in the space group's own setting."""
    crystal = general(19, Lattice.orthorhombic(*lengths))
    shortest = [min(t[i] for t in np.abs(translations(crystal)) if t[i] > 1e-6) for i in range(3)]
    assert shortest == pytest.approx([6, 7, 5])


MONOCLINIC_CELLS = (
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    [[1, 0, 1], [0, 1, 0], [0, 0, 1]],
    [[0, 0, 1], [0, -1, 0], [1, 0, -1]],
)


@pytest.mark.parametrize(
    ("group", "angle"), [(4, 107.0), (4, 90.0), (13, 95.0), (14, 125.0), (15, 107.0), (12, 140.0)]
)
@pytest.mark.parametrize("rows", MONOCLINIC_CELLS)
def test_monoclinic_axes(group, angle, rows):
    crystal = recut(general(group, Lattice.monoclinic(5, 6.1, 7.3, angle)), rows)
    found = translations(crystal)
    # Planes of a C-centred lattice are half of b apart.
    heights = np.abs(found[:, 1])
    assert heights[heights > 1e-6].min() == pytest.approx(3.05 if group in (12, 15) else 6.1)
    c, *others = found[heights < 1e-6]
    assert c[:2] == pytest.approx([0, 0], abs=1e-6)
    a = next(other for other in others if abs(other[0]) > 1e-6)
    assert a[2] * np.sign(a[0]) < 1e-6


TRICLINIC_CELLS = (
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    [[0, 1, 0], [0, 0, -1], [1, 1, 0]],
    [[1, 1, 1], [0, -1, 0], [0, 1, 1]],
)


@pytest.mark.parametrize(
    "angles", [(81, 97, 103), (70, 75, 80), (100, 95, 110), (90, 95, 80), (60, 100, 85), (115, 75, 95)]
)
@pytest.mark.parametrize("rows", TRICLINIC_CELLS)
def test_triclinic_axes(angles, rows):
    crystal = recut(general(2, Lattice.from_parameters(7.3, 5, 6.1, *angles)), rows)
    found = translations(crystal)
    c, a, b = next(three for three in combinations(found[:12], 3) if abs(np.linalg.det(three)) > 1e-6)
    a, b, c = a * np.sign(a[0]), b * np.sign(b[1]), c * np.sign(c[2])
    assert np.abs(c[:2]) == pytest.approx([0, 0], abs=1e-6)
    assert a[1] == pytest.approx(0, abs=1e-6)
    assert a[2] < 1e-6
    assert b[2] < 1e-6


@pytest.mark.parametrize("phase", [p for p in PHASES if p not in ("sn-beta", "p2s7-p1", "p4s10")])
def test_tensors_are_those_of_pymatgen(phase):
    """pymatgen leaves open which way a points in a monoclinic crystal, and has rules of its own for triclinic ones.

    Of a tetragonal crystal with c < a, such as β-Sn, it mistakes a for c.
    """
    crystal = CRYSTALS[phase]
    other = turned(crystal, Rotation.from_euler("xyz", [0.3, 1.1, -0.7]).as_matrix())
    random = np.random.default_rng(3).normal(size=(6, 6))
    tensor = ElasticTensor.from_voigt(random + random.T).fit_to_structure(other.to_structure(), SYMPREC_A)
    theirs = np.array(tensor.convert_to_ieee(other.to_structure()).voigt)
    axes = ieee_axes(other, SYMPREC_A)
    ours = np.array(ElasticTensor(np.einsum("ai,bj,ck,dl,ijkl->abcd", *[axes] * 4, np.array(tensor))).voigt)
    if phase in ("nasbs2-c2m", "lip", "na2sns3"):
        ours, theirs = np.abs(ours), np.abs(theirs)
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_atoms_on_top_of_each_other_are_an_error():
    crystal = Crystal.from_arrays(np.eye(3) * 3, ["Na", "Na"], [[0, 0, 0], [0, 0, 0.001]])
    for attempt in (ieee_axes, in_ieee_axes):
        with pytest.raises(CalculationError, match=r"symprec 0\.01 Å"):
            attempt(crystal, SYMPREC_A)
