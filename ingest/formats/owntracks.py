"""OwnTracks phones and trackers, all message types of the app's JSON schema: epoch seconds, km/h; values of zero are left out."""

from __future__ import annotations

from typing import Any

from ingest import wire
from ingest.readings import DecodeContext, Decoded, DeviceEvent, Fix, PositionReading, Reading, Refusal, Rejected, StateUpdate

_LOCATION_FIELDS = frozenset(("_type", "lat", "lon", "tst", "vel", "cog", "acc"))
_SECRETS = frozenset(("password", "encryptionKey", "secret", "clientpkcs", "passphrase"))  # what a dump of the app's settings may carry


def decode(payload: bytes, ctx: DecodeContext) -> Decoded:
    """Positions, transitions and state of one message or an array of them."""
    value = wire.strict_json(payload, ctx.limits)
    if value == []:  # what the app gets as an answer over HTTP; nothing is in it and nothing is missing
        return [StateUpdate(None)]
    batch = isinstance(value, list)
    found: Decoded = []
    for i, item in enumerate(wire.elements(value, ctx.limits)):
        item_no = i if batch else -1
        try:
            found += _item(wire.json_object(item, "an item"), item_no, ctx)
        except Refusal as exc:
            found.append(Rejected(exc.reason, exc.detail, item_no))
    return found


def _item(item: dict[str, Any], item_no: int, ctx: DecodeContext) -> list[Reading]:
    kind = wire.text(item, "_type")
    match kind:
        case "location":
            made = _location(item, item_no, ctx)
            return [made, StateUpdate(made.observed_at)]
        case "transition":
            _place(item)
            if item.get("event") not in ("enter", "leave"):
                raise Refusal("out_of_range", "a transition's event is enter or leave")
            return [_event(item, "transition", f"{item['event']}/{item.get('rid', item.get('desc', ''))}", item_no, ctx)]
        case "waypoint":
            _place(item)
            wire.number(item, "rad", 0, 1e7)
            return [_event(item, "waypoint", str(item.get("rid", item.get("desc", ""))), item_no, ctx)]
        case "waypoints":
            points = item.get("waypoints")
            if not isinstance(points, list):
                raise Refusal("wrong_type", "waypoints is no array")
            made_events: list[Reading] = []
            for point in wire.elements(points, ctx.limits, what="waypoints"):
                made_events += _item({**wire.json_object(point, "a waypoint"), "_type": "waypoint"}, item_no, ctx)
            return made_events
        case "steps":
            wire.integer(item, "steps", 0, 2**53)
            _seconds(item, "from")
            _seconds(item, "to")
            return [_event(item, "steps", "", item_no, ctx)]
        case "lwt":
            _seconds(item, "tst")
            return [StateUpdate(None, presence="offline", presence_text="lwt")]
        case "status":
            return [StateUpdate(ctx.received_at, health={k: v for k, v in item.items() if k != "_type"}, presence="online")]
        case "encrypted":
            raise Refusal("encrypted", "the content is encrypted with a key we do not hold")
        case "beacon":
            sighted = "/".join(str(item.get(name, ""))[:40] for name in ("uuid", "major", "minor"))
            return [_event(item, "beacon", sighted, item_no, ctx)]
        case "cmd":
            if not wire.text(item, "action", 64):
                raise Refusal("missing_field", "a cmd needs action")
            return [_timeless(item, "command", item_no, ctx)]
        case "card" | "configuration" | "request":
            return [_timeless(item, kind, item_no, ctx)]
        case None:
            raise Refusal("missing_field", "an OwnTracks message needs _type")
    raise Refusal("unsupported_type", f"_type {kind[:40]!r} is no telemetry")


def _timeless(item: dict[str, Any], kind: str, item_no: int, ctx: DecodeContext) -> DeviceEvent:
    """An event that says nothing about its time: known by its content, dated by its first delivery. Secrets are not kept."""
    kept = {k: v for k, v in item.items() if k != "_type" and k not in _SECRETS}
    return DeviceEvent(ctx.received_at, wire.content_key(wire.json_text(kept).encode()), kind, kept, ("clock_unset",), item_no=item_no)


def _seconds(item: dict[str, Any], name: str) -> int:
    value = wire.integer(item, name, 0, 2**40)
    if value is None:
        raise Refusal("missing_field", f"{name} is missing")
    return value


def _place(item: dict[str, Any]) -> tuple[float, float]:
    lon, lat = wire.number(item, "lon", -180, 180), wire.number(item, "lat", -90, 90)
    if lon is None or lat is None:
        raise Refusal("missing_field", "lat and lon are missing")
    return lon, lat


def _location(item: dict[str, Any], item_no: int, ctx: DecodeContext) -> PositionReading:
    lon, lat = _place(item)
    tst = _seconds(item, "tst")
    own_key = wire.text(item, "_id", 64)
    key = own_key or f"{str(item.get('t', ''))[:8]}/{lat:.7f}/{lon:.7f}"
    at, key, flags = wire.judged_time(wire.epoch_time(tst, "tst", 1), tst, key, ctx)
    speed_kmh = wire.number(item, "vel", -1, 540)
    acc_m = wire.number(item, "acc", -1, 1e6)
    return PositionReading(
        observed_at=at,
        event_key=key,
        lon=lon,
        lat=lat,
        datum=ctx.datum,
        fix=Fix.VALID,
        acc_m=acc_m if acc_m is not None and acc_m >= 0 else None,
        speed_mps=None if speed_kmh is None or speed_kmh < 0 else speed_kmh / 3.6,
        heading_deg=_heading(item),
        flags=flags,
        extra={k: v for k, v in item.items() if k not in _LOCATION_FIELDS},
        item_no=item_no,
    )


def _heading(item: dict[str, Any]) -> float | None:
    degrees = wire.number(item, "cog", -1, 360)
    return None if degrees is None or degrees < 0 else degrees


def _event(item: dict[str, Any], kind: str, key: str, item_no: int, ctx: DecodeContext) -> DeviceEvent:
    tst = _seconds(item, "tst")
    at, key, flags = wire.judged_time(wire.epoch_time(tst, "tst", 1), tst, key[:128], ctx)
    return DeviceEvent(at, key, kind, {k: v for k, v in item.items() if k != "_type"}, flags, item_no=item_no)
