"""V09: the lorry is on the road and its cargo is not aboard."""

from __future__ import annotations

from datetime import timedelta

from collateral.zones import point_distance_m
from risk.facts import CargoSighting, Fix, Trip
from risk.rule import BY_TENANT, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import of_units
from risk.snapshot import Snapshot

APART_M = Threshold(name="apart_m", value=1000, meaning="metres between the lorry and the reader that reads its cargo")
SETTLE = Threshold(name="settle", value=timedelta(minutes=15), meaning="for loading and unloading, and for late messages")
NEAR_IN_TIME = timedelta(minutes=10)


def _fix_at(trip: Trip, seen: CargoSighting) -> Fix | None:
    """The lorry's fix nearest in time to the sighting, within ten minutes."""
    nearest = min(trip.fixes, key=lambda f: abs(f.observed_at - seen.seen_at), default=None)
    return nearest if nearest is not None and abs(nearest.observed_at - seen.seen_at) <= NEAR_IN_TIME else None


def check(snapshot: Snapshot) -> list[Verdict]:
    """Trips under way whose cargo is read elsewhere."""
    verdicts: list[Verdict] = []
    for trip in snapshot.trips:
        if trip.status != "UNDER_WAY" or not trip.fixes or trip.planned_from is None:
            continue
        tuned = snapshot.tuned.of("V09", trip.tenant_id)
        apart: list[tuple[CargoSighting, Fix, float]] = []
        for seen in trip.cargo:
            if seen.seen_at < trip.planned_from + tuned.span(SETTLE):
                continue
            fix = _fix_at(trip, seen)
            if fix is None:
                continue
            distance = point_distance_m(fix.lon, fix.lat, seen.lon, seen.lat)
            arrived = seen.warehouse_id == trip.destination_warehouse_id and seen.seen_at - seen.entered_at < tuned.span(SETTLE)
            if distance > float(tuned.number(APART_M)) + 3 * (fix.acc_m or 0.0) and not arrived:
                apart.append((seen, fix, distance))
        if not apart:
            continue
        seen, _, distance = max(apart, key=lambda a: a[2])
        verdicts.append(
            Finding(
                subject=Subject(tenant_id=trip.tenant_id, kind=SubjectKind.TRIP, id=trip.trip_id),
                severity=Severity.P1,
                occurred_at=min(s.seen_at for s, _, _ in apart),
                warehouse_id=seen.warehouse_id,
                summary=f"Lorry {trip.vehicle_plate} of trip {trip.trip_id} is {distance / 1000:,.1f} km away while {len(apart)} of its units are read in {seen.zone_id}.",
                summary_zh=f"车辆 {trip.vehicle_plate}（运单 {trip.trip_id}）已在 {distance / 1000:,.1f} 公里外，其 {len(apart)} 件货物仍在 {seen.zone_id} 被读到。",
                evidence={
                    "trip_id": trip.trip_id, "vehicle_plate": trip.vehicle_plate, "device_id": trip.device_id, "units_aboard": len(trip.units),
                    "goods_ids": [s.goods_id for s, _, _ in apart][:50],
                    "sightings": [
                        {"goods_id": s.goods_id, "seen_at": s.seen_at, "zone_id": s.zone_id, "lorry_at": [f.lon, f.lat], "distance_m": round(d)}
                        for s, f, d in apart[:20]
                    ],
                },
                thresholds=tuned.shown(),
                **of_units(trip.units),
            )
        )  # fmt: skip
    return verdicts


RULE = Rule(
    code="V09",
    version=1,
    name="Lorry and cargo apart",
    name_zh="车货分离",
    leg=Leg.LOGISTICS,
    severity="P1",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="While a trip is under way a reader reads units of its load more than 1 km from where the lorry was at that time.",
    inputs=(Section.TRIPS,),
    thresholds=(APART_M, SETTLE),
    scopes=BY_TENANT,
    guards=(
        "Loading and unloading take time: the first 15 minutes of a trip, and of a stay at its destination, are not judged.",
        "A sighting is compared with the lorry's fix within ten minutes of it; without one nothing is said.",
        "The distance has to exceed three times the fix's accuracy as well.",
    ),
    check=check,
)
