"""Figures: voltage profiles and binary hulls."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nawf.errors import InputError, ReportError
from nawf.files import write_bytes_atomically
from nawf.reports.basis import MEANINGS, WARN, Basis
from nawf.reports.hull import hulls
from nawf.reports.literature import MEASURED_DISCHARGE_V
from nawf.reports.voltage import Profiles
from nawf.thermo.conditions import Condition
from nawf.thermo.entries import Entry
from nawf.thermo.formation import formation_energies
from nawf.thermo.hull import Hull
from nawf.thermo.voltage import ION_CHARGES, VoltageProfile
from nawf.units import MEV_PER_EV

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")

# Okabe and Ito's palette, which colour-blind readers can tell apart.
COLOURS = ("#000000", "#0072B2", "#009E73", "#D55E00", "#CC79A7", "#E69F00", "#56B4E9")
_DOTS_PER_INCH = 160
_LABEL_STEP = 0.035
"""Least distance between upright names, in units of the axis."""


def check_figure_path(path: Path | None) -> None:
    """Refuse a file type that cannot be drawn before any work is done."""
    if path is not None and path.suffix.lower() not in SUFFIXES:
        raise InputError("is no kind of picture that can be drawn", where=str(path), hint="use .png, .svg or .pdf")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all; its type is that of the file name."""
    from matplotlib import rc_context

    check_figure_path(path)
    buffer = io.BytesIO()
    # Without dates and random names the same results give the same file.
    kind = path.suffix.lower()[1:]
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    with rc_context({"svg.hashsalt": "nawf"}):
        figure.savefig(buffer, format=kind, dpi=_DOTS_PER_INCH, bbox_inches="tight", metadata=metadata)
    write_bytes_atomically(path, buffer.getvalue())


def voltage_figure(basis: Basis, profiles: Profiles) -> Figure:
    """Voltage against capacity: a colour for each condition, the kinetic path dashed."""
    if not any(profile.plateaus for profile in profiles.equilibrium.values()):
        raise ReportError(
            f"{profiles.request.ion} does not react with {profiles.request.host}: there is nothing to draw"
        )
    figure, [axes] = _empty(6.4, 4.2)
    colours = _cycle(len(profiles.equilibrium))
    skipped = {c: _skipped(profiles, c) for c in profiles.equilibrium}
    are_alike = len(set(skipped.values())) == 1
    for colour, (condition, profile) in zip(colours, profiles.equilibrium.items(), strict=True):
        _steps(axes, profile, colour, "-", condition.label)
        if skipped[condition]:
            label = None if are_alike else f"{condition.label} {skipped[condition]}"
            _steps(axes, profiles.kinetic[condition].kinetic, colour, "--", label)
    if are_alike and any(skipped.values()):
        axes.plot([], [], "--", color="0.4", linewidth=1.3, label=next(iter(skipped.values())))
    request = profiles.request
    if request.is_sulfur_against_sodium:
        for i, voltage in enumerate(MEASURED_DISCHARGE_V.values.values()):
            label = "measured, GITT at 90 °C (ji2024)" if i == 0 else None
            axes.axhline(voltage, color="0.6", linewidth=0.8, linestyle=":", label=label, zorder=0)
    axes.set_xlabel(f"capacity (mAh per g of {request.host} without {request.ion})")
    axes.set_ylabel(f"voltage vs {request.electrode.replace('+', '⁺')} (V)")
    axes.set_title(f"{request.ion} into {request.host}: {basis.caption}", fontsize=9)
    axes.set_xlim(left=0)
    axes.margins(y=0.15)
    axes.legend(fontsize=8, frameon=False, loc="lower left")
    return figure


def _skipped(profiles: Profiles, condition: Condition) -> str:
    """What the kinetic path leaves out at a condition, for the legend; nothing where it leaves out nothing."""
    path = profiles.kinetic.get(condition)
    names = sorted({formula(s.formula) for s in path.skipped}) if path is not None else []
    return "without " + ", ".join(names) if names else ""


def hull_figure(basis: Basis) -> Figure:
    """Hull of a binary system: formation energies above, depth and energy above hull of each compound below.

    On the scale of formation energies the temperatures lie on top of each other; what decides between phases
    is a few meV/atom, so the lower panel has them on a scale that is linear up to 10 meV/atom.

    Raises
    ------
    ReportError
        When the phases do not span exactly two elements.
    """
    elements = sorted({el for s in basis.entry_sets.values() for el in s.elements})
    if len(elements) != 2:
        raise ReportError(
            f"a picture of a hull needs two elements, and the phases have {len(elements)} ({'-'.join(elements)})",
            hint="choose two with --system, such as --system Na-S",
        )
    ion = next((el for el in ION_CHARGES if el in elements), elements[0])
    other = next(el for el in elements if el != ion)
    figure, (axes, below) = _empty(6.4, 6.0, heights=(3, 2))
    names: dict[str, tuple[float, float]] = {}
    made = hulls(basis)
    for colour, (condition, hull) in zip(_cycle(len(made)), made.items(), strict=True):
        _draw_hull(axes, basis, condition, hull, ion, colour, names)
        _draw_depths(below, hull, ion, colour)
    if any(not hull.is_stable(entry.phase) for hull in made.values() for entry in hull.entries):
        axes.plot([], [], "o", color="0.4", markersize=4, markerfacecolor="none", label="above the hull")
    _label(axes, names)
    axes.set_ylabel("formation energy (eV/atom)")
    axes.set_title(f"{'-'.join(elements)} hull: {basis.caption}", fontsize=9, pad=56)
    axes.set_xlim(-0.02, 1.02)
    axes.margins(y=0.12)
    axes.legend(fontsize=8, frameon=False)
    below.set_yscale("symlog", linthresh=10.0, linscale=1.0)
    below.yaxis.set_major_formatter("{x:g}")
    below.margins(y=0.15)
    below.set_ylabel("hull depth (−) or\nenergy above hull (+)\n(meV/atom)", fontsize=8)
    below.set_xlabel(f"x in {ion}$_x${other}$_{{1-x}}$")
    for panel in (axes, below):
        panel.axhline(0.0, color="0.8", linewidth=0.8, zorder=0)
    meanings = [meaning for mark, meaning in MEANINGS.items() if any(mark in name for name in names)]
    if meanings:
        figure.supxlabel("\n".join(meanings), fontsize=7)
    return figure


def _draw_hull(
    axes: Axes,
    basis: Basis,
    condition: Condition,
    hull: Hull,
    ion: str,
    colour: str,
    names: dict[str, tuple[float, float]],
) -> None:
    """Line through the stable phases, open circles for the others; ``names`` gets the lowest point of each."""
    rows = formation_energies(basis.entry_sets[condition], basis.element_references[condition])
    energies = {row.phase: row.formation_energy_ev_per_atom for row in rows}
    points = {e.phase: (_ion_fraction(e, ion), energies[e.phase]) for e in hull.entries}
    stable = sorted(points[p] for p in hull.stable_phases)
    unstable = [point for phase, point in points.items() if not hull.is_stable(phase)]
    axes.plot(*zip(*stable, strict=True), "-o", color=colour, markersize=4, linewidth=1.2, label=condition.label)
    if unstable:
        axes.plot(*zip(*unstable, strict=True), "o", color=colour, markersize=4, markerfacecolor="none")
    for phase in hull.stable_phases:
        x, energy = points[phase]
        name = formula(hull.entry(phase).formula) + _without_warnings(basis.marks(phase))
        names[name] = (x, min(energy, names.get(name, (x, energy))[1]))


def _draw_depths(axes: Axes, hull: Hull, ion: str, colour: str) -> None:
    """Depth of each stable compound (filled), energy above hull of the others (open)."""
    for row in hull.rows():
        entry = hull.entry(row.phase)
        if entry.is_element:
            continue
        depth = row.hull_depth_ev_per_atom
        value = MEV_PER_EV * (row.energy_above_hull_ev_per_atom if depth is None else depth)
        face = "none" if depth is None else colour
        axes.plot(_ion_fraction(entry, ion), value, "o", color=colour, markersize=4, markerfacecolor=face)


def _ion_fraction(entry: Entry, ion: str) -> float:
    return entry.composition.get(ion, 0.0) / entry.atoms


def _without_warnings(marks: str) -> str:
    """Marks that matter for a hull: soft modes and guessed structures."""
    return marks.replace(WARN, "")


def formula(text: str) -> str:
    """Formula with subscripts."""
    return re.sub(r"(\d+\.?\d*)", r"$_{\1}$", text)


def _empty(width: float, height: float, heights: tuple[int, ...] = (1,)) -> tuple[Figure, list[Axes]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes in panels:
        axes.tick_params(labelsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    return figure, list(panels)


def _cycle(n: int) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(n)]


def _steps(axes: Axes, profile: VoltageProfile, colour: str, style: str, label: str | None) -> None:
    """A falling staircase; nothing where there is no plateau."""
    x: list[float] = []
    y: list[float] = []
    for plateau in profile.plateaus:
        x += [plateau.capacity_start_mah_per_g, plateau.capacity_end_mah_per_g]
        y += [plateau.voltage_v, plateau.voltage_v]
    if x:
        axes.plot(x, y, style, color=colour, linewidth=1.3, label=label)


def _label(axes: Axes, named: Mapping[str, tuple[float, float]]) -> None:
    """Names of the stable compositions upright above the picture, each tied to its point by a thin line."""
    from matplotlib.patches import ConnectionPatch

    names = sorted(named, key=lambda name: named[name][0])
    for name, place in zip(names, _spread([named[n][0] for n in names], _LABEL_STEP), strict=True):
        above = axes.get_xaxis_transform()
        axes.text(place, 1.04, name, transform=above, fontsize=8, rotation=90, ha="center", va="bottom")
        tie = ConnectionPatch(
            named[name], (place, 1.03), "data", above, axesA=axes, axesB=axes, color="0.85", linewidth=0.6, zorder=0
        )
        axes.add_artist(tie)


def _spread(places: list[float], step: float) -> list[float]:
    """Rising places at least ``step`` apart, moved as little as pushing from the left and back allows."""
    pushed: list[float] = []
    for place in places:
        pushed.append(max(place, pushed[-1] + step) if pushed else place)
    limit = max(1.0, step * (len(places) - 1))
    for i in range(len(pushed) - 1, -1, -1):
        pushed[i] = min(pushed[i], limit)
        limit = pushed[i] - step
    return pushed
