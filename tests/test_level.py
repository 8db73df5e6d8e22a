from itertools import product

from nawf.level import Level, worst


def test_the_worst_level_wins():
    for levels in product(Level, repeat=3):
        expected = next(name for name in ("fail", "warn", "pass") if name in levels)
        assert worst(levels) == expected


def test_nothing_is_a_pass():
    assert worst([]) is Level.PASS
