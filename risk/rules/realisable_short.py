"""V07: selling the goods would not pay the loan, or not in time."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from collateral.calendar import BANK_ZONE, business_date
from risk.facts import Facility
from risk.rule import BY_PRODUCT, CannotJudge, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.coverage_lines import facility_finding
from risk.snapshot import Snapshot

SHARE = Threshold(name="share", value=Decimal("0.95"), meaning="of the net realisable value, which the exposure may reach")
DISCOUNT = Threshold(name="discount", value=Decimal("0.05"), meaning="of a quick sale, off the market value")
SELLING = Threshold(
    name="selling", value=timedelta(days=22), meaning="from the decision to the cash: 16 trading days, in days of the calendar"
)


def net_realisable(collateral_value: Decimal, discount: Decimal, costs: Decimal) -> Decimal:
    """What a sale brings: price less the discount, less its costs (DOMAIN 2.9). Both as fractions of the value."""
    return collateral_value * max(Decimal(0), 1 - discount - costs)


def _verdict(facility: Facility, snapshot: Snapshot) -> Verdict | None:
    if not facility.marks:
        return None
    mark = facility.marks[0]
    if mark.line_state == "CANNOT_JUDGE":
        subject = Subject(tenant_id=facility.tenant_id, kind=SubjectKind.FACILITY, id=facility.facility_id)
        return CannotJudge(subject=subject, reason="the mark could not be judged")
    if mark.exposure <= 0:
        return None
    tuned = snapshot.tuned.of("V07", facility.tenant_id, product=facility.product)
    net = net_realisable(mark.collateral_value, tuned.number(DISCOUNT), facility.disposal_cost)
    faults = []
    if mark.exposure > tuned.number(SHARE) * net:
        faults.append(
            ("value", f"exposure {mark.exposure:,.0f} against {net:,.0f} net of a sale", f"敞口 {mark.exposure:,.0f}，净变现 {net:,.0f}")
        )
    if facility.matures_on is not None:
        left = facility.matures_on - business_date(snapshot.as_of)
        if timedelta(0) <= left < tuned.span(SELLING):
            faults.append(
                (
                    "time",
                    f"{left.days} days left, a sale takes {tuned.span(SELLING).days}",
                    f"剩余 {left.days} 天，变现需 {tuned.span(SELLING).days} 天",
                )
            )
    if not faults:
        return None
    return facility_finding(
        facility,
        mark,
        Severity.P2,
        mark.as_of
        if faults[0][0] == "value"
        else datetime.combine(facility.matures_on or mark.as_of.date(), datetime.min.time(), BANK_ZONE),
        f"{facility.name} could not be sold out of: {'; '.join(f[1] for f in faults)}.",
        f"{facility.name_zh} 变现不足：{'；'.join(f[2] for f in faults)}。",
        {
            "faults": [f[0] for f in faults],
            "net_realisable": round(net, 2),
            "disposal_cost": facility.disposal_cost,
            "matures_on": facility.matures_on,
        },
    )


def check(snapshot: Snapshot) -> list[Verdict]:
    """Facilities whose goods, sold, would not pay them."""
    return [v for v in (_verdict(f, snapshot) for f in snapshot.facilities) if v is not None]


RULE = Rule(
    code="V07",
    version=1,
    name="Net realisable value short",
    name_zh="变现不足",
    leg=Leg.TRADE,
    severity="P2",
    lanes=frozenset({Lane.MARK, Lane.SCHEDULED}),
    lasting=True,
    claim="The exposure is more than 95 % of what a sale of the goods would bring after its discount and costs, or the loan falls due before a sale could be paid.",
    inputs=(Section.FACILITIES,),
    thresholds=(SHARE, DISCOUNT, SELLING),
    scopes=BY_PRODUCT,
    guards=(
        "A mark without a usable price cannot be judged and changes nothing.",
        "A loan past its due date belongs to the call and the disposal (V03, V04).",
    ),
    check=check,
)
