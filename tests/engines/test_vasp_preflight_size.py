from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

pytest.importorskip("atomate2")

import nawf.engines.vasp_preflight_size as size
from nawf.engines.vasp import METHODS
from nawf.results.crystal import Crystal
from nawf.results.tasks import PhaseTask

EDGE_A = 4.2
BCC = Crystal.from_arrays(EDGE_A / 2 * (np.ones((3, 3)) - 2 * np.eye(3)), ["Na"], [[0, 0, 0]])
TASK = PhaseTask(phase="na", campaign="c", properties=("static", "phonon"), start=BCC, methods=METHODS, card={})


def test_plane_waves_are_those_one_can_count():
    edge_a, cutoff_ev = 12.0, 150.0
    # ħ²/2m in eV Å²
    longest = math.sqrt(cutoff_ev / 3.80998212) * edge_a / (2 * math.pi)
    reach = range(-int(longest) - 1, int(longest) + 2)
    counted = sum(x * x + y * y + z * z <= longest**2 for x, y, z in itertools.product(reach, repeat=3))
    assert size.plane_waves(edge_a**3, cutoff_ev) == pytest.approx(counted, rel=0.02)


@pytest.mark.parametrize(("electrons", "atoms", "expected"), [(7, 1, 7), (20, 3, 14), (400, 64, 240), (8, 2, 8)])
def test_bands_by_hand(electrons, atoms, expected):
    """NBANDS = max(NELECT/2 + 1 + max(NIONS/2, 3), 0.6 NELECT)."""
    assert size.bands(electrons, atoms) == expected


def test_sizes_of_runs():
    static, phonon = size.run_sizes("mp24", TASK, {"Na": 7.0})
    assert (static.n_atoms, static.n_bands, static.step) == (1, 7, "static")
    assert phonon.n_atoms > 50
    # 0.22 1/Å on reciprocal vectors of 2.116 1/Å: 10 x 10 x 10 points, 47 of them unlike one another in bcc.
    assert static.n_k_points == 47
    volume_a3 = EDGE_A**3 / 2
    assert static.bytes == pytest.approx(16 * size.plane_waves(volume_a3, 680.0) * 7 * 47 * 2)


def test_only_what_has_a_potential_is_weighed():
    assert list(size.size_findings("mp24", [TASK], {"S": 6.0}, None)) == []


def test_memory_is_held_against_the_machine(monkeypatch):
    class Memory:
        total = 1e9

    monkeypatch.setattr(size.psutil, "virtual_memory", lambda: Memory)
    (note,) = size.size_findings("mp24", [TASK], {"Na": 7.0}, None)
    assert note.what.startswith("the largest run, phonon of na with ")
    assert note.hint == "this machine has 1 GB"
    assert not note.stops
    Memory.total = 1e15
    (note,) = size.size_findings("mp24", [TASK], {"Na": 7.0}, None)
    assert note.hint == ""


@pytest.mark.parametrize(
    ("ranks", "updates", "said"),
    [
        (4, {}, []),
        (7, {}, []),
        (64, {}, ["64 ranks are many for na: VASP would raise its 7 bands to 64"]),
        (64, {"KPAR": 16}, []),
        (64, {"KPAR": 4, "NCORE": 4}, []),
        (64, {"NCORE": 2}, ["64 ranks are many for na: VASP would raise its 7 bands to 32"]),
        (64, {"KPAR": 5}, ["KPAR = 5 in VASP_INCAR_UPDATES of atomate2 does not divide 64 ranks"]),
    ],
)
def test_ranks_against_bands(monkeypatch, ranks, updates, said):
    monkeypatch.setattr(size.ATOMATE2, "VASP_INCAR_UPDATES", updates)
    notes = [f.what for f in size.size_findings("mp24", [TASK], {"Na": 7.0}, ranks)]
    assert notes[1:] == said
