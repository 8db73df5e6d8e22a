"""The engines there are, by name. Nothing heavy is imported until one is built."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from functools import lru_cache

from nawf.engines.base import Engine, EngineSpec
from nawf.errors import EngineError


@dataclass(frozen=True)
class EngineEntry:
    """Where an engine lives, its protocols (the first is the default), and what reports say of it."""

    module: str
    class_name: str
    protocols: tuple[str, ...]
    summary: str
    is_dft: bool


ENGINES: dict[str, EngineEntry] = {
    "chgnet-r2scan": EngineEntry(
        "nawf.engines.chgnet",
        "ChgnetEngine",
        ("seed", "coarse"),
        "CHGNet fine-tuned on r2SCAN energies: a potential to screen and learn with, not DFT",
        is_dft=False,
    ),
    "vasp": EngineEntry(
        "nawf.engines.vasp",
        "VaspEngine",
        ("mp24", "mpscan", "ji2024"),
        "r2SCAN by VASP, through atomate2 and custodian",
        is_dft=True,
    ),
    "vasp-rehearsal": EngineEntry(
        "nawf.engines.vasp",
        "VaspEngine",
        ("mp24", "mpscan", "ji2024"),
        "the jobs of vasp with a stand-in for VASP: energies of the embedded potential, not DFT",
        is_dft=False,
    ),
    "gpaw": EngineEntry(
        "nawf.engines.gpaw",
        "GpawEngine",
        ("fast", "accurate", "coarse"),
        "r2SCAN by GPAW, plane waves and PAW, without a licence",
        is_dft=True,
    ),
}


def engine_spec(
    name: str, protocol: str | None = None, *, device: str = "cpu", threads: int = 0, batch_size: int = 4
) -> EngineSpec:
    """Checked specification of an engine.

    Raises
    ------
    EngineError
        When the engine or its protocol is unknown.
    """
    entry = ENGINES.get(name)
    if entry is None:
        raise EngineError(f"unknown engine {name!r}", hint=_choices(name, tuple(ENGINES)))
    if protocol is None:
        protocol = entry.protocols[0]
    if protocol not in entry.protocols:
        raise EngineError(f"engine {name} has no protocol {protocol!r}", hint=_choices(protocol, entry.protocols))
    return EngineSpec(name=name, protocol=protocol, device=device, threads=threads, batch_size=batch_size)


@lru_cache(maxsize=8)
def build_engine(spec: EngineSpec) -> Engine:
    """The engine of ``spec``; built once in a process, so that a model is loaded once.

    Raises
    ------
    EngineError
        When a package that the engine needs is not installed, or the device is not there.
    """
    engine_spec(spec.name, spec.protocol)
    entry = ENGINES[spec.name]
    engine: Engine = getattr(importlib.import_module(entry.module), entry.class_name)(spec)
    return engine


def _choices(given: str, names: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(given, names, n=1)
    return f"did you mean {close[0]}?" if close else "choose from " + ", ".join(names)
