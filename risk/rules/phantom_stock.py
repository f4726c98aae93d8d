"""R04: goods were pledged that no independent device ever saw."""

from __future__ import annotations

from datetime import timedelta

from risk.rule import CannotJudge, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.snapshot import Snapshot

SIGHTED_WITHIN = Threshold(
    name="sighted_within",
    value=timedelta(hours=24),
    least=timedelta(hours=24),
    meaning="time in which a device has to sight a pledged unit",
)


def check(snapshot: Snapshot) -> list[Verdict]:
    """Pledged units unsighted 24 h after their pledge, by the time that the stream has settled."""
    verdicts: list[Verdict] = []
    settled = snapshot.stream.settled_until
    for fact in snapshot.unsighted:
        unit = fact.unit
        subject = Subject(tenant_id=unit.tenant_id, kind=SubjectKind.GOODS, id=unit.goods_id)
        if unit.pledged_at is None:
            continue
        if settled is None:
            verdicts.append(CannotJudge(subject=subject, reason="no device has been heard at all"))
            continue
        tuned = snapshot.tuned.of("R04", unit.tenant_id, warehouse_id=unit.warehouse_id)
        within = tuned.span(SIGHTED_WITHIN)
        if settled < unit.pledged_at + within:
            continue
        if fact.readers and not fact.readers_heard:
            verdicts.append(
                CannotJudge(subject=subject, reason=f"none of the {fact.readers} devices at {fact.zone_id} was heard since the pledge")
            )
            continue
        since = f"last seen {fact.last_seen_at:%Y-%m-%d %H:%M}Z" if fact.last_seen_at else "never seen"
        hours = int(within.total_seconds()) // 3600
        since_zh = f"最近一次 {fact.last_seen_at:%Y-%m-%d %H:%M}Z" if fact.last_seen_at else "从未见货"
        verdicts.append(
            Finding(
                subject=subject,
                severity=Severity.P1,
                occurred_at=unit.pledged_at,
                facility_id=unit.facility_id,
                pledge_id=unit.pledge_id,
                warehouse_id=unit.warehouse_id,
                exposure_at_risk=unit.value,
                currency=unit.currency,
                summary=f"Unit {unit.goods_id} was pledged and no device has sighted it within {hours} hours ({since}).",
                summary_zh=f"货物 {unit.goods_id} 质押后 {hours} 小时内没有任何独立设备见货（{since_zh}）。",
                evidence={
                    "goods_ids": [unit.goods_id],
                    "pledged_at": unit.pledged_at,
                    "last_seen_at": fact.last_seen_at,
                    "settled_until": settled,
                    "zone_id": fact.zone_id,
                    "devices_at_zone": fact.readers,
                    "devices_heard": fact.readers_heard,
                },
                thresholds=tuned.shown(),
            )
        )
    return verdicts


RULE = Rule(
    code="R04",
    version=1,
    name="Phantom stock",
    name_zh="空单（从未见货）",
    leg=Leg.LOGISTICS,
    severity="P1",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="A pledged unit has no independent sighting (RFID, gauge or scale at its zone, tracker) from 24 h before its pledge to 24 h after it, or since.",
    inputs=(Section.UNSIGHTED,),
    thresholds=(SIGHTED_WITHIN,),
    guards=(
        "For the first 24 hours the unit is pending: it has no value yet and raises nothing.",
        "The 24 hours run by the stream, not by the wall: while our own pipes are behind nothing is unsighted.",
        "Devices that listen at its zone and were all silent since the pledge: cannot judge.",
    ),
    check=check,
)
