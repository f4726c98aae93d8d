"""V02: coverage touched the warning line."""

from __future__ import annotations

from decimal import Decimal

from risk.facts import Facility
from risk.rule import CannotJudge, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.coverage_lines import facility_finding, percent
from risk.snapshot import Snapshot

HYSTERESIS = Decimal("0.01")
MARKS_TO_CLEAR = 2


def _clear(facility: Facility) -> bool:
    newest = facility.marks[:MARKS_TO_CLEAR]
    return len(newest) == MARKS_TO_CLEAR and all(m.coverage is None or m.coverage >= m.warning_line + HYSTERESIS for m in newest)


def _verdict(facility: Facility) -> Verdict | None:
    if not facility.marks:
        return None
    mark = facility.marks[0]
    if mark.line_state == "CANNOT_JUDGE":
        return CannotJudge(
            subject=Subject(tenant_id=facility.tenant_id, kind=SubjectKind.FACILITY, id=facility.facility_id),
            reason="the mark could not be judged",
        )
    below = mark.coverage is not None and mark.coverage < mark.warning_line
    if not (mark.line_state == "WARNING" or (facility.warned and (below or not _clear(facility)))):
        return None
    return facility_finding(
        facility,
        mark,
        Severity.P3,
        mark.as_of,
        f"Coverage of {facility.name} is {percent(mark)}, warning line {mark.warning_line * 100:.1f} %.",
        f"{facility.name_zh} 覆盖率 {percent(mark)}，警戒线 {mark.warning_line * 100:.1f} %。",
        {"hysteresis": HYSTERESIS, "marks_to_clear": MARKS_TO_CLEAR},
    )


def check(snapshot: Snapshot) -> list[Verdict]:
    """Facilities in the warning band, and those that left it less than clearly."""
    return [v for v in map(_verdict, snapshot.facilities) if v is not None]


RULE = Rule(
    code="V02",
    version=1,
    name="Coverage warning",
    name_zh="触及警戒线",
    leg=Leg.TRADE,
    severity="P3",
    lanes=frozenset({Lane.MARK, Lane.SCHEDULED}),
    lasting=True,
    claim="Coverage (collateral value over exposure) is below the facility's warning line and not yet below its margin-call line.",
    inputs=(Section.FACILITIES,),
    thresholds=(
        Threshold(name="hysteresis", value=HYSTERESIS, meaning="coverage above the line that clears the warning"),
        Threshold(name="marks_to_clear", value=MARKS_TO_CLEAR, meaning="marks in a row that must show it"),
    ),
    guards=(
        "A mark that falls through two lines at once raises the worst only.",
        "A mark without a usable price cannot be judged and changes nothing.",
    ),
    check=check,
)
