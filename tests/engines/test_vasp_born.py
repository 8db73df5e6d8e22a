"""Born charges from documents made by hand, and from whole runs through custodian, files and parsers."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("atomate2")

from emmet.core.vasp.models import ElectronicStep
from jobflow import Flow, run_locally
from monty.json import MontyDecoder
from pymatgen.io.vasp.inputs import Incar, Kpoints

from nawf.engines.base import HasBornCharges, Label, with_born_charges
from nawf.engines.registry import build_engine, engine_spec
from nawf.engines.vasp import METHODS, REHEARSAL
from nawf.engines.vasp_born import born_charges, gap_ev
from nawf.engines.vasp_protocols import Step, input_set
from nawf.errors import CalculationError, EngineError
from nawf.flows.phase import phase_flow
from nawf.flows.phonon import displaced_cells, phonon_result
from nawf.results.crystal import Crystal
from nawf.results.methods import Methods, PhononMethod
from nawf.results.outputs import BornCharges, ForcesOutput, PhononResult, RunRecord
from nawf.results.tasks import PhaseTask
from nawf.store.builder import build
from nawf.store.query import load_results
from nawf.store.stores import open_stores

# S first, as no POSCAR of pymatgen has it.
CRYSTAL = Crystal.from_arrays(
    np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * 3.25, ["S", "Na", "Na"], [[0, 0, 0], [0.25] * 3, [0.75] * 3]
)
# The same at rest in the toy potential.
TOY_A = 6.185334751556504
TOY = Crystal.from_arrays(CRYSTAL.matrix_a * TOY_A / 6.5, CRYSTAL.species, CRYSTAL.frac_coords)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = RunRecord(host="n", started_at=NOW, finished_at=NOW, versions={})
LABEL = Label(phase="toy", campaign="test")
CARD = {"name": "toy", "formula": "Na2S", "origin": "prototype", "tags": [], "reference": "", "card_hash": "0"}
BORN = METHODS.model_copy(update={"phonon": PhononMethod(min_length_a=6.0, mesh_length_a=40.0, born=True)})
CHARGES = [np.eye(3) * 1.0, np.eye(3) * 1.02, np.eye(3) * -2.05]


def loops(n_steps, n_under_fields=70):
    """Electronic steps as VASP has them: parts of the energy in the first and the last, then those under fields."""
    whole, short = ElectronicStep(eentropy=0.0, e_fr_energy=-1.0), ElectronicStep(e_fr_energy=-1.0)
    return [whole, *[short] * (n_steps - 2), whole, *[short] * n_under_fields]


def task(**changes):
    structure = CRYSTAL.to_structure().get_sorted_structure()
    chosen = input_set("mp24", Step.BORN)
    chosen.structure = structure
    given = SimpleNamespace(
        incar=dict(chosen.incar),
        parameters={"ISPIN": 2, "NELM": 60, "LEPSILON": True},
        structure=structure,
        kpoints=Kpoints.gamma_automatic((8, 8, 8)),
        potcar_spec=[{"titel": "PAW_PBE Na_pv 19Sep2006"}, {"titel": "PAW_PBE S 06Sep2000"}],
    )
    values = {
        "outcar": {"born": CHARGES},
        "epsilon_static": np.eye(3) * 3.1,
        "bandgap": 2.4,
        "ionic_steps": [SimpleNamespace(electronic_steps=loops(12))],
    } | changes
    calculation = SimpleNamespace(input=given, output=SimpleNamespace(**values))
    return SimpleNamespace(calcs_reversed=[calculation], dir_name="here:/x", vasp_version="6.4.2")


def test_charges_are_in_the_order_of_the_crystal_and_add_up_to_nothing():
    found = born_charges(task(), CRYSTAL, RUN, "mp24")
    diagonal = np.array(found.charges_e)[:, 0, 0]
    assert diagonal == pytest.approx([-2.04, 1.01, 1.03])
    np.testing.assert_allclose(np.array(found.charges_e).sum(axis=0), 0.0, atol=1e-12)
    assert found.dielectric == ((3.1, 0.0, 0.0), (0.0, 3.1, 0.0), (0.0, 0.0, 3.1))


def test_the_functional_is_not_that_of_the_forces():
    calculation = born_charges(task(), CRYSTAL, RUN, "mp24").calculation
    assert calculation["functional"] == "PBEsol"
    assert calculation["k_points"] == "spacing 0.22 1/A"
    assert calculation["further"] is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"outcar": None}, "no Born charges for all atoms"),
        ({"outcar": {"born": CHARGES[:2]}}, "no Born charges for all atoms"),
        ({"epsilon_static": None}, "no Born charges for all atoms"),
        ({"bandgap": 0.0}, "without a band gap"),
        ({"bandgap": None}, "without a band gap"),
        ({"bandgap": 0.009}, "without a band gap"),
        ({"ionic_steps": [SimpleNamespace(electronic_steps=loops(60))]}, "electrons did not converge"),
        ({"outcar": {"born": [np.eye(3)] * 3}}, "leave 1 e per atom over"),
    ],
)
def test_what_cannot_be_used_is_refused(changes, words):
    with pytest.raises(CalculationError, match=words):
        born_charges(task(**changes), CRYSTAL, RUN, "mp24")


def test_engines_that_have_none_say_so():
    vasp, other = build_engine(engine_spec(REHEARSAL)), SimpleNamespace(spec=engine_spec("chgnet-r2scan"))
    assert isinstance(vasp, HasBornCharges)
    assert with_born_charges(vasp) is vasp
    with pytest.raises(EngineError, match="engine chgnet-r2scan has no Born charges"):
        with_born_charges(other)


@pytest.fixture
def stores(tmp_path):
    with open_stores(str(tmp_path / "nawf.db")) as opened:
        yield opened


def engine():
    build_engine.cache_clear()
    return build_engine(engine_spec(REHEARSAL, "mp24"))


def run_flow(flow, stores):
    return run_locally(flow, store=stores.jobs, log=False, create_folders=True, allow_external_references=True)


def test_a_run_from_input_to_record(toy_vasp, stores):
    """S before Na, as the files do not have them; without spin, once a run with spin has found no moments."""
    unit = engine().born_job(TOY, LABEL)
    run_flow(Flow([unit]), stores)
    found = MontyDecoder().process_decoded(stores.jobs.get_output(unit.uuid, load=True))
    assert isinstance(found, BornCharges)
    assert np.array(found.charges_e) == pytest.approx(np.array([-2, 1, 1])[:, None, None] * np.eye(3))
    assert np.array(found.dielectric) == pytest.approx(4 * np.eye(3))
    assert found.gap_ev == pytest.approx(2.0)
    assert (found.calculation["functional"], found.calculation["engine"]) == ("PBEsol", REHEARSAL)
    assert found.calculation["spin"] == "collinear"
    assert found.run.electronic_converged
    (gap,), (born,) = (toy_vasp.attempts(step) for step in ("born-gap", "born-[!g]"))
    tags = [Incar.from_file(folder / "INCAR.gz") for folder in (gap, born)]
    assert [t.get("LEPSILON", False) for t in tags] == [False, True]
    assert [t["ISPIN"] for t in tags] == [2, 1]
    assert not any("METAGGA" in t for t in tags)


def phonons(stores, crystal, methods=BORN):
    task = PhaseTask(
        phase="toy",
        campaign="test",
        properties=("phonon",),
        start=crystal,
        relaxed=crystal,
        methods=methods,
        card=CARD,
    )
    run_flow(phase_flow(task, engine()), stores)
    build(stores)
    (document,) = load_results(stores.results)
    assert document.provenance.intent != ""
    result = document.record()
    assert isinstance(result, PhononResult)
    return document, result


@pytest.mark.slow
def test_phonons_get_them_through_the_flow(toy_vasp, stores, tmp_path):
    """From the displaced cells and the charges to a stored result, against the same without charges."""
    document, result = phonons(stores, TOY)
    assert result.born is not None
    assert result.born.has_gap
    assert result.calculation["functional"] == "r2SCAN"
    assert result.born.calculation["functional"] == "PBEsol"
    assert document.fingerprint.method["phonon_born"] is True
    assert not document.verdict.failed
    plain_method = BORN.model_copy(update={"phonon": BORN.phonon.model_copy(update={"born": False})})
    with open_stores(str(tmp_path / "plain.db")) as others:
        other, plain = phonons(others, TOY, plain_method)
    assert plain.born is None
    assert "phonon_born" not in other.fingerprint.method
    assert other.calculation_id == document.calculation_id
    free, without = (np.array(r.free_energy_ev_per_atom) for r in (result, plain))
    assert abs(free - without).max() > 2e-4
    cells = displaced_cells(TOY, BORN.phonon, BORN.relax.symprec_a)
    forces = tuple(tuple(map(tuple, toy_vasp.evaluate(c)[1].tolist())) for c in cells.crystals())
    charges = BornCharges(
        crystal=TOY,
        gap_ev=1.0,
        dielectric=((4, 0, 0), (0, 4, 0), (0, 0, 4)),
        charges_e=tuple(((z, 0, 0), (0, z, 0), (0, 0, z)) for z in (-2, 1, 1)),
        calculation={},
        run=RUN,
    )
    direct = phonon_result(cells, ForcesOutput(forces_ev_per_a=forces, calculation={}, run=RUN), BORN.relax, charges)
    np.testing.assert_allclose(free, direct.free_energy_ev_per_atom, atol=2e-5)
    # The displaced cells were the same, and not calculated again.
    assert len(toy_vasp.attempts("displaced")) == result.n_displacements


@pytest.mark.slow
def test_a_metal_has_phonons_all_the_same(toy_vasp, stores):
    sodium = Crystal.from_arrays(np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * 2.35, ["Na"], [[0, 0, 0]])
    document, result = phonons(stores, sodium)
    assert result.born is not None
    assert not result.born.has_gap
    assert (result.born.charges_e, result.born.dielectric) == (None, None)
    assert toy_vasp.attempts("born-[!g]") == []
    assert "no band gap with PBEsol" in "; ".join(document.verdict.messages())


def test_a_flow_is_not_made_for_an_engine_without():
    task = PhaseTask(
        phase="toy",
        campaign="test",
        properties=("phonon",),
        start=CRYSTAL,
        relaxed=CRYSTAL,
        methods=Methods(phonon=PhononMethod(born=True)),
        card=CARD,
    )

    class Without:
        spec = engine_spec("chgnet-r2scan")
        calculation, methods = (lambda self: {}), Methods

        def forces_job(self, cells, label):
            return engine().forces_job(cells, label)

    with pytest.raises(EngineError, match="has no Born charges"):
        phase_flow(task, Without())


@pytest.mark.parametrize(("gap", "expected"), [(None, 0.0), (0.0, 0.0), (0.005, 0.0), (1.5, 1.5)])
def test_a_small_gap_is_none(gap, expected):
    assert gap_ev(task(bandgap=gap)) == expected
