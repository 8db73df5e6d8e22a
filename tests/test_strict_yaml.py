from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from nawf.errors import CampaignError, InputError
from nawf.strict_yaml import read_yaml_mapping, read_yaml_model


class Kind(StrEnum):
    ONE = "one"


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    size: float = Field(gt=0)


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    kind: Kind = Kind.ONE
    names: tuple[str, ...] = ()
    inner: Inner | None = None


def write(folder: Path, text: str) -> Path:
    path = folder / "a.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_strictly_typed_records(tmp_path: Path) -> None:
    path = write(tmp_path, "name: α\nkind: one\nnames: [a, b]\ninner: {size: 2}\n")
    record = read_yaml_model(path, Record)
    assert record == Record(name="α", kind=Kind.ONE, names=("a", "b"), inner=Inner(size=2.0))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("- a\n- b\n", "does not hold a YAML mapping"),
        ("just words\n", "does not hold a YAML mapping"),
        ("name: [a\n", "is not valid YAML: "),
        ("name: a\n\tkind: one\n", "is not valid YAML: "),
        ("name: a\nname: b\n", "is not valid YAML: key 'name' is given twice (line 1)"),
        ("name: a\ninner:\n  size: 1\n  size: 2\n", "key 'size' is given twice (line 3)"),
        ("name: !!python/object/apply:os.system [true]\n", "is not valid YAML: could not determine a constructor"),
        ("name: 2026-01-01\n", "holds a value of a kind that is not allowed"),
        ("1: a\n", "key 1 is not a text"),
        ("name: a\ncolour: red\n", "colour: unknown key"),
        ("kind: one\n", "name: is missing"),
        ("name: 1\n", "name: "),
        ("name: NO\n", "name: "),
        ("name: a\nkind: two\n", "kind: "),
        ("name: a\ninner: {size: '2'}\n", "inner.size: "),
        ("name: a\ninner: {size: -1}\n", "inner.size: "),
        ("colour: red\ninner: {size: 0}\n", "name: is missing; inner.size: "),
    ],
)
def test_every_mistake_is_one_line_with_the_file(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(CampaignError) as caught:
        read_yaml_model(path, Record, error=CampaignError)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
MERGES = "a0: &a0 {k: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("name: !!bool foo\n", "not of the kind"),
        ("name: !!int ''\n", "not of the kind"),
        ("name: !!timestamp abc\n", "is not valid YAML"),
        ("name: !!float x\n", "is not valid YAML"),
        ("name: &a [*a]\n", "a value lies within itself (line 1)"),
        ("name: &a {b: {c: *a}}\n", "a value lies within itself (line 1)"),
        (f"name: 0x{'f' * 5000}\n", "holds a value that cannot be read"),
        ("name: " + "[" * 3000 + "]" * 3000 + "\n", ""),
        (BOMB, "more than 100,000 values"),
        (MERGES, "more than 100,000 values"),
    ],
)
def test_values_that_the_parser_stumbles_over(tmp_path: Path, value: str, words: str) -> None:
    path = write(tmp_path, value)
    with pytest.raises(InputError) as caught:
        read_yaml_model(path, Record)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_mapping(tmp_path: Path) -> None:
    assert read_yaml_mapping(write(tmp_path, "a: {b: [1, 2.5, null]}\n")) == {"a": {"b": [1, 2.5, None]}}
    with pytest.raises(InputError, match="no such file"):
        read_yaml_mapping(tmp_path / "none.yaml")


def test_merge_keys_still_work(tmp_path: Path) -> None:
    text = "base: &base {x: 1}\nother: {<<: *base, y: 2}\n"
    assert read_yaml_mapping(write(tmp_path, text))["other"] == {"x": 1, "y": 2}
