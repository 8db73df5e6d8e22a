"""YAML files that describe one strict record: no duplicate keys, no unknown ones, one line per mistake."""

from __future__ import annotations

import json
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from nawf.errors import InputError, NawfError
from nawf.files import read_text

if TYPE_CHECKING:
    _SafeLoader = yaml.SafeLoader
else:
    # The C loader is several times faster; both build plain data only.
    _SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

ModelT = TypeVar("ModelT", bound=BaseModel)

_MOST_VALUES = 100_000
"""With aliases written out; no card, campaign or settings come near this number."""
_CONSTRUCTORS_FAIL_WITH = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""PyYAML's constructors meet bad values unprepared: ``!!bool foo`` is a KeyError, ``!!int ""`` an IndexError."""


class _UniqueKeyLoader(_SafeLoader):
    """Safe loader that refuses a key given twice instead of keeping the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value):
            names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            twice = sorted({name for name in names if names.count(name) > 1 and name != "<<"})
            if twice:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {twice[0]!r} is given twice", node.start_mark
                )
        return mapping


def read_yaml_model(path: Path | str, model: type[ModelT], *, error: type[NawfError] = InputError) -> ModelT:
    """Read one YAML file into a pydantic model.

    Values are validated by the model's JSON rules: with ``strict=True`` lists become tuples and texts
    become enum members, but a text never becomes a number.

    Parameters
    ----------
    path : Path or str
        The file.
    model : type
        Pydantic model of the record.
    error : subclass of NawfError
        Kind of error to raise.

    Raises
    ------
    NawfError
        Of kind ``error``, in one line that names the file and every wrong key.
    """
    data = read_yaml_mapping(path, error=error)
    try:
        return model.model_validate_json(json.dumps(data, allow_nan=True))
    except (TypeError, RecursionError) as problem:
        # Dates and sets are YAML but not JSON; no record of ours has them.
        raise error(f"holds a value of a kind that is not allowed: {problem}", where=str(path)) from problem
    except ValidationError as problem:
        raise error(describe_validation_error(problem), where=str(path)) from problem
    except ValueError as problem:  # of json: a number of thousands of digits
        raise error(f"holds a value that cannot be read: {problem}", where=str(path)) from problem


def read_yaml_mapping(path: Path | str, *, error: type[NawfError] = InputError) -> dict[str, Any]:
    """Read one YAML file that holds a mapping with text keys; errors as for :func:`read_yaml_model`."""
    text = read_text(path, error=error)
    try:
        data = _plain_data(text)
    except (yaml.YAMLError, *_CONSTRUCTORS_FAIL_WITH) as problem:
        raise error(f"is not valid YAML: {_describe_yaml_error(problem)}", where=str(path)) from problem
    if not isinstance(data, dict):
        raise error("does not hold a YAML mapping (key: value lines)", where=str(path))
    for key in data:
        if not isinstance(key, str):
            raise error(f"key {key!r} is not a text", where=str(path))
    return data


def _plain_data(text: str) -> Any:
    """Data of a YAML text; a subclass of the safe loader builds nothing else."""
    loader = _UniqueKeyLoader(text)
    try:
        root = loader.get_single_node()
        _refuse_bombs(root)
        return None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def _refuse_bombs(root: yaml.Node | None) -> None:
    """Refuse values within themselves, and aliases of aliases that would fill the memory when written out."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        if id(node) in sizes:
            if not sizes[id(node)]:
                raise yaml.constructor.ConstructorError(None, None, "a value lies within itself", node.start_mark)
            return sizes[id(node)]
        sizes[id(node)] = 0
        inner = node.value if isinstance(node, yaml.CollectionNode) else []
        parts = (part for item in inner for part in (item if isinstance(item, tuple) else (item,)))
        total = 1 + sum(size(part) for part in parts)
        if total > _MOST_VALUES:
            what = f"more than {_MOST_VALUES:,d} values, aliases written out"
            raise yaml.constructor.ConstructorError(None, None, what, node.start_mark)
        sizes[id(node)] = total
        return total

    if root is not None:
        size(root)


def describe_validation_error(problem: ValidationError) -> str:
    """All mistakes of a pydantic validation in one line, each with its key."""
    parts = []
    for item in problem.errors(include_url=False, include_context=False):
        key = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            message = "unknown key"
        elif item["type"] == "missing":
            message = "is missing"
        else:
            message = item["msg"].removeprefix("Value error, ")
        parts.append(f"{key}: {message}" if key else message)
    return "; ".join(parts)


def _describe_yaml_error(problem: Exception) -> str:
    mark = getattr(problem, "problem_mark", None)
    what = getattr(problem, "problem", None) or next(iter(str(problem).splitlines()), type(problem).__name__)
    if isinstance(problem, LookupError | TypeError | AttributeError | ArithmeticError):
        what = f"a value is not of the kind that its tag names ({what})"
    return f"{what} (line {mark.line + 1})" if mark is not None else what
