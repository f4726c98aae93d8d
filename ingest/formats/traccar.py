"""Traccar forwards: {position, device} or {event, position, device}; or bare positions and events, as its API lists them. Knots, ISO times."""

from __future__ import annotations

from typing import Any

from ingest import wire
from ingest.readings import Claim, DecodeContext, Decoded, DeviceEvent, Fix, Item, PositionReading, Refusal, Rejected, StateUpdate

MPS_PER_KNOT = 0.514444


def decode(payload: bytes, ctx: DecodeContext) -> Decoded:
    """Positions and events of one forward or an array of them."""
    value = wire.strict_json(payload, ctx.limits)
    batch = isinstance(value, list)
    found: Decoded = []
    for i, item in enumerate(wire.elements(value, ctx.limits)):
        item_no = i if batch else -1
        try:
            found += _item(wire.json_object(item, "an item"), item_no, ctx)
        except Refusal as exc:
            found.append(Rejected(exc.reason, exc.detail, item_no))
    return found


def _item(item: dict[str, Any], item_no: int, ctx: DecodeContext) -> list[Item]:
    event = item.get("event")
    position = item.get("position", item if "latitude" in item else None)
    if event is None and position is None and "eventTime" in item:
        event = item
    found: list[Item] = []
    if isinstance(event, dict):
        found.append(_event(item, event, item_no, ctx))
    if isinstance(position, dict):
        made = _position(position, item_no, ctx)
        found += [made, StateUpdate(made.observed_at)]
        found += _alarm(position, made)
    if not found:
        raise Refusal("unsupported_type", "neither a position nor an event")
    device = item.get("device")
    unique_id = wire.text(device, "uniqueId", 128) if isinstance(device, dict) else None
    if unique_id is not None:
        found.append(Claim("uniqueId", unique_id, item_no))
    return found


def _position(item: dict[str, Any], item_no: int, ctx: DecodeContext) -> PositionReading:
    valid = wire.boolean(item, "valid")
    outdated = wire.boolean(item, "outdated")
    raw = item.get("fixTime") if valid is not False and item.get("fixTime") is not None else item.get("deviceTime", item.get("fixTime"))
    lon, lat = wire.number(item, "longitude", -180, 180), wire.number(item, "latitude", -90, 90)
    if lon is None or lat is None:
        raise Refusal("missing_field", "latitude and longitude are missing")
    at, flags, _ = wire.iso_time(raw, "fixTime", ctx)
    at, key, flags = wire.judged_time(at, raw, f"{lat:.7f}/{lon:.7f}", ctx, flags)
    knots = wire.number(item, "speed", 0, 290)
    accuracy_m = wire.number(item, "accuracy", -1, 1e6)
    attributes = item.get("attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    metres = attributes.get("totalDistance", attributes.get("odometer"))
    return PositionReading(
        observed_at=at,
        event_key=key,
        lon=lon,
        lat=lat,
        datum=ctx.datum,
        fix=Fix.NONE if valid is False else Fix.STALE if outdated else Fix.VALID,
        acc_m=accuracy_m if accuracy_m is not None and accuracy_m > 0 else None,
        speed_mps=None if knots is None else knots * MPS_PER_KNOT,
        heading_deg=wire.number(item, "course", 0, 360),
        odo_km=metres / 1000 if isinstance(metres, int | float) and not isinstance(metres, bool) and 0 <= metres < 1e11 else None,
        sats=wire.integer(attributes, "sat", 0, 200),
        ignition=wire.boolean(attributes, "ignition"),
        flags=flags if valid is not None else (*flags, "validity_assumed"),
        extra={k: item[k] for k in ("protocol", "altitude", "attributes", "network", "address") if item.get(k) is not None},
        item_no=item_no,
    )


def _alarm(item: dict[str, Any], made: PositionReading) -> list[Item]:
    attributes = item.get("attributes")
    alarm = wire.text(attributes, "alarm", 256) if isinstance(attributes, dict) else None
    if not alarm:
        return []
    names = [name.strip() for name in alarm.split(",") if name.strip()]
    return [DeviceEvent(made.observed_at, made.event_key, "alarm", {"alarms": names}, made.flags, item_no=made.item_no)]


def _event(item: dict[str, Any], event: dict[str, Any], item_no: int, ctx: DecodeContext) -> DeviceEvent:
    raw = event.get("eventTime", event.get("serverTime"))
    at, flags, _ = wire.iso_time(raw, "eventTime", ctx)
    kind = wire.text(event, "type", 64)
    if kind is None:
        raise Refusal("missing_field", "an event needs type")
    number = wire.integer(event, "id", 0, 2**53)
    at, key, flags = wire.judged_time(at, raw, "" if number is None else str(number), ctx, flags)
    return DeviceEvent(at, key, "traccar", {"event": event, "geofence": item.get("geofence")}, flags, item_no=item_no)
