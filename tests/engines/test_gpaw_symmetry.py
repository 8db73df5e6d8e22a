"""Operations that cost GPAW more grid points than they save k-points are left out, and the physics stays the same.

Relaxations and energies have their forces and stresses averaged over all symmetries of the crystal.
"""

import numpy as np
import pytest

from nawf.engines.ase_relax import atoms_of, averaged_over_symmetry
from nawf.engines.gpaw_cells import Reduction
from nawf.engines.gpaw_log import EvaluationLog
from nawf.engines.gpaw_protocols import PROTOCOLS, KLengths, Level, Step
from nawf.engines.gpaw_scf import Electrons
from nawf.engines.gpaw_symmetry import symmetry_choice
from nawf.phases.library import load_library
from nawf.results.crystal import Crystal
from nawf.results.symmetry import primitive_cell

pytest.importorskip("gpaw", reason="GPAW is not installed; deploy/install-gpaw does it")

LEVEL = PROTOCOLS["accurate"].levels[Step.RELAX]
LIGHT = Level(250.0, KLengths(metals=9.0, molecules=9.0, others=9.0))


def reduced(phase):
    crystal = primitive_cell(Crystal.from_structure(load_library().get(phase).structure()), 0.01)
    return Reduction.of(crystal.matrix_a).applied(crystal)


def choice_for(phase, level=LEVEL):
    crystal = reduced(phase)
    return symmetry_choice(atoms_of(crystal), level.k.mesh(crystal), level)


# The grid of Na2S has the symmetry of its cell; NaSn would have 63 k-points instead of 21 on nearly the same grid.
@pytest.mark.parametrize("phase", ["na2s", "na-bcc", "na2s2-alpha", "nasn"])
def test_all_symmetries_where_they_pay(phase):
    assert choice_for(phase) == {}


@pytest.mark.parametrize(("phase", "kept"), [("s-alpha", 2), ("sn4p3", 4), ("p-black", 2)])
def test_a_group_of_those_that_the_grid_has_by_itself(phase, kept):
    rotations = [tuple(np.array(r).flat) for r in choice_for(phase)["symmetry"]["rotations"]]
    assert len(rotations) == kept
    products = {tuple((np.reshape(a, (3, 3)) @ np.reshape(b, (3, 3))).flat) for a in rotations for b in rotations}
    assert products == set(rotations)


def test_numbers_are_those_of_all_symmetries(monkeypatch):
    crystal = reduced("p-black")
    mesh = LIGHT.k.mesh(crystal)
    found = []
    for choice in (symmetry_choice, lambda *_: {}):
        monkeypatch.setattr("nawf.engines.gpaw_scf.symmetry_choice", choice)
        electrons = Electrons(LIGHT, mesh, Reduction.of(crystal.matrix_a), EvaluationLog(None))
        energy, forces, stress = electrons.evaluate(crystal)
        found.append((energy, *averaged_over_symmetry(crystal, forces, stress, 1e-3), electrons._calculator))
    (energy, forces, stress, light), (energy_of_all, forces_of_all, stress_of_all, heavy) = found
    points, points_of_all = (np.prod(c.dft.density.nt_sR.desc.size) for c in (light, heavy))
    assert points < 0.7 * points_of_all
    # Another grid, so not the same to the last digit.
    assert energy == pytest.approx(energy_of_all, abs=1e-3 * len(crystal))
    np.testing.assert_allclose(forces, forces_of_all, atol=0.01)
    np.testing.assert_allclose(stress, stress_of_all, atol=5e-4)
