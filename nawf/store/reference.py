"""Reference results: what nawf ships of the embedded engine and of GPAW, ready to be read without a calculation."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nawf.errors import InputError, NawfError
from nawf.store.archive import read_archive

if TYPE_CHECKING:
    from nawf.results.documents import ResultDocument

DEFAULT_ENGINE: Final = "chgnet-r2scan"
"""Whose results a report takes where nobody says which: the embedded engine's, of the whole library."""

_FOLDER = Path(__file__).resolve().parent.parent / "reference"


def reference_archives(folder: Path | None = None) -> tuple[Path, ...]:
    """The archives of reference results, one for each engine, which it is named after.

    Parameters
    ----------
    folder : Path, optional
        Where they are; other than the shipped ones in tests only.

    Raises
    ------
    NawfError
        When there are none, which means a broken installation.
    """
    folder = folder or _FOLDER
    found = tuple(sorted(folder.glob("*.zip")))
    if not found:
        raise NawfError(
            "the reference results are missing from this installation of nawf",
            where=str(folder),
            hint="install it again",
        )
    return found


def reference_archive(name: str, folder: Path | None = None) -> Path:
    """The archive of one engine.

    Raises
    ------
    InputError
        When there is none of this name.
    """
    known = {path.stem: path for path in reference_archives(folder)}
    if name not in known:
        raise InputError(f"there are no reference results of {name!r}", hint="choose from " + ", ".join(known))
    return known[name]


def of_default_engine(documents: Collection[ResultDocument]) -> list[ResultDocument]:
    """Of reference results of several engines, those of the embedded one; all where it has none among them."""
    own = [d for d in documents if d.provenance.engine == DEFAULT_ENGINE]
    return own or list(documents)


def reference_results(phases: Collection[str] | None = None) -> list[ResultDocument]:
    """Reference results by phase and property, of all phases or some.

    Raises
    ------
    StoreFileError
        When an archive was altered.
    """
    found = [d for path in reference_archives() for d in read_archive(path) if phases is None or d.phase in phases]
    return sorted(found, key=lambda d: (d.phase, d.property, d.fingerprint_id))
