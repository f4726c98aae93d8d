"""R13: a lorry with goods stood where it had no reason to stand."""

from __future__ import annotations

from datetime import timedelta

from collateral.calendar import BANK_ZONE
from collateral.zones import Fence, point_distance_m
from risk.facts import RoadPlace, Trip
from risk.road import Stop, stops
from risk.rule import BY_TENANT, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import named, of_units
from risk.snapshot import Snapshot

SLOW_KMH = Threshold(name="slow_kmh", value=3, meaning="speed below which a lorry stands")
LASTS = Threshold(name="lasts", value=timedelta(minutes=30), meaning="standing from which it is told")
RISKY_M = Threshold(name="risky_m", value=5000, meaning="metres to a scrap yard or another shed within which it is P2")
PEER_M = Threshold(name="peer_m", value=500, meaning="metres within which another lorry that stands at the same time shows a jam")
YARD_M = Threshold(name="yard_m", value=200, meaning="metres around origin and destination that belong to them")
REST = ("SERVICE_AREA", "REST_AREA", "PLANNED_STOP")
RISKY = ("SCRAP_YARD", "OTHER_SHED")
NIGHT_FROM, NIGHT_TO = 22, 6


def _near(stop: Stop, place: RoadPlace, metres: float) -> bool:
    return point_distance_m(stop.lon, stop.lat, place.lon, place.lat) <= metres


def _together(stop: Stop, peers: list[Stop], metres: float) -> bool:
    """Another vehicle stood near and at the same time: a jam, not a secret."""
    return any(
        point_distance_m(stop.lon, stop.lat, p.lon, p.lat) <= metres
        and p.fixes[0].observed_at < stop.fixes[-1].observed_at
        and stop.fixes[0].observed_at < p.fixes[-1].observed_at
        for p in peers
    )


def _night(stop: Stop) -> bool:
    hours = {f.observed_at.astimezone(BANK_ZONE).hour for f in stop.fixes}
    return any(h >= NIGHT_FROM or h < NIGHT_TO for h in hours)


def _judge(trip: Trip, own: list[Stop], peers: list[Stop], snapshot: Snapshot) -> list[Finding]:
    tuned = snapshot.tuned.of("R13", trip.tenant_id)
    fences = [Fence.from_geojson(f) for f in trip.stops]
    found = []
    for stop in own:
        if stop.lasted <= tuned.span(LASTS):
            continue
        if any(f.distance_m(stop.lon, stop.lat) <= float(tuned.number(YARD_M)) for f in fences):
            continue
        if any(p.kind in REST and _near(stop, p, p.radius_m) for p in trip.places) or _together(stop, peers, float(tuned.number(PEER_M))):
            continue
        risky = [p for p in trip.places if p.kind in RISKY and _near(stop, p, max(p.radius_m, float(tuned.number(RISKY_M))))]
        night = _night(stop)
        minutes = stop.lasted.total_seconds() / 60
        near = f", near {risky[0].name}" if risky else ""
        near_zh = f"，附近有{risky[0].name}" if risky else ""
        found.append(
            Finding(
                subject=Subject(tenant_id=trip.tenant_id, kind=SubjectKind.TRIP, id=trip.trip_id),
                severity=Severity.P2 if risky or night else Severity.P3,
                occurred_at=stop.fixes[0].observed_at,
                event_key=f"stop:{stop.fixes[0].observed_at.isoformat()}",
                warehouse_id=trip.origin_warehouse_id,
                summary=f"Lorry {trip.vehicle_plate} of trip {trip.trip_id} stood {minutes:.0f} min at {stop.lon:.4f}, {stop.lat:.4f}, where no stop is planned{near}.",
                summary_zh=f"车辆 {trip.vehicle_plate}（运单 {trip.trip_id}）在计划外地点（{stop.lon:.4f}，{stop.lat:.4f}）停留 {minutes:.0f} 分钟{near_zh}。",
                evidence={
                    "trip_id": trip.trip_id, "device_id": trip.device_id, "vehicle_plate": trip.vehicle_plate, "goods_ids": named(trip.units),
                    "from": stop.fixes[0].observed_at, "to": stop.fixes[-1].observed_at, "fixes": len(stop.fixes), "lon": round(stop.lon, 6),
                    "lat": round(stop.lat, 6), "night": night, "risky_places": [p.place_id for p in risky],
                },
                thresholds=tuned.shown(),
                **of_units(trip.units),
            )
        )  # fmt: skip
    return found


def check(snapshot: Snapshot) -> list[Verdict]:
    """Stays of trips under way; the newest of a trip speaks for it, each is told once."""
    stays = {
        t.trip_id: stops(t.fixes, slow_mps=float(snapshot.tuned.of("R13", t.tenant_id).number(SLOW_KMH)) / 3.6) for t in snapshot.trips
    }
    verdicts: list[Verdict] = []
    for trip in snapshot.trips:
        peers = [s for other, stays_of in stays.items() if other != trip.trip_id for s in stays_of]
        verdicts.extend(_judge(trip, stays[trip.trip_id], peers, snapshot))
    return verdicts


RULE = Rule(
    code="R13",
    version=1,
    name="Unplanned stop",
    name_zh="异常停车",
    leg=Leg.LOGISTICS,
    severity="P3, P2 at night or within 5 km of a scrap yard or another shed",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=False,
    claim="A lorry on a trip stood more than 30 minutes at one place that is neither origin, destination, a planned stop nor a rest area.",
    inputs=(Section.TRIPS,),
    thresholds=(SLOW_KMH, LASTS, RISKY_M, PEER_M, YARD_M),
    scopes=BY_TENANT,
    guards=(
        "Service areas, rest areas and planned stops explain a stay; drivers have to rest.",
        "Another vehicle of ours that stood within 500 m at the same time shows a jam.",
        "A stay needs two fixes within 150 m; parked trackers that send every five minutes are enough.",
    ),
    check=check,
)
