"""What must agree before two energies may meet.

A fingerprint has two parts. ``calculation`` is what sets an energy scale: engine, model or code version,
functional and the like, as they were when the calculation ended. ``method`` is how one property was obtained
on that scale: supercell rule, displacement, tolerances.

Two kinds of settings in ``calculation`` are no part of the scale itself:

- ``potential_Na`` and so on, one for each element that took part: a hull holds phases of different elements, so
  these need to agree only where both sides have the element.
- ``smearing``: forces and total energies want occupations of their own kind, so it may differ from one property to
  another, though never within one.

Static energies and free energies of one phase may be added when they are on one scale, with the same potentials;
values of one property of several phases may meet in a diagram when :func:`differences` finds nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ConfigDict

Scalar = str | int | float | bool | None

ID_LENGTH = 12
POTENTIAL = "potential_"
PER_PROPERTY = frozenset({"smearing"})
"""Settings that each property may choose for itself."""

_PER_ELEMENT = re.compile(rf"{POTENTIAL}([A-Z][a-z]?)")
_LONG_HASH = re.compile(rf"(:[0-9a-f]{{{ID_LENGTH}}})[0-9a-f]+")


class Fingerprint(BaseModel):
    """A readable record of settings with a short hash as its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    calculation: dict[str, Scalar]
    method: dict[str, Scalar] = {}

    @property
    def id(self) -> str:
        """Hash of both parts, potentials and all."""
        return digest({"calculation": self.calculation, "method": self.method})

    @property
    def scale(self) -> dict[str, Scalar]:
        """Settings of the energy scale: the calculation without what goes by element or by property."""
        return {k: v for k, v in self.calculation.items() if element_of(k) is None and k not in PER_PROPERTY}

    @property
    def calculation_id(self) -> str:
        """Hash of the energy scale; phases of different elements share it."""
        return digest(self.scale)

    @property
    def potentials(self) -> dict[str, Scalar]:
        """Potential of each element that has one of its own."""
        found = ((element_of(key), value) for key, value in self.calculation.items())
        return {element: value for element, value in found if element is not None}

    @property
    def way(self) -> dict[str, Scalar]:
        """How the property was obtained on the scale: its method, and the settings that it may choose for itself."""
        return self.method | {k: v for k, v in self.calculation.items() if k in PER_PROPERTY}

    @property
    def engine(self) -> str:
        return str(self.calculation.get("engine", "unknown"))

    @property
    def functional(self) -> str:
        return str(self.calculation.get("functional", "unknown"))

    def describe(self) -> str:
        """One line for people: the settings that are not empty, in order."""
        return ", ".join(f"{k} {short(k, v)}" for k, v in self.calculation.items() if v is not None)


def differences(fingerprints: Mapping[str, Fingerprint]) -> list[str]:
    """Settings in which labelled fingerprints differ, one line each, naming who has what.

    A potential of an element is compared among those that have it.

    Parameters
    ----------
    fingerprints : mapping of label to Fingerprint
        The labels are phases, or whatever is about to be combined.
    """
    lines = []
    for part in ("calculation", "method"):
        tables = {label: getattr(f, part) for label, f in fingerprints.items()}
        for key in sorted({k for t in tables.values() for k in t}):
            by_element = part == "calculation" and element_of(key) is not None
            groups: dict[str, list[str]] = {}
            for label, table in tables.items():
                if key in table:
                    groups.setdefault(json.dumps(table[key], ensure_ascii=False), []).append(label)
                elif not by_element:
                    groups.setdefault("absent", []).append(label)
            if len(groups) > 1:
                shown = [f"{_shown(v, by_element)} in {some(who)}" for v, who in groups.items()]
                lines.append(f"{key}: " + "; ".join(shown))
    return lines


def element_of(key: str) -> str | None:
    """Element of a setting that goes by element, such as ``potential_Na``; None for all others."""
    found = _PER_ELEMENT.fullmatch(key)
    return found[1] if found else None


def short(key: str, value: Scalar) -> Scalar:
    """A value for people: hashes are cut to the length of an identifier."""
    if element_of(key) is not None:
        return "not recorded" if value is None else _LONG_HASH.sub(r"\1", str(value))
    return str(value)[:ID_LENGTH] if key.endswith("sha256") else value


def digest(content: object) -> str:
    """Short hash of plain data; the order of keys does not matter."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:ID_LENGTH]


def _shown(text: str, by_element: bool) -> str:
    if not by_element:
        return text
    return "not recorded" if text == "null" else _LONG_HASH.sub(r"\1", text)


def some(labels: Iterable[str], most: int = 4) -> str:
    """The first few of some names, sorted, and how many more there are."""
    labels = sorted(labels)
    extra = f" and {len(labels) - most} more" if len(labels) > most else ""
    return ", ".join(labels[:most]) + extra
