"""Reading INCAR as VASP does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from nawf.rehearsal.stop import StopError
from nawf.rehearsal.tags import Kind, Value, known_tags

_ASSIGNMENT = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^;\n"]*))')
_MULTIPLE = re.compile(r"(\d+)\*(.+)")
_INT = re.compile(r"[+-]?\d+")
_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?")
_LOGICAL = re.compile(r"\.?([TtFf])\w*\.?")


class Incar(Mapping[str, Value]):
    """The tags of an INCAR that VASP knows, with typed values; ``unknown`` has the names of the others.

    Raises
    ------
    StopError
        When a value cannot be read.
    """

    def __init__(self, text: str) -> None:
        self._values: dict[str, Value] = {}
        self.unknown: list[str] = []
        without_comments = "\n".join(re.split(r"[#!]", line, maxsplit=1)[0] for line in text.splitlines())
        joined = re.sub(r"\\[ \t]*\n", " ", without_comments)
        for match in _ASSIGNMENT.finditer(joined):
            name = match[1].upper()
            raw = " ".join((match[2] if match[2] is not None else match[3]).split())
            kind = known_tags().get(name)
            if kind is None:
                self.unknown.append(name)
            elif name not in self._values:  # VASP takes the first of several
                self._values[name] = typed(name, kind, raw)

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def typed(name: str, kind: Kind, raw: str) -> Value:
    """Value of a tag.

    Raises
    ------
    StopError
        With VASP's words, when ``raw`` does not start with a value of this kind.
    """
    if kind == "string":
        return raw
    words = raw.replace(",", " ").split()
    try:
        if kind in ("ints", "floats"):
            repeated = [word for token in words for word in _repeated(token)]
            if not repeated:
                raise ValueError
            return [_int(w) for w in repeated] if kind == "ints" else [_float(w) for w in repeated]
        return {"int": _int, "float": _float, "logical": _logical}[kind](words[0])
    except (ValueError, IndexError):
        message = f"Error reading item '{name}' from file INCAR."
        raise StopError(message, f"Error code was IERR= 5 ({raw!r})") from None


def _repeated(token: str) -> list[str]:
    if match := _MULTIPLE.fullmatch(token):
        return int(match[1]) * _repeated(match[2])
    return [token]


def _int(word: str) -> int:
    if not _INT.fullmatch(word):
        raise ValueError
    return int(word)


def _float(word: str) -> float:
    if not _FLOAT.fullmatch(word):
        raise ValueError
    return float(re.sub("[dD]", "e", word))


def _logical(word: str) -> bool:
    match = _LOGICAL.fullmatch(word)
    if match is None:
        raise ValueError
    return match[1] in "Tt"
