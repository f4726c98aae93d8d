"""R12: a vehicle with pledged goods aboard stands outside the fence of its yard and is on no trip."""

from __future__ import annotations

from datetime import timedelta

from collateral.zones import Fence
from risk.facts import Fix, YardVehicle
from risk.rule import Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import named, of_units
from risk.snapshot import Snapshot

OUTSIDE_M = Threshold(name="outside_m", value=50, meaning="metres outside the fence; never below three times a fix's accuracy")
FIXES = Threshold(name="fixes", value=3, meaning="fixes in a row, up to the newest")
DURATION = Threshold(name="duration", value=timedelta(minutes=5), meaning="between the first and the last of them")
LONG = Threshold(name="long", value=timedelta(minutes=30), meaning="outside from which it is P1")
ACCURACY_FACTOR = 3


def _run(vehicle: YardVehicle, outside_m: float) -> list[tuple[Fix, float]]:
    """The newest fixes in a row that lie outside."""
    fence = Fence.from_geojson(vehicle.fence)
    run: list[tuple[Fix, float]] = []
    for fix in reversed(vehicle.fixes):
        distance = fence.distance_m(fix.lon, fix.lat)
        if distance <= max(outside_m, ACCURACY_FACTOR * (fix.acc_m or 0.0)):
            break
        run.append((fix, distance))
    return run[::-1]


def check(snapshot: Snapshot) -> list[Verdict]:
    """Loaded vehicles outside their yard that no trip and no release explains."""
    verdicts: list[Verdict] = []
    for vehicle in snapshot.yard_vehicles:
        pledged = [u for u in vehicle.units if u.pledged]
        if not pledged or vehicle.released:
            continue
        tuned = snapshot.tuned.of("R12", vehicle.tenant_id, warehouse_id=vehicle.warehouse_id)
        run = _run(vehicle, float(tuned.number(OUTSIDE_M)))
        if len(run) < tuned.number(FIXES):
            continue
        lasted = run[-1][0].observed_at - run[0][0].observed_at
        if lasted < tuned.span(DURATION):
            continue
        distance = max(d for _, d in run)
        minutes = lasted.total_seconds() / 60
        verdicts.append(
            Finding(
                subject=Subject(tenant_id=vehicle.tenant_id, kind=SubjectKind.VEHICLE, id=vehicle.vehicle_plate or vehicle.device_id),
                severity=Severity.P1 if lasted > tuned.span(LONG) else Severity.P2,
                occurred_at=run[0][0].observed_at,
                warehouse_id=vehicle.warehouse_id,
                summary=f"Vehicle {vehicle.vehicle_plate or vehicle.device_id} with {len(pledged)} pledged units has been {distance:,.0f} m outside "
                f"{vehicle.warehouse_id} for {minutes:.0f} min, without a trip.",
                summary_zh=f"车辆 {vehicle.vehicle_plate or vehicle.device_id} 载有 {len(pledged)} 件质押货物，已驶出 {vehicle.warehouse_id} 围栏 {distance:,.0f} 米、"
                f"{minutes:.0f} 分钟，且无运输任务。",
                evidence={
                    "device_id": vehicle.device_id, "vehicle_plate": vehicle.vehicle_plate, "goods_ids": named(vehicle.units), "fixes": len(run),
                    "from": run[0][0].observed_at, "to": run[-1][0].observed_at, "distance_max_m": round(distance),
                    "newest": {"lon": run[-1][0].lon, "lat": run[-1][0].lat},
                },
                thresholds=tuned.shown(),
                **of_units(vehicle.units),
            )
        )  # fmt: skip
    return verdicts


RULE = Rule(
    code="R12",
    version=1,
    name="Geofence exit",
    name_zh="越界",
    leg=Leg.LOGISTICS,
    severity="P2, P1 beyond 30 min",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="A vehicle that carries pledged goods and is on no trip has been more than 50 m outside the fence of the yard of its goods for 3 fixes and 5 minutes.",
    inputs=(Section.YARD_VEHICLES,),
    thresholds=(OUTSIDE_M, FIXES, DURATION, LONG),
    guards=(
        "All positions and fences are WGS-84; distances never count below three times the fix's own accuracy.",
        "A single jump is no exit: fixes in a row up to the newest one.",
        "Goods on an issued release may leave; a vehicle on a trip is judged by its corridor (R12b).",
    ),
    check=check,
)
