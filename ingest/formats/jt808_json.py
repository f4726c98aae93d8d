"""JT/T 808 as gateways turn it into JSON (EMQX's among them): {header, body}, integers as on the wire."""

from __future__ import annotations

from typing import Any

from ingest import wire
from ingest.formats.jt808 import ALIVE, BATCH, LOCATION
from ingest.formats.jt808_location import Location, location_items, plain_phone
from ingest.readings import Claim, DecodeContext, Decoded, Item, Refusal, Rejected, StateUpdate

_U32, _U16 = 2**32 - 1, 2**16 - 1


def decode(payload: bytes, ctx: DecodeContext) -> Decoded:
    """Positions, alarms and signs of life of one message or an array of them."""
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
    header = wire.json_object(item.get("header"), "header")
    message_id = wire.integer(header, "msg_id", 0, _U16)
    phone = wire.text(header, "phone", 20)
    serial = wire.integer(header, "msg_sn", 0, _U16)
    if message_id is None or not phone or serial is None:
        raise Refusal("missing_field", "a header needs msg_id, phone and msg_sn")
    if wire.integer(header, "encrypt", 0, 7):
        raise Refusal("encrypted", f"message 0x{message_id:04x} is encrypted with a key we do not hold")
    claim = Claim("phone", plain_phone(phone), item_no)
    key = f"{phone}/{serial}"
    if message_id == LOCATION:
        return [*location_items(_location(wire.json_object(item.get("body"), "body")), key, ctx, item_no), claim]
    if message_id == BATCH:
        return [*_batch(wire.json_object(item.get("body"), "body"), key, item_no, ctx), claim]
    name = ALIVE.get(message_id)
    if name is None:
        raise Refusal("unsupported_type", f"JT/T 808 message 0x{message_id:04x} carries no position")
    return [StateUpdate(None, presence="offline" if name == "log-off" else "online", presence_text=f"jt808 {name}"), claim]


def _batch(body: dict[str, Any], key: str, item_no: int, ctx: DecodeContext) -> list[Item]:
    reports = body.get("location")
    if not isinstance(reports, list):
        raise Refusal("wrong_type", "location is no array")
    found: list[Item] = []
    for i, report in enumerate(wire.elements(reports, ctx.limits, what="location")):
        try:
            found += location_items(_location(wire.json_object(report, "a report")), f"{key}/{i}", ctx, item_no)
        except Refusal as exc:
            found.append(Rejected(exc.reason, f"report {i}: {exc.detail}", item_no))
    return found


def _location(body: dict[str, Any]) -> Location:
    def number(name: str, high: int) -> int:
        value = wire.integer(body, name, 0, high)
        if value is None:
            raise Refusal("missing_field", f"{name} is missing")
        return value

    time = wire.text(body, "time", 24)
    if time is None:
        raise Refusal("missing_field", "time is missing")
    extra = body.get("extra")
    extra = dict(extra) if isinstance(extra, dict) else {}
    mileage, sats = wire.integer(extra, "mileage", 0, _U32), wire.integer(extra, "gnss_sat_num", 0, 255)
    rest = {k: v for k, v in extra.items() if k not in ("mileage", "gnss_sat_num", "fuel_meter", "rssi")}
    if (fuel := wire.integer(extra, "fuel_meter", 0, _U16)) is not None:
        rest["fuel_dl"] = fuel
    if (signal := wire.integer(extra, "rssi", 0, 255)) is not None:
        rest["signal"] = signal
    return Location(
        number("alarm", _U32),
        number("status", _U32),
        number("latitude", _U32),
        number("longitude", _U32),
        number("altitude", _U16),
        number("speed", _U16),
        number("direction", _U16),
        time,
        mileage,
        sats,
        rest,
    )
