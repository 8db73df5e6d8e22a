"""What GPAW leaves in memory; with the real one."""

import weakref

import numpy as np
import pytest

from nawf.engines import gpaw_scf
from nawf.engines.gpaw_cells import Reduction
from nawf.engines.gpaw_log import EvaluationLog
from nawf.engines.gpaw_protocols import KLengths, Level
from nawf.results.crystal import Crystal

pytest.importorskip("gpaw", reason="deploy/install-gpaw installs it")


def test_wave_functions_of_one_geometry_at_a_time_are_in_memory(monkeypatch, tmp_path):
    # Nothing but memory is asked for here.
    monkeypatch.setattr(gpaw_scf, "DENSITY", 1e-2)
    monkeypatch.setattr(gpaw_scf, "EIGENSTATES", 1e-2)
    matrix_a = 2.11 * (np.ones((3, 3)) - 2 * np.eye(3))
    log = EvaluationLog(tmp_path)
    electrons = gpaw_scf.Electrons(Level(250.0, KLengths(9, 9, 9)), (2, 2, 2), Reduction.of(matrix_a), log)
    alive, texts = [], []
    for step in range(4):
        electrons.forget()
        electrons.evaluate(Crystal.from_arrays(matrix_a * (1 + 1e-3 * step), ["Na"], [[0, 0, 0]]))
        alive.append(weakref.ref(electrons._calculator.dft.ibzwfs))
        texts.append(electrons._text)
        assert [reference() is not None for reference in alive] == [False] * step + [True]
        assert [text.closed for text in texts] == [True] * step + [False]
