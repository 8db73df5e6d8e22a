import threading

import pytest

from nawf.progress import Event, State, emit, listening, step_of


def states(events):
    return [(e.phase, e.step, e.state.value) for e in events]


def test_start_and_end_of_a_step_and_what_happens_inside():
    events = []
    with listening(events.append), step_of("na2s", "relax"):
        emit(State.ADVANCED, done=3, total=10)
    assert events == [
        Event("na2s", "relax", State.STARTED),
        Event("na2s", "relax", State.ADVANCED, done=3, total=10),
        Event("na2s", "relax", State.FINISHED),
    ]


def test_nobody_has_to_listen():
    with step_of("na2s", "relax"):
        emit(State.ADVANCED, done=1)
    events = []
    with listening(events.append):
        pass
    emit(State.STARTED)
    assert events == []


def test_steps_inside_steps():
    events = []
    with listening(events.append), step_of("na2s", "phonon"):
        with step_of("na2s", "displace"):
            emit(State.ADVANCED)
        emit(State.ADVANCED)
    assert states(events) == [
        ("na2s", "phonon", "started"),
        ("na2s", "displace", "started"),
        ("na2s", "displace", "advanced"),
        ("na2s", "displace", "finished"),
        ("na2s", "phonon", "advanced"),
        ("na2s", "phonon", "finished"),
    ]


def test_an_inner_listener_takes_over_and_hands_back():
    outer, inner = [], []
    with listening(outer.append):
        with listening(inner.append):
            emit(State.STARTED)
        emit(State.FINISHED)
    assert ([e.state for e in outer], [e.state for e in inner]) == ([State.FINISHED], [State.STARTED])


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("no cell"), "ValueError: no cell"),
        (MemoryError(), "MemoryError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_a_failure_is_told_with_its_reason_and_goes_on(error, message):
    events = []

    def fail():
        with listening(events.append), step_of("na2s", "relax"):
            raise error

    with pytest.raises(type(error)) as caught:
        fail()
    assert caught.value is error
    assert [(e.state, e.message) for e in events] == [(State.STARTED, ""), (State.FAILED, message)]
    # Both the listener and the step are gone afterwards.
    after = []
    emit(State.ADVANCED)
    with listening(after.append):
        emit(State.ADVANCED)
    assert len(events) == 2
    assert (after[0].phase, after[0].step) == ("", "")


def test_a_failure_inside_a_step_inside_a_step_is_told_for_both():
    events = []

    def fail():
        with listening(events.append), step_of("a", "outer"), step_of("a", "inner"):
            raise RuntimeError("x")

    with pytest.raises(RuntimeError):
        fail()
    assert [(e.step, e.state.value) for e in events[2:]] == [("inner", "failed"), ("outer", "failed")]


def test_threads_do_not_hear_each_other():
    heard_here, heard_there = [], []

    def work():
        with listening(heard_there.append), step_of("there", "relax"):
            pass

    with listening(heard_here.append):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert heard_here == []
    assert {e.phase for e in heard_there} == {"there"}


def test_a_listener_that_fails_leaves_no_step_behind():
    def broken(event):
        raise OSError("the terminal is gone")

    with pytest.raises(OSError, match="terminal"), listening(broken), step_of("na2s", "relax"):
        pass
    after = []
    with listening(after.append):
        emit(State.ADVANCED)
    assert (after[0].phase, after[0].step) == ("", "")
