"""Figure of electrochemical windows: a bar from limit to limit for each electrolyte and condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nawf.errors import ReportError
from nawf.reports.basis import MEANINGS, WARN, Basis
from nawf.reports.figures import COLOURS, formula
from nawf.reports.window import WindowRequest, Windows
from nawf.thermo.window import Window

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAR = 0.8
"""Height of all bars of one electrolyte; their distance is 1."""


def window_figure(basis: Basis, request: WindowRequest, windows: Windows) -> Figure:
    """Windows against voltage, a colour for each condition; where there is none, it says so.

    Raises
    ------
    ReportError
        When none has a window.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if all(w.own is None for of_one in windows.values() for w in of_one):
        raise ReportError("no electrolyte has a window: there is nothing to draw")
    figure = Figure(figsize=(6.4, 1.3 + 0.5 * len(windows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    conditions = list(basis.entry_sets)
    for line, of_one in enumerate(windows.values()):
        for window in of_one:
            number = conditions.index(window.condition)
            thickness = _BAR / len(conditions)
            _draw(
                axes, window, line - _BAR / 2 + (number + 0.5) * thickness, thickness, COLOURS[number % len(COLOURS)]
            )
    for number, condition in enumerate(conditions if len(conditions) > 1 else ()):
        axes.barh(0, 0, color=COLOURS[number % len(COLOURS)], label=condition.label)
    _finish(axes, basis, request, windows)
    return figure


def _draw(axes: Axes, window: Window, height: float, thickness: float, colour: str) -> None:
    low, high = window.reduction_limit_v, window.oxidation_limit_v
    size = max(5.0, min(8.0, 16.0 * thickness))
    if low is None or high is None:
        axes.text(0.03, height, "no window: decomposes by itself", fontsize=size, color=colour, va="center")
        return
    axes.barh(height, high - low, left=low, height=0.9 * thickness, color=colour)
    axes.text(low - 0.03, height, f"{low:.2f}", fontsize=size, ha="right", va="center")
    axes.text(high + 0.03, height, f"{high:.2f}", fontsize=size, ha="left", va="center")


def _finish(axes: Axes, basis: Basis, request: WindowRequest, windows: Windows) -> None:
    marks = {name: basis.marks_of(name).replace(WARN, "") for name in windows}
    axes.set_yticks(range(len(windows)), [_name(n, of, marks[n]) for n, of in windows.items()], fontsize=8)
    axes.set_ylim(len(windows) - 0.4, -0.6)
    limits = [w.oxidation_limit_v for of_one in windows.values() for w in of_one]
    axes.set_xlim(0.0, max(3.0, 0.4 + max(v for v in limits if v is not None)))
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_xlabel(f"voltage vs {request.ion}/{request.ion}⁺ (V)")
    axes.set_title(f"Electrochemical windows: {basis.caption}", fontsize=9)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    meanings = [meaning for mark, meaning in MEANINGS.items() if any(mark in m for m in marks.values())]
    if meanings:
        axes.figure.supxlabel("\n".join(meanings), fontsize=7)


def _name(name: str, windows: list[Window], marks: str) -> str:
    """Formula and phase, and below it the phase whose window it is where that is another one."""
    first = formula(windows[0].formula)
    if name == windows[0].formula:
        return first
    own = {w.own.mixture.phases[0] for w in windows if w.own is not None}
    others = f"\n(of {', '.join(sorted(own))})" if own - {name} else ""
    return f"{first}\n{name}{marks}{others}"
