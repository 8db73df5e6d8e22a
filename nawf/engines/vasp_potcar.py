"""Where POTCARs are: pymatgen's setting, or a folder of one's own, under the names that the families go by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymatgen.core import SETTINGS
from pymatgen.io.vasp.inputs import PmgVaspPspDirError, VaspInput

from nawf.errors import EngineError

FAMILY_FOLDERS = {
    "PBE_64": ("POT_PAW_PBE_64", "POTPAW_PBE_64", "POT_GGA_PAW_PBE_64", "potpaw_PBE.64", "potpaw_PBE_64", "PBE_64"),
    "PBE_54": ("POT_GGA_PAW_PBE_54", "POTPAW_PBE_54", "potpaw_PBE.54", "potpaw_PBE_54", "PBE_54"),
}
"""Names that pymatgen gave the folder of a family over time, and those of VASP's own archives."""

_FOLDER, _NAMES = "PMG_VASP_PSP_DIR", "PMG_VASP_PSP_SUB_DIRS"


@contextmanager
def potcar_library(folder: str, family: str) -> Iterator[None]:
    """Let pymatgen look for POTCARs in a folder, under whichever name it has the family.

    Parameters
    ----------
    folder : str
        Empty for pymatgen's own setting.
    family : str
        Such as ``PBE_64``. A name that pymatgen's settings give it is kept.
    """
    before = {key: SETTINGS.get(key) for key in (_FOLDER, _NAMES)}
    library = folder or before[_FOLDER]
    names = dict(before[_NAMES] or {})
    try:
        if library:
            there = [name for name in FAMILY_FOLDERS.get(family, ()) if (Path(library) / name).is_dir()]
            SETTINGS[_FOLDER] = library
            SETTINGS[_NAMES] = ({family: there[0]} if there else {}) | names
        yield
    finally:
        for key, value in before.items():
            if value is None:
                SETTINGS.pop(key, None)
            else:
                SETTINGS[key] = value


def has_potcars(folder: str) -> bool:
    """Whether the folder of POTCARs is there: the one that is given, or else that of pymatgen's setting."""
    library = folder or SETTINGS.get(_FOLDER)
    return bool(library) and Path(library).expanduser().is_dir()


def input_files(generator: Any, structure: Any, where: str) -> VaspInput:
    """INCAR, KPOINTS, POSCAR and POTCAR of an input set.

    Raises
    ------
    EngineError
        When a POTCAR is missing.
    """
    try:
        return generator.get_input_set(structure)
    except (PmgVaspPspDirError, FileNotFoundError) as error:
        family = generator.potcar_functional
        name = FAMILY_FOLDERS.get(family, (family,))[0]
        raise EngineError(
            f"a POTCAR of {family} is missing, one of {', '.join(generator.potcar_symbols)}",
            where=where,
            hint="set potcar_folder in nawf.yaml, or NAWF_POTCAR_FOLDER where jobs run, to a folder with "
            f"{name}/{generator.potcar_symbols[0]}/POTCAR and so on",
        ) from error
