"""R30: goods run out of a site."""

from __future__ import annotations

from datetime import date, timedelta

from collateral.calendar import business_date, is_business_day
from risk.rule import Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import of_holder
from risk.snapshot import Snapshot
from risk.timeseries import run_rate

TIMES = Threshold(name="times", value=3, meaning="the mean of the 30 days before")
DAYS = Threshold(name="days", value=14, meaning="days of history below which a rate is not judged (cold start)")
DEPOSITORS = Threshold(name="depositors", value=3, meaning="who draw within 48 hours")
DEPOSITOR_SHARE_MIN = 0.5
HOLIDAY_TIMES = 2


def _before_holiday(day: date) -> bool:
    """Whether a holiday of three days or more begins within the three days after: everybody stocks up."""
    ahead = [day + timedelta(days=i) for i in range(1, 7)]
    off = [not is_business_day(d)[0] for d in ahead]
    return any(all(off[i : i + 3]) for i in range(3))


def check(snapshot: Snapshot) -> list[Verdict]:
    """Sites from which far more is taken than usual, or by many depositors at once."""
    verdicts: list[Verdict] = []
    today = business_date(snapshot.as_of)
    for flow in snapshot.outflows:
        tuned = snapshot.tuned.of("R30", flow.tenant_id, warehouse_id=flow.warehouse_id)
        by_day = {d: float(kg) for d, kg in flow.daily_kg}
        if not by_day:
            continue
        first = max(min(by_day), today - timedelta(days=30))
        days = [first + timedelta(days=i) for i in range((today - first).days + 1)]
        rate = run_rate([by_day.get(d, 0.0) for d in days])
        times = float(tuned.number(TIMES)) * (HOLIDAY_TIMES if _before_holiday(today) or today.day >= 28 else 1)
        faults = []
        if (
            rate is not None
            and rate.days >= tuned.number(DAYS)
            and rate.mean > 0
            and rate.newest > times * rate.mean
            and rate.newest > rate.p99
        ):
            faults.append(("rate", f"{rate.newest / 1000:,.1f} t left today, {rate.newest / rate.mean:.1f} times the usual", f"当日出库 {rate.newest / 1000:,.1f} 吨，为平日 {rate.newest / rate.mean:.1f} 倍"))  # fmt: skip
        crowd = flow.depositors_48h >= tuned.number(DEPOSITORS) and flow.depositors_48h >= DEPOSITOR_SHARE_MIN * flow.depositors_all
        if crowd and rate is not None and rate.newest > rate.mean:
            faults.append(("depositors", f"{flow.depositors_48h} of {flow.depositors_all} depositors draw within 48 hours", f"48 小时内 {flow.depositors_48h}/{flow.depositors_all} 家存货人提货"))  # fmt: skip
        if not faults:
            continue
        verdicts.append(
            Finding(
                subject=Subject(tenant_id=flow.tenant_id, kind=SubjectKind.SITE, id=flow.warehouse_id),
                severity=Severity.P1,
                occurred_at=flow.newest_at or snapshot.as_of,
                warehouse_id=flow.warehouse_id,
                summary=f"Goods run out of {flow.warehouse_id}: {'; '.join(f[1] for f in faults)}.",
                summary_zh=f"{flow.warehouse_id} 出现集中提货：{'；'.join(f[2] for f in faults)}。",
                evidence={
                    "warehouse_id": flow.warehouse_id, "faults": [f[0] for f in faults], "today_kg": rate.newest if rate else None,
                    "mean_kg": round(rate.mean, 1) if rate else None, "p99_kg": round(rate.p99, 1) if rate else None,
                    "history_days": rate.days if rate else 0, "depositors_48h": flow.depositors_48h, "depositors": flow.depositors_all,
                },
                thresholds=tuned.shown(),
                **of_holder(flow.holder),
            )
        )  # fmt: skip
    return verdicts


RULE = Rule(
    code="R30",
    version=1,
    name="Run on a site",
    name_zh="集中提货/挤兑",
    leg=Leg.INDUSTRY,
    severity="P1",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="What left a site today exceeds three times the mean of 30 days and their 99th percentile, at least three depositors (half of all) draw within 48 hours and "
    "more than usual.",
    inputs=(Section.OUTFLOWS,),
    thresholds=(TIMES, DAYS, DEPOSITORS),
    guards=(
        "Before a holiday of three days and at the end of a month twice as much is usual.",
        "Cold start: a rate is judged from 14 days of history on.",
        "Depositors count only together with an outflow above the mean.",
    ),
    check=check,
)
