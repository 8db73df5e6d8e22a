"""The table of rules for people knows every rule and every limit."""

import re
from pathlib import Path

import nawf.quality
from nawf.quality.gate import GateLimits, described_limits
from nawf.quality.rules import _RULES
from nawf.results.tasks import PROPERTIES
from nawf.results.verdict import Level

ROOM = Path(nawf.quality.__file__).parent


def emitted():
    """Rules and levels as the code of the gate has them."""
    for path in ROOM.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        for how, rule in re.findall(r'\b(note|warn|fail|graded|tell)\(\s*"([a-z-]+)"', text):
            yield rule, {"note": {"pass"}, "tell": {"pass", "warn"}, "graded": {"warn", "fail"}}.get(how, {how})


def test_every_rule_is_described_at_every_level():
    described = {}
    for row in described_limits():
        described.setdefault(row.rule, set()).add(row.level.value)
    found = {}
    for rule, levels in emitted():
        found.setdefault(rule, set()).update(levels)
    found["cell-strain"].remove("fail")  # graded without a limit for failure
    found["structure-..."] = {"warn", "fail"}  # the checker's own names
    assert described == found


def test_rules_come_by_property():
    order = [row.property for row in described_limits()]
    assert list(dict.fromkeys(order)) == ["any", *PROPERTIES]


def test_every_limit_is_told_with_its_reason():
    used = set()
    for rules in _RULES.values():
        for *_, condition, reason in rules:
            used |= set(re.findall(r"\{(\w+)", condition))
            used |= {reason} & set(GateLimits.model_fields)
    assert used == set(GateLimits.model_fields)
    reasons = {row.reason for row in described_limits()}
    assert {field.description for field in GateLimits.model_fields.values()} - reasons == {
        GateLimits.model_fields["bonds_changed_of_all_fail"].description  # its rule gives another
    }


def test_the_limits_are_those_in_force():
    [usual] = [row for row in described_limits() if row.rule == "volume-change"]
    assert (usual.level, usual.condition) == (Level.WARN, "the volume changed by more than 10%")
    assert "another phase until someone looks" in usual.reason
    [other] = [row for row in described_limits(GateLimits(volume_change_warn=0.2)) if row.rule == "volume-change"]
    assert other.condition == "the volume changed by more than 20%"
