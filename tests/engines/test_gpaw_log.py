"""Evaluations of a step: found again, also after a line was cut off."""

from datetime import UTC, datetime

import numpy as np
import pytest

from nawf.engines.gpaw_log import EVALUATIONS, Evaluation, EvaluationLog, Failure, place_key
from nawf.results.crystal import Crystal
from nawf.results.outputs import Correction


def crystal(shift=0.0):
    return Crystal.from_arrays(4.0 * np.eye(3), ["Na"], [[shift / 4.0, 0, 0]])


def evaluation(shift=0.0, **changes):
    values = {
        "crystal": crystal(shift),
        "smearing_ev": 0.05,
        "energy_ev": -1.0,
        "forces_ev_per_a": ((0.0, 0.0, 0.0),),
        "stress_ev_per_a3": (0.0,) * 6,
        "n_iterations": 9,
        "seconds": 1.0,
        "finished_at": datetime(2026, 1, 1, tzinfo=UTC),
        "versions": {"gpaw": "1"},
        "potentials": {"Na": "Na.PBE:00"},
    }
    return Evaluation(**(values | changes))


def test_what_was_kept_is_found_again(tmp_path):
    log = EvaluationLog(tmp_path / "place")
    log.begin()
    log.add(evaluation(0.1))
    again = EvaluationLog(tmp_path / "place")
    assert again.find(crystal(0.1), 0.05) == evaluation(0.1)
    assert again.used == [evaluation(0.1)]


@pytest.mark.parametrize(("shift", "same"), [(1e-8, True), (1e-5, False)])
def test_geometries_are_told_apart_by_more_than_rounding(tmp_path, shift, same):
    log = EvaluationLog(tmp_path)
    log.add(evaluation(0.1))
    assert (log.find(crystal(0.1 + shift), 0.05) is not None) == same
    stretched = Crystal.from_arrays((4.0 + shift) * np.eye(3), ["Na"], [[0.1 / 4.0, 0, 0]])
    assert (log.find(stretched, 0.05) is not None) == same


def test_another_element_or_smearing_is_another_calculation(tmp_path):
    log = EvaluationLog(tmp_path)
    log.add(evaluation())
    assert log.find(crystal().model_copy(update={"species": ("Li",)}), 0.05) is None
    assert log.find(crystal(), 0.1) is None


def test_a_line_that_a_kill_cut_off_is_lost_and_no_other(tmp_path):
    log = EvaluationLog(tmp_path)
    log.begin()
    log.add(evaluation(0.1))
    log.add(evaluation(0.2))
    path = tmp_path / EVALUATIONS
    path.write_bytes(path.read_bytes()[:-100])
    log = EvaluationLog(tmp_path)
    assert log.find(crystal(0.1), 0.05)
    assert log.find(crystal(0.2), 0.05) is None
    log.begin()
    log.add(evaluation(0.3))
    log = EvaluationLog(tmp_path)
    assert log.find(crystal(0.1), 0.05)
    assert log.find(crystal(0.3), 0.05)
    assert [a.attempt for a in log.attempts] == [1, 2]


def test_lines_of_something_else_are_no_evaluations(tmp_path):
    (tmp_path / EVALUATIONS).write_text('3\n"attempt"\n[1]\n{"attempt": 1}\n{}\n')
    log = EvaluationLog(tmp_path)
    assert log.attempts == []
    assert log.evaluations == []


def test_corrections_tell_what_was_cut_off_and_what_electrons_needed(tmp_path):
    slow = Correction(handler="gpaw-scf", errors=("usual: no",), actions=("slow",))
    log = EvaluationLog(tmp_path)
    log.begin()
    log.fail(Failure(failed_smearing_ev=0.05, corrections=(slow,)))
    log = EvaluationLog(tmp_path)
    assert log.has_failed(0.05)
    assert not log.has_failed(0.1)
    log.begin()
    log.add(evaluation(0.2, smearing_ev=0.1, corrections=(slow,)))
    log.add(evaluation(0.3, corrections=(slow.model_copy(update={"actions": ("slower",)}),)))
    assert [c.handler for c in log.corrections] == ["resume", "gpaw-scf", "gpaw-scf", "gpaw-smearing"]


def test_what_is_not_used_by_a_step_is_none_of_its_corrections(tmp_path):
    log = EvaluationLog(tmp_path)
    log.add(evaluation(0.2, corrections=(Correction(handler="gpaw-scf"),)))
    assert EvaluationLog(tmp_path).corrections == ()


def test_nothing_is_written_without_a_place_or_by_other_processes(tmp_path):
    for log in (EvaluationLog(None), EvaluationLog(tmp_path / "a", writes=False)):
        log.begin()
        log.add(evaluation())
        assert log.find(crystal(), 0.05)
        assert log.text_file() is None
    assert list(tmp_path.iterdir()) == []


def test_keys_depend_on_all_that_is_asked():
    assert place_key({"a": 1, "b": [2.0]}) == place_key({"b": [2.0], "a": 1})
    assert place_key({"a": 1}) != place_key({"a": 2})
