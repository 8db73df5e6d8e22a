"""Protocols of the engine gpaw: k-meshes by hand, and settings that tell protocols apart."""

import numpy as np
import pytest

from nawf.engines.gpaw_protocols import PROTOCOLS, KLengths, Step, protocol_settings
from nawf.phases.library import load_library
from nawf.results.crystal import Crystal
from nawf.results.symmetry import supercell

LENGTHS = KLengths(metals=40.0, molecules=8.0, others=13.0)


def crystal(species, matrix_a=None):
    """Atoms along the diagonal of a cell, by default one without symmetry."""
    matrix_a = np.array([[7.0, 0.1, 0.3], [0, 8.1, 0.2], [0, 0, 9.7]]) if matrix_a is None else matrix_a
    places = [[0.43 * n, 0.37 * n**2, 0.29 * n**3] for n in range(len(species))]
    return Crystal.from_arrays(matrix_a, species, places)


@pytest.mark.parametrize(
    ("species", "length"),
    [
        (["Na"], 40.0),
        (["Na", "Sn", "Na"], 40.0),
        (["K", "Al"], 40.0),
        (["Na", "Na", "S"], 13.0),
        (["S"], 8.0),
        (["P", "P", "S"], 8.0),
        (["P", "P"], 13.0),
        (["Na", "P", "S", "S"], 13.0),
        # 50 + 15 electrons: without spin there is no gap.
        (["Sn", "P"], 40.0),
    ],
)
def test_metals_want_dense_meshes_and_molecules_sparse_ones(species, length):
    assert LENGTHS.of(crystal(species)) == length


@pytest.mark.parametrize(
    ("phase", "metal"), [("snp-i4mm", True), ("sn4p3", True), ("na5p4", True), ("nap", False), ("na3p-p63mmc", False)]
)
def test_phases_of_the_library_with_an_odd_number_of_electrons_are_metals(phase, metal):
    cell = Crystal.from_structure(load_library().get(phase).structure())
    assert (LENGTHS.of(cell) == 40.0) == metal
    # Whichever cell: two primitive ones have an even number.
    assert LENGTHS.of(supercell(cell, np.diag([2, 1, 1]))) == LENGTHS.of(cell)


def test_points_go_by_the_heights_of_the_cell_not_its_edges():
    # A box of 4 x 5 x 13 Å: 13/4 = 3.25, 13/5 = 2.6, 13/13 = 1.
    assert LENGTHS.mesh(crystal(["Na", "Na", "S"], np.diag([4.0, 5.0, 13.0]))) == (4, 3, 1)
    # The primitive cell of a face-centred cube of 6.53 Å: heights 6.53/√3 = 3.770 Å, edges 4.617 Å.
    fcc = 6.53 / 2 * (np.ones((3, 3)) - np.eye(3))
    assert LENGTHS.mesh(crystal(["Na", "Na", "S"], fcc)) == (4, 4, 4)
    assert LENGTHS.mesh(crystal(["S"], 20.0 * np.eye(3))) == (1, 1, 1)


def test_every_protocol_has_all_steps_and_no_two_are_alike():
    assert all(set(protocol.levels) == set(Step) for protocol in PROTOCOLS.values())
    settings = [tuple(protocol_settings(name).items()) for name in PROTOCOLS]
    assert len(set(settings)) == len(PROTOCOLS)


def test_any_change_of_a_level_is_seen_in_the_settings(monkeypatch):
    from dataclasses import replace

    before = protocol_settings("fast")
    for step in Step:
        level = PROTOCOLS["fast"].levels[step]
        for other in (
            replace(level, cutoff_ev=level.cutoff_ev + 1),
            replace(level, grid_a=0.2),
            *(replace(level, k=replace(level.k, **{kind: 1.0})) for kind in ("metals", "molecules", "others")),
        ):
            with monkeypatch.context() as patch:
                patch.setitem(PROTOCOLS["fast"].levels, step, other)
                assert protocol_settings("fast") != before


def test_accurate_relaxes_as_fast_does_and_says_so():
    fast, accurate = protocol_settings("fast"), protocol_settings("accurate")
    assert fast["geometry"] == accurate["geometry"]
    assert accurate["cutoff_ev"] >= 600 > fast["cutoff_ev"]
