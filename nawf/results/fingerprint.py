"""What must agree before two energies may meet.

A fingerprint has two parts. ``calculation`` is what sets an energy scale: engine, model or code version,
functional and the like, as they were when the calculation ended. ``method`` is how one property was obtained
on that scale: supercell rule, displacement, tolerances. Static energies and free energies of one phase may be
added when their ``calculation`` parts agree; values of one property of several phases may meet in a diagram
when their whole fingerprints agree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ConfigDict

Scalar = str | int | float | bool | None

ID_LENGTH = 12


class Fingerprint(BaseModel):
    """A readable record of settings with a short hash as its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    calculation: dict[str, Scalar]
    method: dict[str, Scalar] = {}

    @property
    def id(self) -> str:
        """Hash of both parts."""
        return _digest({"calculation": self.calculation, "method": self.method})

    @property
    def calculation_id(self) -> str:
        """Hash of the calculation part: the energy scale."""
        return _digest(self.calculation)

    @property
    def engine(self) -> str:
        return str(self.calculation.get("engine", "unknown"))

    @property
    def functional(self) -> str:
        return str(self.calculation.get("functional", "unknown"))

    def describe(self) -> str:
        """One line for people: the settings that are not empty, in order."""
        return ", ".join(f"{k} {_short(k, v)}" for k, v in self.calculation.items() if v is not None)


def differences(fingerprints: Mapping[str, Fingerprint]) -> list[str]:
    """Settings in which labelled fingerprints differ, one line each, naming who has what.

    Parameters
    ----------
    fingerprints : mapping of label to Fingerprint
        The labels are phases, or whatever is about to be combined.
    """
    lines = []
    for part in ("calculation", "method"):
        tables = {label: getattr(f, part) for label, f in fingerprints.items()}
        for key in sorted({k for t in tables.values() for k in t}):
            groups: dict[str, list[str]] = {}
            for label, table in tables.items():
                shown = json.dumps(table[key]) if key in table else "absent"
                groups.setdefault(shown, []).append(label)
            if len(groups) > 1:
                lines.append(f"{key}: " + "; ".join(f"{v} in {_some(who)}" for v, who in groups.items()))
    return lines


def _short(key: str, value: Scalar) -> Scalar:
    return str(value)[:ID_LENGTH] if key.endswith("sha256") else value


def _some(labels: Iterable[str], most: int = 4) -> str:
    labels = sorted(labels)
    extra = f" and {len(labels) - most} more" if len(labels) > most else ""
    return ", ".join(labels[:most]) + extra


def _digest(content: Mapping[str, object]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:ID_LENGTH]
