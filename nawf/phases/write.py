"""The files of a phase: a CIF with symmetry and asymmetric unit, and its card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nawf.files import write_files_atomically
from nawf.phases.card import PhaseCard, card_yaml
from nawf.phases.symmetry import SymmetricCrystal, hall_symbol, spaced_symbol, standard_operations

if TYPE_CHECKING:
    from nawf.phases.symmetry import AsymmetricSite


def cif_text(crystal: SymmetricCrystal, card: PhaseCard) -> str:
    """CIF of a phase: formula, cell, operations of the standard setting, one atom of each orbit.

    The comment lines at the top say where the cell came from, so that the file cannot pass for a measurement
    when it travels alone.
    """
    number = crystal.number
    lines = [
        f"# {card.id}: {card.formula}, {card.space_group.symbol}",
        f"# {card.origin.meaning}; reference and notes in {card.id}.yaml",
        f"data_{card.id}",
        f"_chemical_formula_sum               '{_formula_sum(card)}'",
        f"_cell_formula_units_Z               {card.z}",
    ]
    for name, value in zip("abc", crystal.lengths_angstrom, strict=True):
        lines.append(f"_cell_length_{name}                      {_number(value)}")
    for name, value in zip(("alpha", "beta", "gamma"), crystal.angles_deg, strict=True):
        lines.append(f"_cell_angle_{name:<24}{_number(value)}")
    lines += [
        f"_space_group_IT_number              {number}",
        f"_space_group_name_H-M_alt           '{spaced_symbol(number)}'",
        f"_space_group_name_Hall              '{hall_symbol(number)}'",
        "loop_",
        "_space_group_symop_operation_xyz",
        *(f"'{operation}'" for operation in _operations_xyz(number)),
        "loop_",
        "_atom_site_label",
        "_atom_site_type_symbol",
        "_atom_site_site_symmetry_multiplicity",
        "_atom_site_Wyckoff_symbol",
        "_atom_site_fract_x",
        "_atom_site_fract_y",
        "_atom_site_fract_z",
        "_atom_site_occupancy",
        *_atom_lines(crystal.sites, list(card.composition)),
    ]
    return "\n".join(lines) + "\n"


def write_phase(folder: Path, crystal: SymmetricCrystal, card: PhaseCard) -> tuple[Path, Path]:
    """Write ``ID.cif`` and ``ID.yaml`` into an existing folder, both or none.

    Returns
    -------
    tuple of two Paths
        The CIF and the card.

    Raises
    ------
    InputError
        If the folder is missing, read-only or full.
    """
    cif_path, card_path = folder / f"{card.id}.cif", folder / f"{card.id}.yaml"
    # The card goes last: a library reads cards first, so it never meets a phase without its structure.
    write_files_atomically(
        {cif_path: cif_text(crystal, card).encode("utf-8"), card_path: card_yaml(card).encode("utf-8")}
    )
    return cif_path, card_path


def _formula_sum(card: PhaseCard) -> str:
    return " ".join(f"{symbol}{count if count > 1 else ''}" for symbol, count in card.composition.items())


def _operations_xyz(number: int) -> list[str]:
    from pymatgen.core import SymmOp

    return [
        SymmOp.from_rotation_and_translation(rotation, translation).as_xyz_str().replace(" ", "")
        for rotation, translation in zip(*standard_operations(number), strict=True)
    ]


def _atom_lines(sites: tuple[AsymmetricSite, ...], elements: list[str]) -> list[str]:
    """One line for each site, elements in the order of the formula."""
    seen: dict[str, int] = {}
    lines = []
    for site in sorted(sites, key=lambda site: elements.index(site.element)):
        seen[site.element] = seen.get(site.element, 0) + 1
        coords = " ".join(_number(value) for value in site.frac_coords)
        label = f"{site.element}{seen[site.element]}"
        lines.append(f"{label} {site.element} {site.multiplicity} {site.wyckoff_letter or '?'} {coords} 1")
    return lines


def _number(value: float) -> str:
    """Ten decimals at most, without trailing zeros: exact thirds survive, measured digits stay readable."""
    return f"{value:.10f}".rstrip("0").rstrip(".")
