"""V01: the price of goods that secure loans fell sharply."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from functools import cache

from collateral.calendar import business_date, is_trading_day
from risk.facts import CommodityPrices, QuoteFact
from risk.rule import BY_TENANT, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.snapshot import Snapshot
from risk.thresholds import Tuned

FALL_DAY = Threshold(name="fall_day", value=Decimal("0.05"), meaning="against the last quote of an earlier day")
FALL_MONTH = Threshold(name="fall_month", value=Decimal("0.10"), meaning="against the highest quote within the window")
MONTH_TRADING_DAYS = Threshold(name="month_trading_days", value=20, whole=True, least=1, most=24, meaning="the window")
HISTORY = Threshold(name="history", value=timedelta(days=45), meaning="quotes looked at", fixed="so many are loaded")


def _before(quotes: list[QuoteFact], newest: QuoteFact) -> QuoteFact | None:
    """The source's last quote of an earlier business date."""
    earlier = [q for q in quotes if business_date(q.quoted_at) < business_date(newest.quoted_at)]
    return earlier[-1] if earlier else None


@cache
def _window_from(day: date, trading_days: int) -> date:
    """The first date that lies at most so many trading days before this one."""
    left = trading_days
    while left >= 0:
        left -= is_trading_day(day)[0]
        day -= timedelta(days=1)
    return day + timedelta(days=1)


def _month_before(quotes: list[QuoteFact], newest: QuoteFact, trading_days: int) -> QuoteFact | None:
    """The highest of the source's quotes within so many trading days before the newest."""
    first = _window_from(business_date(newest.quoted_at), trading_days)
    window = [q for q in quotes if q is not newest and business_date(q.quoted_at) >= first]
    return max(window, key=lambda q: q.per_unit, default=None)


def _judge(prices: CommodityPrices, tuned: Tuned) -> Finding | None:
    fall_day, fall_month, days = tuned.number(FALL_DAY), tuned.number(FALL_MONTH), int(tuned.number(MONTH_TRADING_DAYS))
    worst: tuple[Severity, Decimal, QuoteFact, QuoteFact, str] | None = None
    for source in sorted({q.source for q in prices.quotes}):
        quotes = [q for q in prices.quotes if q.source == source and q.status == "ACCEPTED"]
        if not quotes:
            continue
        newest = quotes[-1]
        for base, limit, span in ((_before(quotes, newest), fall_day, "day"), (_month_before(quotes, newest, days), fall_month, "month")):
            if base is None or (base.currency, base.unit) != (newest.currency, newest.unit):
                continue
            fall = 1 - newest.per_unit / base.per_unit
            if fall < limit:
                continue
            severity = Severity.P2 if fall >= fall_month else Severity.P3
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
        thresholds=tuned.shown(),
    )


def check(snapshot: Snapshot) -> list[Verdict]:
    """Falls of the accepted prices of pledged commodities."""
    found = (_judge(p, snapshot.tuned.of("V01", p.tenant_id)) for p in snapshot.prices)
    return [f for f in found if f is not None]


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
    thresholds=(FALL_DAY, FALL_MONTH, MONTH_TRADING_DAYS, HISTORY),
    scopes=BY_TENANT,
    guards=(
        "Quotes are compared within one source, ex-VAT, in one currency and unit.",
        "A quarantined or refused quote is no price (V06).",
    ),
    check=check,
)
