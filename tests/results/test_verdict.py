import pytest
from hypothesis import given
from hypothesis import strategies as st

from nawf.results.verdict import Level, Reason, Verdict

levels = st.lists(st.sampled_from(list(Level)), max_size=6)


def verdict(*given_levels):
    return Verdict(
        reasons=tuple(Reason(rule=f"r{i}", level=level, message=f"m{i}") for i, level in enumerate(given_levels))
    )


def test_nothing_found_is_a_pass():
    assert verdict().level is Level.PASS
    assert not verdict().failed
    assert verdict().messages() == ()


@given(levels)
def test_the_worst_level_wins_in_any_order(found):
    expected = "fail" if Level.FAIL in found else "warn" if Level.WARN in found else "pass"
    assert verdict(*found).level == expected
    assert verdict(*reversed(found)).level == expected
    assert verdict(*found).failed is (expected == "fail")


def test_messages_of_all_levels_or_of_one():
    mixed = verdict(Level.WARN, Level.FAIL, Level.WARN, Level.PASS)
    assert mixed.messages() == ("m0", "m1", "m2", "m3")
    assert mixed.messages(Level.WARN) == ("m0", "m2")
    assert mixed.messages(Level.FAIL) == ("m1",)
    assert verdict(Level.WARN).messages(Level.FAIL) == ()


def test_a_verdict_is_stored_and_read_back_strictly():
    mixed = verdict(Level.WARN, Level.FAIL)
    stored = mixed.model_dump(mode="json")
    assert stored["reasons"][0] == {"rule": "r0", "level": "warn", "message": "m0"}
    assert Verdict.model_validate(stored) == mixed
    with pytest.raises(ValueError, match="Extra inputs"):
        Verdict.model_validate(stored | {"level": "pass"})
    stored["reasons"][0]["level"] = "fine"
    with pytest.raises(ValueError, match="level"):
        Verdict.model_validate(stored)
