import json
from datetime import timedelta, timezone

import pytest

from nawf.results.documents import RESULT_TYPES
from nawf.results.methods import PhononMethod
from nawf.results.outputs import BornCharges, ForcesAndStress, PhononResult, RunRecord
from nawf.results.tasks import PROPERTIES, PhaseTask

UNIT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@pytest.mark.parametrize("prop", RESULT_TYPES)
def test_records_come_back_from_json_as_they_were(records, prop):
    record = getattr(records, prop)()
    stored = json.loads(json.dumps(record.model_dump(mode="json")))
    assert RESULT_TYPES[prop].model_validate(stored) == record
    with pytest.raises(ValueError, match="Extra inputs"):
        RESULT_TYPES[prop].model_validate(stored | {"energy": 1.0})


def test_properties_are_those_that_have_a_record():
    assert tuple(RESULT_TYPES) == PROPERTIES


def test_a_run_takes_the_time_between_start_and_end(records):
    assert records.run().seconds == 90.0


def test_times_without_a_zone_are_utc(records):
    """A store that keeps no zones returns the times of a record naive; the two are the same record."""
    run = records.run()
    naive = RunRecord(
        host=run.host,
        started_at=run.started_at.replace(tzinfo=None),
        finished_at=run.finished_at.astimezone(timezone(timedelta(hours=2))),
        versions=run.versions,
    )
    assert naive == run
    assert naive.seconds == 90.0
    assert {time.utcoffset() for time in (naive.started_at, naive.finished_at)} == {timedelta(0)}


@pytest.mark.parametrize(
    "changes",
    [
        {"gap_ev": 0.0},
        {"charges_e": None},
        {"dielectric": None},
        {"charges_e": (UNIT, UNIT)},
        {"gap_ev": 0.0, "dielectric": None},
    ],
)
def test_born_charges_go_with_a_gap(records, changes):
    whole = {"crystal": records.crystal(), "gap_ev": 2.0, "dielectric": UNIT, "charges_e": (UNIT,)}
    rest = {"calculation": {"functional": "PBEsol"}, "run": records.run()}
    assert BornCharges(**whole, **rest).has_gap
    assert not BornCharges(crystal=whole["crystal"], gap_ev=0.0, **rest).has_gap
    with pytest.raises(ValueError, match="go with a band gap"):
        BornCharges(**(whole | changes), **rest)


def test_phonons_with_born_charges_come_back_from_json(records):
    charges = BornCharges(
        crystal=records.crystal(),
        gap_ev=2.0,
        dielectric=UNIT,
        charges_e=(UNIT,),
        calculation={"functional": "PBEsol"},
        run=records.run(),
    )
    result = records.phonon(born=charges, method=PhononMethod(born=True))
    assert PhononResult.model_validate(json.loads(result.model_dump_json())) == result


def test_the_largest_force_and_stress():
    found = ForcesAndStress()
    found.forces_ev_per_a = ((0.3, 0.0, 0.0), (0.1, -0.2, 0.2), (0.0, 0.0, -0.31))
    found.stress_gpa = (0.1, -0.2, 0.0, 0.15, -0.3, 0.05)
    assert found.max_force_ev_per_a == pytest.approx(0.31)
    assert found.max_stress_gpa == 0.3
    found.forces_ev_per_a = ((0.1, -0.2, 0.2), (0.29, 0.0, 0.0))
    assert found.max_force_ev_per_a == pytest.approx(0.3)


def test_a_task_travels_as_json(records):
    relax = records.relax()
    task = PhaseTask(
        phase="na-bcc",
        campaign="test",
        properties=("static", "phonon"),
        start=relax.initial,
        relaxed=relax.crystal,
        methods=records.phonon().methods,
        card={"name": "bcc", "tags": ["a"]},
    )
    assert PhaseTask.model_validate(json.loads(json.dumps(task.model_dump(mode="json")))) == task
