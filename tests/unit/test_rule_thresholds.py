"""Thresholds as data: every one that says it can be set is asked for, within bounds, and moves the verdict of its rule."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from risk_facts import BAY, DEVICE, EXIT, GATE_IN, GATE_OUT, HOUR, MINUTE, NOW, UNIT, UNSEEN, findings, snapshot, stream

from risk.facts import CommodityPrices, Cover, EarlierExit, Facility, Invoice, Mark, QuoteFact, UnsightedUnit
from risk.rule import Rule, Threshold, Verdict
from risk.rules import (
    RULES,
    coverage_warning,
    device_silent,
    phantom_stock,
    price_fall,
    stale_price,
    tag_clone,
    tag_missing,
    trade_without_move,
    unauthorised_exit,
)
from risk.snapshot import Snapshot
from risk.thresholds import Override, ThresholdBook

DAY = timedelta(days=1)


def book(rule: str, name: str, value: str, *, site: str | None = None, product: str | None = None) -> ThresholdBook:
    scope = {"warehouse_id": site, "product": product}
    return ThresholdBook((Override(version=7, tenant_id="demo", rule_code=rule, name=name, value=Decimal(value), **scope),))


def _asked_for(rule: Rule) -> set[str]:
    """Names of the constants that the rule's module reads its thresholds by, in number(...) and span(...), and passes on to what does so."""
    tree = ast.parse(inspect.getsource(sys.modules[rule.check.__module__]))
    body = [n for n in tree.body if not (isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name) and n.targets[0].id == "RULE")]
    return {n.id for statement in body for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.code)
def test_every_threshold_that_can_be_set_is_read_by_its_rule(rule: Rule) -> None:
    module = sys.modules[rule.check.__module__]
    names = {id(value): name for name, value in vars(module).items() if isinstance(value, Threshold)}
    read = _asked_for(rule)
    for threshold in rule.thresholds:
        if threshold.fixed is None:
            assert names.get(id(threshold)) in read, f"{rule.code} {threshold.name} is shown and never asked for"
            assert threshold.fault(threshold.plain()) is None, f"the value of {threshold.name} lies outside its own bounds"


def exits(tuned: ThresholdBook) -> list[Verdict]:
    late = Cover(kind="release", id="R-1", valid_from=NOW - 3 * HOUR, valid_to=NOW - 20 * MINUTE, vehicle_plate="x")
    return unauthorised_exit.check(snapshot(movements=(replace(EXIT, cover=late),), tuned=tuned))


def returned(tuned: ThresholdBook) -> list[Verdict]:
    return unauthorised_exit.check(snapshot(movements=(replace(EXIT, back_inside_at=NOW + 20 * MINUTE),), tuned=tuned))


def unseen(tuned: ThresholdBook) -> list[Verdict]:
    return tag_missing.check(snapshot(unseen=(replace(UNSEEN, rounds_since=3),), watched_units=5000, tuned=tuned))


def cloned(tuned: ThresholdBook) -> list[Verdict]:
    far = replace(BAY, zone_id="WH-2/bay", warehouse_id="WH-2", lon=121.9)  # 40 km away
    move = replace(EXIT, kind="SITE_CHANGE", from_place=far, to_place=BAY, from_seen_at=NOW - 19 * MINUTE)
    return tag_clone.check(snapshot(movements=(move,), tuned=tuned))


def unsighted(tuned: ThresholdBook) -> list[Verdict]:
    fact = UnsightedUnit(unit=replace(UNIT, pledged_at=NOW - 30 * HOUR), last_seen_at=None, readers=0, readers_heard=0, zone_id=None)
    return phantom_stock.check(snapshot(unsighted=(fact,), tuned=tuned))


def silent(tuned: ThresholdBook) -> list[Verdict]:
    quiet = replace(DEVICE, device_id="rd-2", last_heard_at=NOW - 20 * MINUTE)
    return device_silent.check(snapshot(devices=(DEVICE, quiet), stream=stream(), tuned=tuned))


def _quote(price: str, days_ago: int, source: str = "A") -> QuoteFact:
    return QuoteFact(
        price_id=f"{source}{days_ago}",
        source=source,
        quoted_at=NOW - days_ago * DAY,
        per_unit=Decimal(price),
        currency="CNY",
        unit="t",
        status="ACCEPTED",
        reason=None,
    )


def _prices(*quotes: QuoteFact) -> tuple[CommodityPrices, ...]:
    held = {"facility_ids": ("F-1",), "exposure": Decimal(1), "currency": "CNY"}
    return (CommodityPrices(tenant_id="demo", commodity_code="HRC", quotes=quotes, **held),)  # type: ignore[arg-type]


def fell(tuned: ThresholdBook) -> list[Verdict]:
    return price_fall.check(snapshot(prices=_prices(_quote("100", 3), _quote("94", 0)), tuned=tuned))


def differing(tuned: ThresholdBook) -> list[Verdict]:
    return stale_price.check(snapshot(prices=_prices(_quote("100", 0), _quote("104", 0, "B")), tuned=tuned))


def unmoved(tuned: ThresholdBook) -> list[Verdict]:
    invoice = Invoice(
        tenant_id="demo", document_id="D-1", number="N-1", contract_no=None, seller_party_id="S", buyer_party_id="B", amount=Decimal(5), currency="CNY",
        quantity=None, issued_at=NOW - 10 * DAY, received_at=NOW - 10 * DAY, waybills=0, movements=0, transfer_notes=0, units=(),
    )  # fmt: skip
    return trade_without_move.check(snapshot(invoices=(invoice,), tuned=tuned))


def _mark(coverage: str) -> Mark:
    lines = {"warning_line": Decimal("1.4"), "margin_call_line": Decimal("1.3"), "disposal_line": Decimal("1.2")}
    return Mark(
        valuation_id="V",
        as_of=NOW,
        coverage=Decimal(coverage),
        line_state="NORMAL",
        collateral_value=Decimal(1),
        exposure=Decimal(1),
        **lines,
    )


def warned(tuned: ThresholdBook) -> list[Verdict]:
    facility = Facility(
        facility_id="F-1", tenant_id="demo", name="F", name_zh="F", currency="CNY", marks=(_mark("1.415"), _mark("1.415")), call=None, case=None, warned=True,
        product="STEEL_STATIC",
    )  # fmt: skip
    return coverage_warning.check(snapshot(facilities=(facility,), tuned=tuned))


@pytest.mark.parametrize(
    ("judge", "rule", "name", "value", "found", "found_then"),
    [
        (exits, "R01", "window_grace", "600", 0, 1),
        (returned, "R01", "back_inside", "1200", 1, 0),
        (unseen, "R02", "false_alarms_per_round", "100", 0, 1),
        (unseen, "R02", "read_rate_default", "0.999", 0, 1),
        (cloned, "R03", "speed_between_sites_kmh", "80", 0, 1),
        (cloned, "R03", "skew_guard", "1", 0, 1),
        (unsighted, "R04", "sighted_within", "172800", 1, 0),
        (silent, "R21", "intervals", "30", 1, 0),
        (silent, "R21", "grace", "1200", 1, 0),
        (fell, "V01", "fall_day", "0.07", 1, 0),
        (differing, "V06", "sources_differ", "0.05", 1, 0),
        (unmoved, "R16", "business_days", "15", 1, 0),
        (warned, "V02", "hysteresis", "0.02", 0, 1),
    ],
)
def test_what_is_set_decides_and_is_told(judge, rule: str, name: str, value: str, found: int, found_then: int) -> None:  # type: ignore[no-untyped-def]
    before, then = findings(judge(ThresholdBook())), findings(judge(book(rule, name, value)))
    assert (len(before), len(then)) == (found, found_then)
    for finding in before:
        assert finding.thresholds is not None
        assert name in finding.thresholds
    for finding in then:
        assert finding.thresholds is not None
        assert finding.thresholds[name].endswith("(set, version 7)")


def test_what_was_set_beyond_a_bound_does_not_count_and_the_alert_says_so() -> None:
    left = replace(EXIT, cover=Cover(kind="release", id="R-1", valid_from=NOW - 3 * HOUR, valid_to=NOW - 45 * MINUTE, vehicle_plate="x"))
    found = findings(unauthorised_exit.check(snapshot(movements=(left,), tuned=book("R01", "window_grace", "3600"))))
    assert len(found) == 1
    assert found[0].thresholds is not None
    assert found[0].thresholds["window_grace"] == "30 min (version 7 does not count: window_grace is at most 1800 seconds)"


@pytest.mark.parametrize(("site", "found"), [("WH-1", 1), ("WH-2", 0), (None, 1)])
def test_what_is_set_for_a_site_counts_there(site: str | None, found: int) -> None:
    assert len(findings(exits(book("R01", "window_grace", "600", site=site)))) == found


def test_a_return_explains_its_exit_by_the_same_threshold() -> None:
    back = replace(
        EXIT, movement_id=2, kind="GATE_IN", occurred_at=NOW + 20 * MINUTE, from_place=GATE_OUT, to_place=GATE_IN, warehouse_id=None,
        exits_before=(EarlierExit(movement_id=1, occurred_at=NOW, by_vehicle=False),),
    )  # fmt: skip
    asked: Sequence[tuple[ThresholdBook, int]] = ((ThresholdBook(), 0), (book("R01", "back_inside", "1200", site="WH-1"), 1))
    for tuned, cleared in asked:
        assert len(unauthorised_exit.check(Snapshot(as_of=NOW, movements=(back,), tuned=tuned))) == cleared


@pytest.mark.parametrize(
    ("threshold", "value", "word"),
    [
        (unauthorised_exit.WINDOW_GRACE, "1801", "at most 1800 seconds"),
        (tag_missing.READ_RATE_DEFAULT, "0.2", "at least 0.30"),
        (tag_missing.NEIGHBOURS, "2.5", "whole number"),
        (tag_missing.HISTORY, "1", "cannot be set: rounds are kept for this long"),
        (coverage_warning.MARKS_TO_CLEAR, "3", "at most 2"),
    ],
)
def test_what_the_rule_cannot_bear_is_refused_with_the_reason(threshold: Threshold, value: str, word: str) -> None:
    fault = threshold.fault(Decimal(value))
    assert fault is not None
    assert word in fault
