from __future__ import annotations

import pytest

from nawf.engines.preflight import Finding, elsewhere, findings, refuse
from nawf.engines.registry import build_engine, engine_spec
from nawf.errors import EngineError
from nawf.results.crystal import Crystal
from nawf.results.methods import Methods
from nawf.results.tasks import PhaseTask

CELL = Crystal.from_arrays([[4, 0, 0], [0, 4, 0], [0, 0, 4]], ["Na"], [[0, 0, 0]])
TASK = PhaseTask(phase="na", campaign="c", properties=("relax",), start=CELL, methods=Methods(), card={})
NOTE, FIRST, SECOND = Finding("large"), Finding("no command", "set it", stops=True), Finding("no file", stops=True)


class Careful:
    def preflight(self, tasks):
        return [NOTE, FIRST, SECOND]


def test_what_stops_comes_first():
    assert findings(Careful(), [TASK]) == (FIRST, SECOND, NOTE)


def test_nothing_is_looked_for_without_tasks():
    assert findings(Careful(), []) == ()


def test_an_engine_that_needs_nothing_tells_nothing():
    pytest.importorskip("chgnet")
    assert findings(build_engine(engine_spec("chgnet-r2scan", "coarse")), [TASK]) == ()


def test_the_potential_has_elements_that_it_does_not_know():
    pytest.importorskip("chgnet")
    engine = build_engine(engine_spec("chgnet-r2scan", "coarse"))
    americium = TASK.model_copy(update={"phase": "am", "start": CELL.model_copy(update={"species": ("Am",)})})
    (found,) = findings(engine, [TASK, americium])
    assert found.stops
    assert found.what == "am has Am: CHGNet knows the elements up to Pu"
    # So it is: the row behind the last is not there.
    with pytest.raises(IndexError):
        engine.evaluate(americium.start)
    engine.evaluate(CELL.model_copy(update={"species": ("Pu",)}))


def test_notes_do_not_refuse():
    refuse([NOTE], "vasp", "nawf plan c")


def test_a_refusal_is_one_line_and_counts_the_rest():
    with pytest.raises(EngineError) as caught:
        refuse([NOTE, FIRST, SECOND], "vasp", "nawf plan c")
    assert str(caught.value) == "engine vasp: no command (set it; and 1 more, see: nawf plan c)"
    assert caught.value.exit_code == 2
    with pytest.raises(EngineError, match=r"^engine vasp: no file$"):
        refuse([SECOND], "vasp", "nawf plan c")


def test_what_this_machine_lacks_stops_no_job_on_another():
    magnetic = Finding("has Fe", stops=True, everywhere=True)
    told = elsewhere([FIRST, NOTE, magnetic])
    assert [finding.stops for finding in told] == [False, False, True]
    assert told[1:] == (NOTE, magnetic)
    assert told[0].text == "on this machine, no command (jobs run elsewhere, and nawf doctor says what is there)"
    with pytest.raises(EngineError, match="has Fe"):
        refuse(told, "gpaw", "nawf plan c")
