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
    except TypeError as problem:
        # Dates and sets are YAML but not JSON; no record of ours has them.
        raise error(f"holds a value of a kind that is not allowed: {problem}", where=str(path)) from problem
    except ValidationError as problem:
        raise error(describe_validation_error(problem), where=str(path)) from problem


def read_yaml_mapping(path: Path | str, *, error: type[NawfError] = InputError) -> dict[str, Any]:
    """Read one YAML file that holds a mapping with text keys; errors as for :func:`read_yaml_model`."""
    text = read_text(path, error=error)
    try:
        # A subclass of the safe loader: it builds plain data only.
        data = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise error(f"is not valid YAML: {_describe_yaml_error(problem)}", where=str(path)) from problem
    if not isinstance(data, dict):
        raise error("does not hold a YAML mapping (key: value lines)", where=str(path))
    for key in data:
        if not isinstance(key, str):
            raise error(f"key {key!r} is not a text", where=str(path))
    return data


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
    what = getattr(problem, "problem", None) or str(problem).splitlines()[0]
    return f"{what} (line {mark.line + 1})" if mark is not None else what
