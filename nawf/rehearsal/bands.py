"""Made-up bands with the right number of electrons, so that parsers find a gap or a Fermi surface.

Nothing here is calculated: an interatomic potential knows no bands. Compounds of a strongly electronegative
element get a gap of 2 eV, everything else is a metal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from nawf.rehearsal.controls import Controls
from nawf.rehearsal.kpoints import KPoints

GAP_EV = 2.0
ANIONS = frozenset(("C", "N", "O", "F", "S", "Cl", "Se", "Br", "I"))
"""Elements of a Pauling electronegativity above 2.5."""
_SPACING_EV = 0.5
_DISPERSION_EV = 1.2
_CLOSE_EV = 1e-9


@dataclass(frozen=True)
class Bands:
    """Energies (eV) and occupations (0 to 1) of shape (k-points, bands), the same for both spins."""

    energies_ev: np.ndarray
    occupations: np.ndarray
    fermi_ev: float


@dataclass(frozen=True)
class Density:
    """Density of states of one spin (1/eV) and its integral on a grid of energies (eV)."""

    energies_ev: np.ndarray
    density: np.ndarray
    integrated: np.ndarray


def has_gap(species: Iterable[str], n_electrons: float) -> bool:
    """Whether the made-up bands have a gap: with an anion, and an even number of electrons."""
    paired = abs(n_electrons / 2 - round(n_electrons / 2)) < _CLOSE_EV
    return paired and not ANIONS.isdisjoint(species)


def make_bands(controls: Controls, kpoints: KPoints, species: Iterable[str]) -> Bands:
    """Bands of cosine shape; every one is half a width above the next lower."""
    shape = np.cos(2 * np.pi * kpoints.points).mean(axis=1)
    depth = (shape.max() - shape) * _DISPERSION_EV / 2
    level = np.arange(controls.n_bands) * _SPACING_EV
    n_pairs = controls.n_electrons / 2
    if has_gap(species, controls.n_electrons):
        n_valence = round(n_pairs)
        below = level[:n_valence] - _SPACING_EV * (n_valence - 1) - depth[:, None]
        above = level[: controls.n_bands - n_valence] + GAP_EV + depth[:, None]
        energies = np.concatenate([below, above], axis=1)
        return Bands(energies, (np.arange(controls.n_bands) < n_valence) * np.ones_like(energies), GAP_EV / 2)
    energies = level - _SPACING_EV * n_pairs + depth[:, None]
    fermi, occupations = _filled(energies, kpoints.weights, n_pairs)
    return Bands(energies, occupations, fermi)


def _filled(energies: np.ndarray, weights: np.ndarray, n_pairs: float) -> tuple[float, np.ndarray]:
    """Fermi energy, and occupations from below; the level at the Fermi energy takes the rest."""
    room = np.broadcast_to(weights[:, None], energies.shape)
    order = np.argsort(energies, axis=None, kind="stable")
    sorted_room = room.ravel()[order]
    filled = np.clip(n_pairs - (np.cumsum(sorted_room) - sorted_room), 0.0, sorted_room) / sorted_room
    occupations = np.empty(energies.size)
    occupations[order] = filled
    highest = int(np.flatnonzero(filled > _CLOSE_EV)[-1])
    return float(energies.ravel()[order][highest]), occupations.reshape(energies.shape)


def density_of_states(bands: Bands, weights: np.ndarray, n_grid: int) -> Density:
    """Density of states as a histogram."""
    low, high = bands.energies_ev.min() - 1.0, bands.energies_ev.max() + 1.0
    grid = np.linspace(low, high, n_grid)
    order = np.argsort(bands.energies_ev, axis=None)
    room = np.broadcast_to(weights[:, None], bands.energies_ev.shape).ravel()[order]
    states = np.concatenate([[0.0], np.cumsum(room)])
    integrated = states[np.searchsorted(bands.energies_ev.ravel()[order], grid, side="right")]
    density = np.diff(integrated, prepend=0.0) / (grid[1] - grid[0])
    return Density(grid, density, integrated)
