"""V04: coverage touched the disposal line, or a margin call lapsed uncured; a case is in draft."""

from __future__ import annotations

from risk.facts import Facility
from risk.rule import BY_PRODUCT, Lane, Leg, Rule, Section, Severity, Threshold, Verdict
from risk.rules.coverage_lines import facility_finding, percent
from risk.snapshot import Snapshot


def _verdict(facility: Facility) -> Verdict | None:
    case = facility.case
    if case is None:
        return None
    mark = facility.marks[0] if facility.marks else None
    lapsed = case.trigger == "CALL_EXPIRED"
    why = "a margin call lapsed uncured" if lapsed else f"coverage {percent(mark) if mark else 'unknown'} is below the disposal line"
    why_zh = "追加保证金逾期未补" if lapsed else f"覆盖率 {percent(mark) if mark else '未知'} 低于处置线"
    return facility_finding(
        facility,
        mark,
        Severity.P1,
        case.opened_at,
        f"Disposal case {case.case_id} of {facility.name} is {case.status.lower()}: {why}.",
        f"{facility.name_zh} 处置案 {case.case_id}（{case.status}）：{why_zh}。",
        {
            "case_id": case.case_id,
            "case_status": case.status,
            "trigger": case.trigger,
            "proposed_sale_value": case.proposed_sale_value,
            "opened_at": case.opened_at,
            "call_id": facility.call.call_id if facility.call else None,
        },
    )


def check(snapshot: Snapshot) -> list[Verdict]:
    """Facilities with an open disposal case."""
    return [v for v in map(_verdict, snapshot.facilities) if v is not None]


RULE = Rule(
    code="V04",
    version=1,
    name="Disposal trigger",
    name_zh="触及处置线或逾期未补",
    leg=Leg.TRADE,
    severity="P1",
    lanes=frozenset({Lane.MARK, Lane.SCHEDULED}),
    lasting=True,
    claim="Coverage is below the disposal line, or a margin call passed its cure deadline, and a disposal case waits for people.",
    inputs=(Section.FACILITIES,),
    thresholds=(
        Threshold(name="approvers", value=2, meaning="people who must approve before anything is sold", fixed="the store holds to it"),
    ),
    scopes=BY_PRODUCT,
    guards=(
        "Nothing is ever sold automatically: the case is a draft until two people approve it.",
        "Withdrawn and settled cases resolve the alert.",
    ),
    check=check,
)
