"""The rules in reading order. A new rule is a module here and a line in RULES."""

from __future__ import annotations

from risk.rule import Lane, Rule
from risk.rules import (
    coverage_warning,
    device_silent,
    disposal_trigger,
    double_pledge,
    margin_call,
    phantom_stock,
    price_fall,
    route_deviation,
    sold_out_of_trust,
    stale_price,
    tag_clone,
    tag_missing,
    trade_without_move,
    unauthorised_exit,
)

RULES: tuple[Rule, ...] = (
    unauthorised_exit.RULE,
    tag_missing.RULE,
    tag_clone.RULE,
    phantom_stock.RULE,
    double_pledge.RULE,
    route_deviation.RULE,
    trade_without_move.RULE,
    sold_out_of_trust.RULE,
    device_silent.RULE,
    price_fall.RULE,
    coverage_warning.RULE,
    margin_call.RULE,
    disposal_trigger.RULE,
    stale_price.RULE,
)


def rules_of(lane: Lane) -> tuple[Rule, ...]:
    """Rules that run in this lane."""
    return tuple(rule for rule in RULES if lane in rule.lanes)
