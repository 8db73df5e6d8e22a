"""Index entries of documents, and the candidates that criteria leave: a superset, never less.

Each indexed field of a document has one entry (rank, value) per item that MongoDB would compare with:
one for a scalar, one per item of a list, a null for a missing field. The rank is the BSON order of the
type, so entries sort as MongoDB sorts. What SQLite cannot compare exactly as Python does (sub-documents,
nested lists, bytes, long texts) is entered by a digest and only found by equality of the digest.
"""

from __future__ import annotations

import hashlib
import math
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import bson
from bson import ObjectId
from bson.int64 import Int64
from mongomock_ng.filtering import NOTHING, iter_key_candidates

from nawf.store.matching import (
    BOOL,
    DATE,
    EMPTY_LIST,
    NAN,
    NULL,
    NUMBER,
    OBJECT_ID,
    TEXT,
    Document,
    is_operators,
)

Entry = tuple[int, Any]

LONG_TEXT: Final = 16
OPAQUE: Final = 90
UNORDERED_RANKS: Final = (LONG_TEXT, OPAQUE)
"""Entries by digest, whose order says nothing."""

LONGEST_TEXT: Final = 256
"""Characters of a text that are entered as they are."""
MOST_VALUES: Final = 8000
"""Values of a ``$in`` that are still looked up one by one; SQLite takes 32,766 parameters."""
MOST_ALTERNATIVES: Final = 200
"""Branches of an ``$or`` that are still looked up; SQLite takes 500 SELECTs in one."""
MOST_FILTER_VALUES: Final = 8
"""Values of a condition that is tested on every candidate of another one."""
COUNT_CAP: Final = 1000

_EPOCH: Final = datetime(1970, 1, 1)
_MILLISECOND: Final = timedelta(milliseconds=1)
_COMPARISONS: Final = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


@dataclass(frozen=True)
class IndexField:
    """An indexed field of a collection, as the file has it."""

    id: int
    name: str
    is_unique: bool
    is_multikey: bool
    """Whether a document ever had more than one entry."""


# --- entries -------------------------------------------------------------------------------------------


def entries_of(document: Document, field: str) -> set[Entry]:
    """List the index entries of one field of a document; at least one."""
    found: set[Entry] = set()
    for candidate in iter_key_candidates(field, document):
        if isinstance(candidate, list) and candidate:
            found.update(_entry(item) for item in candidate)
        else:
            found.add((EMPTY_LIST, 0) if isinstance(candidate, list) else _entry(candidate))
    return found or {(NULL, 0)}


def _entry(value: Any) -> Entry:
    if value is None or value is NOTHING:
        return NULL, 0
    if isinstance(value, bool):
        return BOOL, int(value)
    if isinstance(value, int):
        return NUMBER, int(value)
    if isinstance(value, float):
        return (NAN, 0) if math.isnan(value) else (NUMBER, value)
    if isinstance(value, str):
        return (TEXT, value) if len(value) <= LONGEST_TEXT else (LONG_TEXT, _digest(value))
    if isinstance(value, datetime):
        return DATE, _milliseconds(value)
    if isinstance(value, ObjectId):
        return OBJECT_ID, str(value)
    return OPAQUE, _digest(value)


def _digest(value: Any) -> str:
    return hashlib.sha256(bson.encode({"": value})).hexdigest()


def _milliseconds(moment: datetime) -> int:
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return (moment - _EPOCH) // _MILLISECOND


# --- what criteria say about entries -------------------------------------------------------------------


@dataclass(frozen=True)
class Condition:
    """A condition on entries that every matching document meets, as alternatives in SQL."""

    alternatives: tuple[tuple[str, tuple[Any, ...]], ...]
    range_of: int | None = None
    """Field id, where it is one range of one field."""
    values: int = 0
    """How many values are compared with; 0 for a range."""

    def documents_sql(self) -> tuple[str, list[Any]]:
        """SELECT of the documents, each one once or more."""
        sql = " UNION ALL ".join(f"SELECT document FROM entries WHERE {text}" for text, _ in self.alternatives)
        return sql, [value for _, values in self.alternatives for value in values]

    def exists_sql(self, document: str) -> tuple[str, list[Any]]:
        """Test of one document, named by a column."""
        tests = [
            f"EXISTS (SELECT 1 FROM entries WHERE {text} AND document = {document})" for text, _ in self.alternatives
        ]
        return f"({' OR '.join(tests)})", [value for _, values in self.alternatives for value in values]


def conditions_of(
    spec: Mapping[str, Any], fields: Mapping[str, IndexField], count: Callable[[Condition], int]
) -> list[Condition]:
    """Conditions on indexed fields that every document matching the criteria meets.

    Parameters
    ----------
    spec : mapping
        MongoDB criteria with naive UTC times.
    fields : mapping of str to IndexField
        The indexed fields by name.
    count : callable
        Number of entries that meet a condition, to choose the narrowest in each branch of an ``$or``.

    Returns
    -------
    list of Condition
        Empty where no index helps.
    """
    found: list[Condition] = []
    for key, wanted in spec.items():
        if key in ("$and", "$or"):
            parts = wanted if isinstance(wanted, list) and all(isinstance(p, Mapping) for p in wanted) else []
            branches = [conditions_of(part, fields, count) for part in parts]
            if key == "$and":
                found.extend(condition for branch in branches for condition in branch)
            elif branches and all(branches):
                found.append(_any_of([min(branch, key=count) for branch in branches]))
        elif key in fields:
            found.extend(_conditions_on(fields[key], wanted))
    return [c for c in found if c.values <= MOST_VALUES and len(c.alternatives) <= MOST_ALTERNATIVES]


def _any_of(conditions: list[Condition]) -> Condition:
    return Condition(
        alternatives=tuple(alternative for c in conditions for alternative in c.alternatives),
        # A range cannot be tested document by document; it makes the whole too wide for that.
        values=sum(c.values or MOST_FILTER_VALUES + 1 for c in conditions),
    )


def _conditions_on(field: IndexField, wanted: Any) -> list[Condition]:
    if not is_operators(wanted):
        # A mapping with other keys is a value to be equal to; it has no equal entry here either.
        return _equal_to_any(field, [wanted])
    found: list[Condition] = []
    ranges: dict[int, list[tuple[str, Any]]] = {}
    for operator, value in wanted.items():
        if operator == "$eq":
            found += _equal_to_any(field, [value])
        elif operator == "$in" and isinstance(value, list):
            found += _equal_to_any(field, value)
        elif operator in _COMPARISONS and (bound := _bound(value)) is not None:
            ranges.setdefault(bound[0], []).append((_COMPARISONS[operator], bound[1]))
    for rank, bounds in ranges.items():
        # With several entries per document each bound may be met by another entry.
        groups = [[bound] for bound in bounds] if field.is_multikey else [bounds]
        found += [_range(field, rank, group) for group in groups]
    return found


def _equal_to_any(field: IndexField, values: list[Any]) -> list[Condition]:
    by_rank: dict[int, list[Any]] = {}
    for value in values:
        equal = _equal_entries(value)
        if equal is None:
            return []
        for rank, entered in equal:
            by_rank.setdefault(rank, []).append(entered)
    if not by_rank:
        return [Condition((("field = ? AND 0", (field.id,)),), values=1)]
    alternatives = tuple(
        (f"field = ? AND rank = ? AND value IN ({', '.join('?' * len(entered))})", (field.id, rank, *entered))
        for rank, entered in by_rank.items()
    )
    return [Condition(alternatives, values=sum(map(len, by_rank.values())))]


def _equal_entries(value: Any) -> list[Entry] | None:
    """Entries of all documents that may equal a value; None if they cannot be told.

    Exact types only: a subclass may bring an ``==`` of its own.
    """
    if value is None:
        return [(NULL, 0)]
    kind = type(value)
    if kind in (int, float, bool, Int64):
        if kind is not float and not _fits(value):
            return None
        if value != value:
            return [(NAN, 0)]
        number = value if kind is float else int(value)
        # Python and so mongomock-ng hold True equal to 1 and 1.0.
        return [(NUMBER, number)] + ([(BOOL, int(value))] if value in (0, 1) else [])
    if kind is str and not _is_utf8(value):
        return None
    if kind in (str, datetime):
        return [_entry(value)]
    if kind is ObjectId:
        # mongomock-ng also finds an ObjectId in a list that holds it as text.
        return [(OBJECT_ID, str(value)), (TEXT, str(value))]
    return None


def _bound(value: Any) -> Entry | None:
    kind = type(value)
    if kind in (int, float, bool, Int64) and value == value and (kind is float or _fits(value)):
        return (BOOL, int(value)) if kind is bool else (NUMBER, value if kind is float else int(value))
    if kind is str and _is_utf8(value):
        return TEXT, value
    if kind is datetime:
        return DATE, _milliseconds(value)
    return None


def _range(field: IndexField, rank: int, bounds: list[tuple[str, Any]]) -> Condition:
    tests = " AND ".join(f"value {comparison} ?" for comparison, _ in bounds)
    alternatives = [(f"field = ? AND rank = ? AND {tests}", (field.id, rank, *(value for _, value in bounds)))]
    if rank == TEXT:
        alternatives.append(("field = ? AND rank = ?", (field.id, LONG_TEXT)))
    return Condition(tuple(alternatives), range_of=field.id)


def _fits(value: int) -> bool:
    return -(2**63) <= value < 2**63


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# --- plans ---------------------------------------------------------------------------------------------


def entry_count(db: sqlite3.Connection, condition: Condition) -> int:
    """Count the entries that meet a condition, up to ``COUNT_CAP``."""
    sql, parameters = condition.documents_sql()
    return int(db.execute(f"SELECT count(*) FROM ({sql} LIMIT {COUNT_CAP})", parameters).fetchone()[0])


def candidate_ids(
    db: sqlite3.Connection, fields: Mapping[str, IndexField], spec: Mapping[str, Any]
) -> list[int] | None:
    """Row ids of all documents that may match, in natural order; None if no index narrows them."""
    conditions = conditions_of(spec, fields, lambda condition: entry_count(db, condition))
    if not conditions:
        return None
    narrowest = min(conditions, key=lambda condition: entry_count(db, condition))
    driver, parameters = narrowest.documents_sql()
    tests, test_parameters = _tests([c for c in conditions if c is not narrowest], "found.document")
    sql = f"SELECT DISTINCT document FROM ({driver}) AS found WHERE {tests} ORDER BY document"
    return [row[0] for row in db.execute(sql, parameters + test_parameters)]


def ids_in_order(
    db: sqlite3.Connection,
    fields: Mapping[str, IndexField],
    spec: Mapping[str, Any],
    order: list[tuple[str, int]],
) -> Iterable[int] | None:
    """Row ids of all documents that may match, in the order of an indexed field.

    None if the index cannot give that order, or if the criteria leave so few documents that it is
    cheaper to sort them.
    """
    if len(order) != 1 or (field := fields.get(order[0][0])) is None or field.is_multikey:
        return None
    if any(
        db.execute("SELECT 1 FROM entries WHERE field = ? AND rank = ? LIMIT 1", (field.id, rank)).fetchone()
        for rank in UNORDERED_RANKS
    ):
        return None
    conditions = conditions_of(spec, fields, lambda condition: entry_count(db, condition))
    if any(entry_count(db, condition) < COUNT_CAP for condition in conditions):
        return None
    # No long texts here, so the first alternative is the whole range.
    ranges = [c.alternatives[0] for c in conditions if c.range_of == field.id]
    span, span_parameters = ranges[0] if ranges else ("field = ?", (field.id,))
    tests, test_parameters = _tests(conditions, "sorted.document")
    direction = "ASC" if order[0][1] > 0 else "DESC"
    sql = (
        f"SELECT document FROM entries AS sorted WHERE {span} AND {tests} "
        f"ORDER BY rank {direction}, value {direction}, document ASC"
    )
    return (row[0] for row in db.execute(sql, [*span_parameters, *test_parameters]))


def _tests(conditions: Iterable[Condition], document: str) -> tuple[str, list[Any]]:
    """SQL that holds for documents meeting the conditions that can be tested one document at a time."""
    texts, parameters = ["1"], []
    for condition in conditions:
        if 0 < condition.values <= MOST_FILTER_VALUES:
            text, values = condition.exists_sql(document)
            texts.append(text)
            parameters += values
    return " AND ".join(texts), parameters
