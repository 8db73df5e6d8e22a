import math

import pytest

from nawf.errors import InputError
from nawf.thermo.conditions import STATIC, Condition


@pytest.mark.parametrize(
    ("given", "temperature_k", "label"),
    [
        ("static", None, "static"),
        (" Static ", None, "static"),
        ("0", 0.0, "0 K"),
        (-0.0, 0.0, "0 K"),
        (300, 300.0, "300 K"),
        ("298.15 K", 298.15, "298.15 K"),
        ("400K", 400.0, "400 K"),
        (1234567.5, 1234567.5, "1234567.5 K"),
    ],
)
def test_parse_and_label(given, temperature_k, label):
    condition = Condition.parse(given)
    assert condition.temperature_k == temperature_k
    assert condition.label == label
    assert condition == Condition(temperature_k)


def test_static_is_not_zero_kelvin():
    assert STATIC.is_static
    assert Condition(0.0) != STATIC
    assert not Condition(0.0).is_static


@pytest.mark.parametrize("given", [-1, "-3 K", math.nan, "nan", math.inf, "warm", "", "300 C", True, None])
def test_what_is_no_temperature(given):
    with pytest.raises(InputError, match="no temperature"):
        Condition.parse(given)
