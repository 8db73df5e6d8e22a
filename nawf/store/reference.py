"""Reference results: what nawf ships of the embedded engine and of GPAW, ready to be read without a calculation."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from nawf.errors import NawfError
from nawf.store.archive import read_archive

if TYPE_CHECKING:
    from nawf.results.documents import ResultDocument

_FOLDER = Path(__file__).resolve().parent.parent / "reference"


def reference_archives(folder: Path = _FOLDER) -> tuple[Path, ...]:
    """The archives of reference results, one for each engine.

    Parameters
    ----------
    folder : Path
        Where they are; other than the shipped ones in tests only.

    Raises
    ------
    NawfError
        When there are none, which means a broken installation.
    """
    found = tuple(sorted(folder.glob("*.zip")))
    if not found:
        raise NawfError(
            "the reference results are missing from this installation of nawf",
            where=str(folder),
            hint="install it again",
        )
    return found


def reference_results(phases: Collection[str] | None = None) -> list[ResultDocument]:
    """Reference results by phase and property, of all phases or some.

    Raises
    ------
    StoreFileError
        When an archive was altered.
    """
    found = [d for path in reference_archives() for d in read_archive(path) if phases is None or d.phase in phases]
    return sorted(found, key=lambda d: (d.phase, d.property, d.fingerprint_id))
