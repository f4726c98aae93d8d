"""Fixes of trackers into `position`, and what they tell of vehicles."""

from __future__ import annotations

from typing import Any

from ingest.batch import Batch
from ingest.screen import Fixed
from ingest.vehicles import Vehicles


def put_positions(batch: Batch) -> None:
    """Store every fix of the batch and tell which fences were crossed."""
    found = batch.by_our_time(
        batch.screened.positions,
        "positions_by_our_time",
        lambda p: {"device_id": p.device.device_id, "event_key": p.reading.event_key},
    )
    found = batch.first_of_key(found, _position_key)
    if not found:
        return
    vehicles = Vehicles(batch.conn, batch.registry.fences)
    found = vehicles.flagged(found)
    stored = batch.settle_kept(found, _position_key, "insert_positions", "position_hashes", [_position_row(p) for p in found])
    told, again = vehicles.tell(stored)
    batch.movements += told
    batch.again += again


def _position_key(p: Fixed) -> tuple[Any, ...]:
    return (p.reading.observed_at, p.device.device_id, p.reading.event_key)


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
