import pytest

from nawf.quality.gate import GateLimits, judge
from nawf.results.documents import energetics
from nawf.results.outputs import Correction
from nawf.results.verdict import Level

PROPERTIES = ("relax", "static", "phonon", "elastic")
MIXING = Correction(handler="VaspErrorHandler", errors=("brmix",), actions=("ALGO = Normal", "ISTART = 1"))


@pytest.fixture
def run_with(records):
    return lambda **changes: records.run().model_copy(update=changes)


@pytest.mark.parametrize("prop", PROPERTIES)
@pytest.mark.parametrize(("converged", "level"), [(None, "pass"), (True, "pass"), (False, "fail")])
def test_electrons_must_converge_where_there_are_any(records, run_with, findings, prop, converged, level):
    verdict = judge(getattr(records, prop)(run=run_with(electronic_converged=converged)))
    assert verdict.level == level
    assert findings(verdict) == ([("electronic-convergence", "fail")] if level == "fail" else [])


@pytest.mark.parametrize("prop", PROPERTIES)
def test_corrections_are_noted_and_change_nothing(records, run_with, findings, prop):
    verdict = judge(getattr(records, prop)(run=run_with(corrections=(MIXING,))))
    assert findings(verdict) == [("corrections", "pass")]
    assert verdict.level is Level.PASS
    words = "error handlers stepped in once: VaspErrorHandler found brmix, changed ALGO = Normal, ISTART = 1"
    assert verdict.messages() == (words,)
    assert verdict.messages(Level.WARN) == verdict.messages(Level.FAIL) == ()


@pytest.mark.parametrize(("number", "level"), [(1, "pass"), (3, "pass"), (4, "warn")])
def test_many_corrections_warn(records, run_with, number, level):
    result = records.static(run=run_with(corrections=(MIXING,) * number))
    assert judge(result).level == level
    assert judge(result, GateLimits(corrections_warn=0)).level is Level.WARN


def test_a_note_does_not_hide_a_failure(records, run_with, findings):
    result = records.static(run=run_with(corrections=(MIXING,)), energy_ev_per_atom=float("nan"))
    assert findings(judge(result)) == [("finite", "fail"), ("corrections", "pass")]
    assert judge(result).failed


def test_notes_are_no_warnings_of_the_energies_of_a_phase(records, run_with):
    static = records.static(run=run_with(corrections=(MIXING,)), max_force_ev_per_a=0.1)
    [joined] = energetics([records.document("na-bcc", "static", static)])
    assert len(joined.warnings) == 1
    assert "left on the relaxed crystal" in joined.warnings[0]
    assert joined.rejected is None


def test_a_correction_that_names_nothing_still_reads_well(records, run_with):
    bare = Correction(handler="WalltimeHandler")
    [message] = judge(records.static(run=run_with(corrections=(bare,)))).messages()
    assert message == "error handlers stepped in once: WalltimeHandler, changed nothing"
