"""What devices may have missed, when zones were observed, how vehicles went."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, Query
from starlette.responses import Response

from api import store
from api.deps import ReadDep, Writer, writes
from api.models.base import Time
from api.models.observing import DeviceReadPolicy, MissedReadsOfDevice, NewReadPolicy, VehicleLegs, ZoneObservability
from api.permissions import Permission
from api.routes.common import READ_ERRORS, WRITE_ERRORS, PathId, router
from api.unit_of_work import Done
from collateral import tracks
from collateral.errors import RejectedInput
from collateral.observability_store import zone_observability
from collateral.read_policy_service import read_policy_of, set_read_policy
from db.pool import Pool

routes = router("devices")
SPAN_DEFAULT = timedelta(days=1)
SPAN_MAX = timedelta(days=31)
ITEMS_MAX = 500
FIXES_MAX = 20_000
From = Annotated[Time | None, Query(alias="from", description="Default: a day before `until`")]
Until = Annotated[Time | None, Query(description="Default: now; at most 31 days after `from`")]


def _span(from_at: datetime | None, until: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    end = until or now
    try:
        start = from_at or end - SPAN_DEFAULT
        too_long = end - start > SPAN_MAX
    except OverflowError:
        raise RejectedInput("these times are beyond the calendar", field="until") from None
    if start >= end or too_long:
        raise RejectedInput("`until` must be after `from`, and at most 31 days after it", field="from")
    return start, end


@routes.get("/devices/{device_id}/missed-reads", response_model=MissedReadsOfDevice, responses=READ_ERRORS)
def list_missed_reads(reader: ReadDep, device_id: PathId) -> dict[str, Any]:
    """Intervals in which reads may have been missed: gaps and restarts of the numbering, overflows, drops. Newest first."""
    with reader.pool.connection() as conn:
        store.one(conn, "devices", "device", device_id, tenant=reader.tenant)
        found = store.rows(conn, "missed_reads", id=device_id, limit=ITEMS_MAX + 1)
    return {"device_id": device_id, "items": found[:ITEMS_MAX], "truncated": len(found) > ITEMS_MAX}


@routes.get("/devices/{device_id}/read-policy", response_model=DeviceReadPolicy, responses=READ_ERRORS)
def get_read_policy(reader: ReadDep, device_id: PathId) -> dict[str, Any]:
    """How the device's reads are weighed: its own thresholds, and those that count for it in the end."""
    return asdict(read_policy_of(reader.pool, reader.tenant, device_id))


@routes.post("/devices/{device_id}/read-policy", response_model=DeviceReadPolicy, responses=WRITE_ERRORS)
def set_device_read_policy(
    device_id: PathId, body: NewReadPolicy, writer: Annotated[Writer, Depends(writes(Permission.DEVICE_WRITE))]
) -> Response:
    """Set the device's own thresholds as a whole; workers follow at once. What was before is in the audit trail."""

    def act(pool: Pool, now: datetime) -> Done:
        before = read_policy_of(pool, writer.tenant, device_id).own
        made = set_read_policy(pool, writer.tenant, device_id, body.model_dump(exclude={"reason"}))
        detail = {"reason": body.reason, "was": dict(before), "is": dict(made.own)}
        return Done(DeviceReadPolicy.model_validate(asdict(made)), "device", device_id, detail=detail)

    return writer.perform("device.read_policy", body, act)


@routes.get("/devices/{device_id}/legs", response_model=VehicleLegs, responses=READ_ERRORS)
def list_vehicle_legs(reader: ReadDep, device_id: PathId, from_at: From = None, until: Until = None) -> dict[str, Any]:
    """Stops and drives of a tracker's vehicle, from the fixes that are believed."""
    start, end = _span(from_at, until, reader.now)
    with reader.pool.connection() as conn:
        store.one(conn, "devices", "device", device_id, tenant=reader.tenant)
        found = store.rows(conn, "believed_fixes", id=device_id, start=start, until=end, limit=FIXES_MAX + 1)
    legs = tracks.legs([tracks.Fix(r["observed_at"], r["lon"], r["lat"], r["acc_m"]) for r in found[:FIXES_MAX]])
    return {"device_id": device_id, "items": [asdict(leg) for leg in legs], "truncated": len(found) > FIXES_MAX}


@routes.get("/zone-observability", response_model=ZoneObservability, responses=READ_ERRORS)
def get_zone_observability(
    reader: ReadDep,
    zone_id: Annotated[str, Query(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")],
    from_at: From = None,
    until: Until = None,
) -> dict[str, Any]:
    """When a zone was observed by a working reader, and when and why it was not."""
    start, end = _span(from_at, until, reader.now)
    with reader.pool.connection() as conn:
        store.one(conn, "zones", "zone", zone_id, tenant=reader.tenant)
        found = zone_observability(conn, zone_id, start, end)
    return {
        "zone_id": zone_id,
        "from_at": start,
        "until_at": end,
        "observed_s": found.observed_for.total_seconds(),
        "observed": [asdict(r) for r in found.observed],
        "blind": [asdict(g) for g in found.blind],
    }
