"""V03: coverage touched the margin-call line and a call is out."""

from __future__ import annotations

from risk.facts import Facility
from risk.rule import BY_PRODUCT, Lane, Leg, Rule, Section, Severity, Threshold, Verdict
from risk.rules.coverage_lines import facility_finding, percent
from risk.snapshot import Snapshot

OPEN_CALL = ("ISSUED", "ACKNOWLEDGED", "PARTLY_CURED")
LAPSED_CALL = ("EXPIRED", "ESCALATED")


def _verdict(facility: Facility) -> Verdict | None:
    call = facility.call
    if call is None or not (call.status in OPEN_CALL or (call.status in LAPSED_CALL and facility.case is not None)):
        return None
    mark = facility.marks[0] if facility.marks else None
    coverage = percent(mark) if mark else "unknown"
    return facility_finding(
        facility,
        mark,
        Severity.P2,
        call.issued_at,
        f"Margin call on {facility.name}: coverage {coverage}; {call.cash_amount:,.2f} {facility.currency} in cash or "
        f"{call.goods_amount:,.2f} in goods until {call.cure_deadline:%Y-%m-%d %H:%M}Z ({call.status.lower()}).",
        f"{facility.name_zh} 触及补仓线：覆盖率 {coverage}，须于 {call.cure_deadline:%Y-%m-%d %H:%M}Z 前补现金 {call.cash_amount:,.2f} {facility.currency}"
        f" 或补货值 {call.goods_amount:,.2f}。",
        {
            "call_id": call.call_id,
            "call_status": call.status,
            "cause": call.cause,
            "cash_amount": call.cash_amount,
            "goods_amount": call.goods_amount,
            "issued_at": call.issued_at,
            "cure_deadline": call.cure_deadline,
        },
    )


def check(snapshot: Snapshot) -> list[Verdict]:
    """Facilities with a margin call that is not cured."""
    return [v for v in map(_verdict, snapshot.facilities) if v is not None]


RULE = Rule(
    code="V03",
    version=1,
    name="Margin call",
    name_zh="触及补仓线",
    leg=Leg.TRADE,
    severity="P2",
    lanes=frozenset({Lane.MARK, Lane.SCHEDULED}),
    lasting=True,
    claim="A mark put coverage below the margin-call line and the call that it opened is not cured.",
    inputs=(Section.FACILITIES,),
    thresholds=(
        Threshold(
            name="open_calls", value=1, meaning="calls of a facility that can be open at a time", fixed="one call binds to one valuation"
        ),
    ),
    scopes=BY_PRODUCT,
    guards=("The call itself is issued, cured and escalated by the ledger; this alert follows it.", "Cured calls resolve the alert."),
    check=check,
)
