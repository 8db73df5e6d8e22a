"""Jobs of the engine gpaw, with a toy potential in GPAW's place."""

import numpy as np
import pytest
import toy_gpaw

from nawf.engines.base import Label
from nawf.engines.gpaw_jobs import GpawTask, gpaw_relax, gpaw_relax_from_potential
from nawf.engines.gpaw_options import GpawOptions
from nawf.results.crystal import Crystal
from nawf.results.methods import RelaxMethod

METHOD = RelaxMethod(force_ev_per_a=1e-3, stress_gpa=1e-3, polish_steps=0)
LABEL = Label(phase="toy")


def caesium_chloride(side_a):
    return Crystal.from_arrays(side_a * np.eye(3), ["Na", "S"], [[0, 0, 0], [0.5] * 3])


@pytest.fixture
def toy(toy_potential, monkeypatch):
    return toy_gpaw.Toy(toy_potential.evaluate).install(monkeypatch)


def task(folder):
    return GpawTask(protocol="fast", options=GpawOptions(run_folder=str(folder), hessian="none"))


@pytest.mark.parametrize(("side_a", "taken"), [(3.25, True), (3.6, False)])
def test_a_relaxation_that_a_potential_began_says_so(toy, relaxed_to, tmp_path, side_a, taken):
    given = caesium_chloride(3.2)
    potential = relaxed_to(caesium_chloride(side_a))
    found = gpaw_relax_from_potential.original(task(tmp_path / "from"), given, potential, METHOD, LABEL)
    assert toy.cells[0][0, 0] == pytest.approx(side_a if taken else 3.2)
    assert found.run.started_at == potential.run.started_at
    assert found.run.host.startswith("laptop, ")
    assert {"chgnet", "gpaw"} <= set(found.run.versions)
    assert [c.handler for c in found.run.corrections] == ([] if taken else ["start"])
    assert found.run.electronic_converged is True

    alone = gpaw_relax.original(task(tmp_path / "alone"), given, METHOD, LABEL)
    assert "chgnet" not in alone.run.versions
    assert found.crystal.volume_a3 == pytest.approx(alone.crystal.volume_a3, rel=1e-3)
