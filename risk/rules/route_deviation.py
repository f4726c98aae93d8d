"""R12b: a lorry left the corridor of its trip."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby

from collateral.zones import Corridor
from risk.facts import Fix, Trip
from risk.rule import Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.snapshot import Snapshot, money_sum
from risk.thresholds import Tuned

FIXES_MIN = Threshold(name="fixes_min", value=3, whole=True, least=1, meaning="consecutive fixes outside")
DURATION_MIN = Threshold(name="duration_min", value=timedelta(minutes=5), meaning="time between the first and the last of them")
ACCURACY_FACTOR = Threshold(name="accuracy_factor", value=3, meaning="the buffer is never below this many times a fix's own accuracy")
LONG = Threshold(name="long", value=timedelta(minutes=30), meaning="with pledged goods aboard, P1 beyond this")
BUFFER_M = Threshold(
    name="buffer_m", value=500, meaning="metres each side, unless the trip says otherwise", fixed="a trip names its own buffer"
)


def runs_outside(trip: Trip, tuned: Tuned) -> list[list[tuple[Fix, float]]]:
    """Consecutive fixes farther from the corridor than the buffer (at least 3 times the fix's accuracy), with their distance in metres."""
    corridor = Corridor.from_geojson(trip.corridor)
    factor = float(tuned.number(ACCURACY_FACTOR))
    measured = [(fix, corridor.distance_m(fix.lon, fix.lat)) for fix in trip.fixes]
    return [list(run) for outside, run in groupby(measured, key=lambda m: m[1] > _buffer_m(trip, m[0], factor)) if outside]


def _buffer_m(trip: Trip, fix: Fix, factor: float) -> float:
    return max(float(trip.buffer_m), factor * (fix.acc_m or 0.0))


def _finding(trip: Trip, run: Sequence[tuple[Fix, float]], tuned: Tuned) -> Finding | None:
    first, last = run[0][0], run[-1][0]
    lasted = last.observed_at - first.observed_at
    if len(run) < tuned.number(FIXES_MIN) or lasted < tuned.span(DURATION_MIN):
        return None
    farthest, distance_m = max(run, key=lambda m: m[1])
    pledged = [u for u in trip.units if u.pledged]
    severity = Severity.P1 if pledged and lasted > tuned.span(LONG) else Severity.P2
    minutes = lasted.total_seconds() / 60
    return Finding(
        subject=Subject(tenant_id=trip.tenant_id, kind=SubjectKind.TRIP, id=trip.trip_id),
        severity=severity,
        occurred_at=first.observed_at,
        event_key=f"run:{first.observed_at.isoformat()}",
        facility_id=pledged[0].facility_id if pledged else None,
        pledge_id=pledged[0].pledge_id if pledged else None,
        warehouse_id=trip.origin_warehouse_id,
        exposure_at_risk=money_sum([u.value for u in trip.units]),
        currency=next((u.currency for u in trip.units if u.currency), None),
        summary=f"Lorry {trip.vehicle_plate} left the corridor of trip {trip.trip_id} for {minutes:.0f} min, up to {distance_m / 1000:.1f} km away.",
        summary_zh=f"车辆 {trip.vehicle_plate} 偏离运单 {trip.trip_id} 路线 {minutes:.0f} 分钟，最远 {distance_m / 1000:.1f} 公里。",
        evidence={
            "trip_id": trip.trip_id,
            "device_id": trip.device_id,
            "vehicle_plate": trip.vehicle_plate,
            "goods_ids": [u.goods_id for u in trip.units][:50],
            "units_aboard": len(trip.units),
            "units_pledged": len(pledged),
            "fixes": len(run),
            "from": first.observed_at,
            "to": last.observed_at,
            "lasted_s": int(lasted.total_seconds()),
            "distance_max_m": round(distance_m),
            "farthest": {"observed_at": farthest.observed_at, "lon": farthest.lon, "lat": farthest.lat, "acc_m": farthest.acc_m},
            "buffer_m": trip.buffer_m,
        },
        thresholds=tuned.shown(),
    )


def check(snapshot: Snapshot) -> list[Verdict]:
    """Runs of fixes outside the corridor; the newest of a trip speaks for it."""
    verdicts: list[Verdict] = []
    for trip in snapshot.trips:
        tuned = snapshot.tuned.of("R12b", trip.tenant_id, warehouse_id=trip.origin_warehouse_id)
        found = [f for f in (_finding(trip, run, tuned) for run in runs_outside(trip, tuned)) if f is not None]
        if found:
            verdicts.append(found[-1])
    return verdicts


RULE = Rule(
    code="R12b",
    version=1,
    name="Route deviation",
    name_zh="偏航",
    leg=Leg.LOGISTICS,
    severity="P2, P1 when pledged goods are aboard and it lasts over 30 min",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=False,
    claim="At least 3 consecutive fixes over at least 5 minutes lie farther from the trip's corridor than its buffer.",
    inputs=(Section.TRIPS,),
    thresholds=(FIXES_MIN, DURATION_MIN, ACCURACY_FACTOR, LONG, BUFFER_M),
    guards=(
        "Only valid fixes in WGS-84 count; stale ones and those without a fix do not.",
        "Up to 24 hours of fixes are judged again at each check, so a run that ended meanwhile is still found, once.",
    ),
    check=check,
)
