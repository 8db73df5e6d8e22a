"""Histories of the electronic loop."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nawf.rehearsal.scf import make_history

SETTINGS = {"ediff_ev": 1e-5, "nelm": 60, "nelmin": 2, "nelmdl": -5, "n_electrons": 20.0, "n_bands": 15}
SETTINGS |= {"ispin": 2, "istart": 0}


def history(energy_ev: float = -12.34, first: bool = True, stalled: bool = False, **changes: Any) -> Any:
    controls: Any = SimpleNamespace(**(SETTINGS | changes))
    return make_history(energy_ev, controls, 8, first=first, stalled=stalled)


@given(
    st.floats(-500, 500),
    st.booleans(),
    st.sampled_from([1e-3, 1e-5, 1e-8]),
    st.integers(1, 12),
    st.sampled_from([0, 1]),
)
def test_a_converged_loop_ends_in_the_energy(
    energy_ev: float, first: bool, ediff_ev: float, nelmin: int, istart: int
) -> None:
    found = history(energy_ev, first, ediff_ev=ediff_ev, nelmin=nelmin, istart=istart)
    assert found.converged
    assert found.energy_ev == energy_ev
    changes = np.array([s.change_ev for s in found.steps])
    assert abs(changes[-1]) < ediff_ev
    if len(found.steps) > nelmin + 5:
        assert abs(changes[-2]) >= ediff_ev
    assert len(found.steps) >= nelmin
    assert np.cumsum(changes) == pytest.approx([s.energy_ev for s in found.steps])
    assert (np.abs(changes[2:]) <= np.abs(changes[1:-1])).all()
    assert [s.number for s in found.steps] == list(range(1, len(found.steps) + 1))


def test_later_steps_and_restarts_are_shorter() -> None:
    scratch, restart, later = history(), history(istart=1, nelmdl=0), history(first=False)
    assert len(later.steps) <= len(restart.steps) < len(scratch.steps)


@pytest.mark.parametrize(("nelm", "converged"), [(60, True), (12, False), (1, False)])
def test_the_loop_ends_at_nelm(nelm: int, converged: bool) -> None:
    found = history(nelm=nelm, ediff_ev=1e-8)
    assert found.converged is converged
    assert len(found.steps) <= nelm
    if not converged:
        assert len(found.steps) == nelm
        assert found.energy_ev > -12.34  # an energy that is not converged lies too high


def test_a_stalled_loop_never_meets_ediff() -> None:
    found = history(stalled=True, nelm=30)
    assert not found.converged
    assert len(found.steps) == 30
    assert min(abs(s.change_ev) for s in found.steps) > 1e-5
