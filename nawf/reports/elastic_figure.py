"""Figure of Young's modulus along directions: one panel for each phase, one line for each principal plane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nawf.errors import InputError, ReportError
from nawf.reports.basis import WARN
from nawf.reports.elastic import elastic_result
from nawf.reports.figures import COLOURS, formula
from nawf.reports.selected import Selected
from nawf.results.elastic import ElasticResult
from nawf.results.stiffness import is_stable
from nawf.thermo.mechanics import young_modulus_gpa

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.projections.polar import PolarAxes

MOST_PHASES = 9

_PANELS_IN_A_ROW = 3
_PANEL_INCHES = (2.7, 3.0)
_POINTS = 361
_SCALE_ANGLE = math.radians(22.5)
_SCALE_BOX = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6}
_PLANES = (("xy", (0, 1), "-"), ("yz", (1, 2), "--"), ("xz", (0, 2), "-."))
"""Name of a plane, the axes along 0° and 90°, and the line."""


def young_figure(selected: Selected) -> Figure:
    """Young's modulus (GPa) in the planes of the axes of the tensor, over the direction.

    Each panel has its own scale: phases differ by more than their directions do.

    Raises
    ------
    InputError
        When there are too many phases for one picture.
    ReportError
        When there is nothing to draw.
    """
    found = [(d, elastic_result(d)) for d in selected.shown]
    found = [(document, result) for document, result in found if is_stable(result.stiffness_gpa)]
    if not found:
        raise ReportError("no elastic tensor passed its checks: there is nothing to draw")
    if len(found) > MOST_PHASES:
        raise InputError(
            f"{len(found)} phases are too many for one picture", hint=f"choose up to {MOST_PHASES} with --phases"
        )
    figure, panels = _empty(len(found))
    for axes, (document, result) in zip(panels, found, strict=True):
        _draw(axes, result)
        marks = selected.marks(document.phase).replace(WARN, "")
        axes.set_title(f"{formula(document.card.formula)}\n{document.phase}{marks}", fontsize=9)
    lines, labels = panels[0].get_legend_handles_labels()
    beside = len(lines) if _columns(len(found)) == _PANELS_IN_A_ROW else 1
    figure.legend(lines, labels, loc="outside lower center", ncols=beside, fontsize=8, frameon=False)
    figure.suptitle(f"Young's modulus (GPa) by direction, in IEEE axes\n{selected.caption}", fontsize=9)
    return figure


def plane_directions(first: int, second: int, n_points: int = _POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Angles from one Cartesian axis towards another (radians), and the unit vectors along them."""
    angles = np.linspace(0.0, 2.0 * np.pi, n_points)
    directions = np.zeros((n_points, 3))
    directions[:, first], directions[:, second] = np.cos(angles), np.sin(angles)
    return angles, directions


def _draw(axes: PolarAxes, result: ElasticResult) -> None:
    from matplotlib.ticker import MaxNLocator

    largest = 0.0
    for colour, (name, (first, second), style) in zip(COLOURS[1:], _PLANES, strict=False):
        angles, directions = plane_directions(first, second)
        moduli = young_modulus_gpa(result.stiffness_gpa, directions)
        label = f"{name} plane, from {'xyz'[first]} (0°) to {'xyz'[second]} (90°)"
        axes.plot(angles, moduli, style, color=colour, linewidth=1.3, label=label)
        largest = max(largest, float(moduli.max()))
    axes.set_ylim(0, 1.08 * largest)
    ticks = [tick for tick in MaxNLocator(3).tick_values(0, largest) if 0 < tick <= largest]
    axes.set_yticks(ticks, labels=[""] * len(ticks))
    for tick in ticks:  # above the lines, which tick labels are not
        axes.text(_SCALE_ANGLE, tick, f"{tick:g}", fontsize=7, ha="center", va="center", bbox=_SCALE_BOX)
    axes.set_xticks(np.radians(range(0, 360, 45)))
    axes.tick_params(labelsize=7, pad=1)
    axes.grid(color="0.85", linewidth=0.6)
    axes.spines["polar"].set_color("0.7")


def _columns(n_panels: int) -> int:
    return 2 if n_panels == 4 else min(n_panels, _PANELS_IN_A_ROW)


def _empty(n_panels: int) -> tuple[Figure, Sequence[PolarAxes]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = _columns(n_panels)
    rows = math.ceil(n_panels / columns)
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(max(width * columns, 5.0), height * rows + 1.1), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False, subplot_kw={"projection": "polar"}).ravel()
    for unused in panels[n_panels:]:
        unused.remove()
    return figure, list(panels[:n_panels])
