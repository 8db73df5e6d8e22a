import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Species, Structure

from nawf.results.crystal import Crystal, vector

ELEMENTS = ("Na", "S", "P", "Sb", "Sn", "Li")

lengths = st.floats(2.0, 40.0)
angles = st.floats(65.0, 115.0)
fractions = st.floats(-2.0, 3.0)


@st.composite
def crystals(draw):
    """Any cell, turned in space by swapping axes, with up to five atoms, some outside the cell."""
    lattice = Lattice.from_parameters(*(draw(lengths) for _ in range(3)), *(draw(angles) for _ in range(3)))
    order = draw(st.permutations(range(3)))
    n = draw(st.integers(1, 5))
    species = [draw(st.sampled_from(ELEMENTS)) for _ in range(n)]
    coordinates = [[draw(fractions) for _ in range(3)] for _ in range(n)]
    return Crystal.from_arrays(lattice.matrix[:, order], species, coordinates)


@settings(max_examples=50, deadline=None)
@given(crystals())
def test_nothing_is_lost_on_the_way_to_other_libraries_and_back(crystal):
    assert Crystal.from_structure(crystal.to_structure()) == crystal
    atoms = crystal.to_phonopy()
    assert Crystal.from_arrays(atoms.cell, atoms.symbols, atoms.scaled_positions) == crystal
    lattice, positions, numbers = crystal.to_spglib()
    assert (lattice == crystal.matrix_a).all()
    assert (positions == np.array(crystal.frac_coords)).all()
    assert [crystal.to_structure()[i].specie.Z for i in range(len(crystal))] == numbers


@settings(max_examples=50, deadline=None)
@given(crystals())
def test_json_keeps_every_digit(crystal):
    assert Crystal.model_validate(json.loads(json.dumps(crystal.model_dump(mode="json")))) == crystal
    assert Crystal.model_validate_json(crystal.model_dump_json()) == crystal


@settings(max_examples=50, deadline=None)
@given(crystals())
def test_volume_is_the_triple_product(crystal):
    a, b, c = crystal.matrix_a
    assert crystal.volume_a3 == pytest.approx(abs(np.dot(a, np.cross(b, c))), rel=1e-9)
    assert crystal.volume_a3_per_atom * len(crystal) == pytest.approx(crystal.to_structure().volume, rel=1e-9)


def test_oxidation_states_and_properties_are_dropped():
    structure = Structure(
        Lattice.cubic(6.5),
        [Species("Na", 1), Species("S", -2)],
        [[0, 0, 0], [0.5, 0.5, 0.5]],
        site_properties={"magmom": [0.1, 0.2]},
    )
    crystal = Crystal.from_structure(structure)
    assert crystal.species == ("Na", "S")
    assert crystal.frac_coords == ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5))


def test_a_crystal_is_strict_and_does_not_change():
    crystal = Crystal.from_arrays(np.eye(3), ["Na"], [[0, 0, 0]])
    with pytest.raises(ValueError, match="frozen"):
        crystal.species = ("S",)
    with pytest.raises(ValueError, match="Extra inputs"):
        Crystal.model_validate(crystal.model_dump() | {"charge": 1})
    with pytest.raises(ValueError, match="lattice_a"):
        Crystal.from_arrays(np.eye(3)[:2], ["Na"], [[0, 0, 0]])
    assert hash(crystal) == hash(Crystal.from_arrays(np.eye(3), ["Na"], [[0, 0, 0]]))


def test_numbers_of_numpy_become_plain():
    crystal = Crystal.from_arrays(np.eye(3, dtype=np.float32), np.array(["Na"]), np.zeros((1, 3), dtype=int))
    assert type(crystal.lattice_a[0][0]) is float
    assert type(crystal.frac_coords[0][0]) is float
    assert type(crystal.species[0]) is str
    assert vector(np.array([1, 2, 3])) == (1.0, 2.0, 3.0)
