"""Every job that nawf makes has a kind."""

from __future__ import annotations

import importlib

import pytest

from nawf.engines.registry import ENGINES
from nawf.running.step_kinds import StepKind, calculations, kind_of
from nawf.settings import ClusterSettings

LIGHT = {
    "vasp_forces",
    "vasp_other_forces",
    "vasp_collect_forces",
    "vasp_stresses",
    "vasp_other_stresses",
    "vasp_collect_stresses",
    "symmetrise_relaxed",
    "displace",
    "strain",
    "analyse_phonons",
    "analyse_stresses",
}
"""Jobs of seconds on one core."""


def jobs_of(module):
    """Names of the functions of a module that are jobs."""
    loaded = importlib.import_module(module)
    return {
        name
        for name, value in vars(loaded).items()
        if callable(value) and hasattr(value, "original") and value.original.__module__ == module
    }


@pytest.mark.parametrize(
    ("module", "engine"),
    [
        ("nawf.engines.vasp_jobs", "vasp"),
        ("nawf.engines.vasp_born", "vasp"),
        ("nawf.engines.gpaw_jobs", "gpaw"),
        ("nawf.engines.in_process", "chgnet-r2scan"),
        ("nawf.flows.steps", "vasp"),
        ("nawf.flows.steps", "chgnet-r2scan"),
    ],
)
def test_a_job_calculates_or_is_known_to_be_light(module, engine):
    if module.startswith("nawf.engines.vasp"):
        pytest.importorskip("atomate2")
    names = jobs_of(module)
    assert names
    assert {name for name in names if kind_of(f"{name} na2s", engine) is StepKind.ANALYSIS} == names & LIGHT


def test_kinds_are_those_of_the_settings():
    allowed = ClusterSettings.model_fields["resources"].annotation.__args__[0].__args__
    assert set(allowed) == {kind.value for kind in StepKind}


def test_names_do_not_catch_one_another():
    """Resources are set by names that are looked for anywhere in the name of a job."""
    for engine in ("vasp", "gpaw", "chgnet-r2scan"):
        for light in LIGHT:
            assert not [name for name in calculations(engine) if name in light]
        for name, kind in calculations(engine).items():
            assert {calculations(engine)[other] for other in calculations(engine) if other in name} == {kind}


def test_every_engine_has_jobs_that_calculate():
    """One that is added later is not taken for a potential in the process unnoticed."""
    in_process = {name for name in ENGINES if calculations(name) is calculations("chgnet-r2scan")}
    assert in_process == {"chgnet-r2scan"}


def test_a_potential_before_dft_is_light():
    assert kind_of("run_relax na2s", "vasp") is StepKind.ANALYSIS
    assert kind_of("run_relax na2s", "gpaw") is StepKind.ANALYSIS
    assert kind_of("gpaw_relax_from_potential na2s", "gpaw") is StepKind.RELAX
    assert kind_of("run_relax na2s", "chgnet-r2scan") is StepKind.RELAX
    assert kind_of("vasp_displaced 003 na2s", "vasp-rehearsal") is StepKind.DISPLACEMENT
