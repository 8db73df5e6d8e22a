import shutil
from collections import Counter

import pytest
from maggma.stores import MemoryStore

from nawf.campaigns.plan import StepState, campaign_phases, make_plan, with_prerequisites
from nawf.campaigns.schema import Campaign
from nawf.engines.base import Engine
from nawf.errors import EngineError
from nawf.flows.phonon import displaced_cells
from nawf.phases.library import load_library
from nawf.results.crystal import Crystal
from nawf.results.methods import PhononMethod
from nawf.results.outputs import StaticResult
from nawf.results.symmetry import primitive_cell
from nawf.store.query import load_results
from nawf.store.stores import open_stores

ALL = ("relax", "static", "phonon")


@pytest.fixture
def store():
    memory = MemoryStore(key="result_id")
    memory.connect()
    return memory


@pytest.fixture
def campaign():
    def build(ids=("na-hcp",), properties=ALL, **more):
        values = {"name": "test", "title": "t", "phases": {"ids": ids}, "properties": properties} | more
        return Campaign.model_validate(values, strict=False)

    return build


@pytest.fixture
def planned(campaign, library, engine):
    """Plan of a campaign on sodium with the analytic engine."""

    def plan(results=None, *, ids=("na-hcp",), by=None, phases=None, wanted=None, **more):
        made = campaign(ids=ids, **more)
        chosen = phases or campaign_phases(made, library)
        return make_plan(made, chosen, by or engine, results, properties=wanted)

    return plan


def states(plan):
    return {(s.phase, s.property): s.state.value for s in plan.steps}


def test_the_engine_of_these_tests_is_one(engine):
    assert isinstance(engine, Engine)


def test_everything_builds_on_a_relaxed_cell():
    assert with_prerequisites(["phonon"]) == ("relax", "phonon")
    assert with_prerequisites(["static", "relax"]) == ("relax", "static")
    assert with_prerequisites({"phonon", "static", "relax"}) == ALL


def test_without_a_store_everything_is_missing(planned):
    plan = planned(ids=("na-bcc", "na-hcp"))
    assert Counter(s.state for s in plan.steps) == {StepState.MISSING: 6}
    assert [(t.phase, t.properties) for t in plan.tasks] == [("na-bcc", ALL), ("na-hcp", ALL)]
    assert plan.missing == plan.steps


def test_a_task_holds_all_that_a_worker_needs(planned, library, engine):
    (task,) = planned(ids=("na2s",), relax={"max_steps": 33}, phonon={"displacement_a": 0.02}).tasks
    phase = library.get("na2s")
    assert task.start == Crystal.from_structure(phase.structure())
    assert task.relaxed is None
    assert task.methods.relax == engine.methods().relax.model_copy(update={"max_steps": 33})
    assert task.methods.phonon == engine.methods().phonon.model_copy(update={"displacement_a": 0.02})
    assert task.card["card_hash"] == phase.card_hash
    assert (task.card["formula"], task.card["origin"]) == ("Na2S", phase.card.origin.value)
    assert task.campaign == "test"


def test_properties_bring_along_relaxation_only(planned):
    assert [s.property for s in planned(wanted=["phonon"]).steps] == ["relax", "phonon"]
    assert [s.property for s in planned(wanted=["static"]).steps] == ["relax", "static"]
    assert [s.property for s in planned(properties=("static",)).steps] == ["relax", "static"]
    assert [s.property for s in planned(wanted=[]).steps] == list(ALL)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_from_missing_to_done(planned, carry_out, store, tmp_path, kind):
    if kind == "memory":
        check_from_missing_to_done(planned, carry_out, store)
    else:
        with open_stores(str(tmp_path / "nawf.db")) as stores:
            check_from_missing_to_done(planned, carry_out, stores.results)


def check_from_missing_to_done(planned, carry_out, store):
    first = planned(store, wanted=["static"])
    assert set(states(first).values()) == {"missing"}
    carry_out(first, store)
    # The properties that are done stay done, and the rest starts from the relaxed cell.
    second = planned(store)
    assert states(second) == {
        ("na-hcp", "relax"): "done",
        ("na-hcp", "static"): "done",
        ("na-hcp", "phonon"): "missing",
    }
    (task,) = second.tasks
    assert task.properties == ("phonon",)
    assert task.relaxed is not None
    assert task.relaxed.volume_a3_per_atom != pytest.approx(task.start.volume_a3_per_atom, rel=1e-3)
    carry_out(second, store)
    last = planned(store)
    assert set(states(last).values()) == {"done"}
    assert {s.verdict for s in last.steps} <= {"pass", "warn"}
    assert (last.tasks, last.missing, last.core_seconds) == ((), (), 0)
    # The numbers are those of the engine: a Lennard-Jones crystal at rest.
    (static,) = [d.record() for d in load_results(store, properties=["static"])]
    assert isinstance(static, StaticResult)
    assert max(map(abs, static.stress_gpa)) < 0.02
    assert static.energy_ev_per_atom < -0.7


def test_a_result_of_the_intended_settings_counts_whatever_was_intended(planned, carry_out, store):
    carry_out(planned(store), store)
    for document in list(store.query()):
        provenance = document["provenance"] | {"intent": "something else"}
        store.update(document | {"provenance": provenance}, key="result_id")
    assert set(states(planned(store)).values()) == {"done"}
    for document in list(store.query()):
        store.update(document | {"fingerprint_id": "something else"}, key="result_id")
    assert set(states(planned(store)).values()) == {"missing"}


def test_phases_are_planned_one_by_one(planned, carry_out, store):
    carry_out(planned(store, wanted=["relax"]), store)
    both = planned(store, ids=("na-bcc", "na-hcp"), wanted=["static"])
    assert [(t.phase, t.properties) for t in both.tasks] == [("na-bcc", ("relax", "static")), ("na-hcp", ("static",))]


def test_a_result_of_other_settings_does_not_count(planned, carry_out, store, other_engine):
    carry_out(planned(store), store)
    assert set(states(planned(store)).values()) == {"done"}
    assert states(planned(store, phonon={"displacement_a": 0.02})) == {
        ("na-hcp", "relax"): "done",
        ("na-hcp", "static"): "done",
        ("na-hcp", "phonon"): "missing",
    }
    assert set(states(planned(store, relax={"force_ev_per_a": 5e-4})).values()) == {"missing"}
    assert set(states(planned(store, by=other_engine)).values()) == {"missing"}
    assert set(states(planned(store)).values()) == {"done"}


def test_a_changed_structure_is_missing_again(planned, carry_out, store, library, tmp_path):
    original = library.get("na-hcp")
    card = original.cif_path.with_suffix(".yaml").read_text().replace("id: na-hcp", "id: my-hcp", 1)
    (tmp_path / "my-hcp.yaml").write_text(card)
    shutil.copy(original.cif_path, tmp_path / "my-hcp.cif")

    def plan():
        return planned(store, phases=(load_library(tmp_path).get("my-hcp"),), wanted=["static"])

    carry_out(plan(), store)
    assert set(states(plan()).values()) == {"done"}
    # A comment is no change of the structure, a longer axis is one.
    cif = original.cif_path.read_text()
    (tmp_path / "my-hcp.cif").write_text("# measured again\n" + cif)
    assert set(states(plan()).values()) == {"done"}
    line = next(line for line in cif.splitlines() if line.startswith("_cell_length_c"))
    (tmp_path / "my-hcp.cif").write_text(cif.replace(line, f"_cell_length_c {float(line.split()[1]) + 0.01:.6f}"))
    assert set(states(plan()).values()) == {"missing"}
    assert plan().tasks[0].relaxed is None


def test_what_follows_a_failed_relaxation_is_blocked(planned, carry_out, store):
    short = {"relax": {"max_steps": 1}}
    carry_out(planned(store, **short), store)
    plan = planned(store, **short)
    assert states(plan) == {
        ("na-hcp", "relax"): "done",
        ("na-hcp", "static"): "blocked",
        ("na-hcp", "phonon"): "blocked",
    }
    assert plan.steps[0].verdict == "fail"
    assert "relax failed its checks: relaxation stopped after 1 steps" in plan.steps[1].reason
    assert (plan.tasks, plan.missing, plan.core_seconds) == ((), (), 0)


def test_a_relaxation_that_ran_out_of_steps_may_be_given_more(planned, carry_out, store):
    """The number of steps is no part of the fingerprint: without this, nothing could unblock the phase."""
    carry_out(planned(store, relax={"max_steps": 1}), store)
    plan = planned(store, relax={"max_steps": 500})
    assert set(states(plan).values()) == {"missing"}
    carry_out(plan, store)
    assert set(states(planned(store, relax={"max_steps": 500})).values()) == {"done"}
    assert len(load_results(store, properties=["relax"])) == 1


def test_a_strained_cell_that_ran_out_of_steps_may_be_given_more(planned, carry_out, store):
    """Its tensor is done with the steps that it had, and again to do with more of them."""
    few, more = ({"properties": ("elastic",), "elastic": {"max_steps": n, "strains": [0.01]}} for n in (1, 90))
    carry_out(planned(store, **few), store)
    first = load_results(store, properties=["elastic"])[0].record()
    assert not all(state.converged for state in first.states)
    assert states(planned(store, **few))["na-hcp", "elastic"] == "done"
    plan = planned(store, **more)
    assert states(plan) == {("na-hcp", "relax"): "done", ("na-hcp", "elastic"): "missing"}
    carry_out(plan, store)
    (document,) = load_results(store, properties=["elastic"])
    assert all(state.converged for state in document.record().states)
    # With all at rest, still more steps are no reason.
    assert states(planned(store, properties=("elastic",), elastic={"max_steps": 100, "strains": [0.01]})) == {
        ("na-hcp", "relax"): "done",
        ("na-hcp", "elastic"): "done",
    }


def test_born_charges_of_an_engine_without_are_refused(planned):
    with pytest.raises(EngineError, match=r"lennard-jones has no Born charges \(leave out `born`"):
        planned(phonon={"born": True})
    # What is not asked for is not missed.
    assert planned(phonon={"born": True}, properties=("static",)).tasks
    assert planned(phonon={"born": True}, wanted=["static"]).tasks
    assert planned(phonon={"born": False}).tasks


def test_born_charges_cost(planned, engine):
    class Charged(type(engine)):
        def born_job(self, crystal, label):
            raise NotImplementedError

        def seconds(self, step, cell, n_cells=1):
            return 1000.0 * len(cell) if step == "born" else super().seconds(step, cell, n_cells)

    plain, born = (planned(by=Charged(), phonon={"born": born}) for born in (False, True))
    assert born.core_seconds - plain.core_seconds == pytest.approx(2000.0)
    assert {t.methods.phonon.born for t in born.tasks} == {True}


def test_costs_are_positive_and_add_up(planned):
    plan = planned(ids=("na-bcc", "na2s", "na2s4"))
    assert all(s.core_seconds > 0 for s in plan.steps)
    assert plan.core_seconds == pytest.approx(sum(s.core_seconds for s in plan.steps))


def test_costs_are_those_of_the_cells_that_will_be_calculated(planned, engine, library):
    for phase in ("na-hcp", "na2s"):
        crystal = primitive_cell(Crystal.from_structure(library.get(phase).structure()), 0.01)
        cells = displaced_cells(crystal, engine.methods().phonon, 0.01)
        cost = {s.property: s.core_seconds for s in planned(ids=(phase,)).steps}
        assert cost["relax"] == engine.seconds("relax", crystal)
        assert cost["static"] == engine.seconds("static", crystal)
        assert cost["phonon"] == engine.seconds("phonon", cells.supercell, len(cells.displacements))


def test_costs_grow_with_the_cell(planned):
    by_phase = {p: planned(ids=(p,)).core_seconds for p in ("na-hcp", "na2s4", "s-alpha")}
    assert by_phase["na-hcp"] < by_phase["na2s4"] < by_phase["s-alpha"]
    lengths = [planned(phonon={"min_length_a": length}).core_seconds for length in (6.0, 12.0, 24.0)]
    assert lengths == sorted(set(lengths))


PHASES = (
    "na-hcp",
    "sb",
    "sn-beta",
    "na3sb",
    "na2s2-alpha",
    "na2s4",
    "na2s5-alpha",
    "nap5",
    "nasnp",
    "p4s5-beta",
    "sns2",
)


@pytest.mark.parametrize("phase", PHASES)
def test_the_number_of_displacements_is_about_phonopys(planned, engine, library, phase):
    """The analytic engine's cost is per atom and cell, so that the plan gives the number away."""
    crystal = primitive_cell(Crystal.from_structure(library.get(phase).structure()), 0.01)
    cells = displaced_cells(crystal, PhononMethod(min_length_a=6.0), 0.01)
    (cost,) = [s.core_seconds for s in planned(ids=(phase,), wanted=["phonon"]).steps if s.property == "phonon"]
    estimate = cost / engine.seconds("phonon", cells.supercell)
    assert 0.5 <= estimate / len(cells.displacements) <= 2
