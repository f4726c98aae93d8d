"""R31: something moves in a bin when the site does not work."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from collateral.calendar import BANK_ZONE, is_business_day
from risk.facts_site import NightMove, SiteHours
from risk.rule import Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import of_unit
from risk.snapshot import Snapshot

GRACE = Threshold(name="grace", value=timedelta(minutes=30), meaning="around the working hours")
USUAL = SiteHours(opens=time(6, 0), closes=time(22, 0), works_holidays=True)


def closed(at: datetime, hours: SiteHours, grace: timedelta) -> bool:
    """Whether the site does not work at this instant, with the grace on both ends."""
    local = at.astimezone(BANK_ZONE)
    if not hours.works_holidays and not is_business_day(local.date())[0]:
        return True
    day = timedelta(hours=24)
    now = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second)
    opens = timedelta(hours=hours.opens.hour, minutes=hours.opens.minute) - grace
    closes = timedelta(hours=hours.closes.hour, minutes=hours.closes.minute) + grace
    if hours.closes < hours.opens:
        return closes < now < opens
    return not any(opens <= now + shift <= closes for shift in (-day, timedelta(0), day))


def _where(move: NightMove) -> str:
    return move.zone_id or move.warehouse_id


def check(snapshot: Snapshot) -> list[Verdict]:
    """Movements of pledged goods and motion in bins outside working hours that no ticket and no release explains."""
    verdicts: list[Verdict] = []
    for move in snapshot.night_moves:
        tuned = snapshot.tuned.of("R31", move.tenant_id, warehouse_id=move.warehouse_id)
        hours = move.hours or USUAL
        if move.ticket_id is not None or move.release_id is not None or not closed(move.occurred_at, hours, tuned.span(GRACE)):
            continue
        local = move.occurred_at.astimezone(BANK_ZONE)
        subject = (
            Subject(tenant_id=move.tenant_id, kind=SubjectKind.GOODS, id=move.unit.goods_id)
            if move.unit is not None
            else Subject(tenant_id=move.tenant_id, kind=SubjectKind.SITE, id=_where(move))
        )
        what = f"{move.unit.goods_id} moved" if move.unit is not None else f"{move.what} was reported"
        what_zh = f"货物 {move.unit.goods_id} 移动" if move.unit is not None else f"报告 {move.what}"
        fields = {**of_unit(move.unit), "warehouse_id": move.warehouse_id} if move.unit is not None else {"warehouse_id": move.warehouse_id}
        verdicts.append(
            Finding(
                subject=subject,
                severity=Severity.P2,
                occurred_at=move.occurred_at,
                event_key=move.key,
                summary=f"{what} in {_where(move)} at {local:%H:%M} local time, when the site does not work, without a ticket.",
                summary_zh=f"{_where(move)} 在非作业时段 {local:%H:%M} {what_zh}，且无作业单。",
                evidence={
                    "key": move.key, "zone_id": move.zone_id, "device_id": move.device_id, "what": move.what,
                    "opens": hours.opens.isoformat(), "closes": hours.closes.isoformat(), "works_holidays": hours.works_holidays,
                    "hours_known": move.hours is not None,
                },
                thresholds=tuned.shown(),
                **fields,
            )
        )  # fmt: skip
    return verdicts


RULE = Rule(
    code="R31",
    version=1,
    name="After-hours move",
    name_zh="非作业时段移动",
    leg=Leg.LOGISTICS,
    severity="P2",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=False,
    claim="Pledged goods changed their zone, or motion was reported in a bin, outside the site's working hours (22:00 to 06:00 in Shanghai where none are stored) and "
    "no work ticket and no release explains it.",
    inputs=(Section.NIGHT_MOVES,),
    thresholds=(GRACE,),
    guards=(
        "A site's own hours and shifts count where they are stored; holidays count only for sites that keep them.",
        "Half an hour around the working hours is not judged.",
        "A ticket of the site or the zone, or an issued release of the unit, explains the move; a movement that was corrected is none.",
    ),
    check=check,
)
