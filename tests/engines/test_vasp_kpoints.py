import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pymatgen.core import Lattice
from pymatgen.io.vasp.inputs import Kpoints

from nawf.engines.vasp_kpoints import DeclaredMesh, FixedSpacing, GapSpacing, Mesh, k_setting, spacing_mesh
from nawf.errors import EngineError

CUBE = [[4.0, 0, 0], [0, 4.0, 0], [0, 0, 4.0]]


def of_mesh(kpoints, **arguments):
    return k_setting(None, True, kpoints, **arguments)


def test_the_mesh_of_a_spacing():
    # 2π / 4 Å = 1.571 Å⁻¹, which is 7.14 spacings of 0.22 Å⁻¹.
    assert spacing_mesh(0.22, CUBE) == Mesh((8, 8, 8))
    # Along c of a hexagonal cell 2π/c, along a 2π / (a cos 30°): 2.418 and 1.257 Å⁻¹.
    hexagonal = Lattice.hexagonal(3.0, 5.0).matrix
    assert spacing_mesh(0.22, hexagonal) == Mesh((11, 11, 6))
    assert spacing_mesh(5.0, CUBE) == Mesh((1, 1, 1))
    # A length that is a multiple of the spacing asks for no more, however it is rounded.
    for n in range(1, 60):
        edge_a = 2 * math.pi / (0.22 * n)
        assert spacing_mesh(0.22, np.diag([edge_a] * 3)) == Mesh((n, n, n))
    assert spacing_mesh(0.22, CUBE, gamma_centred=False) == Mesh((8, 8, 8), (0.5, 0.5, 0.5))


@given(
    st.tuples(*[st.floats(2.0, 15.0)] * 3, *[st.floats(50.0, 130.0)] * 3),
    st.floats(0.1, 0.6),
)
def test_no_two_points_are_further_apart_than_the_spacing(parameters, spacing_per_a):
    a, b, c, alpha, beta, gamma = parameters
    assume(alpha + beta + gamma < 350 and alpha + beta > gamma + 5 and abs(alpha - beta) < gamma - 5)
    lattice = Lattice.from_parameters(a, b, c, alpha, beta, gamma)
    divisions = np.array(spacing_mesh(spacing_per_a, lattice.matrix).divisions)
    lengths = np.array(lattice.reciprocal_lattice.abc)
    assert (lengths / divisions <= spacing_per_a * (1 + 1e-5)).all()
    fewer = divisions[divisions > 1] - 1
    assert (lengths[divisions > 1] / fewer > spacing_per_a).all()


def test_one_mesh_has_one_name():
    """An odd Monkhorst-Pack mesh has Γ among its points, an even one lies half a division beside it."""
    assert (
        of_mesh(Kpoints.gamma_automatic((3, 3, 3))) == of_mesh(Kpoints.monkhorst_automatic((3, 3, 3))) == "mesh 3x3x3"
    )
    assert of_mesh(Kpoints.monkhorst_automatic((4, 4, 3))) == "mesh 4x4x3 off Γ by 0.5, 0.5, 0"
    shifted = Kpoints.gamma_automatic((4, 4, 3), shift=(0.5, 0.5, 0))
    assert of_mesh(shifted) == of_mesh(shifted.as_dict()) == of_mesh(Kpoints.monkhorst_automatic((4, 4, 3)))
    assert of_mesh(Kpoints.monkhorst_automatic((4, 4, 4), shift=(0.5, 0.5, 0.5))) == "mesh 4x4x4"


def test_other_kinds_of_kpoints():
    assert of_mesh({"generation_style": "Automatic", "kpoints": [(30,)]}) == "automatic length 30 A"
    listed = [
        Kpoints("", 2, Kpoints.supported_modes.Reciprocal, points, kpts_weights=[1, 1])
        for points in ([(0, 0, 0), (0.5, 0, 0)], [(0, 0, 0), (0, 0.5, 0)])
    ]
    first, second = map(of_mesh, listed)
    assert first.startswith("list of 2 points ")
    assert first != second
    with pytest.raises(EngineError, match="unknown kind"):
        of_mesh({"generation_style": "Gamma", "kpoints": []})


def test_without_anything_vasp_has_a_default():
    assert of_mesh(None) == k_setting(0.5, True, None) == "spacing 0.5 1/A"
    assert k_setting(0.22, False, None) == "spacing 0.22 1/A off Γ"


def test_a_kpoints_file_goes_before_the_tag():
    """vasprun.xml tells the mesh of both; with the cell, one that the tag would not make is found out."""
    made, other = Kpoints.gamma_automatic((8, 8, 8)), Kpoints.gamma_automatic((6, 6, 6))
    assert k_setting(0.22, True, made, lattice_a=CUBE) == "spacing 0.22 1/A"
    assert k_setting(0.22, True, other, lattice_a=CUBE) == "mesh 6x6x6"
    assert k_setting(0.22, True, other) == "spacing 0.22 1/A"
    assert k_setting(0.22, False, made, lattice_a=CUBE) == "mesh 8x8x8"
    assert k_setting(0.22, False, Kpoints.monkhorst_automatic((8, 8, 8)), lattice_a=CUBE) == "spacing 0.22 1/A off Γ"


def test_a_declared_mesh_is_held_against_the_run():
    rule = DeclaredMesh("ji2024", Mesh((3, 3, 3)))
    assert of_mesh(Kpoints.gamma_automatic((3, 3, 3)), rule=rule) == "declared: ji2024"
    assert of_mesh(Kpoints.gamma_automatic((4, 4, 4)), rule=rule) == "mesh 4x4x4"
    assert (
        of_mesh(Kpoints.gamma_automatic((3, 3, 3), shift=(0.5, 0, 0)), rule=rule) == "mesh 3x3x3 off Γ by 0.5, 0, 0"
    )
    assert k_setting(0.22, True, None, rule=rule) == "spacing 0.22 1/A"


def test_a_spacing_between_limits_is_held_against_the_run():
    rule = GapSpacing(0.22, 0.44, "ours")
    for spacing in (0.22, 0.348, 0.44):
        assert k_setting(spacing, True, None, rule=rule) == "gap-dependent spacing 0.22 to 0.44 1/A (ours)"
    assert k_setting(0.45, True, None, rule=rule) == "spacing 0.45 1/A"
    assert k_setting(0.3, False, None, rule=rule) == "spacing 0.3 1/A off Γ"
    assert of_mesh(Kpoints.gamma_automatic((3, 3, 3)), rule=rule) == "mesh 3x3x3"
    theirs = GapSpacing(0.22, 0.44, "theirs")
    assert k_setting(0.3, True, None, rule=rule) != k_setting(0.3, True, None, rule=theirs)


def test_strained_cells_may_share_the_mesh_of_the_cell_at_rest():
    rule = FixedSpacing(0.22, spacing_mesh(0.22, CUBE))
    strained = np.array(CUBE) * 1.16  # by the tag it would have one point less
    assert spacing_mesh(0.22, strained) == Mesh((7, 7, 7))
    shared = Kpoints.gamma_automatic((8, 8, 8))
    assert of_mesh(shared, lattice_a=strained, rule=rule) == "spacing 0.22 1/A"
    assert k_setting(0.22, True, shared, lattice_a=strained, rule=rule) == "spacing 0.22 1/A"
    assert of_mesh(Kpoints.gamma_automatic((7, 7, 7)), rule=rule) == "mesh 7x7x7"
    assert k_setting(0.3, True, None, rule=rule) == "spacing 0.3 1/A"
