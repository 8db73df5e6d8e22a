"""Where the data that come with nawf are: inside an installed package, or in the checkout beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from nawf.errors import NawfError

_PACKAGE_FOLDER = Path(__file__).resolve().parent


def shipped_folder(
    name: Literal["structures", "workflows", "deploy"], *, package_folder: Path = _PACKAGE_FOLDER
) -> Path:
    """Folder of the shipped phases, campaigns, or templates and tested versions.

    Parameters
    ----------
    name : {"structures", "workflows", "deploy"}
        Which data.
    package_folder : Path
        Folder of the package; other than the installed one in tests only.

    Returns
    -------
    Path
        ``nawf/_data/NAME`` of an installed wheel, else ``NAME`` of the checkout that holds the package.

    Raises
    ------
    NawfError
        If neither exists, which means a broken installation.
    """
    packaged = package_folder / "_data" / name
    if packaged.is_dir():
        return packaged
    checkout = package_folder.parent
    # A checkout is told by its pyproject.toml, so that a stray site-packages/structures is never taken.
    if (checkout / "pyproject.toml").is_file() and (checkout / name).is_dir():
        return checkout / name
    raise NawfError(
        f"the shipped {name} are missing from this installation of nawf",
        where=str(package_folder),
        hint="install it again",
    )
