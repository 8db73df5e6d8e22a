"""Numbers and words out of task documents; whole documents are in the tests of runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("atomate2")

from nawf.engines.run_records import joined_run
from nawf.engines.vasp_outputs import (
    CellOutput,
    cell_output,
    corrections_of,
    electrons_converged,
    is_non_magnetic,
    stress_gpa,
    vasp_order,
    was_stopped,
)
from nawf.errors import CalculationError
from nawf.results.crystal import Crystal
from nawf.results.outputs import Correction, RunRecord


def test_stress_of_a_compressed_cell_is_negative():
    """VASP: "in kB", positive for a cell that wants to grow; 10 kbar are 1 GPa."""
    found = stress_gpa([[10.0, 1.0, 2.0], [1.0, 20.0, 3.0], [2.0, 3.0, 30.0]])
    assert found == pytest.approx((-1.0, -2.0, -3.0, -0.3, -0.2, -0.1))


def test_order_is_that_of_pymatgen_s_sort():
    species = ["S", "Na", "P", "S", "Na", "Sb", "Sn"]
    crystal = Crystal.from_arrays(np.eye(3) * 20, species, [[n / 10, 0, 0] for n in range(7)])
    order = vasp_order(crystal)
    written = crystal.to_structure().get_sorted_structure()
    assert [written[i].frac_coords[0] for i in range(7)] == [order[i] / 10 for i in range(7)]
    assert [species[i] for i in order] == ["Na", "Na", "Sn", "Sb", "P", "S", "S"]
    assert order[:2] == [1, 4]


def calculation(*, ispin=2, moments=(0.0, 0.0), total=0.0, n_steps=3, nelm=60, nsw=0, stopped=False):
    outcar = {"magnetization": [{"tot": m} for m in moments], "total_magnetization": total, "is_stopped": stopped}
    step = SimpleNamespace(electronic_steps=[None] * n_steps)
    return SimpleNamespace(
        input=SimpleNamespace(parameters={"ISPIN": ispin, "NELM": nelm, "NSW": nsw}),
        output=SimpleNamespace(outcar=outcar, ionic_steps=[step]),
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"ispin": 1}, None),
        ({"moments": (0.019, -0.019)}, True),
        ({"moments": (0.03, -0.03)}, False),
        ({"moments": (0.001, 0.001), "total": 1.0}, False),
        ({"moments": ()}, False),
        ({"total": None}, False),
    ],
    ids=["none", "no spin", "small", "antiferromagnet", "between the atoms", "not listed", "total not known"],
)
def test_moments(changes, expected):
    assert is_non_magnetic(calculation(**changes)) is expected


def test_electrons_that_used_up_their_steps_did_not_converge():
    assert electrons_converged(calculation(n_steps=59))
    assert not electrons_converged(calculation(n_steps=60))


def test_loops_under_fields_are_no_part_of_the_ground_state():
    """A run of VASP 6.3.2 for Born charges, which ships with ASE: 13 steps, and 67 under fields behind them."""
    import ase.test
    from emmet.core.vasp.models import ElectronicStep
    from pymatgen.io.vasp.outputs import Vasprun

    file = Path(ase.test.__file__).parent / "testdata/vasp/vasprun_dfpt.xml"
    vasprun = Vasprun(file, parse_potcar_file=False, parse_dos=False)
    steps = [ElectronicStep(**step) for step in vasprun.ionic_steps[-1]["electronic_steps"]]
    assert len(steps) == 80

    def found(nelm, **tags):
        given = SimpleNamespace(parameters={"NELM": nelm, **tags})
        return SimpleNamespace(
            input=given, output=SimpleNamespace(ionic_steps=[SimpleNamespace(electronic_steps=steps)])
        )

    assert vasprun.converged_electronic
    assert electrons_converged(found(14, LEPSILON=True))
    assert not electrons_converged(found(13, LEPSILON=True))
    assert not electrons_converged(found(80))


def test_only_a_relaxation_can_be_stopped_before_its_end():
    def task(**changes):
        return SimpleNamespace(calcs_reversed=[calculation(**changes)])

    assert was_stopped(task(nsw=99, stopped=True))
    assert not was_stopped(task(nsw=99))
    assert not was_stopped(task(nsw=0, stopped=True))


def test_corrections_in_words():
    entries = [
        {
            "errors": ["edddav"],
            "handler": {"@module": "custodian.vasp.handlers", "@class": "VaspErrorHandler"},
            "actions": [
                {"dict": "INCAR", "action": {"_set": {"ALGO": "All", "ISEARCH": 1}}},
                {"dict": "INCAR", "action": {"_unset": {"NPAR": 1}}},
                {"file": "CONTCAR", "action": {"_file_copy": {"dest": "POSCAR"}}},
                {"file": "CHGCAR", "action": {"_file_delete": {"mode": "actual"}}},
                {"dict": "POSCAR", "action": {"_set": {"structure": {"lattice": "long"}}}},
            ],
        },
        {"errors": ["Walltime reached"], "handler": {"@class": "WalltimeHandler"}, "actions": None},
    ]
    task = SimpleNamespace(custodian=[SimpleNamespace(corrections=entries), SimpleNamespace(corrections=None)])
    assert corrections_of(task) == (
        Correction(
            handler="VaspErrorHandler",
            errors=("edddav",),
            actions=(
                "INCAR: ALGO = All",
                "INCAR: ISEARCH = 1",
                "INCAR: NPAR taken out",
                "CONTCAR copied to POSCAR",
                "CHGCAR: file delete",
                "POSCAR: new structure",
            ),
        ),
        Correction(handler="WalltimeHandler", errors=("Walltime reached",)),
    )
    assert corrections_of(SimpleNamespace(custodian=None)) == ()


def run_of(host, minute, *, version="6.4.2", converged=True, corrections=()):
    start = datetime(2026, 1, 1, 12, minute, tzinfo=UTC)
    return RunRecord(
        host=host,
        started_at=start,
        finished_at=start + timedelta(minutes=2),
        versions={"vasp": version, "nawf": "1"},
        electronic_converged=converged,
        corrections=corrections,
    )


def test_runs_that_belong_together_make_one_record():
    correction = Correction(handler="h")
    runs = [run_of("node2", 5), run_of("node1", 1, version="6.5.0", corrections=(correction,)), run_of("node2", 3)]
    joined = joined_run(runs)
    assert joined.host == "node2, node1"
    assert (joined.started_at, joined.finished_at) == (runs[1].started_at, runs[0].finished_at)
    assert joined.versions == {"vasp": "6.4.2, 6.5.0", "nawf": "1"}
    assert joined.electronic_converged is True
    assert joined.corrections == (correction,)
    assert joined_run([*runs, run_of("n", 1, converged=False)]).electronic_converged is False


def test_a_strained_state_is_converged_when_ions_and_electrons_are():
    def output(force, converged):
        return CellOutput(
            crystal=Crystal.from_arrays(np.eye(3) * 4, ["Na"], [[0, 0, 0]]),
            energy_ev_per_atom=-1.0,
            forces_ev_per_a=((0.0, force, 0.0),),
            stress_gpa=(1.0, -2.0, 0.5, 0.1, 0.2, 0.3),
            n_steps=4,
            non_magnetic=None,
            calculation={},
            run=run_of("n", 0, converged=converged),
        )

    state = output(0.0009, True).strained_state(0.001)
    assert (state.converged, state.n_steps, state.max_force_ev_per_a) == (True, 4, 0.0009)
    assert state.stress_gpa == (1.0, -2.0, 0.5, 0.1, 0.2, 0.3)
    assert not output(0.0011, True).strained_state(0.001).converged
    assert not output(0.0009, False).strained_state(0.001).converged
    assert output(0.0, True).max_stress_gpa == 2.0


def test_a_document_without_forces_or_of_other_atoms_is_refused():
    crystal = Crystal.from_arrays(np.eye(3) * 4, ["Na"], [[0, 0, 0]])

    def task(forces, symbol="Na"):
        other = Crystal.from_arrays(np.eye(3) * 4, [symbol], [[0, 0, 0]]).to_structure()
        step = SimpleNamespace(forces=forces, stress=[[0.0] * 3] * 3)
        output = SimpleNamespace(ionic_steps=[step], energy=-1.0, structure=other)
        return SimpleNamespace(calcs_reversed=[SimpleNamespace(output=output)], dir_name="here:/runs/x")

    with pytest.raises(CalculationError, match="here:/runs/x: the run has no energy, forces or stress"):
        cell_output(task(None), crystal, run_of("n", 0))
    with pytest.raises(CalculationError, match="other atoms"):
        cell_output(task([[0.0] * 3], "S"), crystal, run_of("n", 0))


def test_times_from_a_store_and_of_now_are_joined():
    """A store gives times back without their zone, which is UTC."""
    early = datetime(2026, 1, 1, 11, tzinfo=UTC)
    now = RunRecord(
        host="n", started_at=early + timedelta(hours=1), finished_at=early + timedelta(hours=2), versions={}
    )
    naive = {"started_at": early.replace(tzinfo=None), "finished_at": early.replace(tzinfo=None)}
    stored = RunRecord.model_validate(now.model_dump() | naive)
    joined = joined_run([stored, now])
    assert (joined.started_at, joined.finished_at) == (early, now.finished_at)
