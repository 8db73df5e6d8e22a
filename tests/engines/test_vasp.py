from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest

from nawf.engines.base import Engine, EngineSpec, Label, intended_fingerprint
from nawf.engines.registry import ENGINES, build_engine, engine_spec
from nawf.engines.vasp import METHODS, REHEARSAL, VaspEngine
from nawf.errors import EngineError
from nawf.results.crystal import Crystal
from nawf.results.elastic import StrainedCells
from nawf.results.outputs import DisplacedCells, Displacement

NAMES = ("vasp", REHEARSAL)
PROTOCOLS = ("mp24", "mpscan", "ji2024")


@pytest.mark.parametrize("package", ["atomate2", "custodian"])
def test_a_missing_package_is_one_line(monkeypatch, package):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else found(name))
    with pytest.raises(EngineError) as caught:
        VaspEngine(EngineSpec(name="vasp", protocol="mp24"))
    message = f"engine vasp needs the package {package} (install it with: pip install 'nawf[vasp]')"
    assert str(caught.value) == message


def test_the_registry_knows_it():
    for name in NAMES:
        assert ENGINES[name].protocols == PROTOCOLS
        assert engine_spec(name).protocol == "mp24"
    assert ENGINES["vasp"].is_dft
    assert not ENGINES[REHEARSAL].is_dft


def test_planning_loads_nothing_of_atomate2():
    pytest.importorskip("atomate2")
    code = (
        "import sys, json\n"
        "from nawf.engines.registry import build_engine, engine_spec\n"
        "engine = build_engine(engine_spec('vasp'))\n"
        "from nawf.results.crystal import Crystal\n"
        "cell = Crystal.from_arrays([[4, 0, 0], [0, 4, 0], [0, 0, 4]], ['Na'], [[0, 0, 0]])\n"
        "engine.calculation(), engine.methods(), engine.seconds('relax', cell)\n"
        "heavy = ('atomate2', 'custodian', 'emmet', 'pymatgen', 'jobflow')\n"
        "print(json.dumps([m for m in heavy if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_protocols_and_the_rehearsal_have_plans_of_their_own():
    """A rehearsed campaign must not pass for one that was calculated."""
    pytest.importorskip("atomate2")
    specs = [engine_spec(name, protocol) for name in NAMES for protocol in PROTOCOLS]
    intents = {intended_fingerprint(build_engine(spec), "static", METHODS).id for spec in specs}
    assert len(intents) == len(specs)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_intended_is_what_the_inputs_say(protocol):
    pytest.importorskip("atomate2")
    from nawf.engines.vasp_protocols import Step, input_set
    from nawf.engines.vasp_settings import vasp_calculation

    crystal = Crystal.from_arrays([[4, 0, 0], [0, 4, 0], [0, 0, 4]], ["Na"], [[0, 0, 0]])
    chosen = input_set(protocol, Step.STATIC)
    chosen.structure = crystal.to_structure()
    potcars = [{"titel": "PAW_PBE Na_pv 19Sep2006"}]
    run = vasp_calculation(chosen.incar, potcars=potcars, version="6.4.2", kpoints=chosen.kpoints)
    intended = build_engine(engine_spec("vasp", protocol)).calculation()
    assert intended["potentials"] == chosen.potcar_functional
    assert {k: run[k] for k in ("engine", "functional", "encut_ev")} == {
        k: intended[k] for k in ("engine", "functional", "encut_ev")
    }


def test_it_offers_what_flows_ask_for():
    pytest.importorskip("atomate2")
    engine = build_engine(engine_spec("vasp"))
    assert isinstance(engine, Engine)
    crystal = Crystal.from_arrays([[4, 0, 0], [0, 4, 0], [0, 0, 4]], ["Na"], [[0, 0, 0]])
    label = Label(phase="na")
    assert [job.name for job in engine.relax_job(crystal, METHODS.relax, label).jobs] == [
        "vasp_pre_relax",
        "vasp_relax",
    ]
    assert engine.static_job(crystal, METHODS.relax, label).name == "vasp_static"
    assert engine.born_job(crystal, label).name == "vasp_born"


def test_costs_rise_with_atoms_and_cells():
    pytest.importorskip("atomate2")
    engine = build_engine(engine_spec("vasp"))
    small, large = (
        Crystal.from_arrays(9.0 * np.eye(3), ["Na"] * n, np.linspace(0, 0.9, 3 * n).reshape(n, 3)) for n in (10, 20)
    )
    for step in ("relax", "static", "phonon", "elastic"):
        assert engine.seconds(step, large) > engine.seconds(step, small) > 0
    assert engine.seconds("phonon", large, 10) == pytest.approx(10 * engine.seconds("phonon", large, 1))


@pytest.mark.parametrize("name", NAMES)
def test_jobs_survive_the_way_to_another_machine(name):
    """As job managers send them: through JSON, with everything that the functions take."""
    pytest.importorskip("atomate2")
    from jobflow import Flow
    from monty.json import MontyDecoder, MontyEncoder

    engine = build_engine(engine_spec(name, "ji2024"))
    crystal = Crystal.from_arrays([[4, 0, 0], [0, 4, 0], [0, 0, 4]], ["Na"], [[0, 0, 0]])
    label = Label(phase="na", campaign="c")
    cells = DisplacedCells(
        unitcell=crystal,
        supercell_matrix=((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        supercell=crystal,
        displacements=(Displacement(atom=0, vector_a=(0.02, 0.0, 0.0)),),
        method=METHODS.phonon,
    )
    strains = StrainedCells(crystal=crystal, strains=((0.01, 0, 0, 0, 0, 0),), method=METHODS.elastic)
    sent = Flow(
        [
            engine.relax_job(crystal, METHODS.relax, label),
            engine.static_job(crystal, METHODS.relax, label),
            engine.forces_job(cells, label),
            engine.stresses_job(strains, label),
            engine.born_job(crystal, label),
        ]
    )
    received = MontyDecoder().decode(MontyEncoder().encode(sent))
    for ours, theirs in zip(jobs_in(sent), jobs_in(received), strict=True):
        assert theirs.function.__name__ == ours.function.__name__
        assert list(theirs.function_args) == list(ours.function_args)
        assert theirs.config == ours.config


def jobs_in(unit):
    return [job for part in unit.jobs for job in jobs_in(part)] if hasattr(unit, "jobs") else [unit]
