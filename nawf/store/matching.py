"""MongoDB query semantics on single documents: matching, projection, order, distinct values.

Matching is mongomock-ng's, one document at a time. Projection and order are written here because
mongomock-ng offers them only on whole in-memory collections; operators of a projection (``$slice``,
``$elemMatch``, ``$``) still go through it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import mongomock_ng
from bson import ObjectId
from mongomock_ng.filtering import NOTHING, BsonComparable, filter_applies, iter_key_candidates
from mongomock_ng.helpers import patch_datetime_awareness_in_document
from pymongo.errors import OperationFailure

Document = dict[str, Any]

LONG_IN: Final = 32
"""From this many values on, a ``$in`` is first reduced by hashing; mongomock-ng compares one by one."""

# The BSON order of types. NaN comes before all numbers, an empty list before null.
EMPTY_LIST: Final = 1
NULL: Final = 5
NAN: Final = 9
NUMBER: Final = 10
TEXT: Final = 15
MAPPING: Final = 20
LIST: Final = 25
BINARY: Final = 30
OBJECT_ID: Final = 35
BOOL: Final = 40
DATE: Final = 45
OTHER: Final = 50


class Matcher:
    """Says whether a document meets MongoDB criteria.

    Parameters
    ----------
    criteria : mapping or None
        A MongoDB filter; None or empty matches everything.

    Raises
    ------
    TypeError
        If the criteria are not a mapping.
    OperationFailure
        If they hold ``$where``: mongomock-ng would run it as Python code.
    """

    def __init__(self, criteria: Mapping[str, Any] | None) -> None:
        if criteria is not None and not isinstance(criteria, Mapping):
            raise TypeError(f"criteria must be a mapping, not {type(criteria).__name__}")
        # MongoDB keeps naive UTC times with milliseconds, so criteria are brought to that first.
        self.spec: Document = patch_datetime_awareness_in_document(dict(criteria or {}))
        if mentions(self.spec, "$where"):
            raise OperationFailure("$where is not supported: it would run code")
        self._long_ins = {
            field: wanted
            for field, condition in self.spec.items()
            if not field.startswith("$") and (wanted := _hashable_in(condition)) is not None
        }

    def __call__(self, document: Document) -> bool:
        """Whether the document matches."""
        if not self.spec:
            return True
        spec = self.spec
        for field, wanted in self._long_ins.items():
            present = [value for value in _scalars(field, document) if value in wanted]
            if not present:
                return False
            spec = {**spec, field: {**spec[field], "$in": present}}
        return bool(filter_applies(spec, document))

    def check(self) -> None:
        """Raise what an unknown or malformed operator raises, where no document could bring it out."""
        if not mentions(self.spec, "$expr"):  # an expression may fail on an empty document and no other
            filter_applies(self.spec, {})


def is_operators(condition: Any) -> bool:
    """Whether a condition is a set of operators, and not a value to be equal to."""
    return isinstance(condition, Mapping) and bool(condition) and all(k.startswith("$") for k in condition)


def mentions(value: Any, operator: str) -> bool:
    """Whether an operator occurs anywhere in criteria or in a pipeline."""
    if isinstance(value, Mapping):
        return operator in value or any(mentions(item, operator) for item in value.values())
    return isinstance(value, list) and any(mentions(item, operator) for item in value)


def _hashable_in(condition: Any) -> frozenset[Any] | None:
    if not is_operators(condition) or not isinstance(condition.get("$in"), list):
        return None
    values = condition["$in"]
    plain = all(v is None or type(v) in (str, int, bool, datetime, ObjectId) for v in values)
    return frozenset(values) if plain and len(values) >= LONG_IN else None


def _scalars(field: str, document: Document) -> Iterable[Any]:
    for candidate in iter_key_candidates(field, document):
        for value in candidate if isinstance(candidate, list) else (candidate,):
            if value is NOTHING:
                yield None
            elif not isinstance(value, dict | list):
                yield value


# --- order ---------------------------------------------------------------------------------------------


def order_key(value: Any) -> tuple[int, Any]:
    """Key that puts BSON values in MongoDB's order: first by type, then by value."""
    if value is None or value is NOTHING:
        return NULL, 0
    if isinstance(value, bool):
        return BOOL, value
    if isinstance(value, int | float):
        return (NAN, 0) if math.isnan(value) else (NUMBER, value)
    for kind, rank in ((str, TEXT), (datetime, DATE), (ObjectId, OBJECT_ID)):
        if isinstance(value, kind):
            return rank, value
    for kind, rank in ((dict, MAPPING), (list, LIST), (bytes, BINARY)):
        if isinstance(value, kind):
            return rank, BsonComparable(value)
    return OTHER, BsonComparable(value)


def field_order_key(field: str, document: Document) -> tuple[int, Any]:
    """Key of a document when sorted by a field; a list counts by its first item, as in mongomock-ng."""
    value = next(iter(iter_key_candidates(field, document)), NOTHING)
    if isinstance(value, list):
        return order_key(value[0]) if value else (EMPTY_LIST, 0)
    return order_key(value)


class _SortKey:
    __slots__ = ("_directions", "_parts")

    def __init__(self, parts: list[tuple[int, Any]], directions: list[int]) -> None:
        self._parts = parts
        self._directions = directions

    def __lt__(self, other: _SortKey) -> bool:
        for mine, theirs, direction in zip(self._parts, other._parts, self._directions, strict=True):
            if mine < theirs:
                return direction > 0
            if theirs < mine:
                return direction < 0
        return False

    def __eq__(self, other: object) -> bool:
        # heapq breaks ties by place, and must see them.
        return isinstance(other, _SortKey) and not self < other and not other < self

    __hash__ = None  # type: ignore[assignment]


def ascending(values: list[Any]) -> Any:
    """Key that sorts lists of values by the first, then by the second, and so on."""
    return _SortKey([order_key(value) for value in values], [1] * len(values))


def sort_key(order: list[tuple[str, int]]) -> Callable[[Document], Any]:
    """Key function that sorts documents by (field, direction) pairs; equal ones keep their order.

    Raises
    ------
    OperationFailure
        If a field is an operator such as ``$natural`` or ``$meta``.
    """
    for field, _ in order:
        if field.startswith("$"):
            raise OperationFailure(f"sorting by {field} is not supported")
    directions = [direction for _, direction in order]

    def key(document: Document) -> _SortKey:
        return _SortKey([field_order_key(field, document) for field, _ in order], directions)

    return key


# --- projection ----------------------------------------------------------------------------------------


class Projection:
    """Keeps the fields of a document that were asked for.

    Parameters
    ----------
    properties : mapping, iterable of str or None
        Fields to keep, or a MongoDB projection; None or empty keeps the whole document.
    matcher : Matcher
        The criteria of the query; the positional operator ``$`` refers to them.

    Raises
    ------
    ValueError
        If a projection both includes and excludes fields.
    OperationFailure
        If one path of it contains another.
    """

    def __init__(self, properties: Mapping[str, Any] | Iterable[str] | None, matcher: Matcher) -> None:
        fields = dict(properties) if isinstance(properties, Mapping) else dict.fromkeys(properties or (), 1)
        self._fields = fields
        self._spec = matcher.spec
        if mentions(fields, "$size"):
            # To mongomock-ng it drops documents, to MongoDB it counts.
            raise OperationFailure("$size in a projection is not supported")
        self._has_operators = any(not isinstance(v, bool | int) for v in fields.values()) or any(
            "$" in field.split(".") for field in fields
        )
        if self._has_operators:
            return
        self._keep_id = bool(fields.get("_id", 1))
        rest = {field: bool(value) for field, value in fields.items() if field != "_id"}
        if len(set(rest.values())) > 1:
            raise ValueError("a projection cannot both include and exclude fields")
        self._include = next(iter(rest.values())) if rest else self._keep_id and "_id" in fields
        self._tree = _path_tree(rest)

    def __call__(self, document: Document) -> Document:
        """Return the projected document, which may be the document itself."""
        if not self._fields:
            return document
        if self._has_operators:
            collection = mongomock_ng.MongoClient().db.projected
            collection.insert_one(document)
            return dict(next(collection.find(self._spec, dict(self._fields))))
        kept = _include(document, self._tree) if self._include else _exclude(document, self._tree)
        kept.pop("_id", None)
        if self._keep_id and "_id" in document:
            kept["_id"] = document["_id"]
        return kept


def _path_tree(paths: Iterable[str]) -> Document:
    """Nest dotted paths: ``a.b, a.c, d`` becomes ``{a: {b: {}, c: {}}, d: {}}``."""
    tree: Document = {}
    leaves: set[tuple[str, ...]] = set()
    for path in paths:
        parts = tuple(path.split("."))
        node = tree
        for depth, part in enumerate(parts):
            if parts[:depth] in leaves:
                raise OperationFailure(f"path collision at {path}")
            node = node.setdefault(part, {})
        if node:
            raise OperationFailure(f"path collision at {path}")
        leaves.add(parts)
    return tree


def _include(value: Document, tree: Document) -> Document:
    kept: Document = {}
    for key, below in tree.items():
        if key not in value:
            continue
        item = value[key]
        if not below:
            kept[key] = item
        elif isinstance(item, dict):
            kept[key] = _include(item, below)
        elif isinstance(item, list):
            kept[key] = _include_items(item, below)
    return kept


def _include_items(items: list[Any], tree: Document) -> list[Any]:
    # As MongoDB does: scalars beside the sub-documents of a list have no such path and are dropped.
    return [
        _include(item, tree) if isinstance(item, dict) else _include_items(item, tree)
        for item in items
        if isinstance(item, dict | list)
    ]


def _exclude(value: Any, tree: Document) -> Any:
    if isinstance(value, list):
        return [_exclude(item, tree) for item in value]
    if not isinstance(value, dict):
        return value
    kept: Document = {}
    for key, item in value.items():
        below = tree.get(key)
        if below is None:
            kept[key] = item
        elif below:
            kept[key] = _exclude(item, below)
    return kept


# --- distinct values -----------------------------------------------------------------------------------


def freeze(value: Any) -> Any:
    """Hashable stand-in that is equal where Python holds the values equal; NaN equals NaN."""
    if isinstance(value, dict):
        return "mapping", frozenset((key, freeze(item)) for key, item in value.items())
    if isinstance(value, list):
        return "list", tuple(freeze(item) for item in value)
    if isinstance(value, float) and math.isnan(value):
        return ("nan",)
    return value


def distinct_values(field: str, documents: Iterable[Document]) -> list[Any]:
    """List the different values of a field, in order of appearance; a list gives each of its items."""
    found: dict[Any, Any] = {}
    for document in documents:
        for candidate in iter_key_candidates(field, document):
            for value in candidate if isinstance(candidate, list) else (candidate,):
                if value is not NOTHING:
                    found.setdefault(freeze(value), value)
    return list(found.values())
