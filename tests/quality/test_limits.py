import pytest

from nawf.quality.limits import GateLimits


def test_every_limit_has_its_reason():
    for name, field in GateLimits.model_fields.items():
        assert field.description, name
        assert len(field.description) > 20, name


def test_limits_are_strict():
    with pytest.raises(ValueError, match="Extra inputs"):
        GateLimits(colour="red")
    for name in GateLimits.model_fields:
        with pytest.raises(ValueError, match=name):
            GateLimits(**{name: -1})
    with pytest.raises(ValueError, match="volume_change_warn"):
        GateLimits(volume_change_warn=0)


def test_what_fails_lies_beyond_what_warns():
    limits = GateLimits().model_dump()
    pairs = [name for name in limits if name.endswith("_warn") and name.replace("_warn", "_fail") in limits]
    assert len(pairs) >= 5
    assert all(limits[name] < limits[name.replace("_warn", "_fail")] for name in pairs)
