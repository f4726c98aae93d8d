"""V06: the price of pledged goods is old, missing, disputed or was refused."""

from __future__ import annotations

from decimal import Decimal

from collateral.calendar import business_date, trading_days_after, trading_days_between
from risk.facts import CommodityPrices, QuoteFact
from risk.rule import BY_TENANT, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.snapshot import Snapshot
from risk.thresholds import Tuned

TRADING_DAYS = Threshold(name="trading_days", value=1, whole=True, meaning="age from which a price is stale")
SOURCES_DIFFER = Threshold(name="sources_differ", value=Decimal("0.03"), meaning="between two sources' newest quotes of one day")


def _newest_by_source(prices: CommodityPrices) -> dict[str, QuoteFact]:
    return {q.source: q for q in prices.quotes if q.status == "ACCEPTED"}


def _faults(prices: CommodityPrices, snapshot: Snapshot, tuned: Tuned) -> dict[str, object]:
    newest = _newest_by_source(prices)
    faults: dict[str, object] = {}
    if not newest:
        faults["missing"] = True
    else:
        last = max(newest.values(), key=lambda q: q.quoted_at)
        age, calendar_known = trading_days_between(last.quoted_at, snapshot.as_of)
        if age > tuned.number(TRADING_DAYS):
            faults["stale"] = {
                "price_id": last.price_id,
                "quoted_at": last.quoted_at,
                "trading_days": age,
                "calendar_known": calendar_known,
            }
        fresh = [
            q
            for q in newest.values()
            if trading_days_after(business_date(q.quoted_at), business_date(last.quoted_at))[0] == 0
            and (q.currency, q.unit) == (last.currency, last.unit)
        ]
        low, high = min(fresh, key=lambda q: q.per_unit), max(fresh, key=lambda q: q.per_unit)
        if high.per_unit / low.per_unit - 1 > tuned.number(SOURCES_DIFFER):
            faults["sources_differ"] = {
                "low": [low.source, low.per_unit],
                "high": [high.source, high.per_unit],
                "by": round(high.per_unit / low.per_unit - 1, 6),
            }
    doubted = [q for q in prices.quotes if q.status != "ACCEPTED" and (q.source not in newest or q.quoted_at > newest[q.source].quoted_at)]
    if doubted:
        q = doubted[-1]
        faults["not_accepted"] = {
            "price_id": q.price_id,
            "source": q.source,
            "quoted_at": q.quoted_at,
            "status": q.status,
            "reason": q.reason,
        }
    return faults


_WORDS = {
    "missing": "is missing",
    "stale": "is stale",
    "sources_differ": "differs between sources",
    "not_accepted": "has a newer quote that was not accepted",
}
_WORDS_ZH = {"missing": "缺失", "stale": "过期", "sources_differ": "两源差异过大", "not_accepted": "有新报价未被采纳"}


def check(snapshot: Snapshot) -> list[Verdict]:
    """Doubtful prices of pledged commodities, one finding each."""
    verdicts: list[Verdict] = []
    for prices in snapshot.prices:
        tuned = snapshot.tuned.of("V06", prices.tenant_id)
        faults = _faults(prices, snapshot, tuned)
        if not faults:
            continue
        newest = _newest_by_source(prices)
        verdicts.append(
            Finding(
                subject=Subject(tenant_id=prices.tenant_id, kind=SubjectKind.COMMODITY, id=prices.commodity_code),
                severity=Severity.P3,
                occurred_at=max((q.quoted_at for q in newest.values()), default=snapshot.as_of),
                exposure_at_risk=prices.exposure,
                currency=prices.currency,
                summary=f"The price of {prices.commodity_code} {' and '.join(_WORDS[name] for name in faults)}.",
                summary_zh=f"{prices.commodity_code} 价格{'、'.join(_WORDS_ZH[name] for name in faults)}。",
                evidence={**faults, "faults": sorted(faults), "facilities": list(prices.facility_ids)[:50]},
                thresholds=tuned.shown(),
            )
        )
    return verdicts


RULE = Rule(
    code="V06",
    version=1,
    name="Stale or abnormal price",
    name_zh="价格过期或异常",
    leg=Leg.TRADE,
    severity="P3",
    lanes=frozenset({Lane.MARK, Lane.SCHEDULED}),
    lasting=True,
    claim="A commodity that secures a loan has no accepted quote of the last trading day, or a newer one that was refused or quarantined, "
    "or its sources differ by more than 3 %.",
    inputs=(Section.PRICES,),
    thresholds=(TRADING_DAYS, SOURCES_DIFFER),
    scopes=BY_TENANT,
    guards=(
        "Weekends and Chinese holidays are no trading days.",
        "Once a quarantined jump is confirmed by the second source the doubt goes.",
    ),
    check=check,
)
