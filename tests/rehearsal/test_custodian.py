"""Real custodian runs with its default handlers, and the documents that emmet makes of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from nawf.rehearsal.version import is_rehearsal

pytest.importorskip("atomate2.vasp.run")
pytest.importorskip("custodian")
pytest.importorskip("emmet.core.tasks")


@pytest.fixture
def run_custodian(kit: Any, case: Any, command: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs VASP's job with the default handlers and validators; returns the corrections and the folder."""

    def run(fault: str, incar: dict[str, Any], crystal: Any = None) -> tuple[list[dict[str, Any]], Path]:
        from atomate2.vasp.run import _DEFAULT_VALIDATORS, DEFAULT_HANDLERS
        from custodian import Custodian
        from custodian.vasp.jobs import VaspJob

        crystal = crystal or kit.shaken(kit.cubic_na2s(6.3), 0.02)
        case.write(crystal, kit.RELAX | incar, kit.GAMMA_222)
        monkeypatch.setenv("NAWF_REHEARSAL_FAULT", fault)
        monkeypatch.chdir(case.folder)
        # Handlers count their errors: every run needs its own.
        handlers = [type(handler)() for handler in DEFAULT_HANDLERS]
        custodian = Custodian(
            handlers,
            [VaspJob(command, auto_npar=False)],
            validators=_DEFAULT_VALIDATORS,
            max_errors=5,
            polling_time_step=0.05,
            monitor_freq=10**6,
        )
        custodian.run()
        return custodian.run_log[0]["corrections"], case.folder

    return run


def task_document(folder: Path) -> Any:
    from emmet.core.tasks import TaskDoc

    return TaskDoc.from_directory(folder)


def test_zbrent_goes_on_from_contcar_with_a_finer_loop(run_custodian: Any, kit: Any) -> None:
    corrections, folder = run_custodian("zbrent@3 until NELMIN=8", {"EDIFF": "1e-5"})
    assert [c["errors"] for c in corrections] == [["zbrent"]]
    document = task_document(folder)
    incar = document.calcs_reversed[0].input.incar
    assert (incar["EDIFF"], incar["NELMIN"]) == (1e-6, 8)
    assert document.state.value == "successful"
    assert document.output.energy == pytest.approx(-40.0, abs=1e-4)
    assert document.calcs_reversed[0].output.num_electronic_steps[-1] >= 8
    # It started from where the failed run was.
    assert document.input.structure.volume > 6.31**3
    assert document.orig_inputs.structure.volume == pytest.approx(6.3**3)
    assert is_rehearsal(document)
    assert is_rehearsal(document.calcs_reversed[0])


def test_brmix_takes_two_corrections(run_custodian: Any) -> None:
    corrections, folder = run_custodian("brmix until IMIX=1", {"NSW": 0})
    assert [c["errors"] for c in corrections] == [["brmix"], ["brmix"]]
    document = task_document(folder)
    assert document.calcs_reversed[0].input.incar["IMIX"] == 1
    assert document.state.value == "successful"
    assert document.output.bandgap == pytest.approx(2.0)
    assert len(document.custodian[0].corrections) == 2


def test_an_electronic_loop_without_end_changes_the_algorithm(run_custodian: Any) -> None:
    corrections, folder = run_custodian("nelm until ALGO=All", {"NSW": 0, "METAGGA": "R2SCAN", "NELM": 25})
    assert [c["errors"] for c in corrections] == [["Unconverged"]]
    document = task_document(folder)
    assert document.calcs_reversed[0].input.incar["ALGO"] == "All"
    assert document.state.value == "successful"
    assert str(document.run_type) == "r2SCAN"


def test_a_killed_run_does_not_pass(run_custodian: Any) -> None:
    from custodian.custodian import ValidationError

    with pytest.raises(ValidationError, match="VasprunXMLValidator"):
        run_custodian("kill@2 once", {})
    assert Path("CONTCAR").stat().st_size > 0
    assert sorted(p.name for p in Path().glob("REHEARSAL*")) == [next(Path().glob("REHEARSAL.kill-*.1")).name]


def test_a_flow_of_atomate2(kit: Any, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pre-relaxation, relaxation and static calculation of the Materials Project's 2024 settings, unchanged."""
    import shlex

    from atomate2.vasp.flows.mp import MP24DoubleRelaxStaticMaker
    from jobflow import run_locally
    from pymatgen.core import SETTINGS

    from nawf.rehearsal.potcar import make_potcar_library

    library = make_potcar_library(tmp_path / "psp", ["PBE_64"], ["Na_pv", "S"])
    monkeypatch.setitem(SETTINGS, "PMG_VASP_PSP_DIR", str(library))
    monkeypatch.delenv("NAWF_REHEARSAL_FAULT", raising=False)
    maker = MP24DoubleRelaxStaticMaker()
    for step in (maker.relax_maker.relax_maker1, maker.relax_maker.relax_maker2, maker.static_maker):
        step.run_vasp_kwargs = {
            "vasp_cmd": shlex.join(command),
            "custodian_kwargs": {"polling_time_step": 0.05, "monitor_freq": 10**6},
        }
    crystal = kit.shaken(kit.cubic_na2s(6.4), 0.01)
    flow = maker.make(crystal.to_structure())
    responses = run_locally(flow, create_folders=True, root_dir=tmp_path / "runs", ensure_success=True)
    outputs = [responses[job.uuid][1].output for job, _ in flow.iterflow()]
    documents = [output for output in outputs if output is not None and hasattr(output, "state")]
    assert [str(d.calc_type) for d in documents] == [
        "PBEsol Structure Optimization",
        "r2SCAN Structure Optimization",
        "r2SCAN Static",
    ]
    static = documents[-1]
    assert all(is_rehearsal(d) and d.state.value == "successful" for d in documents)
    assert static.output.energy == pytest.approx(-40.0, abs=5e-3)
    assert static.output.structure.volume == pytest.approx(6.5**3, rel=0.02)
    # The gap of the step before sets the k-points of the next.
    assert static.input.incar["KSPACING"] > documents[0].input.incar["KSPACING"]
    assert static.input.potcar_spec[0].titel == "PAW_PBE Na_pv REHEARSAL"
    assert os.environ.get("NAWF_REHEARSAL_FAULT") is None
