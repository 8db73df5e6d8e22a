"""What every store does with documents, wherever it keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from mongomock_ng.filtering import NOTHING
from mongomock_ng.helpers import get_value_by_dot
from monty.json import jsanitize
from pydash import get, has, set_

from nawf.store.matching import Document, ascending, freeze

if TYPE_CHECKING:
    from maggma.core import Store


def sanitized(store: Store, docs: Iterable[Any]) -> Iterator[Document]:
    """Documents as they are to be stored: serialised, and past the store's validator.

    Raises
    ------
    ValueError
        If a strict validator refuses a document, or a field name begins with ``$``.
    """
    for raw in docs:
        document = jsanitize(raw, allow_bson=True, recursive_msonable=True)
        if store.validator and not store.validator.is_valid(document):
            if store.validator.strict:
                raise ValueError(store.validator.validation_errors(document))
            store.logger.error(store.validator.validation_errors(document))
            continue
        for name in document:
            if name.startswith("$"):
                raise ValueError(f"a field name cannot begin with $: {name}")
        yield document


def key_value(document: Document, name: str) -> Any:
    """Value of a key field, dotted where nested.

    Raises
    ------
    KeyError
        If the document lacks it.
    """
    value = document[name] if name in document else get_value_by_dot(document, name)
    if value is NOTHING:
        raise KeyError(name)
    return value


def grouped(documents: Iterable[Document], names: list[str]) -> Iterator[tuple[Document, list[Document]]]:
    """Group the documents that have all of some fields, in the order of these."""
    groups: dict[Any, tuple[list[Any], list[Document]]] = {}
    for document in documents:
        if all(has(document, name) for name in names):
            values = [get(document, name) for name in names]
            groups.setdefault(freeze(values), (values, []))[1].append(document)
    for values, members in sorted(groups.values(), key=lambda group: ascending(group[0])):
        head: Document = {}
        for name, value in zip(names, values, strict=True):
            set_(head, name, value)
        yield head, members
