"""Vehicles in the tables: which fixes are believed, where each vehicle is, what it crossed; late fixes tell the way again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import psycopg

from collateral.zones import Fence
from db.sql import load_queries
from ingest.fences import FENCE_ACCURACY_MAX_M, Track, VehicleFix, believed, fence_crossings, fence_side, start_of
from ingest.movements import Movement, MovementKind
from ingest.readings import Fix
from ingest.restate import Cause, Told, restated
from ingest.screen import Fixed

_Q = {**load_queries(__file__, "corrections.sql"), **load_queries(__file__, "vehicles.sql")}
LEAD_FIXES = 6  # so many before the first new one tell what was believed then
LATE_FIXES_MAX = 20_000

Conn = psycopg.Connection[Any]


class Vehicles:
    """The trackers of one batch. Locks their rows in one order by all workers."""

    def __init__(self, conn: Conn, fences: Sequence[tuple[str, Fence]]) -> None:
        self._conn = conn
        self._fences = fences
        self._known: dict[str, tuple[datetime, str | None]] = {}
        self._leads: defaultdict[str, list[VehicleFix]] = defaultdict(list)

    def flagged(self, found: list[Fixed]) -> list[Fixed]:
        """The same fixes, those in order that no lorry can have reached with the flag `jump`. Loads what is known of the trackers."""
        by_device = _by_device(found)
        if not by_device:
            return found
        rows = self._conn.execute(_Q["lock_vehicles"], {"devices": sorted(by_device)})
        self._known = {device_id: (at, warehouse_id) for device_id, at, warehouse_id in rows}
        firsts = [{"device_id": d, "before": fixes[0].reading.observed_at} for d, fixes in by_device.items() if d in self._known]
        if firsts:
            query = {"rows": msgspec.json.encode(firsts).decode(), "acc_m_max": FENCE_ACCURACY_MAX_M, "limit": LEAD_FIXES}
            for device_id, *fix in self._conn.execute(_Q["fixes_before"], query):
                self._leads[device_id].append(_fix_of(fix))
        jumps: set[int] = set()
        for device_id, fixes in by_device.items():
            last_at = self._known.get(device_id, (None, None))[0]
            track = _led(self._leads[device_id])
            for p in fixes:
                fix = _vehicle_fix(p)
                if not fix.usable or (last_at is not None and fix.observed_at <= last_at):
                    continue
                following = believed(track, fix)
                if following is None:
                    jumps.add(id(p))
                    following = Track(None, track.last, fix)
                track = following
        return [msgspec.structs.replace(p, flags=(*p.flags, "jump")) if id(p) in jumps else p for p in found] if jumps else found

    def tell(self, stored: Iterable[Fixed]) -> tuple[list[Movement], list[Movement]]:
        """What newly stored fixes show, and what is to be told again because some were late. Keeps where the vehicles are."""
        told: list[Movement] = []
        again: list[Movement] = []
        rows = []
        for device_id, found in _by_device(stored).items():
            last_at, current = self._known.get(device_id, (None, None))
            if last_at is not None and found[0].reading.observed_at <= last_at:
                current, restated_ = self._late(device_id, [p for p in found if p.reading.observed_at <= last_at], last_at, current)
                again += restated_
            newer = [p for p in found if last_at is None or p.reading.observed_at > last_at]
            if not newer:
                continue
            device = newer[-1].device
            lead = [f for f in self._leads[device_id] if f.observed_at < newer[0].reading.observed_at]
            if last_at is not None and found[0] is not newer[0]:
                lead = self._before(device_id, newer[0].reading.observed_at)
            before = _led(lead)
            track = Track(current, before.last, before.suspect)
            track, crossings = fence_crossings(device_id, device.vehicle_plate, self._fences, track, map(_vehicle_fix, newer))
            told += crossings
            trusted = [p for p in newer if "jump" not in p.flags]
            if trusted:
                rows.append(_position(trusted[-1], track.current))
        if rows:
            self._conn.execute(_Q["put_vehicles"], {"rows": msgspec.json.encode(rows).decode()})
        return told, again

    def _before(self, device_id: str, before: datetime) -> list[VehicleFix]:
        row = msgspec.json.encode([{"device_id": device_id, "before": before}]).decode()
        query = {"rows": row, "acc_m_max": FENCE_ACCURACY_MAX_M, "limit": LEAD_FIXES}
        return [_fix_of(r[1:]) for r in self._conn.execute(_Q["fixes_before"], query)]

    def _late(self, device_id: str, late: list[Fixed], last_at: datetime, current: str | None) -> tuple[str | None, list[Movement]]:
        """Tell the way again from before the first late fix. Returns where the vehicle is at last_at, corrections and new crossings."""
        first_at = late[0].reading.observed_at
        lead = self._before(device_id, first_at)
        span = {"device_id": device_id, "from_": first_at, "last_at": last_at, "acc_m_max": FENCE_ACCURACY_MAX_M, "limit": LATE_FIXES_MAX}
        fixes = [_fix_of(r) for r in self._conn.execute(_Q["fixes_from"], span)]
        rows = [*lead, *fixes]
        if not fixes or len(rows) < 2:
            return current, []
        known = [
            Told(row[0], row[1], row[2], MovementKind(row[3]), *row[4:])
            for row in self._conn.execute(_Q["fences_told"], {"device_id": device_id, "since": rows[0].observed_at})
        ]
        start = fence_side(self._fences, None, rows[0])
        if lead:
            start = start_of([(t.occurred_at, t.kind, t.warehouse_id or "") for t in known], lead[-1].observed_at, current)
        before = _led(lead)
        track = Track(start, before.last, before.suspect)
        track, derived = fence_crossings(device_id, late[-1].device.vehicle_plate, self._fences, track, fixes)
        from_at, until = (lead[-1].observed_at if lead else first_at), fixes[-1].observed_at
        upheld = [t for t in known if from_at < t.occurred_at <= until]
        cause = Cause("late_fix", device_id, first_at, late[0].source.received_at)
        again = restated(derived, upheld, cause)
        if until < last_at or track.current == current:
            return current, again
        self._conn.execute(_Q["correct_vehicle"], {"device_id": device_id, "warehouse_id": track.current})
        return track.current, again


def _fix_of(row: Sequence[Any]) -> VehicleFix:
    observed_at, received_at, lon, lat, acc_m, goods = row
    return VehicleFix(observed_at, received_at, lon, lat, acc_m, tuple(goods))


def _led(lead: Sequence[VehicleFix]) -> Track:
    """What was believed after these fixes."""
    track = Track()
    for fix in lead:
        track = believed(track, fix) or Track(None, track.last, fix)
    return track


def _by_device(found: Iterable[Fixed]) -> dict[str, list[Fixed]]:
    """Valid fixes of each tracker in order of event time."""
    by_device: defaultdict[str, list[Fixed]] = defaultdict(list)
    for p in sorted(found, key=lambda p: (p.reading.observed_at, p.reading.event_key)):
        if p.fix is Fix.VALID and p.lon is not None:
            by_device[p.device.device_id].append(p)
    return by_device


def _vehicle_fix(p: Fixed) -> VehicleFix:
    assert p.lon is not None
    assert p.lat is not None
    return VehicleFix(p.reading.observed_at, p.source.received_at, p.lon, p.lat, p.reading.acc_m, p.reading.goods)


def _position(p: Fixed, warehouse_id: str | None) -> dict[str, Any]:
    return {
        "device_id": p.device.device_id,
        "vehicle_plate": p.device.vehicle_plate,
        "observed_at": p.reading.observed_at,
        "lon": p.lon,
        "lat": p.lat,
        "speed_mps": p.reading.speed_mps,
        "warehouse_id": warehouse_id,
        "goods": p.reading.goods,
    }
