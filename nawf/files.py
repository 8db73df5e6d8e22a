"""Files written whole or not at all, and text files read with one clear line when they cannot be."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from nawf.errors import InputError, NawfError

MAX_TEXT_BYTES = 20_000_000
"""Larger files are refused: no card, campaign or crystal structure comes near this size."""


def write_text_atomically(path: Path | str, text: str) -> None:
    r"""Write ``text`` as UTF-8 with ``\n`` line ends, so that readers see the old file or the whole new one.

    Parameters
    ----------
    path : Path or str
        File to write. Its folder must exist. A symbolic link is followed; a device or pipe is written to
        directly.
    text : str
        Content.

    Raises
    ------
    InputError
        If the folder is missing or read-only, the disk is full, or the path is a folder.
    """
    write_files_atomically({Path(path): text.encode("utf-8")})


def write_bytes_atomically(path: Path | str, content: bytes) -> None:
    """Write ``content`` with the guarantees of :func:`write_text_atomically`."""
    write_files_atomically({Path(path): content})


def write_files_atomically(contents: Mapping[Path, bytes]) -> None:
    """Write several files, each atomically, and take back new ones if a later one cannot be put in place.

    All contents are on disk beside their targets before the first is renamed, so that a full disk or a
    read-only folder leaves nothing behind.

    Raises
    ------
    InputError
        As for :func:`write_text_atomically`, naming the file.
    """
    staged: list[tuple[Path, Path]] = []
    created: list[Path] = []
    at = Path()
    try:
        for path, content in contents.items():
            at = path
            if path.is_dir():
                raise InputError("is a folder, not a file", where=str(path), hint="give a file name")
            if path.exists() and not path.is_file():
                # A device or pipe, such as /dev/stdout, must not be replaced by a file.
                path.write_bytes(content)
                continue
            target = path.resolve()
            staged.append((_stage(target, content), target))
        for temporary, target in staged:
            at = target
            existed = target.exists()
            temporary.replace(target)
            if not existed:
                created.append(target)
    except BaseException as error:
        for leftover in [temporary for temporary, _ in staged] + created:
            with contextlib.suppress(OSError):
                leftover.unlink()
        if isinstance(error, OSError):
            raise InputError(f"cannot be written: {_reason(error)}", where=str(at)) from error
        raise


@contextlib.contextmanager
def file_written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write to and read from, which is put in the place of ``path`` when the block ends without error.

    For contents too large for :func:`write_bytes_atomically`, with the same guarantees.

    Raises
    ------
    InputError
        As for :func:`write_text_atomically`.
    """
    try:
        if path.is_dir():
            raise InputError("is a folder, not a file", where=str(path), hint="give a file name")
        if path.exists() and not path.is_file():
            with tempfile.TemporaryFile() as file:
                yield file
                file.seek(0)
                with path.open("wb") as device:
                    shutil.copyfileobj(file, device)
            return
        target = path.resolve()
        temporary = _beside(target)
        try:
            with temporary.open("xb+") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()
    except OSError as error:
        raise InputError(f"cannot be written: {_reason(error)}", where=str(path)) from error


def read_text(path: Path | str, *, error: type[NawfError] = InputError) -> str:
    r"""Text of a UTF-8 file, line ends as ``\n``.

    Parameters
    ----------
    path : Path or str
        File to read.
    error : subclass of NawfError
        Kind of error to raise.

    Raises
    ------
    NawfError
        Of kind ``error``, if the file is missing, unreadable, empty, too large or not text.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise error(f"is larger than {MAX_TEXT_BYTES // 10**6} MB", where=str(path))
        content = path.read_bytes()
    except OSError as problem:
        raise error(f"cannot be read: {_reason(problem)}", where=str(path)) from problem
    if not content.strip():
        raise error("is empty", where=str(path))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise error("is not a UTF-8 text file", where=str(path)) from problem
    if "\0" in text:
        raise error("is not a text file", where=str(path))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _stage(target: Path, content: bytes) -> Path:
    """Write ``content`` beside ``target`` under a temporary name and force it to disk."""
    temporary = _beside(target)
    try:
        # Mode 0o666 lets the umask decide, as for any file the user writes.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}.tmp")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
