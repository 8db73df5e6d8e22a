"""Report of relaxed cells beside measured ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nawf.phases.card import MeasuredCell
from nawf.phases.library import Phase
from nawf.reports.basis import phase_columns
from nawf.reports.literature import VOLUME_A3_PER_ATOM
from nawf.reports.selected import Selected, lowest_polymorphs
from nawf.reports.tables import Column, Table, shown
from nawf.results.crystal import Crystal
from nawf.results.documents import ResultDocument
from nawf.results.outputs import RelaxResult
from nawf.results.setting import (
    ANGLE_TOLERANCE_DEG,
    LENGTH_TOLERANCE,
    cell_in_setting,
    lengths_and_angles,
    matrix_of,
)
from nawf.results.symmetry import conventional_cell

_EDGES, _ANGLES = ("a", "b", "c"), ("alpha", "beta", "gamma")
_GREEK = ("α", "β", "γ")
_SAME_LENGTH = 1e-4
"""Relative difference below which two edges are one and the same by symmetry."""
_MOVED_DEG = 0.01
"""An angle that symmetry fixed, and that moved by more, is shown."""


@dataclass(frozen=True)
class Lattice:
    """Relaxed cell of a phase, and the measured one it is compared with.

    Attributes
    ----------
    phase : str
    lengths_a, angles_deg : numpy.ndarray of three floats
        Relaxed conventional cell: in the setting of the structure file if ``is_in_setting``, else the standard one.
    volume_a3_per_atom : float
    measured : MeasuredCell or None
    measured_volume_a3_per_atom : float or None
    is_in_setting : bool
        Whether the cell could be brought to the setting of the measured one, or of the structure file.
    """

    phase: str
    lengths_a: np.ndarray
    angles_deg: np.ndarray
    volume_a3_per_atom: float
    measured: MeasuredCell | None = None
    measured_volume_a3_per_atom: float | None = None
    is_in_setting: bool = True

    @property
    def length_deviations(self) -> np.ndarray | None:
        """Relative deviation of a, b and c from the measured ones."""
        if self.measured is None or not self.is_in_setting:
            return None
        return self.lengths_a / np.array(self.measured.lengths_angstrom) - 1

    @property
    def free_length_deviations(self) -> list[float]:
        """Deviations of the edges that symmetry leaves free, each once."""
        deviations = self.length_deviations
        if deviations is None or self.measured is None:
            return []
        measured = self.measured.lengths_angstrom

        def same(i: int, j: int) -> bool:
            return all(abs(x[i] / x[j] - 1) < _SAME_LENGTH for x in (self.lengths_a, measured))

        return [float(d) for i, d in enumerate(deviations) if not any(same(i, j) for j in range(i))]

    @property
    def volume_deviation(self) -> float | None:
        """Relative deviation of the volume per atom."""
        if self.measured_volume_a3_per_atom is None or not self.is_in_setting:
            return None
        return self.volume_a3_per_atom / self.measured_volume_a3_per_atom - 1


def lattice_of(phase: str, relaxed: Crystal, symprec_a: float, library_phase: Phase | None) -> Lattice:
    """Relaxed cell in the setting of the measured one, or else of the structure file.

    Parameters
    ----------
    phase : str
    relaxed : Crystal
        Any cell of the relaxed crystal.
    symprec_a : float
        Tolerance for the standard cell (Å), where no setting is given.
    library_phase : Phase or None
        Has the measured cell; None if the library does not know the phase.
    """
    measured = reference = None
    if library_phase is not None:
        measured = library_phase.measured_cell()
        reference = Crystal.from_structure(library_phase.structure())
        if measured is not None:
            cell = matrix_of(measured.lengths_angstrom, measured.angles_deg)
            reference = reference.model_copy(update={"lattice_a": tuple(map(tuple, cell.tolist()))})
    found = None if reference is None else cell_in_setting(relaxed, reference)
    matrix_a = conventional_cell(relaxed, symprec_a).matrix_a if found is None else found
    lengths, angles = lengths_and_angles(matrix_a)
    return Lattice(
        phase=phase,
        lengths_a=lengths,
        angles_deg=angles,
        volume_a3_per_atom=relaxed.volume_a3_per_atom,
        measured=measured,
        measured_volume_a3_per_atom=reference.volume_a3_per_atom if measured and reference else None,
        is_in_setting=found is not None,
    )


def lattice_tables(selected: Selected, phases: Mapping[str, Phase], *, with_measured: bool = False) -> list[Table]:
    """Relaxed cells with their deviations from measured ones, and on request the measured cells and their sources.

    Parameters
    ----------
    selected : Selected
        Relaxations.
    phases : mapping of id to Phase
        The library; it has the measured cells.
    with_measured : bool
        Add the table of measured cells.
    """
    found = [(document, _relaxation(document)) for document in selected.shown]
    lattices = [lattice_of(d.phase, r.crystal, r.method.symprec_a, phases.get(d.phase)) for d, r in found]
    lowest = lowest_polymorphs({d.phase: (d.card.formula, r.energy_ev_per_atom) for d, r in found})
    published = VOLUME_A3_PER_ATOM
    rows = []
    for (document, result), lattice in zip(found, lattices, strict=True):
        beside = published.value_of(document.card.formula) if document.phase in lowest else None
        cells = selected.phase_cells(document) | _space_group_cells(result) | _cell_cells(lattice, result)
        rows.append(cells | {published.key: beside})
    columns = _columns()
    notes = [*_deviation_notes(lattices), *_unlike_notes(lattices, phases)]
    notes += _other_version_notes(selected.shown, phases)
    if any(row[published.key] is not None for row in rows):
        columns.append(Column(published.key, f"{published.key} V", ".3f"))
        notes.append(
            f"{published.key} V: volume per atom, {published.method} (doi:{published.doi}), beside the polymorph "
            "that is lowest in energy here."
        )
    tables = [Table("Relaxed and measured cells", columns, rows, notes + selected.notes())]
    if with_measured:
        tables.append(_measured_table(selected, lattices))
    return tables


def _relaxation(document: ResultDocument) -> RelaxResult:
    result = document.record()
    assert isinstance(result, RelaxResult)
    return result


def _columns() -> list[Column]:
    """Columns for people: values and deviations; for machines also the measured cell."""
    columns = [*phase_columns(), Column("space_group_change", "space group")]
    columns += [Column(k, k, for_machines=True) for k in ("initial_space_group", "space_group")]
    for edge in _EDGES:
        columns += [
            Column(f"{edge}_angstrom", f"{edge} (Å)", ".3f"),
            Column(f"measured_{edge}_angstrom", "", for_machines=True),
            Column(f"{edge}_deviation_percent", "Δ%", "+.1f"),
        ]
    columns.append(Column("free_angles", "angles (°)"))
    columns += [Column(f"{angle}_deg", "", for_machines=True) for angle in _ANGLES]
    columns += [Column(f"measured_{angle}_deg", "", for_machines=True) for angle in _ANGLES]
    return [
        *columns,
        Column("volume_a3_per_atom", "V (Å³/atom)", ".3f"),
        Column("measured_volume_a3_per_atom", "", for_machines=True),
        Column("volume_deviation_percent", "Δ%", "+.1f"),
        Column("measured_at", "measured at", right=True),
        Column("measured_temperature_k", "", for_machines=True),
        Column("measured_reference", "", for_machines=True),
        Column("measured_doi", "", for_machines=True),
    ]


def _space_group_cells(result: RelaxResult) -> dict[str, str]:
    before, after = result.initial_space_group.symbol, result.space_group.symbol
    return {
        "space_group_change": after if before == after else f"{before} → {after}",
        "initial_space_group": before,
        "space_group": after,
    }


def _cell_cells(lattice: Lattice, result: RelaxResult) -> dict[str, Any]:
    cells: dict[str, Any] = {"volume_a3_per_atom": lattice.volume_a3_per_atom}
    cells |= {f"{edge}_angstrom": float(v) for edge, v in zip(_EDGES, lattice.lengths_a, strict=True)}
    cells |= {f"{angle}_deg": float(v) for angle, v in zip(_ANGLES, lattice.angles_deg, strict=True)}
    cells["free_angles"] = _free_angles(lattice, result.space_group.number)
    if (measured := lattice.measured) is not None:
        cells |= {f"measured_{edge}_angstrom": v for edge, v in zip(_EDGES, measured.lengths_angstrom, strict=True)}
        cells |= {f"measured_{angle}_deg": v for angle, v in zip(_ANGLES, measured.angles_deg, strict=True)}
        cells |= {
            "measured_volume_a3_per_atom": lattice.measured_volume_a3_per_atom,
            "measured_at": "not stated" if measured.temperature_k is None else f"{measured.temperature_k:g} K",
            "measured_temperature_k": measured.temperature_k,
            "measured_reference": measured.reference,
            "measured_doi": measured.doi,
        }
    deviations = lattice.length_deviations
    if deviations is not None:
        cells |= {f"{edge}_deviation_percent": 100 * float(v) for edge, v in zip(_EDGES, deviations, strict=True)}
    if lattice.volume_deviation is not None:
        cells["volume_deviation_percent"] = 100 * lattice.volume_deviation
    return cells


def _free_angles(lattice: Lattice, space_group_number: int) -> str | None:
    """Angles that symmetry does not fix, with their deviation, such as ``β 118.21 (+0.06)``; None without any."""
    measured = None
    if lattice.measured is not None and lattice.is_in_setting:
        measured = np.array(lattice.measured.angles_deg)
    parts = []
    for i in _free(lattice.angles_deg, measured, space_group_number):
        text = f"{_GREEK[i]} {lattice.angles_deg[i]:.2f}"
        if measured is not None:
            text += f" ({shown(lattice.angles_deg[i] - measured[i], '+.2f')})"
        parts.append(text)
    return ", ".join(parts) or None


def _free(angles_deg: np.ndarray, measured: np.ndarray | None, space_group_number: int) -> Sequence[int]:
    """Indices of the angles that symmetry leaves free, or that moved although it does not."""
    reference = angles_deg if measured is None else measured
    if space_group_number <= 2:
        return range(3)
    free = set()
    if space_group_number <= 15:
        free.add(int(np.abs(reference - 90).argmax()))
    elif np.ptp(angles_deg) < _MOVED_DEG < abs(angles_deg[0] - 90):
        free.add(0)  # rhombohedral axes: one angle three times
    elif measured is not None:
        free |= {i for i in range(3) if abs(angles_deg[i] - reference[i]) > _MOVED_DEG}
    return sorted(free)


def _deviation_notes(lattices: Sequence[Lattice]) -> list[str]:
    """How far the cells are from measured ones, on the whole."""
    lengths = [d for lattice in lattices for d in lattice.free_length_deviations]
    volumes = [lattice.volume_deviation for lattice in lattices if lattice.volume_deviation is not None]
    if not volumes:
        return []
    mean_volume = shown(100 * float(np.mean(volumes)), "+.1f")
    return [
        f"Mean absolute deviation: {100 * np.mean(np.abs(lengths)):.1f} % of {len(lengths)} lengths that symmetry "
        f"leaves free, {100 * np.mean(np.abs(volumes)):.1f} % of {len(volumes)} volumes (mean {mean_volume} %).",
        "Calculated cells are static (0 K, without zero-point motion), measured ones at the temperature given, where "
        "their source states one.",
    ]


def _unlike_notes(lattices: Sequence[Lattice], phases: Mapping[str, Phase]) -> list[str]:
    """Cells that were not compared, or are in another setting than one may think."""
    lines = []
    limits = f"{LENGTH_TOLERANCE:.0%} and {ANGLE_TOLERANCE_DEG:g}°"
    for lattice in lattices:
        if lattice.phase not in phases:
            lines.append(f"{lattice.phase}: not in the library; its standard cell is given.")
        elif not lattice.is_in_setting:
            volume = lattice.measured_volume_a3_per_atom
            change = "" if volume is None else shown(100 * (lattice.volume_a3_per_atom / volume - 1), "+.0f")
            lines.append(
                f"{lattice.phase}: not compared, as no cell of the relaxed crystal fits the "
                f"{'measured' if lattice.measured else 'initial'} one within {limits}"
                f"{f' (volume {change} %)' if change else ''}; its standard cell is given."
            )
    return lines


def _other_version_notes(documents: Sequence[ResultDocument], phases: Mapping[str, Phase]) -> list[str]:
    changed = [d.phase for d in documents if d.phase in phases and phases[d.phase].card_hash != d.card.card_hash]
    return (
        [f"Relaxed from another version of the structure than the library has now: {', '.join(changed)}"]
        if changed
        else []
    )


def _measured_table(selected: Selected, lattices: Sequence[Lattice]) -> Table:
    """Measured cells with temperature and source."""
    formulas = {d.phase: d.card.formula for d in selected.shown}
    rows = [
        {
            "phase": lattice.phase,
            "formula": formulas[lattice.phase],
            **{f"{edge}_angstrom": v for edge, v in zip(_EDGES, cell.lengths_angstrom, strict=True)},
            **{f"{angle}_deg": v for angle, v in zip(_ANGLES, cell.angles_deg, strict=True)},
            "volume_a3_per_atom": lattice.measured_volume_a3_per_atom,
            "temperature_k": cell.temperature_k,
            "doi": cell.doi,
            "reference": cell.reference,
        }
        for lattice in lattices
        if (cell := lattice.measured) is not None
    ]
    columns = [
        Column("phase", "phase"),
        Column("formula", "formula"),
        *(Column(f"{edge}_angstrom", f"{edge} (Å)", ".4f") for edge in _EDGES),
        *(Column(f"{angle}_deg", f"{greek} (°)", ".2f") for angle, greek in zip(_ANGLES, _GREEK, strict=True)),
        Column("volume_a3_per_atom", "V (Å³/atom)", ".3f"),
        Column("temperature_k", "T (K)", ".0f"),
        Column("doi", "DOI"),
        Column("reference", "reference"),
    ]
    return Table("Measured cells", columns, rows)
