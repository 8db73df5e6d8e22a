"""Reading results from the phase store."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from nawf.errors import StoreFileError
from nawf.results.documents import SCHEMA_VERSION, ResultDocument

if TYPE_CHECKING:
    from maggma.core import Store


def load_results(
    store: Store,
    *,
    phases: Collection[str] | None = None,
    properties: Collection[str] | None = None,
    criteria: dict[str, Any] | None = None,
) -> list[ResultDocument]:
    """Results of the phase store, by phase and property.

    Raises
    ------
    StoreFileError
        When a document is of a newer schema or malformed.
    """
    wanted = dict(criteria or {})
    if phases is not None:
        wanted["phase"] = {"$in": sorted(phases)}
    if properties is not None:
        wanted["property"] = {"$in": sorted(properties)}
    found = [as_document(raw) for raw in store.query(wanted)]
    return sorted(found, key=lambda d: (d.phase, d.property, d.fingerprint_id))


def as_document(raw: dict[str, Any]) -> ResultDocument:
    """Typed document of a stored one."""
    content = {k: v for k, v in raw.items() if k not in ("_id", "last_updated")}
    name = str(content.get("result_id", "a result"))
    version = content.get("schema_version", 0)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise StoreFileError("was written by a newer nawf", where=name, hint="update nawf")
    try:
        return ResultDocument.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise StoreFileError(
            f"is malformed at {key}: {first['msg']}", where=name, hint="nawf build --rebuild makes it anew"
        ) from None
