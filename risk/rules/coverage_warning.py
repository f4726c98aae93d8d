"""V02: coverage touched the warning line."""

from __future__ import annotations

from decimal import Decimal

from risk.facts import Facility
from risk.rule import BY_PRODUCT, CannotJudge, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.coverage_lines import facility_finding, percent
from risk.snapshot import Snapshot
from risk.thresholds import Tuned

HYSTERESIS = Threshold(name="hysteresis", value=Decimal("0.01"), meaning="coverage above the line that clears the warning")
MARKS_TO_CLEAR = Threshold(name="marks_to_clear", value=2, whole=True, least=1, most=2, meaning="marks in a row that must show it")


def _clear(facility: Facility, tuned: Tuned) -> bool:
    needed, above = int(tuned.number(MARKS_TO_CLEAR)), tuned.number(HYSTERESIS)
    newest = facility.marks[:needed]
    return len(newest) == needed and all(m.coverage is None or m.coverage >= m.warning_line + above for m in newest)


def _verdict(facility: Facility, tuned: Tuned) -> Verdict | None:
    if not facility.marks:
        return None
    mark = facility.marks[0]
    if mark.line_state == "CANNOT_JUDGE":
        return CannotJudge(
            subject=Subject(tenant_id=facility.tenant_id, kind=SubjectKind.FACILITY, id=facility.facility_id),
            reason="the mark could not be judged",
        )
    below = mark.coverage is not None and mark.coverage < mark.warning_line
    if not (mark.line_state == "WARNING" or (facility.warned and (below or not _clear(facility, tuned)))):
        return None
    return facility_finding(
        facility,
        mark,
        Severity.P3,
        mark.as_of,
        f"Coverage of {facility.name} is {percent(mark)}, warning line {mark.warning_line * 100:.1f} %.",
        f"{facility.name_zh} 覆盖率 {percent(mark)}，警戒线 {mark.warning_line * 100:.1f} %。",
        {"hysteresis": tuned.number(HYSTERESIS), "marks_to_clear": tuned.number(MARKS_TO_CLEAR)},
        tuned,
    )


def check(snapshot: Snapshot) -> list[Verdict]:
    """Facilities in the warning band, and those that left it less than clearly."""
    found = (_verdict(f, snapshot.tuned.of("V02", f.tenant_id, product=f.product)) for f in snapshot.facilities)
    return [v for v in found if v is not None]


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
    thresholds=(HYSTERESIS, MARKS_TO_CLEAR),
    scopes=BY_PRODUCT,
    guards=(
        "A mark that falls through two lines at once raises the worst only.",
        "A mark without a usable price cannot be judged and changes nothing.",
    ),
    check=check,
)
