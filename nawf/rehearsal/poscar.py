"""Reading POSCAR as VASP does."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nawf.rehearsal.stop import StopError
from nawf.results.crystal import Crystal

_LEAST_VOLUME_A3 = 1e-3


@dataclass(frozen=True)
class Cell:
    """What POSCAR says. ``groups`` are runs of equal species with their lengths; ``free`` is selective dynamics."""

    comment: str
    crystal: Crystal
    groups: tuple[tuple[str, int], ...]
    free: np.ndarray | None

    @property
    def formula(self) -> str:
        """Reduced formula, the species in the order of the file."""
        counts: dict[str, int] = {}
        for symbol, count in self.groups:
            counts[symbol] = counts.get(symbol, 0) + count
        divisor = math.gcd(*counts.values())
        return "".join(f"{s}{n // divisor if n > divisor else ''}" for s, n in counts.items())

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(count for _, count in self.groups)


def read_poscar(text: str, default_names: Sequence[str]) -> Cell:
    """Structure of a POSCAR; ``default_names`` name the species where the file does not.

    Raises
    ------
    StopError
        When it cannot be read, or its axes span no volume or are left-handed.
    """
    try:
        return _read(text.splitlines(), list(default_names))
    except (ValueError, IndexError) as error:
        raise StopError("ERROR: there must be something wrong in POSCAR", str(error)) from None


def _read(lines: list[str], default_names: list[str]) -> Cell:
    matrix_a = _lattice(lines[1:5])
    names = default_names
    at = 5
    if not lines[5].split()[0].isdigit():
        # A name may carry more of the potential, as in Na_pv or Na/hash.
        names = [word.split("/")[0].split("_")[0] for word in lines[5].split()]
        at = 6
    counts = [int(word) for word in itertools.takewhile(str.isdigit, lines[at].split())]
    if len(counts) > len(names) or not counts:
        raise ValueError(f"{len(counts)} numbers of ions for the species {' '.join(names)}")
    has_flags = lines[at + 1].strip()[:1] in tuple("sS")
    at += 2 if has_flags else 1
    is_cartesian = lines[at].strip()[:1] in tuple("cCkK")
    rows = [line.split() for line in lines[at + 1 : at + 1 + sum(counts)]]
    if len(rows) < sum(counts):
        raise ValueError(f"{len(rows)} positions for {sum(counts)} ions")
    positions = np.array([[_number(word) for word in row[:3]] for row in rows])
    if positions.shape != (sum(counts), 3):
        raise ValueError("a position has no three coordinates")
    if is_cartesian:
        positions = positions * _scales(lines[1:5]) @ np.linalg.inv(matrix_a)
    species = [name for name, count in zip(names, counts, strict=False) for _ in range(count)]
    free = np.array([[_flag(word) for word in row[3:6]] for row in rows]) if has_flags else None
    comment = " ".join(lines[0].split()) or "unknown system"
    crystal = Crystal.from_arrays(matrix_a, species, positions)
    groups = tuple((name, len(list(run))) for name, run in itertools.groupby(species))
    return Cell(comment, crystal, groups, free)


def _lattice(lines: list[str]) -> np.ndarray:
    """Lattice vectors in rows (Å), of the line with the scale and the three after it."""
    matrix = np.array([[_number(word) for word in line.split()[:3]] for line in lines[1:4]])
    if matrix.shape != (3, 3):
        raise ValueError("a lattice vector has no three components")
    matrix_a: np.ndarray = matrix * _scales(lines)
    volume = np.linalg.det(matrix_a)
    if abs(volume) < _LEAST_VOLUME_A3:
        raise StopError("ERROR: the lattice vectors in POSCAR span no volume")
    if volume < 0:
        raise StopError(
            "ERROR: the triple product of the basis vectors is negative,", "exchange two basis vectors in POSCAR"
        )
    return matrix_a


def _scales(lines: list[str]) -> np.ndarray:
    """Factors of the three cartesian axes; one negative number is the volume of the cell."""
    words = lines[0].split()
    has_three = len(words) >= 3 and _is_number(words[2])
    scales = [_number(word) for word in words[: 3 if has_three else 1]]
    if has_three:
        return np.array(scales)
    if scales[0] < 0:
        matrix = np.array([[_number(word) for word in line.split()[:3]] for line in lines[1:4]])
        return np.full(3, (-scales[0] / abs(np.linalg.det(matrix))) ** (1 / 3))
    return np.full(3, scales[0])


def _number(word: str) -> float:
    value = float(word.replace("d", "e").replace("D", "e"))
    if not np.isfinite(value):
        raise ValueError(f"{word} is no number")
    return value


def _is_number(word: str) -> bool:
    try:
        _number(word)
    except ValueError:
        return False
    return True


def _flag(word: str) -> bool:
    letter = word.strip(".")[:1].upper()
    if letter not in ("T", "F"):
        raise ValueError(f"{word} is neither T nor F")
    return letter == "T"
