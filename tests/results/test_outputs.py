import json

import pytest

from nawf.results.documents import RESULT_TYPES
from nawf.results.tasks import PROPERTIES, PhaseTask


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
