"""Rules for phonons: no imaginary modes, sound forces, and thermal functions of one complete set of modes.

Three bounds hold for any set of harmonic modes below the highest frequency. A mode has at most k of heat capacity,
and at least what one of the highest frequency has; it has at most the zero-point energy of that one; and as the
entropy rises, F falls over a step of temperature by no less than the entropy before it, and no more than that after.
"""

from __future__ import annotations

import math
from itertools import pairwise

from nawf.quality.any_result import run_reasons
from nawf.quality.limits import GateLimits
from nawf.quality.reasons import fail, graded, note, warn
from nawf.results.outputs import BornCharges, PhononResult
from nawf.results.verdict import Reason
from nawf.units import BOLTZMANN_EV_PER_K, EV_PER_THZ


def phonon_reasons(result: PhononResult, limits: GateLimits) -> list[Reason]:
    """Everything there is to say of phonons with finite numbers."""
    reasons = []
    if result.imaginary_fraction > 0:
        reasons.append(
            fail(
                "imaginary-modes",
                f"{100 * result.imaginary_fraction:.2g} % of the modes are imaginary, down to "
                f"{abs(result.lowest_frequency_thz):.2f}i THz; the free energy lacks them",
            )
        )
    if result.net_force_ev_per_a > limits.net_force_warn_ev_per_a:
        message = f"net force of {result.net_force_ev_per_a:.2g} eV/Å on a displaced cell"
        reasons.append(warn("net-force", message))
    if (violation := result.sum_rule_violation) is not None:
        message = (
            f"moving all atoms alike leaves forces of {100 * violation:.0f} % of the largest force constant "
            "(acoustic sum rule)"
        )
        reasons += graded("sum-rule", violation, limits.sum_rule_warn, limits.sum_rule_fail, message)
    if result.born is not None:
        reasons += _born_charges(result.born, limits)
    if not _is_a_table(result):
        reasons.append(fail("thermal-functions", "F, S and Cv are not given on one rising grid of temperatures"))
        return reasons
    return [*reasons, *_heat_capacity(result, limits), *_thermal_functions(result, limits)]


def _born_charges(born: BornCharges, limits: GateLimits) -> list[Reason]:
    """How their calculation went, and whether there are any."""
    reasons = run_reasons(born.run, limits)
    if not born.has_gap:
        functional = born.calculation.get("functional", "its functional")
        message = f"without Born charges: there is no band gap with {functional}, and so no field of optical modes"
        reasons.append(note("born-charges", message))
    return reasons


def _is_a_table(result: PhononResult) -> bool:
    grid = result.temperatures_k
    columns = (
        result.free_energy_ev_per_atom,
        result.entropy_ev_per_k_per_atom,
        result.heat_capacity_ev_per_k_per_atom,
    )
    rises = all(cold < warm for cold, warm in pairwise(grid))
    return bool(grid) and rises and grid[0] >= 0 and all(len(column) == len(grid) for column in columns)


def _heat_capacity(result: PhononResult, limits: GateLimits) -> list[Reason]:
    """The heat capacity at the highest temperature counts the modes."""
    temperature_k = result.temperatures_k[-1]
    if temperature_k == 0:
        return []
    share = result.heat_capacity_ev_per_k_per_atom[-1] / (3 * BOLTZMANN_EV_PER_K)
    counted = 1 - result.imaginary_fraction
    lowest = counted * _einstein_share(result.highest_frequency_thz, temperature_k) - limits.heat_capacity_share
    highest = counted + limits.heat_capacity_share
    if lowest <= share <= highest:
        return []
    what = "counted twice" if share > highest else "lost"
    return [
        fail(
            "heat-capacity",
            f"Cv at {temperature_k:g} K is {share:.3f} of 3 k for each atom, and its modes give {lowest:.3f} to "
            f"{highest:.3f}: modes were {what}",
        )
    ]


def _einstein_share(frequency_thz: float, temperature_k: float) -> float:
    """Heat capacity of a mode in units of k."""
    x = EV_PER_THZ * frequency_thz / (BOLTZMANN_EV_PER_K * temperature_k)
    if x < 1e-6:
        return 1.0
    # (x/2 / sinh(x/2))² does not overflow where exp(x) would.
    return (x * math.exp(-x / 2) / -math.expm1(-x)) ** 2


def _thermal_functions(result: PhononResult, limits: GateLimits) -> list[Reason]:
    """F, S and Cv fit one another."""
    grid, free = result.temperatures_k, result.free_energy_ev_per_atom
    entropy, capacity = result.entropy_ev_per_k_per_atom, result.heat_capacity_ev_per_k_per_atom
    slack_ev_per_k = limits.thermal_share * BOLTZMANN_EV_PER_K
    highest_zero_point_ev = 1.5 * EV_PER_THZ * result.highest_frequency_thz
    wrong = []
    if grid[0] == 0 and not -1e-9 <= free[0] <= highest_zero_point_ev * (1 + limits.thermal_share):
        wrong.append(f"a zero-point energy of {free[0]:.3g} eV/atom is not that of its modes")
    if min(*entropy, *capacity) < -slack_ev_per_k:
        wrong.append("S or Cv is negative")
    for i, (cold, warm) in enumerate(pairwise(grid)):
        fall = (free[i] - free[i + 1]) / (warm - cold)
        if not entropy[i] - slack_ev_per_k <= fall <= entropy[i + 1] + slack_ev_per_k:
            wrong.append(f"F and S contradict each other between {cold:g} and {warm:g} K")
            break
    return [fail("thermal-functions", "; ".join(wrong))] if wrong else []
