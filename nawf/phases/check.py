"""The structure checker: everything that makes a structure unfit to calculate, or worth a second look.

The same rules serve the shipped phases, users' files and relaxed structures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase.data import covalent_radii
from pymatgen.core import Composition, Element

from nawf.errors import StructureError
from nawf.level import Level, worst
from nawf.phases.library import Phase, library_cards, read_phase
from nawf.phases.read import read_structure_file
from nawf.phases.symmetry import SYMPREC_A, find_space_group, space_group_symbol

if TYPE_CHECKING:
    from pymatgen.core import Structure


@dataclass(frozen=True)
class Finding:
    """One thing that the checker found: the rule, how grave it is, and a sentence."""

    rule: str
    level: Level
    message: str


@dataclass(frozen=True)
class StructureLimits:
    """Limits of the checker. Bond ratios are distances over sums of covalent radii (10.1039/b801115j).

    The shipped phases have nearest-neighbour ratios of 0.84 (Na-Na in Na2O) to 1.19 (bcc Li) and 10 to 40 Å³
    per atom.
    """

    overlap_fail_ratio: float = 0.65
    overlap_warn_ratio: float = 0.75
    isolated_warn_ratio: float = 1.5
    isolated_fail_ratio: float = 2.2
    volume_warn_a3_per_atom: tuple[float, float] = (9.0, 45.0)
    volume_fail_a3_per_atom: tuple[float, float] = (3.0, 300.0)
    length_fail_a: tuple[float, float] = (1.5, 200.0)
    angle_fail_deg: tuple[float, float] = (15.0, 165.0)
    atoms_warn: int = 300
    atoms_fail: int = 1000
    measured_cell_warn_fraction: float = 0.1


@dataclass(frozen=True)
class Expectation:
    """What a structure ought to be; None where nothing is stated."""

    formula: str | None = None
    z: int | None = None
    space_group_number: int | None = None


@dataclass(frozen=True)
class CheckReport:
    """All findings on one phase or file; ``structure`` is None if it could not be read."""

    source: str
    findings: tuple[Finding, ...]
    structure: Structure | None = None

    @property
    def failures(self) -> tuple[str, ...]:
        """Messages of the findings that make the structure unfit."""
        return tuple(f.message for f in self.findings if f.level is Level.FAIL)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Messages of the findings that are worth a look."""
        return tuple(f.message for f in self.findings if f.level is Level.WARN)

    @property
    def verdict(self) -> Level:
        """``pass``, ``warn`` or ``fail``: that of the gravest finding."""
        return worst(f.level for f in self.findings)


def check_library(*extra_folders: Path | str, symprec_angstrom: float = SYMPREC_A) -> list[CheckReport]:
    """Check all shipped phases and those of extra folders; a faulty card is a report, not an end.

    Raises
    ------
    InputError
        If a folder does not exist.
    """
    reports = []
    first_seen: dict[str, Path] = {}
    for card_path in library_cards(*extra_folders):
        report = _check_card(card_path, symprec_angstrom)
        if (twin := first_seen.setdefault(card_path.stem, card_path)) != card_path:
            finding = Finding("id", Level.FAIL, f"{card_path}: the id is taken by {twin}")
            report = replace(report, findings=(*report.findings, finding))
        reports.append(report)
    return reports


def refuse_unfit(phases: Iterable[Phase]) -> None:
    """Refuse to calculate phases that fail the checker.

    Raises
    ------
    StructureError
        With the first failure.
    """
    for phase in phases:
        failures = check_phase(phase).failures
        if failures:
            hint = f"nawf phases check {phase.cif_path}"
            raise StructureError(failures[0], where=str(phase.cif_path), hint=hint)


def check_phase(phase: Phase, *, symprec_angstrom: float = SYMPREC_A) -> CheckReport:
    """Check the structure of a phase against its card."""
    card = phase.card
    try:
        structure = phase.structure()
    except StructureError as error:
        return CheckReport(card.id, (Finding("readable", Level.FAIL, str(error)),))
    expected = Expectation(card.formula, card.z, card.space_group.number)
    findings = list(check_structure(structure, expected=expected, symprec_angstrom=symprec_angstrom))
    findings += _check_symbol(card.space_group.symbol, card.space_group.number)
    if card.measured_cell is not None:
        findings += _check_measured_cell(structure, card.measured_cell.lengths_angstrom, StructureLimits())
    return CheckReport(card.id, tuple(findings), structure)


def check_file(path: Path | str, *, symprec_angstrom: float = SYMPREC_A) -> CheckReport:
    """Check a CIF or POSCAR; against its card too, if a CIF has one of the same name beside it.

    What a CIF without card states of its space group is compared, as a warning.
    """
    path = Path(path)
    if path.suffix.lower() == ".cif" and path.is_file() and path.with_suffix(".yaml").is_file():
        return replace(_check_card(path.with_suffix(".yaml"), symprec_angstrom), source=str(path))
    try:
        file = read_structure_file(path)
    except StructureError as error:
        return CheckReport(str(path), (Finding("readable", Level.FAIL, _without_place(error)),))
    findings = [Finding("readable", Level.WARN, remark) for remark in file.remarks]
    findings += check_structure(file.structure, symprec_angstrom=symprec_angstrom)
    stated = file.stated_space_group_number
    if stated is not None and not any(f.level is Level.FAIL for f in findings):
        found = find_space_group(file.structure, symprec_angstrom)
        if found is not None and found[1] != stated:
            message = f"spglib finds space group {found[0]} ({found[1]}), the file states number {stated}"
            findings.append(Finding("space_group", Level.WARN, message))
    return CheckReport(str(path), tuple(findings), file.structure)


def check_structure(
    structure: Structure,
    *,
    expected: Expectation | None = None,
    symprec_angstrom: float = SYMPREC_A,
    limits: StructureLimits | None = None,
) -> tuple[Finding, ...]:
    """All findings on a structure.

    Parameters
    ----------
    structure : Structure
        Any cell, conventional or primitive; oxidation states do not matter.
    expected : Expectation, optional
        Formula, formula units in this cell, and space group to compare with.
    symprec_angstrom : float
        Distance within which atoms count as symmetric (Å).
    limits : StructureLimits, optional
        Other limits than the usual.

    Returns
    -------
    tuple of Finding
        Empty if nothing is wrong. After a failure of cell or occupancy the rules that need sound geometry
        are left out.
    """
    limits = limits or StructureLimits()
    expected = expected or Expectation()
    findings = [*_check_numbers(structure), *_check_species(structure), *_check_count(structure, limits)]
    if not any(finding.level is Level.FAIL for finding in findings):
        findings += _check_cell(structure, limits)
    if any(finding.level is Level.FAIL for finding in findings):
        return tuple(findings)
    overlaps = list(_check_distances(structure, limits))
    findings += overlaps
    findings += _check_volume(structure, limits)
    findings += _check_composition(structure, expected)
    if not any(finding.level is Level.FAIL for finding in overlaps):
        findings += _check_space_group(structure, expected, symprec_angstrom)
    return tuple(findings)


def shortest_distance(structure: Structure) -> tuple[float, str]:
    """Shortest interatomic distance (Å), periodic images included, and its pair, such as ``S-S``."""
    # An atom's own image along the shortest edge is always within reach.
    reach = min(structure.lattice.abc) * (1 + 1e-6)
    centres, neighbours, _, distances = structure.get_neighbor_list(reach)
    nearest = int(distances.argmin())
    pair = sorted(structure[int(i)].specie.symbol for i in (centres[nearest], neighbours[nearest]))
    return float(distances[nearest]), "-".join(pair)


def _check_card(card_path: Path, symprec_angstrom: float) -> CheckReport:
    try:
        phase = read_phase(card_path)
    except StructureError as error:
        return CheckReport(card_path.stem, (Finding("card", Level.FAIL, str(error)),))
    return check_phase(phase, symprec_angstrom=symprec_angstrom)


def _without_place(error: StructureError) -> str:
    return f"{error.what} ({error.hint})" if error.hint else error.what


def _check_numbers(structure: Structure) -> Iterator[Finding]:
    if not np.isfinite(structure.lattice.matrix).all() or not np.isfinite(structure.frac_coords).all():
        yield Finding("finite", Level.FAIL, "the cell or a coordinate is not a finite number")


def _check_species(structure: Structure) -> Iterator[Finding]:
    for site in structure:
        if site.is_ordered:
            continue
        x, y, z = site.frac_coords
        message = f"site {site.species_string} at ({x:.4f}, {y:.4f}, {z:.4f}) is partly or jointly occupied"
        yield Finding("occupancy", Level.FAIL, message)
        break
    unknown = sorted({str(e) for e in structure.composition.elements if not Element.is_valid_symbol(e.symbol)})
    if unknown:
        yield Finding("elements", Level.FAIL, f"{', '.join(unknown)} is not a chemical element")


def _check_count(structure: Structure, limits: StructureLimits) -> Iterator[Finding]:
    count = len(structure)
    if count == 0:
        yield Finding("atoms", Level.FAIL, "the cell holds no atoms")
    elif count > limits.atoms_fail:
        message = f"{count} atoms in the cell are too many (limit {limits.atoms_fail})"
        yield Finding("atoms", Level.FAIL, message)
    elif count > limits.atoms_warn:
        yield Finding("atoms", Level.WARN, f"{count} atoms in the cell make calculations expensive")


def _check_cell(structure: Structure, limits: StructureLimits) -> Iterator[Finding]:
    for name, length in zip("abc", structure.lattice.abc, strict=True):
        low, high = limits.length_fail_a
        if not low <= length <= high:
            message = f"cell edge {name} = {length:.4g} Å lies outside {low:g} to {high:g} Å"
            yield Finding("cell", Level.FAIL, message)
    for name, angle in zip(("alpha", "beta", "gamma"), structure.lattice.angles, strict=True):
        low, high = limits.angle_fail_deg
        if not low <= angle <= high:
            message = f"cell angle {name} = {angle:.4g}° lies outside {low:g}° to {high:g}°"
            yield Finding("cell", Level.FAIL, message)
    volume = structure.volume / len(structure)
    low, high = limits.volume_fail_a3_per_atom
    if not low <= volume <= high:
        message = f"volume of {volume:.4g} Å³ per atom lies outside {low:g} to {high:g} Å³"
        yield Finding("volume", Level.FAIL, message)


def _check_volume(structure: Structure, limits: StructureLimits) -> Iterator[Finding]:
    volume = structure.volume / len(structure)
    low, high = limits.volume_warn_a3_per_atom
    if not low <= volume <= high:
        message = f"volume of {volume:.4g} Å³ per atom is unusual (outside {low:g} to {high:g} Å³)"
        yield Finding("volume", Level.WARN, message)


def _check_distances(structure: Structure, limits: StructureLimits) -> Iterator[Finding]:
    """Overlapping atoms and atoms without neighbours."""
    radii = np.array([covalent_radii[site.specie.Z] for site in structure])
    centres, neighbours, _, distances = structure.get_neighbor_list(
        2 * limits.isolated_fail_ratio * float(radii.max())
    )
    ratios = distances / (radii[centres] + radii[neighbours])
    if len(ratios) and ratios.min() < limits.overlap_warn_ratio:
        worst = int(ratios.argmin())
        pair = f"{_site_name(structure, int(centres[worst]))} and {_site_name(structure, int(neighbours[worst]))}"
        if ratios[worst] < limits.overlap_fail_ratio:
            message = f"atoms overlap: {pair} are {distances[worst]:.3f} Å apart"
            yield Finding("overlap", Level.FAIL, message)
        else:
            yield Finding("overlap", Level.WARN, f"{pair} are only {distances[worst]:.3f} Å apart")
    nearest = np.full(len(structure), np.inf)
    np.minimum.at(nearest, centres, ratios)
    loneliest = int(nearest.argmax())
    if nearest[loneliest] > limits.isolated_warn_ratio:
        failed = nearest[loneliest] > limits.isolated_fail_ratio
        level = Level.FAIL if failed else Level.WARN
        message = f"{_site_name(structure, loneliest)} has no neighbour within bonding distance"
        yield Finding("isolated", level, message)


def _site_name(structure: Structure, index: int) -> str:
    return f"{structure[index].specie.symbol}{index + 1}"


def _check_composition(structure: Structure, expected: Expectation) -> Iterator[Finding]:
    if expected.formula is None:
        return
    stated = Composition(expected.formula)
    actual = structure.composition.element_composition
    if not actual.fractional_composition.almost_equals(stated.fractional_composition):
        message = f"the structure is {actual.reduced_formula}, not {expected.formula}"
        yield Finding("composition", Level.FAIL, message)
    elif expected.z is not None and abs(actual.num_atoms - expected.z * stated.num_atoms) > 1e-6:
        units = actual.num_atoms / stated.num_atoms
        message = f"the cell holds {units:g} formula units of {expected.formula}, not {expected.z}"
        yield Finding("z", Level.FAIL, message)


def _check_space_group(structure: Structure, expected: Expectation, symprec: float) -> Iterator[Finding]:
    found = find_space_group(structure, symprec)
    if found is None:
        yield Finding("space_group", Level.FAIL, f"spglib finds no space group within {symprec:g} Å")
    elif expected.space_group_number is not None and found[1] != expected.space_group_number:
        message = f"spglib finds space group {found[0]} ({found[1]}), not number {expected.space_group_number}"
        yield Finding("space_group", Level.FAIL, message)


def _check_symbol(symbol: str, number: int) -> Iterator[Finding]:
    right = space_group_symbol(number)
    if symbol != right:
        message = f"space group {number} is {right}, not {symbol}"
        yield Finding("space_group", Level.FAIL, message)


def _check_measured_cell(
    structure: Structure, lengths_angstrom: Iterable[float], limits: StructureLimits
) -> Iterator[Finding]:
    for name, own, measured in zip("abc", structure.lattice.abc, lengths_angstrom, strict=True):
        if abs(own / measured - 1) > limits.measured_cell_warn_fraction:
            message = f"cell edge {name} = {own:.4g} Å is far from the measured {measured:.4g} Å"
            yield Finding("measured_cell", Level.WARN, message)
