"""Results in groups that may meet, one property each: what a store holds, for people to choose from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from nawf.results.documents import ResultDocument
from nawf.results.fingerprint import Fingerprint, Scalar, digest, element_of
from nawf.results.selection import potentials_of


@dataclass(frozen=True)
class Group:
    """Results of one property that may meet, apart from others that they may not meet.

    Attributes
    ----------
    documents : tuple of ResultDocument
        At least one.
    apart : dict
        Settings by which the group differs from others of the same calculation and property.
    """

    documents: tuple[ResultDocument, ...]
    apart: dict[str, Scalar]

    @property
    def fingerprint_id(self) -> str:
        """A name that picks the group; phases of other elements may bear another."""
        return min(d.fingerprint_id for d in self.documents)

    @property
    def fingerprint(self) -> Fingerprint:
        """Settings that the group shares, and the potentials of all its elements."""
        first = self.documents[0].fingerprint
        shared = {k: v for k, v in first.calculation.items() if element_of(k) is None}
        named = {k: v for d in self.documents for k, v in d.fingerprint.calculation.items() if element_of(k)}
        return Fingerprint(calculation=shared | dict(sorted(named.items())), method=first.method)

    @property
    def phases(self) -> frozenset[str]:
        return frozenset(d.phase for d in self.documents)


def fingerprint_groups(documents: Sequence[ResultDocument]) -> list[Group]:
    """Groups of results by calculation, property, method, and the potentials of those elements that have several.

    A phase without any element in dispute is in a group of its own kind, as it may join either side.
    """
    tables = potentials_of(documents)
    values: dict[tuple[str, str], set[str]] = {}
    for document, table in zip(documents, tables, strict=True):
        for key, value in table.items():
            values.setdefault((document.calculation_id, key), set()).add(value)
    members: dict[tuple[str, str, str, str], list[ResultDocument]] = {}
    disputes: dict[tuple[str, str, str, str], dict[str, Scalar]] = {}
    for document, table in zip(documents, tables, strict=True):
        scale = document.calculation_id
        disputed = {k: json.loads(v) for k, v in sorted(table.items()) if len(values[scale, k]) > 1}
        group = (scale, document.property, digest(document.fingerprint.way), digest(disputed))
        members.setdefault(group, []).append(document)
        disputes[group] = disputed
    found = []
    for group, own in sorted(members.items()):
        ways = [m[0].fingerprint.way for g, m in members.items() if g[:2] == group[:2]]
        found.append(Group(tuple(own), _apart(own[0].fingerprint.way, ways) | disputes[group]))
    return found


def _apart(own: dict[str, Scalar], others: Sequence[dict[str, Scalar]]) -> dict[str, Scalar]:
    """Settings that are not the same everywhere."""
    return {k: v for k, v in own.items() if len({digest([k in o, o.get(k)]) for o in others}) > 1}
