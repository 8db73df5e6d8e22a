"""What the embedded potential does for other engines."""

import numpy as np
import pytest

from nawf.engines import potential
from nawf.engines.ase_hessian import first_hessian
from nawf.engines.ase_relax import calculator_of, relax_with_ase
from nawf.engines.potential import plausible_start, potential_hessian, start_record
from nawf.errors import EngineError
from nawf.results.crystal import Crystal
from nawf.results.methods import RelaxMethod


def caesium_chloride(side_a):
    return Crystal.from_arrays(np.eye(3) * side_a, ["Na", "S"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def test_a_volume_that_changed_by_more_than_a_tenth_is_not_taken():
    given = caesium_chloride(3.2)
    near, far = caesium_chloride(3.27), caesium_chloride(3.32)
    assert plausible_start(given, near) is near  # 6.7 %
    assert plausible_start(given, far) is given  # 11.7 %


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (1.0, []),
        (1.03, []),
        (1.04, [("start", ("the potential changed the volume by +12 %",), ("start: as given",))]),
        (0.95, [("start", ("the potential changed the volume by -14 %",), ("start: as given",))]),
    ],
)
def test_the_record_tells_whether_the_potential_helped(relaxed_to, scale, expected):
    given = Crystal.from_arrays(np.eye(3) * 3.0, ["Na"], [[0, 0, 0]])
    relaxed = relaxed_to(Crystal.from_arrays(np.eye(3) * 3.0 * scale, ["Na"], [[0, 0, 0]]))
    found = start_record(given, relaxed)
    assert [(c.handler, c.errors, c.actions) for c in found.corrections] == expected
    assert found.model_copy(update={"corrections": ()}) == relaxed.run


def test_its_hessian_is_that_of_the_embedded_engine():
    pytest.importorskip("chgnet")
    from nawf.engines.chgnet import ChgnetEngine
    from nawf.engines.registry import engine_spec

    engine = ChgnetEngine(engine_spec("chgnet-r2scan"))
    given = caesium_chloride(3.6)
    hessian = np.array(potential_hessian(given))
    method = RelaxMethod(force_ev_per_a=0.01, stress_gpa=0.02, polish_steps=0)
    plain = relax_with_ase(given, calculator_of(engine.evaluate), method)
    helped = relax_with_ase(given, calculator_of(engine.evaluate), method, hessian)
    assert hessian.shape == (15, 15)
    np.testing.assert_allclose(hessian, first_hessian(given, engine.evaluate), atol=1e-3)
    assert helped.converged
    assert helped.n_steps <= plain.n_steps
    assert helped.energy_ev_per_atom == pytest.approx(plain.energy_ev_per_atom, abs=1e-3)


def test_without_the_engine_there_is_none(monkeypatch):
    def missing(spec):
        raise EngineError("engine chgnet-r2scan needs the package torch")

    monkeypatch.setattr(potential, "build_engine", missing)
    assert potential_hessian(caesium_chloride(3.2)) is None


def test_a_crystal_that_it_cannot_calculate_is_relaxed_without_it():
    pytest.importorskip("chgnet")
    # No atom has a neighbour within the network's reach of 6 Å.
    assert potential_hessian(Crystal.from_arrays(np.eye(3) * 9.0, ["Na"], [[0, 0, 0]])) is None


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_one_that_is_not_finite_is_not_taken(monkeypatch, number):
    class Broken:
        def evaluate(self, crystal):
            return 0.0, np.full((len(crystal), 3), number), np.zeros((3, 3))

    monkeypatch.setattr(potential, "build_engine", lambda spec: Broken())
    assert potential_hessian(caesium_chloride(3.2)) is None
