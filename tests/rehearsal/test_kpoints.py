"""Meshes of k-points against published counts, spglib and pymatgen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nawf.rehearsal.kpoints import from_file, from_spacing, irreducible, mesh_of_spacing
from nawf.rehearsal.stop import StopError
from nawf.rehearsal.symmetry import find_operations
from nawf.results.crystal import Crystal

CUBES = {
    "sc": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "fcc": [[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]],
    "bcc": [[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]],
}


def rotations(lattice: Any) -> np.ndarray:
    return find_operations(Crystal.from_arrays(np.array(lattice) * 4.0, ["Na"], [[0, 0, 0]]), 1e-5).point_group


@pytest.mark.parametrize(
    ("lattice", "n", "style", "count"),
    [
        # Special points of Monkhorst and Pack, Phys. Rev. B 13, 5188 (1976).
        ("fcc", 2, "Monkhorst-Pack", 2),
        ("fcc", 4, "Monkhorst-Pack", 10),
        ("sc", 2, "Monkhorst-Pack", 1),
        ("sc", 4, "Monkhorst-Pack", 4),
        # By counting 0 <= a <= b <= c <= n/2.
        ("sc", 4, "Gamma", 10),
        ("sc", 5, "Gamma", 10),
        ("fcc", 8, "Gamma", 29),
        ("fcc", 1, "Gamma", 1),
    ],
)
def test_numbers_of_special_points(lattice: str, n: int, style: str, count: int) -> None:
    found = irreducible((n, n, n), style, (0.0, 0.0, 0.0), rotations(CUBES[lattice]))
    assert len(found) == count
    assert found.multiplicities.sum() == n**3
    assert found.weights.sum() == pytest.approx(1)


@given(
    st.sampled_from([*CUBES, "hexagonal", "monoclinic"]),
    st.tuples(*[st.integers(1, 6)] * 3),
    st.sampled_from([(0, 0, 0), (1, 1, 1), (0, 0, 1)]),
)
@settings(max_examples=40, deadline=None)
def test_multiplicities_are_those_of_spglib(lattice: str, mesh: tuple[int, int, int], half: tuple[int, ...]) -> None:
    import spglib

    others = {
        "hexagonal": [[1, 0, 0], [-0.5, np.sqrt(3) / 2, 0], [0, 0, 1.7]],
        "monoclinic": [[1, 0, 0], [0, 1.3, 0], [0.3, 0, 1.1]],
    }
    matrix = np.array((CUBES | others)[lattice]) * 4.0
    cell = (matrix, [[0, 0, 0]], [11])
    mapping, _ = spglib.get_ir_reciprocal_mesh(mesh, cell, is_shift=half, symprec=1e-5)
    theirs = np.sort(np.unique(mapping, return_counts=True)[1])
    shift = tuple(h / 2 for h in half)
    ours = irreducible(mesh, "Gamma", shift, rotations(matrix / 4.0))
    # spglib also maps with rotations that break the mesh; compare where none does.
    same_mesh = all(_keeps(r, mesh, np.array(shift)) for r in rotations(matrix / 4.0))
    assert ours.multiplicities.sum() == np.prod(mesh)
    if same_mesh:
        assert np.sort(ours.multiplicities).tolist() == theirs.tolist()


def _keeps(rotation: np.ndarray, mesh: tuple[int, int, int], shift: np.ndarray) -> bool:
    corner = np.array([shift, shift + [1, 0, 0], shift + [0, 1, 0], shift + [0, 0, 1]]) / mesh
    landed = (corner @ rotation) * mesh - shift
    return bool(np.allclose(landed, np.rint(landed)))


def test_without_symmetry_only_opposite_points_are_one() -> None:
    identity = np.eye(3, dtype=int)[None]
    assert len(irreducible((4, 4, 4), "Gamma", (0.0, 0.0, 0.0), identity)) == (64 + 8) / 2
    assert len(irreducible((4, 4, 4), "Monkhorst-Pack", (0.0, 0.0, 0.0), identity)) == 32
    assert len(irreducible((4, 4, 4), "Gamma", (0.0, 0.0, 0.0), None)) == 64


@pytest.mark.parametrize(
    ("kspacing", "mesh"), [(0.22, (8, 8, 8)), (0.5, (4, 4, 4)), (0.44, (4, 4, 4)), (9.0, (1, 1, 1))]
)
def test_mesh_of_a_spacing(kit: Any, kspacing: float, mesh: tuple[int, int, int]) -> None:
    """Reciprocal vectors of the primitive cell are 2π √3 / a = 1.674 1/Å long."""
    assert mesh_of_spacing(kit.na2s(6.5), kspacing) == mesh


def test_mesh_of_a_spacing_is_custodians(kit: Any) -> None:
    utils = pytest.importorskip("custodian.vasp.utils")
    crystal = Crystal.from_arrays([[3, 0, 0], [-1.5, 4, 0], [0.3, 1, 9]], ["Na"], [[0, 0, 0]])
    for kspacing in (0.15, 0.22, 0.31, 0.44):
        theirs = utils._estimate_num_k_points_from_kspacing(crystal.to_structure(), kspacing)
        assert mesh_of_spacing(crystal, kspacing) == theirs


def test_gamma_or_not(kit: Any) -> None:
    group = rotations(CUBES["fcc"])
    with_gamma, without = (from_spacing(kit.na2s(), 0.5, gamma, group) for gamma in (True, False))
    assert (np.linalg.norm(with_gamma.points, axis=1) < 1e-12).any()
    assert not (np.linalg.norm(without.points, axis=1) < 1e-12).any()
    assert (len(with_gamma), len(without)) == (8, 10)


@pytest.mark.parametrize(
    ("text", "mesh", "style", "count"),
    [
        ("k\n0\nGamma\n4 4 4\n0 0 0\n", (4, 4, 4), "Gamma", 8),
        ("k\n0\nMonkhorst\n4 4 4\n0 0 0\n", (4, 4, 4), "Monkhorst-Pack", 10),
        ("k\n0\nAuto\n 20\n", (5, 5, 5), "Gamma", 10),
        ("k\n2\nReciprocal\n0 0 0 1\n0.5 0.5 0 3\n", None, "Reciprocal", 2),
    ],
)
def test_files(kit: Any, text: str, mesh: Any, style: str, count: int) -> None:
    found = from_file(text, kit.na2s(6.5), rotations(CUBES["fcc"]))
    assert (found.mesh, found.style, len(found)) == (mesh, style, count)


def test_weights_of_a_list_are_kept(kit: Any) -> None:
    found = from_file("k\n2\nReciprocal\n0 0 0 1\n0.5 0.5 0 3\n", kit.na2s(), None)
    assert found.weights.tolist() == [0.25, 0.75]
    assert found.points.tolist() == [[0, 0, 0], [0.5, 0.5, 0]]


@pytest.mark.parametrize(
    "text",
    [
        "k\n0\nGamma\n4 4\n",
        "k\n0\nGamma\n0 4 4\n0 0 0\n",
        "k\nmany\nGamma\n",
        "k",
        "k\n2\nReciprocal\n0 0 0 1\n",
        "k\n10\nLine-mode\nReciprocal\n0 0 0 ! G\n0.5 0 0 ! X\n",
    ],
)
def test_files_that_end_the_run(kit: Any, text: str) -> None:
    with pytest.raises(StopError):
        from_file(text, kit.na2s(), None)


@pytest.mark.parametrize("kspacing", [0.0, -0.2])
def test_a_spacing_must_be_positive(kit: Any, kspacing: float) -> None:
    with pytest.raises(StopError, match="KSPACING"):
        from_spacing(kit.na2s(), kspacing, True, None)
