"""Strains that are chosen, by hand for each class, and what they do to a cell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from scipy.spatial.transform import Rotation

from nawf.phases.library import load_library
from nawf.results.crystal import Crystal
from nawf.results.ieee_axes import in_ieee_axes
from nawf.results.methods import ElasticMethod
from nawf.results.strain import deformation_gradient, strained, strained_cells
from nawf.results.symmetry import primitive_cell, space_group

SYMPREC_A = 0.01
NAMES = ("xx", "yy", "zz", "yz", "xz", "xy")
LIBRARY = load_library()


def shipped(phase):
    return primitive_cell(Crystal.from_structure(LIBRARY.get(phase).structure()), SYMPREC_A)


def general(group, lattice):
    """Atoms on general positions of a space group, turned out of any special orientation."""
    places = [[0.11, 0.23, 0.37], [0.41, 0.07, 0.19]]
    structure = Structure.from_spacegroup(group, lattice, ["Na", "S"], places)
    crystal = primitive_cell(Crystal.from_structure(structure), SYMPREC_A)
    matrix = crystal.matrix_a @ Rotation.from_euler("xyz", [0.3, 1.1, -0.7]).as_matrix().T
    return Crystal.from_arrays(matrix, crystal.species, crystal.frac_coords)


def tensor(strain):
    xx, yy, zz, yz, xz, xy = strain
    return np.array([[xx, xy / 2, xz / 2], [xy / 2, yy, yz / 2], [xz / 2, yz / 2, zz]])


def names(cells):
    """Strains in words, such as ``+xx`` or ``-yz``, of one size."""
    found = []
    for strain in cells.strains:
        (component,) = np.flatnonzero(strain)
        found.append(("+" if strain[component] > 0 else "-") + NAMES[component])
    return " ".join(found)


# By hand. A two-fold axis turns the sign of the shears that it is in; a four-fold one makes xx of yy and xz of yz; a
# three-fold one leaves yy and xz without anything new, as the six constants of a trigonal crystal are all in the
# stresses of xx, zz and yz.
CUBIC = "+xx -xx +yz"
HEXAGONAL = "+xx -xx +zz -zz +yz"
TRIGONAL = "+xx -xx +zz -zz +yz -yz"
TETRAGONAL = "+xx -xx +zz -zz +yz +xy"
ORTHORHOMBIC = "+xx -xx +yy -yy +zz -zz +yz +xz +xy"
MONOCLINIC = "+xx -xx +yy -yy +zz -zz +yz +xz -xz +xy"
TRICLINIC = "+xx -xx +yy -yy +zz -zz +yz -yz +xz -xz +xy -xy"


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        ("na2s", CUBIC),
        ("na-bcc", CUBIC),
        ("na3sbs3", CUBIC),
        ("na2s2-alpha", HEXAGONAL),
        ("na3p-p63cm", HEXAGONAL),
        ("sb", TRIGONAL),
        ("snp2s6", TRIGONAL),
        ("na2s4", TETRAGONAL),
        ("sn-beta", TETRAGONAL),
        ("sns", ORTHORHOMBIC),
        ("na2s3", ORTHORHOMBIC),
        ("nasbs2-c2m", MONOCLINIC),
        ("sn2p2s6-pc", MONOCLINIC),
        ("p2s7-p1", TRICLINIC),
    ],
)
def test_symmetry_leaves_these_strains(phase, expected):
    cells = strained_cells(shipped(phase), ElasticMethod(strains=(0.01,)), SYMPREC_A)
    assert names(cells) == expected


@pytest.mark.parametrize(
    ("group", "lattice", "expected"),
    [
        (88, Lattice.tetragonal(5.5, 7.3), TETRAGONAL),
        (148, Lattice.hexagonal(5.5, 7.3), TRIGONAL),
        # The two-fold axis is along y, and turns the sign of yz.
        (162, Lattice.hexagonal(5.5, 7.3), HEXAGONAL),
        (176, Lattice.hexagonal(5.5, 7.3), HEXAGONAL),
        (205, Lattice.cubic(7), CUBIC),
    ],
)
def test_symmetry_leaves_these_strains_of_other_classes(group, lattice, expected):
    assert names(strained_cells(general(group, lattice), ElasticMethod(strains=(0.01,)), SYMPREC_A)) == expected


@pytest.mark.parametrize("phase", ["na2s", "na2s2-alpha", "nasbs2-c2m"])
def test_every_size_has_the_same_strains(phase):
    crystal = shipped(phase)
    one = strained_cells(crystal, ElasticMethod(strains=(0.01,)), SYMPREC_A)
    three = strained_cells(crystal, ElasticMethod(strains=(0.002, 0.01, 0.004)), SYMPREC_A)
    for size in (0.002, 0.004, 0.01):
        same = [strain for strain in three.strains if max(np.abs(strain)) == size]
        assert np.array(same) / size == pytest.approx(np.array(one.strains) / 0.01)
    assert len(three.strains) == 3 * len(one.strains)


def test_a_full_set_has_all_components_sizes_and_signs():
    method = ElasticMethod(strains=(0.005, 0.01), symmetry_reduced=False)
    cells = strained_cells(shipped("na2s"), method, SYMPREC_A)
    expected = {tuple(sign * size * row) for row in np.eye(6) for size in (0.005, 0.01) for sign in (1, -1)}
    assert len(cells.strains) == 24
    assert set(cells.strains) == expected
    assert cells.method == method


@pytest.mark.parametrize("phase", ["na2s", "na2s2-alpha", "na2s4", "nasbs2-c2m"])
def test_what_is_left_out_is_a_copy_of_what_is_kept(phase):
    """A sign that is left out makes the same crystal as the one kept, as another program sees it."""
    crystal = shipped(phase)
    cells = strained_cells(crystal, ElasticMethod(strains=(0.03,)), SYMPREC_A)
    signs = {component: {s[component] > 0 for s in cells.strains if s[component]} for component in range(6)}
    matcher = StructureMatcher(ltol=1e-6, stol=1e-4, angle_tol=1e-4, scale=False, primitive_cell=False)
    for component in [c for c, kept in signs.items() if kept]:
        up, down = (
            strained(cells.crystal, tuple(sign * 0.03 * np.eye(6)[component])).to_structure() for sign in (1, -1)
        )
        assert bool(matcher.fit(up, down)) is (len(signs[component]) == 1)


def test_the_crystal_is_that_in_ieee_axes():
    crystal = general(14, Lattice.monoclinic(5, 6.1, 7.3, 107))
    cells = strained_cells(crystal, ElasticMethod(), SYMPREC_A)
    assert cells.crystal == in_ieee_axes(crystal, SYMPREC_A)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-0.05, 0.05), min_size=6, max_size=6))
def test_a_strained_cell_has_the_strain_that_was_asked_for(strain):
    """The Green-Lagrange strain is half the change of the metric; F is symmetric, so nothing turns."""
    crystal = general(2, Lattice.from_parameters(5, 6.1, 7.3, 81, 97, 103))
    deformed = strained(crystal, tuple(strain))
    gradient = np.linalg.solve(crystal.matrix_a, deformed.matrix_a).T
    assert (gradient.T @ gradient - np.eye(3)) / 2 == pytest.approx(tensor(strain), abs=1e-12)
    assert gradient == pytest.approx(gradient.T, abs=1e-12)
    assert gradient == pytest.approx(deformation_gradient(tuple(strain)), abs=1e-12)
    assert np.linalg.eigvalsh(gradient).min() > 0
    assert (deformed.species, deformed.frac_coords) == (crystal.species, crystal.frac_coords)


def test_an_edge_stretches_by_its_strain():
    cube = Crystal.from_arrays(np.eye(3) * 4.0, ["Na"], [[0, 0, 0]])
    assert strained(cube, (0.02, 0, 0, 0, 0, 0)).matrix_a == pytest.approx(np.diag([4 * 1.04**0.5, 4, 4]))
    sheared = strained(cube, (0, 0, 0, 0.02, 0, 0)).matrix_a
    # Engineering shear: b · c / a² is 2 E23.
    assert sheared[1] @ sheared[2] / 16 == pytest.approx(0.02)
    assert sheared[0] == pytest.approx([4, 0, 0])


def test_strained_cells_keep_what_symmetry_the_strain_has():
    crystal = strained_cells(shipped("na2s"), ElasticMethod(), SYMPREC_A).crystal
    assert space_group(strained(crystal, (0.01, 0, 0, 0, 0, 0)), 1e-4).symbol == "I4/mmm"
    assert space_group(strained(crystal, (0, 0, 0, 0.01, 0, 0)), 1e-4).symbol == "Immm"
