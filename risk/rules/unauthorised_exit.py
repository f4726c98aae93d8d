"""R01: pledged goods left and nobody had allowed it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

from collateral.release import GATE_TOLERANCE
from risk.facts import Movement
from risk.rule import Cleared, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.snapshot import Snapshot
from risk.thresholds import ThresholdBook, Tuned

RETURNS_LOADED = timedelta(hours=1)
WINDOW_GRACE = Threshold(
    name="window_grace",
    value=GATE_TOLERANCE,
    most=GATE_TOLERANCE,  # what the ledger settles: an exit beyond it stays on the book, so it must be told
    meaning="before and after the release's validity in which its exit still counts as covered",
)
BACK_INSIDE = Threshold(
    name="back_inside", value=timedelta(minutes=10), most=RETURNS_LOADED, meaning="a unit seen inside again within this time did not leave"
)
EXITS = ("GATE_OUT", "FENCE_EXIT")
RETURNS = ("GATE_IN", "ZONE_CHANGE", "FENCE_ENTER")


def tuned_at(movement: Movement, book: ThresholdBook) -> Tuned:
    """The rule's thresholds where this movement happened."""
    here = movement.warehouse_id or (movement.to_place.warehouse_id if movement.to_place else None)
    return book.of("R01", movement.tenant_id, warehouse_id=here)


def covers(movement: Movement, book: ThresholdBook) -> bool:
    """Whether an issued release (or a planned move between supervised sites) allowed the movement at its time, give or take the grace."""
    cover = movement.cover
    grace = tuned_at(movement, book).span(WINDOW_GRACE)
    return cover is not None and cover.valid_from - grace <= movement.occurred_at <= cover.valid_to + grace


def _key(movement_id: int, goods_id: str, *, by_vehicle: bool) -> str:
    return f"movement:{movement_id}:{goods_id}" if by_vehicle else f"movement:{movement_id}"


def _exit(movement: Movement, book: ThresholdBook) -> Finding | None:
    unit, tuned = movement.unit, tuned_at(movement, book)
    if unit is None or not unit.pledged or movement.corrected or covers(movement, book):
        return None
    if movement.back_inside_at is not None and movement.back_inside_at - movement.occurred_at <= tuned.span(BACK_INSIDE):
        return None
    tuned.span(WINDOW_GRACE)  # so that the alert shows what cover was judged by
    at = movement.from_place.zone_id if movement.from_place else movement.warehouse_id or "the site"
    by = f" on {movement.vehicle_plate}" if movement.vehicle_plate else ""
    by_zh = f"（车辆 {movement.vehicle_plate}）" if movement.vehicle_plate else ""
    return Finding(
        subject=Subject(tenant_id=movement.tenant_id, kind=SubjectKind.GOODS, id=unit.goods_id),
        severity=Severity.P1,
        occurred_at=movement.occurred_at,
        event_key=_key(movement.movement_id, unit.goods_id, by_vehicle=movement.vehicle_plate is not None),
        facility_id=unit.facility_id,
        pledge_id=unit.pledge_id,
        warehouse_id=movement.warehouse_id or unit.warehouse_id,
        exposure_at_risk=unit.value,
        currency=unit.currency,
        summary=f"Pledged unit {unit.goods_id} left {at}{by} and no issued release covers it.",
        summary_zh=f"质押货物 {unit.goods_id} 已离开 {at}{by_zh}，没有有效的放行指令。",
        evidence={
            "movement_id": movement.movement_id,
            "movement_kind": movement.kind,
            "goods_ids": [unit.goods_id],
            "tag_epc": movement.tag_epc,
            "device_id": movement.device_id,
            "vehicle_plate": movement.vehicle_plate,
            "from_zone_id": movement.from_place.zone_id if movement.from_place else None,
            "to_zone_id": movement.to_place.zone_id if movement.to_place else None,
            "occurred_at": movement.occurred_at,
            "received_at": movement.received_at,
            "recorded_at": movement.recorded_at,
            "reads": dict(movement.evidence),
            "nearest_cover": None if movement.cover is None else asdict(movement.cover),
        },
        thresholds=tuned.shown(),
    )


def _return(movement: Movement, book: ThresholdBook) -> Cleared | None:
    """What a return explains: the exits just before it by event time. A late or repeated one says nothing of a newer exit."""
    unit = movement.unit
    if unit is None or movement.corrected:
        return None
    inside = movement.kind != "ZONE_CHANGE" or (movement.to_place is not None and movement.to_place.kind != "GATE_OUTER")
    within = tuned_at(movement, book).span(BACK_INSIDE)
    explained = [e for e in movement.exits_before if timedelta(0) <= movement.occurred_at - e.occurred_at <= within]
    if not inside or not explained:
        return None
    return Cleared(
        subject=Subject(tenant_id=movement.tenant_id, kind=SubjectKind.GOODS, id=unit.goods_id),
        event_keys=tuple(_key(e.movement_id, unit.goods_id, by_vehicle=e.by_vehicle) for e in explained),
        reason=f"seen inside again within {int(within.total_seconds()) // 60} minutes",
        evidence={"movement_id": movement.movement_id, "occurred_at": movement.occurred_at, "left_at": explained[-1].occurred_at},
    )


def _correction(movement: Movement) -> Cleared | None:
    unit, wrong = movement.unit, movement.corrects
    if unit is None or wrong is None:
        return None
    return Cleared(
        subject=Subject(tenant_id=movement.tenant_id, kind=SubjectKind.GOODS, id=unit.goods_id),
        event_keys=(_key(wrong, unit.goods_id, by_vehicle=movement.vehicle_plate is not None),),
        reason="the movement was corrected",
        evidence={
            "movement_id": movement.movement_id,
            "corrects": wrong,
            "occurred_at": movement.occurred_at,
            "why": dict(movement.evidence),
        },
    )


def _verdict(movement: Movement, book: ThresholdBook) -> Verdict | None:
    if movement.kind in EXITS:
        return _exit(movement, book)
    if movement.kind in RETURNS:
        return _return(movement, book)
    return _correction(movement) if movement.kind == "CORRECTION" else None


def check(snapshot: Snapshot) -> list[Verdict]:
    """Exits of pledged units without cover, and returns and corrections that explain an exit."""
    found = (_verdict(m, snapshot.tuned) for m in snapshot.movements)
    return [v for v in found if v is not None]


RULE = Rule(
    code="R01",
    version=1,
    name="Unauthorised exit",
    name_zh="未授权出库",
    leg=Leg.LOGISTICS,
    severity="P1",
    lanes=frozenset({Lane.FAST}),
    lasting=False,
    claim="A pledged unit passed a gate outwards, or left a fence aboard a vehicle, and no release that was issued for it at that time "
    "(nor a planned move between supervised sites) covers it.",
    inputs=(Section.MOVEMENTS,),
    thresholds=(WINDOW_GRACE, BACK_INSIDE),
    guards=(
        "A gate passage needs the order inner zone, outer zone, confirmed by two antennas or three reads in 10 s; stray reads are no passage.",
        "A unit seen inside the same site again within 10 minutes after an exit, by event time, explains that exit; a late return says nothing of a "
        "newer one. The alert goes by itself when all of its exits are explained.",
        "A movement that was corrected is not judged, and its alert goes; when a return is corrected, the exit that it explained stands again.",
        "Cover is judged at the time of the exit: an order that expired or was settled since still covers, one issued afterwards does not.",
    ),
    check=check,
)
