"""V01: the price of goods that secure loans fell sharply."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from functools import cache

from collateral.calendar import business_date, is_trading_day
from risk.facts import CommodityPrices, QuoteFact
from risk.rule import Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.snapshot import Snapshot

FALL_DAY = Decimal("0.05")
FALL_MONTH = Decimal("0.10")
MONTH_TRADING_DAYS = 20


def _before(quotes: list[QuoteFact], newest: QuoteFact) -> QuoteFact | None:
    """The source's last quote of an earlier business date."""
    earlier = [q for q in quotes if business_date(q.quoted_at) < business_date(newest.quoted_at)]
    return earlier[-1] if earlier else None


@cache
def _window_from(day: date) -> date:
    """The first date that lies at most 20 trading days before this one."""
    left = MONTH_TRADING_DAYS
    while left >= 0:
        left -= is_trading_day(day)[0]
        day -= timedelta(days=1)
    return day + timedelta(days=1)


def _month_before(quotes: list[QuoteFact], newest: QuoteFact) -> QuoteFact | None:
    """The highest of the source's quotes within 20 trading days before the newest."""
    first = _window_from(business_date(newest.quoted_at))
    window = [q for q in quotes if q is not newest and business_date(q.quoted_at) >= first]
    return max(window, key=lambda q: q.per_unit, default=None)


def _judge(prices: CommodityPrices) -> Finding | None:
    worst: tuple[Severity, Decimal, QuoteFact, QuoteFact, str] | None = None
    for source in sorted({q.source for q in prices.quotes}):
        quotes = [q for q in prices.quotes if q.source == source and q.status == "ACCEPTED"]
        if not quotes:
            continue
        newest = quotes[-1]
        for base, limit, span in ((_before(quotes, newest), FALL_DAY, "day"), (_month_before(quotes, newest), FALL_MONTH, "month")):
            if base is None or (base.currency, base.unit) != (newest.currency, newest.unit):
                continue
            fall = 1 - newest.per_unit / base.per_unit
            if fall < limit:
                continue
            severity = Severity.P2 if fall >= FALL_MONTH else Severity.P3
            if worst is None or (severity.value, -fall) < (worst[0].value, -worst[1]):
                worst = (severity, fall, base, newest, span)
    if worst is None:
        return None
    severity, fall, base, newest, span = worst
    return Finding(
        subject=Subject(tenant_id=prices.tenant_id, kind=SubjectKind.COMMODITY, id=prices.commodity_code),
        severity=severity,
        occurred_at=newest.quoted_at,
        exposure_at_risk=prices.exposure,
        currency=prices.currency,
        summary=f"{prices.commodity_code} fell {fall:.1%} from {base.per_unit:.2f} to {newest.per_unit:.2f} {newest.currency}/{newest.unit} ({newest.source}).",
        summary_zh=f"{prices.commodity_code} 价格由 {base.per_unit:.2f} 跌至 {newest.per_unit:.2f} {newest.currency}/{newest.unit}，跌幅 {fall:.1%}（{newest.source}）。",
        evidence={
            "price_id": newest.price_id,
            "source": newest.source,
            "quoted_at": newest.quoted_at,
            "price": newest.per_unit,
            "base_price_id": base.price_id,
            "base_quoted_at": base.quoted_at,
            "base_price": base.per_unit,
            "fall": round(fall, 6),
            "span": span,
            "facilities": list(prices.facility_ids)[:50],
        },
    )


def check(snapshot: Snapshot) -> list[Verdict]:
    """Falls of the accepted prices of pledged commodities."""
    return [f for f in map(_judge, snapshot.prices) if f is not None]


RULE = Rule(
    code="V01",
    version=1,
    name="Price fall",
    name_zh="价格急跌",
    leg=Leg.INDUSTRY,
    severity="P3, P2 from a fall of 10 %",
    lanes=frozenset({Lane.MARK, Lane.SCHEDULED}),
    lasting=True,
    claim="The accepted price of a commodity that secures a loan fell 5 % against the trading day before, or 10 % within 20 trading days.",
    inputs=(Section.PRICES,),
    thresholds=(
        Threshold(name="fall_day", value=FALL_DAY, meaning="against the last quote of an earlier day"),
        Threshold(name="fall_month", value=FALL_MONTH, meaning="against the highest quote within the window"),
        Threshold(name="month_trading_days", value=MONTH_TRADING_DAYS, meaning="the window"),
        Threshold(name="history", value=timedelta(days=45), meaning="quotes looked at"),
    ),
    guards=(
        "Quotes are compared within one source, ex-VAT, in one currency and unit.",
        "A quarantined or refused quote is no price (V06).",
    ),
    check=check,
)
