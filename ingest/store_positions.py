"""Fixes of trackers into `position` and `vehicle_position`, and the fences that they cross."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from ingest.batch import QUERIES, Batch
from ingest.movements import FENCE_ACCURACY_MAX_M, Crossing, MovementKind, VehicleFix, fence_crossings, fence_side, untold
from ingest.readings import Fix
from ingest.screen import Fixed


def put_positions(batch: Batch) -> None:
    """Store every fix of the batch and tell which fences were crossed."""
    found = batch.by_our_time(
        batch.screened.positions,
        "positions_by_our_time",
        lambda p: {"device_id": p.device.device_id, "event_key": p.reading.event_key},
    )
    found = batch.first_of_key(found, _position_key)
    stored = batch.settle_kept(found, _position_key, "insert_positions", "position_hashes", [_position_row(p) for p in found])
    _vehicles(batch, [p for p in stored if p.fix is Fix.VALID and p.lon is not None])


def _vehicles(batch: Batch, fixes: list[Fixed]) -> None:
    by_device: defaultdict[str, list[Fixed]] = defaultdict(list)
    for p in sorted(fixes, key=_observed_at):
        by_device[p.device.device_id].append(p)
    if not by_device:
        return
    known = {row[0]: (row[1], row[2]) for row in batch.conn.execute(QUERIES["lock_vehicles"], {"devices": sorted(by_device)})}
    rows = []
    for device_id, found in by_device.items():
        last_at, current = known.get(device_id, (None, None))
        if last_at is not None and found[0].reading.observed_at < last_at:
            current = _late_fixes(batch, device_id, [p for p in found if p.reading.observed_at < last_at], last_at, current)
        newer = [p for p in found if last_at is None or p.reading.observed_at > last_at]
        if not newer:
            continue
        previous: VehicleFix | None = None
        if last_at is not None:
            row = batch.conn.execute(
                QUERIES["fix_before"],
                {"device_id": device_id, "before": newer[0].reading.observed_at, "acc_m_max": FENCE_ACCURACY_MAX_M},
            ).fetchone()
            previous = None if row is None else VehicleFix(*row)
        device = newer[-1].device
        current, crossings = fence_crossings(
            device_id, device.vehicle_plate, batch.registry.fences, current, previous, [_vehicle_fix(p) for p in newer]
        )
        batch.movements += crossings
        rows.append(
            {
                "device_id": device_id,
                "vehicle_plate": device.vehicle_plate,
                "observed_at": newer[-1].reading.observed_at,
                "lon": newer[-1].lon,
                "lat": newer[-1].lat,
                "speed_mps": newer[-1].reading.speed_mps,
                "warehouse_id": current,
                "goods": newer[-1].reading.goods,
            }
        )
    batch.run("put_vehicles", rows)


def _late_fixes(batch: Batch, device_id: str, late: list[Fixed], last_at: datetime, current: str | None) -> str | None:
    """Tell what fixes older than the newest show together with those around them. Returns where the vehicle is at last_at."""
    around = {"device_id": device_id, "from_": late[0].reading.observed_at, "until": late[-1].reading.observed_at, "last_at": last_at}
    rows = batch.conn.execute(QUERIES["fixes_around"], {**around, "acc_m_max": FENCE_ACCURACY_MAX_M}).fetchall()
    fixes = [VehicleFix(at, received_at, lon, lat, acc_m, tuple(goods)) for at, received_at, lon, lat, acc_m, goods in rows]
    if len(fixes) < 2:
        return current
    crossed = [
        Crossing(at, MovementKind(kind), warehouse_id)
        for at, kind, warehouse_id in batch.conn.execute(
            QUERIES["crossings_since"], {"device_id": device_id, "since": fixes[0].observed_at}
        )
    ]
    before = [c for c in crossed if c.at <= fixes[0].observed_at]
    start = before[-1].after if before else fence_side(batch.registry.fences, None, fixes[0])
    end, found = fence_crossings(device_id, late[-1].device.vehicle_plate, batch.registry.fences, start, fixes[0], fixes[1:])
    batch.movements += untold(found, crossed)
    if fixes[-1].observed_at < last_at or end == current:
        return current
    batch.conn.execute(QUERIES["correct_vehicle"], {"device_id": device_id, "warehouse_id": end})
    return end


def _observed_at(p: Fixed) -> datetime:
    return p.reading.observed_at


def _position_key(p: Fixed) -> tuple[Any, ...]:
    return (p.reading.observed_at, p.device.device_id, p.reading.event_key)


def _vehicle_fix(p: Fixed) -> VehicleFix:
    assert p.lon is not None
    assert p.lat is not None
    return VehicleFix(p.reading.observed_at, p.source.received_at, p.lon, p.lat, p.reading.acc_m, p.reading.goods)


def _position_row(p: Fixed) -> dict[str, Any]:
    r = p.reading
    return {
        "observed_at": r.observed_at,
        "received_at": p.source.received_at,
        "device_id": p.device.device_id,
        "event_key": r.event_key,
        "lon": p.lon,
        "lat": p.lat,
        "datum_in": r.datum,
        "lon_raw": r.lon,
        "lat_raw": r.lat,
        "fix": p.fix,
        "acc_m": r.acc_m,
        "speed_mps": r.speed_mps,
        "heading_deg": r.heading_deg,
        "odo_km": r.odo_km,
        "sats": r.sats,
        "ignition": r.ignition,
        "goods": r.goods,
        "flags": p.flags,
        "extra": r.extra,
        "content_hash": p.content_hash.hex(),
    }
