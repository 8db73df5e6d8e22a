"""Corners of a convex, piecewise linear energy, each found exactly.

A corner minimises G(x) - slope x for some slope. All of them between two known ones are found by asking for the slope
that would make the two equal, until nothing lower is left (Aneja and Nair, Management Science 25, 73 (1979),
10.1287/mnsc.25.1.73).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from nawf.thermo.mixtures import Mixture

SAME_EV_PER_ATOM: Final = 1e-9
SAME_X: Final = 1e-9


@dataclass(frozen=True)
class Corner:
    """A corner of G(x), and the mixture there."""

    x: float
    mixture: Mixture

    @property
    def energy_ev(self) -> float:
        """G at the corner."""
        return self.mixture.energy_ev


def corners_between(
    left: Corner, right: Corner, corner_at: Callable[[float], Corner | None], tolerance_ev: float
) -> list[Corner]:
    """All corners between two, in order.

    Parameters
    ----------
    left, right : Corner
    corner_at : callable
        A corner that minimises G(x) - slope x.
    tolerance_ev : float
        A corner that lies less than this below the line between its neighbours is none.
    """
    slope = (right.energy_ev - left.energy_ev) / (right.x - left.x)
    middle = corner_at(slope)
    assert middle is not None  # left and right are mixtures of the same phases
    gain = (left.energy_ev - slope * left.x) - (middle.energy_ev - slope * middle.x)
    if gain <= tolerance_ev or not left.x + SAME_X < middle.x < right.x - SAME_X:
        return []
    return [
        *corners_between(left, middle, corner_at, tolerance_ev),
        middle,
        *corners_between(middle, right, corner_at, tolerance_ev),
    ]
