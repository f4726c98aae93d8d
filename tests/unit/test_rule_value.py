"""V01 to V04 and V06: prices and coverage against their lines."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from risk_facts import HOUR, NOW, doubts, findings, snapshot

from risk.facts import CallFact, CaseFact, CommodityPrices, Facility, Mark, QuoteFact
from risk.rules import coverage_warning, disposal_trigger, margin_call, price_fall, stale_price

DAY = timedelta(days=1)


def quote(price: str, at: datetime, source: str = "EIA", status: str = "ACCEPTED") -> QuoteFact:
    return QuoteFact(
        price_id=f"{source}-{at:%m%d%H}", source=source, quoted_at=at, per_unit=Decimal(price), currency="USD", unit="bbl", status=status,
        reason=None if status == "ACCEPTED" else "jump",
    )  # fmt: skip


def prices(*quotes: QuoteFact) -> tuple[CommodityPrices, ...]:
    ordered = tuple(sorted(quotes, key=lambda q: q.quoted_at))
    return (
        CommodityPrices(
            tenant_id="demo", commodity_code="BRENT", quotes=ordered, facility_ids=("F-1",), exposure=Decimal(1), currency="USD"
        ),
    )


@pytest.mark.parametrize(
    ("before", "now", "severity"),
    [
        ("100", "95.01", None),
        ("100", "95", "P3"),
        ("100", "90.01", "P3"),
        ("100", "90", "P2"),
        ("45.60", "35.33", "P2"),
        ("35.33", "45.60", None),
    ],
)
def test_fall_of_a_day(before: str, now: str, severity: str | None) -> None:
    found = findings(price_fall.check(snapshot(prices=prices(quote(before, NOW - 3 * DAY), quote(now, NOW)))))  # Friday, Monday
    assert [f.severity for f in found] == ([severity] if severity else [])


def test_a_slow_fall_within_twenty_trading_days_counts_and_an_older_base_does_not() -> None:
    slow = [quote(str(100 - i), NOW - (14 - i) * DAY) for i in range(14)]
    assert [f.evidence["span"] for f in findings(price_fall.check(snapshot(prices=prices(*slow))))] == ["month"]
    old = [quote("100", NOW - 40 * DAY), quote("89", NOW - 3 * DAY), quote("88", NOW)]
    assert findings(price_fall.check(snapshot(prices=prices(*old)))) == []


def test_two_sources_and_doubtful_quotes_are_not_compared() -> None:
    assert findings(price_fall.check(snapshot(prices=prices(quote("100", NOW - 3 * DAY, "A"), quote("80", NOW, "B"))))) == []
    assert findings(price_fall.check(snapshot(prices=prices(quote("100", NOW - 3 * DAY), quote("80", NOW, status="QUARANTINED"))))) == []


@pytest.mark.parametrize(
    ("quotes", "faults"),
    [
        ([quote("50", NOW - 3 * DAY)], set()),  # Friday's price on Monday
        ([quote("50", NOW - 4 * DAY)], set()),  # Thursday's price while Monday trades
        ([quote("50", NOW - 5 * DAY)], {"stale"}),
        ([], {"missing"}),
        ([quote("50", NOW), quote("51.5", NOW, "B")], set()),
        ([quote("50", NOW), quote("51.51", NOW, "B")], {"sources_differ"}),
        ([quote("50", NOW - HOUR), quote("-36.98", NOW, status="REFUSED")], {"not_accepted"}),
        ([quote("-36.98", NOW - HOUR, status="REFUSED"), quote("50", NOW)], set()),
    ],
    ids=["weekend", "still trading", "stale", "missing", "agree", "differ", "refused", "refused before"],
)
def test_doubtful_prices(quotes: list[QuoteFact], faults: set[str]) -> None:
    found = findings(stale_price.check(snapshot(prices=prices(*quotes))))
    assert {k for f in found for k in f.evidence if k not in ("facilities", "faults")} == faults
    assert {k for f in found for k in f.evidence["faults"]} == faults


def mark(coverage: str | None, state: str = "OK") -> Mark:
    return Mark(
        valuation_id="V", as_of=NOW, coverage=None if coverage is None else Decimal(coverage), line_state=state, collateral_value=Decimal(9_000_000),
        exposure=Decimal(7_000_000), warning_line=Decimal("1.357"), margin_call_line=Decimal("1.287"), disposal_line=Decimal("1.171"),
    )  # fmt: skip


CALL = CallFact(
    call_id="C-1",
    status="ISSUED",
    cause="PRICE",
    cash_amount=Decimal(700_000),
    goods_amount=Decimal(1_000_000),
    issued_at=NOW,
    cure_deadline=NOW + DAY,
)
CASE = CaseFact(
    case_id="K-1",
    status="DRAFT",
    trigger="CALL_EXPIRED",
    proposed_sale_value=Decimal(4_000_000),
    opened_at=datetime(2020, 3, 10, 9, tzinfo=UTC),
)


def facility(*marks: Mark, call: CallFact | None = None, case: CaseFact | None = None, warned: bool = False) -> Facility:
    return Facility(
        facility_id="F-1", tenant_id="demo", name="Steel", name_zh="钢材", currency="CNY", marks=marks, call=call, case=case, warned=warned
    )


@pytest.mark.parametrize(
    ("marks", "warned", "found"),
    [
        ([mark("1.356", "WARNING")], False, True),
        ([mark("1.357")], False, False),
        ([mark("1.20", "MARGIN_CALL")], False, False),
        ([mark("1.20", "MARGIN_CALL"), mark("1.356", "WARNING")], True, True),
        ([mark("1.366"), mark("1.40")], True, True),
        ([mark("1.367"), mark("1.366")], True, True),
        ([mark("1.367"), mark("1.367")], True, False),
        ([mark(None), mark("1.40")], True, False),
        ([], False, False),
    ],
    ids=[
        "below",
        "at the line",
        "through two lines",
        "fell on",
        "less than a point",
        "one clear mark",
        "two clear marks",
        "no exposure",
        "never marked",
    ],
)
def test_warning_and_its_hysteresis(marks: list[Mark], warned: bool, found: bool) -> None:
    assert bool(findings(coverage_warning.check(snapshot(facilities=(facility(*marks, warned=warned),))))) is found


def test_a_mark_without_a_price_judges_nothing() -> None:
    assert len(doubts(coverage_warning.check(snapshot(facilities=(facility(mark(None, "CANNOT_JUDGE"), warned=True),))))) == 1


@pytest.mark.parametrize(
    ("status", "case", "found"),
    [
        ("ISSUED", None, True),
        ("ACKNOWLEDGED", None, True),
        ("PARTLY_CURED", None, True),
        ("CURED", None, False),
        ("ESCALATED", CASE, True),
        ("ESCALATED", None, False),
    ],
)
def test_a_call_is_an_alert_until_it_is_cured_or_its_case_is_over(status: str, case: CaseFact | None, found: bool) -> None:
    made = facility(mark("1.28", "MARGIN_CALL"), call=replace(CALL, status=status), case=case)
    assert bool(findings(margin_call.check(snapshot(facilities=(made,))))) is found


def test_an_open_case_is_a_p1_that_says_why() -> None:
    found = findings(
        disposal_trigger.check(snapshot(facilities=(facility(mark("1.28", "MARGIN_CALL"), call=CALL, case=CASE), facility(mark("2")))))
    )
    assert [f.severity for f in found] == ["P1"]
    assert "lapsed uncured" in found[0].summary
