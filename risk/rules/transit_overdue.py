"""R14: a trip takes longer than its way, or its destination keeps changing."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from risk.facts import Trip
from risk.rule import BY_TENANT, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import named, of_units
from risk.snapshot import Snapshot

LATE = Threshold(name="late", value=timedelta(hours=4), meaning="after the expected arrival, at least")
LATE_SHARE = Threshold(name="late_share", value=Decimal("0.5"), meaning="of the lane's p90, where that is more")
CHANGES = Threshold(name="changes", value=2, meaning="changes of the destination from which it is told")
LANE_TRIPS = Threshold(name="lane_trips", value=20, meaning="finished trips between the same sites from which a lane has a history")
PEERS = Threshold(name="peers", value=3, meaning="trips to the same destination whose median delay is taken off")


def _delays(snapshot: Snapshot, trip: Trip) -> list[timedelta]:
    """How late the other trips to the same destination are now: weather and closures are not this lorry's."""
    return sorted(
        max(timedelta(0), snapshot.as_of - t.planned_to)
        for t in snapshot.trips
        if t.trip_id != trip.trip_id
        and t.status == "UNDER_WAY"
        and t.destination_warehouse_id is not None
        and t.destination_warehouse_id == trip.destination_warehouse_id
        and t.planned_to is not None
    )


def _judge(trip: Trip, snapshot: Snapshot) -> Finding | None:
    if trip.status != "UNDER_WAY" or trip.planned_to is None or trip.planned_from is None:
        return None
    tuned = snapshot.tuned.of("R14", trip.tenant_id)
    known = trip.lane is not None and trip.lane.trips >= tuned.number(LANE_TRIPS)
    allowed = tuned.span(LATE)
    if known and trip.lane is not None:
        allowed = max(allowed, timedelta(seconds=trip.lane.p90_s * float(tuned.number(LATE_SHARE))))
    peers = _delays(snapshot, trip)
    if len(peers) >= tuned.number(PEERS):
        allowed += peers[len(peers) // 2]
    expected = max([trip.planned_to, *(e for _, _, e in trip.changes if e is not None)])
    late = snapshot.as_of - expected
    faults: list[tuple[str, str, str]] = []
    if late > allowed:
        faults.append(("overdue", f"is {late.total_seconds() / 3600:.1f} h late", f"晚点 {late.total_seconds() / 3600:.1f} 小时"))
    elapsed = (snapshot.as_of - trip.planned_from).total_seconds()
    if known and trip.lane is not None and elapsed > trip.lane.p99_s and late > timedelta(0):
        faults.append(("lane", f"has been under way {elapsed / 3600:.1f} h, longer than 99 % of {trip.lane.trips} trips", f"在途 {elapsed / 3600:.1f} 小时，超过该线路历史 99% 分位"))  # fmt: skip
    if len(trip.changes) >= tuned.number(CHANGES):
        faults.append(("destination", f"changed its destination {len(trip.changes)} times", f"目的地变更 {len(trip.changes)} 次"))
    if not faults:
        return None
    return Finding(
        subject=Subject(tenant_id=trip.tenant_id, kind=SubjectKind.TRIP, id=trip.trip_id),
        severity=Severity.P2,
        occurred_at=expected,
        warehouse_id=trip.destination_warehouse_id,
        summary=f"Trip {trip.trip_id} of {trip.vehicle_plate} {' and '.join(f[1] for f in faults)}.",
        summary_zh=f"运单 {trip.trip_id}（{trip.vehicle_plate}）{'，'.join(f[2] for f in faults)}。",
        evidence={
            "trip_id": trip.trip_id, "faults": [f[0] for f in faults], "vehicle_plate": trip.vehicle_plate, "goods_ids": named(trip.units),
            "planned_from": trip.planned_from, "planned_to": trip.planned_to, "expected_at": expected, "allowed_s": int(allowed.total_seconds()),
            "lane_trips": trip.lane.trips if trip.lane else 0, "lane_p90_s": trip.lane.p90_s if trip.lane else None,
            "changes": [{"at": at, "to": to, "expected_at": e} for at, to, e in trip.changes[:20]], "peers": len(peers),
        },
        thresholds=tuned.shown(),
        **of_units(trip.units),
    )  # fmt: skip


def check(snapshot: Snapshot) -> list[Verdict]:
    """Trips under way that should have come, or whose destination wanders."""
    return [f for f in (_judge(t, snapshot) for t in snapshot.trips) if f is not None]


RULE = Rule(
    code="R14",
    version=1,
    name="Transit overdue",
    name_zh="在途超时",
    leg=Leg.LOGISTICS,
    severity="P2",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="A trip is later than its expected arrival by 4 h or half of its lane's p90, has taken longer than 99 % of the trips of its lane, or changed its "
    "destination at least twice.",
    inputs=(Section.TRIPS,),
    thresholds=(LATE, LATE_SHARE, CHANGES, LANE_TRIPS, PEERS),
    scopes=BY_TENANT,
    guards=(
        "The median delay of three or more other trips to the same destination is taken off: a closed road holds everybody.",
        "A lane has a history from 20 finished trips on (cold start: until then only the plan counts).",
        "A change of the expected arrival that was reported moves the deadline.",
    ),
    check=check,
)
