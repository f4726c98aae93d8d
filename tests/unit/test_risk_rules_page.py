"""The page of rules says what the rules say, and the registry is sound."""

from __future__ import annotations

import pytest

from risk.rule import Rule
from risk.rules import RULES
from risk.rules_page import PAGE, page


def test_the_page_equals_the_rules() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m risk.rules_page --write"


def test_codes_are_unique() -> None:
    assert len({r.code for r in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.code)
def test_every_rule_tells_its_claim_thresholds_and_guards(rule: Rule) -> None:
    assert rule.claim.endswith(".")
    assert rule.thresholds
    assert rule.guards
    assert rule.lanes
    assert rule.inputs
    assert rule.name_zh
