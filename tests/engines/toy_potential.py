"""Morse pairs of Na and S, in numpy alone: a stable crystal of the CsCl type, fast enough for hundreds of runs."""

from __future__ import annotations

import itertools

import numpy as np

LENGTH_A = {("Na", "S"): 2.9, ("Na", "Na"): 3.35, ("S", "S"): 3.35}
DEPTH_EV, STEEPNESS_PER_A, CUTOFF_A = 0.5, 1.3, 7.0


def evaluate(crystal):
    """Energy (eV), forces (eV/Å) and stress (eV/Å³, positive under tension)."""
    cell = crystal.matrix_a
    positions = np.array(crystal.frac_coords) @ cell
    lengths = np.array([[LENGTH_A[tuple(sorted((a, b)))] for b in crystal.species] for a in crystal.species])
    heights = [crystal.volume_a3 / np.linalg.norm(np.cross(cell[i - 2], cell[i - 1])) for i in range(3)]
    reach = [
        int(np.ceil(CUTOFF_A / h + s)) for h, s in zip(heights, np.ptp(crystal.frac_coords, axis=0), strict=True)
    ]
    images = np.array(list(itertools.product(*(range(-r, r + 1) for r in reach)))) @ cell
    energy, forces, virial = 0.0, np.zeros_like(positions), np.zeros((3, 3))
    for i in range(len(crystal)):
        bonds = positions[None] + images[:, None] - positions[i]
        distances = np.linalg.norm(bonds, axis=2)
        near = (distances > 1e-8) & (distances < CUTOFF_A)
        r, bonds, rest = distances[near], bonds[near], np.broadcast_to(lengths[i], distances.shape)[near]
        decay = np.exp(-STEEPNESS_PER_A * (r - rest))
        morse = DEPTH_EV * (decay**2 - 2 * decay)
        slope = 2 * DEPTH_EV * STEEPNESS_PER_A * (decay - decay**2)
        fade = (1 - (r / CUTOFF_A) ** 2) ** 3
        fade_slope = -6 * r / CUTOFF_A**2 * (1 - (r / CUTOFF_A) ** 2) ** 2
        pull = ((slope * fade + morse * fade_slope) / r)[:, None] * bonds
        energy += 0.5 * float((morse * fade).sum())
        forces[i] = pull.sum(axis=0)
        virial += 0.5 * bonds.T @ pull
    return energy, forces, virial / crystal.volume_a3
