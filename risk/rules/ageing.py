"""R26: pledged goods grow old or do not turn."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

from collateral.calendar import business_date
from risk.facts_trade import Holding
from risk.rule import BY_PRODUCT, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.snapshot import Snapshot, money_sum
from risk.thresholds import Tuned

IDLE = Threshold(name="idle", value=timedelta(days=90), meaning="without any in or out under a floating pledge")
PLAN = Threshold(name="plan", value=Decimal("0.5"), meaning="turnover of 90 days over the trade plan, below which it is told")


def check(snapshot: Snapshot) -> list[Verdict]:
    """By facility and commodity: goods over age, floating stock that stands still, turnover far below the plan."""
    groups: dict[tuple[str, str, str], list[Holding]] = defaultdict(list)
    for h in snapshot.holdings:
        groups[h.tenant_id, h.facility_id, h.commodity_code].append(h)
    by_facility: dict[tuple[str, str], list[tuple[str, list[Holding], list[tuple[str, str, str]]]]] = defaultdict(list)
    told_by: dict[tuple[str, str], list[Tuned]] = defaultdict(list)
    for (tenant_id, facility_id, commodity), held in groups.items():
        tuned = snapshot.tuned.of("R26", tenant_id, product=held[0].product)
        told_by[tenant_id, facility_id].append(tuned)
        faults: list[tuple[str, str, str]] = []
        old = sum(h.over_age_units for h in held)
        if old:
            faults.append(("age", f"{old} units of {commodity} are over age", f"{commodity} 超库龄 {old} 件"))
        turned = max((h.turned_at for h in held if h.turned_at is not None), default=held[0].opened_at)
        idle = snapshot.as_of - turned
        if held[0].pledge_mode == "FLOATING" and idle > tuned.span(IDLE):
            faults.append(("idle", f"{commodity} has not turned for {idle.days} days", f"{commodity} 已 {idle.days} 天无周转"))
        plans = [
            f for f in snapshot.figures
            if f.tenant_id == tenant_id and f.kind == "PLANNED_TURNOVER_90D_KG" and f.party_id == held[0].borrower_party_id
            and f.commodity_code in (None, commodity)
        ]  # fmt: skip
        done = sum((h.turned_90d_kg or Decimal(0) for h in held), Decimal(0))
        if plans and snapshot.as_of - held[0].opened_at >= tuned.span(IDLE) and done < plans[0].value * tuned.number(PLAN):
            faults.append(("plan", f"{commodity} turned {done / 1000:,.0f} t of {plans[0].value / 1000:,.0f} t planned", f"{commodity} 周转 {done / 1000:,.0f} 吨，计划 {plans[0].value / 1000:,.0f} 吨"))  # fmt: skip
        if faults:
            by_facility[tenant_id, facility_id].append((commodity, held, faults))
    verdicts: list[Verdict] = []
    for (tenant_id, facility_id), told in by_facility.items():
        all_held = [h for _, held, _ in told for h in held]
        old_value = money_sum([h.over_age_value for h in all_held if h.over_age_units])
        verdicts.append(
            Finding(
                subject=Subject(tenant_id=tenant_id, kind=SubjectKind.FACILITY, id=facility_id),
                severity=Severity.P3,
                occurred_at=snapshot.as_of,
                facility_id=facility_id,
                exposure_at_risk=old_value if old_value is not None else money_sum([h.value for h in all_held]),
                currency=next((h.currency for h in all_held if h.currency), None),
                summary=f"{facility_id}: {'; '.join(f[1] for _, _, faults in told for f in faults)}.",
                summary_zh=f"{facility_id}：{'；'.join(f[2] for _, _, faults in told for f in faults)}。",
                evidence={
                    "faults": sorted({f"{f[0]}:{commodity}" for commodity, _, faults in told for f in faults}),
                    "business_date": business_date(snapshot.as_of),
                    "oldest_from": min((h.oldest_from for h in all_held if h.oldest_from), default=None),
                    "over_age_units": sum(h.over_age_units for h in all_held),
                    "turned_at": max((h.turned_at for h in all_held if h.turned_at), default=None),
                },
                thresholds={name: value for tuned in told_by[tenant_id, facility_id] for name, value in tuned.shown().items()},
            )
        )
    return verdicts


RULE = Rule(
    code="R26",
    version=1,
    name="Ageing and slow stock",
    name_zh="库龄/呆滞",
    leg=Leg.INDUSTRY,
    severity="P3",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="Pledged goods have reached the age from which their commodity is ineligible, goods under a floating pledge did not turn for 90 days, or turnover is below "
    "half of the borrower's plan.",
    inputs=(Section.HOLDINGS, Section.FIGURES),
    thresholds=(IDLE, PLAN),
    scopes=BY_PRODUCT,
    guards=(
        "Age runs from production, or from registration where that is not known, by the commodity's own steps.",
        "A facility that is younger than the window is not idle; a static pledge is meant to stand still.",
        "Turnover is compared with a plan only where one is stored.",
    ),
    check=check,
)
