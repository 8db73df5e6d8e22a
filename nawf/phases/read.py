"""Structure files of users: CIF and POSCAR, read with one clear line for whatever is wrong with them."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nawf.errors import StructureError
from nawf.files import read_text

if TYPE_CHECKING:
    from pymatgen.core import Structure

_CELL_LENGTHS = ("_cell_length_a", "_cell_length_b", "_cell_length_c")
_CELL_ANGLES = ("_cell_angle_alpha", "_cell_angle_beta", "_cell_angle_gamma")
_FARTHEST_CELLS = 100
"""Fractional coordinates beyond this are mistakes: atoms of one crystal are given in or near one cell."""
_HARMLESS = (
    # The parser snaps 0.3333 to 1/3 and says so: this is what one wants.
    "rounded to ideal values",
    # A file without formula, whose charged species the parser takes for one.
    "Cannot determine chemical composition",
)


@dataclass(frozen=True)
class StructureFile:
    """What a structure file holds.

    Attributes
    ----------
    structure : Structure
        As in the file, not reduced; oxidation states are removed, partial occupancies are kept.
    stated_space_group_number : int or None
        Space group that a CIF claims.
    remarks : tuple of str
        What the parser found odd.
    """

    structure: Structure
    stated_space_group_number: int | None = None
    remarks: tuple[str, ...] = ()


def read_structure_file(path: Path | str) -> StructureFile:
    """Read a CIF (``*.cif``) or POSCAR (``POSCAR*``, ``CONTCAR*``, ``*.vasp``, ``*.poscar``).

    Raises
    ------
    StructureError
        In one line that names the file: unknown kind, unreadable, empty, not text, or not parsable.
    """
    path = Path(path)
    if path.suffix.lower() == ".cif":
        return _read_cif(path)
    if path.name.upper().startswith(("POSCAR", "CONTCAR")) or path.suffix.lower() in {".vasp", ".poscar"}:
        return _read_poscar(path)
    raise StructureError(
        "is not a kind of structure file that nawf reads",
        where=str(path),
        hint="name it *.cif, POSCAR*, CONTCAR* or *.vasp",
    )


def _read_cif(path: Path) -> StructureFile:
    from pymatgen.core import DummySpecies
    from pymatgen.io.cif import CifParser

    text = read_text(path, error=StructureError)
    if "data_" not in text.lower():
        raise StructureError("is not a CIF: it has no data_ block", where=str(path))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            parser = CifParser.from_str(text)
            block = _only_block(parser.as_dict())
            _refuse_bad_block(block)
            structure = parser.parse_structures(primitive=False, check_occu=True, on_error="raise")[0]
        except StructureError as error:
            raise StructureError(error.what, where=str(path), hint=error.hint) from error
        except Exception as error:
            # The parser fails on bad files with whatever its internals meet (KeyError, IndexError ...).
            raise StructureError(f"cannot be read as CIF: {_parser_message(error)}", where=str(path)) from error
    unknown = sorted({str(e.symbol) for e in structure.composition.elements if isinstance(e, DummySpecies)})
    if unknown:
        raise StructureError(f"{', '.join(unknown)} is not a chemical element", where=str(path))
    return StructureFile(
        structure=structure.remove_oxidation_states(),
        stated_space_group_number=_stated_number(block),
        remarks=tuple(_remarks(caught)),
    )


def _only_block(blocks: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The data block with the structure; a file may have others, with references or powder data."""
    found = [block for block in blocks.values() if "_atom_site_fract_x" in block]
    if not found:
        raise StructureError("lists no atoms with fractional coordinates")
    if len(found) > 1:
        raise StructureError(f"holds {len(found)} structures, not one", hint="keep one data_ block")
    return found[0]


def _refuse_bad_block(block: dict[str, Any]) -> None:
    """Refuse, in words, what the parser would stumble over: the cell and the numbers of the atoms."""
    cell = {}
    for key in (*_CELL_LENGTHS, *_CELL_ANGLES):
        if key not in block:
            raise StructureError(f"has no {key}")
        value = cell[key] = _cif_number(block[key], key)
        if value <= 0 or (key in _CELL_ANGLES and value >= 180):
            raise StructureError(f"{key} = {value:g} is impossible")
    x, y, z = (math.cos(math.radians(cell[key])) for key in _CELL_ANGLES)
    if 1 - x * x - y * y - z * z + 2 * x * y * z < 1e-6:
        raise StructureError("the cell angles make no cell")
    labels = block.get("_atom_site_label", block.get("_atom_site_type_symbol", []))
    for key in ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z"):
        for label, value in zip(labels, block.get(key, []), strict=False):
            place = _cif_number(value, f"{key} of {label}")
            if abs(place) > _FARTHEST_CELLS:
                raise StructureError(f"{key} of {label} = {place:g} is far outside the cell")


def _cif_number(value: Any, name: str) -> float:
    """Number of a CIF item, with or without standard uncertainty in brackets."""
    try:
        number = float(str(value).split("(")[0])
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise StructureError(f"{name} is {str(value)!r}, not a number")
    return number


def _parser_message(error: Exception) -> str:
    message = _one_line(error).split("No structure parsed for section 1 in CIF.")[-1].strip()
    if isinstance(error, ZeroDivisionError):
        return "a loop_ has no values; the file may be cut short"
    if "exceeded tolerance" in message:
        return "two atoms lie on the same place, or occupancies add to more than one"
    return message or type(error).__name__


def _read_poscar(path: Path) -> StructureFile:
    from pymatgen.io.vasp.inputs import BadPoscarWarning, Poscar

    text = read_text(path, error=StructureError)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            _refuse_many_atoms(text)
            structure = _in_the_cell(Poscar.from_str(text).structure)
        except StructureError as error:
            raise StructureError(error.what, where=str(path)) from error
        except Exception as error:
            raise StructureError(f"cannot be read as POSCAR: {_poscar_message(error)}", where=str(path)) from error
    if any(issubclass(item.category, BadPoscarWarning) for item in caught):
        raise StructureError("does not name its elements", where=str(path), hint="put the symbols on the sixth line")
    return StructureFile(structure=structure, remarks=tuple(_remarks(caught)))


def _refuse_many_atoms(poscar: str) -> None:
    """Refuse more atoms than there are lines: the parser makes room for all of them before it reads one."""
    lines = poscar.splitlines()
    for line in lines[5:7]:
        words = line.split("!")[0].split("#")[0].split()
        if words and all(word.isdigit() for word in words):
            wanted = sum(map(int, words))
            if wanted > len(lines):
                raise StructureError(f"asks for {wanted:g} atoms and has {len(lines)} lines")


def _in_the_cell(structure: Structure) -> Structure:
    """The structure with atoms that lie cells away brought back; neighbours of such atoms would fill the memory."""
    frac_coords = structure.frac_coords
    if not (abs(frac_coords) <= _FARTHEST_CELLS).all():
        index = int((~(abs(frac_coords) <= _FARTHEST_CELLS)).any(axis=1).argmax())
        place = ", ".join(f"{x:g}" for x in frac_coords[index])
        raise StructureError(f"atom {index + 1} lies far outside the cell, at ({place})")
    for index in (abs(frac_coords) > 1).any(axis=1).nonzero()[0]:
        x = frac_coords[index]
        structure.translate_sites([int(index)], -(x // 1), to_unit_cell=False)
    return structure


def _poscar_message(error: Exception) -> str:
    # Index and unpacking errors come from files that stop too early; their own words help nobody.
    return "it is cut short" if isinstance(error, IndexError) else _one_line(error)


def _stated_number(block: dict[str, Any]) -> int | None:
    for key in ("_space_group_IT_number", "_symmetry_Int_Tables_number"):
        value = str(block.get(key, ""))
        if value.isdigit() and 1 <= int(value) <= 230:
            return int(value)
    return None


def _remarks(caught: list[warnings.WarningMessage]) -> list[str]:
    texts = (_one_line(item.message) for item in caught if not issubclass(item.category, ResourceWarning))
    return [text for text in dict.fromkeys(texts) if not any(known in text for known in _HARMLESS)]


def _one_line(message: object, limit: int = 200) -> str:
    text = " ".join(str(message).split()) or type(message).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"
