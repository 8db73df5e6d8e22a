"""Made-up bands: the electrons are all there, and gaps are where they should be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nawf.rehearsal.bands import GAP_EV, density_of_states, has_gap, make_bands
from nawf.rehearsal.kpoints import irreducible

MESHES = st.tuples(*[st.integers(1, 4)] * 3)


def bands_of(n_electrons: float, n_bands: int, mesh: tuple[int, int, int], species: list[str]) -> Any:
    points = irreducible(mesh, "Gamma", (0.0, 0.0, 0.0), np.eye(3, dtype=int)[None])
    controls: Any = SimpleNamespace(n_electrons=n_electrons, n_bands=n_bands)
    return make_bands(controls, points, species), points


@given(st.floats(0.5, 60), st.integers(0, 8), MESHES, st.sampled_from([["Na"], ["Na", "S"]]))
@settings(max_examples=60, deadline=None)
def test_every_electron_has_a_place(n_electrons: float, more: int, mesh: tuple[int, int, int], species: Any) -> None:
    n_bands = int(np.ceil(n_electrons / 2)) + more
    bands, points = bands_of(n_electrons, n_bands, mesh, species)
    assert bands.energies_ev.shape == bands.occupations.shape == (len(points), n_bands)
    assert 2 * (points.weights @ bands.occupations).sum() == pytest.approx(n_electrons)
    assert bands.occupations.min() >= 0
    assert bands.occupations.max() <= 1 + 1e-12
    assert (np.diff(bands.energies_ev, axis=1) > 0).all()
    below = bands.energies_ev < bands.fermi_ev - 1e-9
    assert bands.occupations[below] == pytest.approx(1)
    assert bands.occupations[bands.energies_ev > bands.fermi_ev + 1e-9] == pytest.approx(0)


@given(st.integers(1, 20), MESHES)
@settings(max_examples=30, deadline=None)
def test_sulfides_have_the_gap(n_pairs: int, mesh: tuple[int, int, int]) -> None:
    bands, _ = bands_of(2.0 * n_pairs, n_pairs + 3, mesh, ["Na", "S"])
    valence, conduction = bands.energies_ev[:, :n_pairs], bands.energies_ev[:, n_pairs:]
    assert conduction.min() - valence.max() == pytest.approx(GAP_EV)
    assert valence.max() < bands.fermi_ev < conduction.min()


def test_bands_of_metals_cross_the_fermi_energy() -> None:
    bands, _ = bands_of(7.0, 8, (4, 4, 4), ["Na"])
    crosses = (bands.energies_ev.min(axis=0) < bands.fermi_ev) & (bands.energies_ev.max(axis=0) > bands.fermi_ev)
    assert crosses.any()


@pytest.mark.parametrize(
    ("species", "n_electrons", "expected"),
    [
        (["Na", "S"], 20, True),
        (["Na", "S"], 21, False),
        (["Na"], 14, False),
        (["Na", "Sb"], 26, False),
        (["O"], 12, True),
    ],
)
def test_who_has_a_gap(species: list[str], n_electrons: float, expected: bool) -> None:
    assert has_gap(species, n_electrons) is expected


@pytest.mark.parametrize("species", [["Na", "S"], ["Na"]])
def test_density_of_states_counts_the_states(species: list[str]) -> None:
    bands, points = bands_of(20.0, 15, (3, 3, 3), species)
    density = density_of_states(bands, points.weights, 301)
    step = density.energies_ev[1] - density.energies_ev[0]
    assert len(density.energies_ev) == 301
    assert density.integrated[-1] == pytest.approx(15)
    assert density.density.sum() * step == pytest.approx(15)
    at_fermi = np.interp(bands.fermi_ev, density.energies_ev, density.integrated)
    assert at_fermi == pytest.approx(10, abs=0.3)
