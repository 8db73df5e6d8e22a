from itertools import pairwise

import pytest
from pymatgen.core import Lattice

from nawf.phases.library import load_library
from nawf.reports import literature
from nawf.reports.literature import Published
from nawf.units import EV_PER_KJ_PER_MOL

ALL = [value for value in vars(literature).values() if isinstance(value, Published)]


DOIS = {"ji2024": "10.1039/d4ee03160a", "yuan2025": "10.1039/d4ee06171c"}


def test_every_value_has_a_source_and_a_method():
    assert len(ALL) == 7
    for published in ALL:
        assert published.doi == DOIS[published.key]
        assert published.method


def test_a_value_belongs_to_a_composition_however_it_is_written():
    volumes = literature.VOLUME_A3_PER_ATOM
    assert [volumes.value_of(f) for f in ("S", "S8", "Na2S4", "NaS2", "Na3S")] == [27.56, 27.56, 22.414, 22.414, None]


def test_published_volumes_are_near_the_measured_ones():
    measured = {"na2s2-alpha": "Na2S2", "na2s4": "Na2S4", "na2s5-alpha": "Na2S5", "s-alpha": "S"}
    phases = load_library()
    for phase, formula in measured.items():
        cell = phases.get(phase).measured_cell()
        volume = Lattice.from_parameters(*cell.lengths_angstrom, *cell.angles_deg).volume / phases.get(phase).n_atoms
        assert literature.VOLUME_A3_PER_ATOM.values[formula] == pytest.approx(volume, rel=0.08)


def test_published_numbers_cannot_be_changed_by_accident():
    with pytest.raises(TypeError):
        literature.FORMATION_ENERGY_EV_PER_ATOM.values["Na2S"] = -1.26


def test_published_voltages_follow_from_published_energies_by_hand():
    """V = -(G_b - G_a) per Na taken up, per S atom of the host."""
    g = literature.FORMATION_ENERGY_EV_PER_ATOM.values
    # Energy and sodium content per S atom along the path.
    path = [(0.0, 0.0)]
    for formula, n_sulfur in (("Na2S5", 5), ("Na2S4", 4), ("Na2S2", 2), ("Na2S", 1)):
        path.append((g[formula] * (2 + n_sulfur) / n_sulfur, 2 / n_sulfur))
    voltages = [-(b[0] - a[0]) / (b[1] - a[1]) for a, b in pairwise(path)]
    assert voltages == pytest.approx(list(literature.PLATEAU_VOLTAGE_V.values.values()), abs=0.006)


def test_the_measured_enthalpy_is_that_of_the_tables():
    per_atom = -365.5 * EV_PER_KJ_PER_MOL / 3
    assert pytest.approx(per_atom, abs=0.005) == literature.MEASURED_FORMATION_ENTHALPY_EV_PER_ATOM
