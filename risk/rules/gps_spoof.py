"""R15: a tracker's positions cannot be true."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

from collateral.zones import point_distance_m
from risk.facts import Fix, Trip
from risk.road import path_m, speed_mps
from risk.rule import BY_TENANT, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import named, of_units
from risk.snapshot import Snapshot

SPEED_KMH = Threshold(name="speed_kmh", value=160, meaning="speed between fixes that no lorry drives")
ACCEL = Threshold(name="accel_mps2", value=6, meaning="acceleration between fixes that no lorry has, m/s2")
ODO_SHARE = Threshold(name="odo_share", value=Decimal("0.10"), meaning="difference of the way by fixes to the way by odometer")
ODO_KM = Threshold(name="odo_km", value=20, meaning="way from which both are compared")
FROZEN = Threshold(
    name="frozen", value=timedelta(minutes=20), meaning="exactly one coordinate with the ignition on and the odometer or speed running"
)
SATS = Threshold(name="sats", value=4, meaning="satellites below which no position can be had")
NETWORK_M = Threshold(name="network_m", value=2000, meaning="metres between the satellites' place and the network's")
TESTS = Threshold(name="tests", value=2, meaning="of the six tests that have to fail")
COLD = Threshold(name="cold", value=timedelta(seconds=60), meaning="after a gap of ten minutes, fixes left out")
GAP = timedelta(minutes=10)
JUMPS_MIN = 2


def _warm(fixes: tuple[Fix, ...], cold: timedelta) -> list[Fix]:
    """Fixes without those of a cold start after a gap."""
    kept: list[Fix] = []
    started = fixes[0].observed_at if fixes else None
    for before, fix in pairwise((None, *fixes)):
        assert fix is not None
        if before is not None and fix.observed_at - before.observed_at > GAP:
            started = fix.observed_at
        if started is None or fix.observed_at - started >= cold:
            kept.append(fix)
    return kept


def _acceleration(a: Fix, b: Fix, c: Fix) -> float:
    """Change of the mean speed from a-b to b-c, m/s2; 0 across a gap or within one instant."""
    seconds = (c.observed_at - b.observed_at).total_seconds()
    if seconds <= 0 or b.observed_at <= a.observed_at or max(b.observed_at - a.observed_at, c.observed_at - b.observed_at) > GAP:
        return 0.0
    return abs(speed_mps(b, c) - speed_mps(a, b)) / seconds


def failed_tests(trip: Trip, snapshot: Snapshot) -> dict[str, object]:
    """The tests that the trip's fixes fail, with what shows it."""
    tuned = snapshot.tuned.of("R15", trip.tenant_id)
    fixes = _warm(trip.fixes, tuned.span(COLD))
    failed: dict[str, object] = {}
    speeds = [(b.observed_at, speed_mps(a, b)) for a, b in pairwise(fixes) if b.observed_at - a.observed_at <= GAP]
    fast = [(at, v) for at, v in speeds if v * 3.6 > tuned.number(SPEED_KMH)]
    hard = [c.observed_at for a, b, c in zip(fixes, fixes[1:], fixes[2:], strict=False) if _acceleration(a, b, c) > tuned.number(ACCEL)]
    if len(fast) >= JUMPS_MIN or len(hard) >= JUMPS_MIN:
        failed["jump"] = {"at": [at for at, _ in fast[:10]] or hard[:10], "kmh_max": round(max((v for _, v in speeds), default=0) * 3.6, 1)}
    odo = [f for f in fixes if f.odo_km is not None]
    if len(odo) >= 2 and odo[0].odo_km is not None and odo[-1].odo_km is not None:
        by_odo, by_fix = odo[-1].odo_km - odo[0].odo_km, path_m(odo) / 1000
        longer = max(by_odo, by_fix)
        if longer >= tuned.number(ODO_KM) and abs(by_odo - by_fix) > float(tuned.number(ODO_SHARE)) * longer:
            failed["odometer"] = {"odometer_km": round(by_odo, 1), "fixes_km": round(by_fix, 1)}
    frozen = _frozen(fixes, tuned.span(FROZEN))
    if frozen is not None:
        failed["frozen"] = {"from": frozen[0].observed_at, "to": frozen[-1].observed_at, "lon": frozen[0].lon, "lat": frozen[0].lat}
    few = [f for f in fixes if f.sats is not None and f.sats < tuned.number(SATS)]
    if len(few) >= JUMPS_MIN:
        failed["satellites"] = {"fixes": len(few), "first": few[0].observed_at}
    apart = [
        f for f in fixes
        if f.network_lon is not None and f.network_lat is not None
        and point_distance_m(f.lon, f.lat, f.network_lon, f.network_lat) > tuned.number(NETWORK_M)
    ]  # fmt: skip
    if len(apart) >= JUMPS_MIN:
        failed["network"] = {"fixes": len(apart), "first": apart[0].observed_at}
    ahead = [f for f in fixes if f.future]
    if len(ahead) >= JUMPS_MIN:
        failed["future"] = {"fixes": len(ahead), "first": ahead[0].observed_at}
    return failed


def _frozen(fixes: list[Fix], lasts: timedelta) -> list[Fix] | None:
    """The first run of one exact coordinate while the vehicle says that it drives."""
    run: list[Fix] = []
    for fix in [*fixes, None]:
        if fix is not None and run and (fix.lon, fix.lat) == (run[0].lon, run[0].lat) and fix.ignition:
            run.append(fix)
            continue
        if len(run) >= 3 and run[-1].observed_at - run[0].observed_at > lasts:
            return run
        run = [fix] if fix is not None and fix.ignition else []
    return None


def check(snapshot: Snapshot) -> list[Verdict]:
    """Trips whose tracker fails at least two of six tests."""
    verdicts: list[Verdict] = []
    for trip in snapshot.trips:
        failed = failed_tests(trip, snapshot)
        tuned = snapshot.tuned.of("R15", trip.tenant_id)
        if len(failed) < tuned.number(TESTS):
            continue
        verdicts.append(
            Finding(
                subject=Subject(tenant_id=trip.tenant_id, kind=SubjectKind.TRIP, id=trip.trip_id),
                severity=Severity.P2,
                occurred_at=trip.fixes[-1].observed_at,
                warehouse_id=trip.origin_warehouse_id,
                summary=f"Positions of {trip.vehicle_plate} on trip {trip.trip_id} cannot be true: {', '.join(failed)}.",
                summary_zh=f"车辆 {trip.vehicle_plate}（运单 {trip.trip_id}）定位数据不可信：{len(failed)} 项检验未通过。",
                evidence={
                    "trip_id": trip.trip_id, "device_id": trip.device_id, "vehicle_plate": trip.vehicle_plate, "goods_ids": named(trip.units),
                    "faults": sorted(failed), "tests": failed, "fixes": len(trip.fixes),
                },
                thresholds=tuned.shown(),
                **of_units(trip.units),
            )
        )  # fmt: skip
    return verdicts


RULE = Rule(
    code="R15",
    version=1,
    name="GPS jump or spoof",
    name_zh="定位跳变/欺骗",
    leg=Leg.LOGISTICS,
    severity="P2",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="The positions of a trip fail at least two of six tests: impossible speed or acceleration, way by fixes against odometer, one exact coordinate with the "
    "ignition on, too few satellites for a fix, far from the network's position, a clock in the future.",
    inputs=(Section.TRIPS,),
    thresholds=(SPEED_KMH, ACCEL, ODO_SHARE, ODO_KM, FROZEN, SATS, NETWORK_M, TESTS, COLD),
    scopes=BY_TENANT,
    guards=(
        "Tunnels, urban canyons and cold starts break one test: two have to fail, each by at least two fixes.",
        "The first minute after a gap of ten minutes is left out.",
        "Speeds are taken only between fixes within ten minutes of each other.",
    ),
    check=check,
)
