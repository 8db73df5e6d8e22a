from __future__ import annotations

import pytest

from nawf.engines.base import Engine, EngineSpec
from nawf.engines.registry import ENGINES, build_engine, engine_spec
from nawf.errors import EngineError


def test_default_protocol_is_the_first() -> None:
    assert engine_spec("chgnet-r2scan").protocol == ENGINES["chgnet-r2scan"].protocols[0]


@pytest.mark.parametrize(
    ("name", "protocol", "words"),
    [
        ("chgnet-r2scam", None, ("chgnet-r2scam", "did you mean chgnet-r2scan?")),
        ("quantum-magic", None, ("quantum-magic", "choose from chgnet-r2scan")),
        ("chgnet-r2scan", "seeds", ("seeds", "did you mean seed?")),
    ],
)
def test_unknown_names_are_refused_with_a_suggestion(name: str, protocol: str | None, words: tuple[str, ...]) -> None:
    with pytest.raises(EngineError) as caught:
        engine_spec(name, protocol)
    assert all(word in str(caught.value) for word in words)


def test_a_specification_that_did_not_come_from_us_is_checked_when_built() -> None:
    with pytest.raises(EngineError, match="unknown engine"):
        build_engine(EngineSpec(name="nonsense", protocol="seed"))


def test_one_engine_for_one_specification() -> None:
    spec = engine_spec("chgnet-r2scan")
    engine = build_engine(spec)
    assert engine is build_engine(spec.model_copy())
    assert isinstance(engine, Engine)


def test_a_device_that_is_not_there_is_refused() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(EngineError, match="cuda"):
        build_engine(engine_spec("chgnet-r2scan", device="cuda"))
