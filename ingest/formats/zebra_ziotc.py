"""Zebra IoT Connector (FX7500, FX9600, FXR90, handhelds): tag data, management events and health share one shape.

`type` is the reader's operating mode for tag data, or the kind of a management event. Fields beyond eventNum, format and idHex are optional.
"""

from __future__ import annotations

from typing import Any

from ingest import wire
from ingest.messages import ANTENNA_MAX, READ_COUNT_MAX, RSSI_DBM_MAX, RSSI_DBM_MIN, SEQ_MAX
from ingest.readings import Claim, DecodeContext, Decoded, DeviceEvent, Item, Refusal, Rejected, RfidReading, StateUpdate

_EVENTS = {
    "gpi": "gpi",
    "gpo": "gpo",
    "error": "error",
    "warning": "warning",
    "firmwareUpdateProgress": "firmware",
    "userapp": "userapp",
    "hello": "hello",
    "cloud": "cloud",
    "BLE_DATA": "ble",
}


def decode(payload: bytes, ctx: DecodeContext) -> Decoded:
    """Readings, events and health of one message or a batch of them."""
    found: Decoded = []
    seqs: list[int] = []
    newest = None
    value = wire.strict_json(payload, ctx.limits)
    batch = isinstance(value, list)
    for i, item in enumerate(wire.elements(value, ctx.limits)):
        try:
            made = _item(wire.json_object(item, "an item"), i if batch else -1, ctx, seqs)
        except Refusal as exc:
            found.append(Rejected(exc.reason, exc.detail, i if batch else -1))
            continue
        host = _host_name(item)
        if host is not None:
            found.append(Claim("hostname", host, i if batch else -1))
        for one in made:
            if isinstance(one, RfidReading | DeviceEvent) and (newest is None or one.observed_at > newest):
                newest = one.observed_at
        found += made
    if newest is not None:
        found.append(StateUpdate(newest, seqs=tuple(seqs)))
    return found


def _host_name(item: dict[str, Any]) -> str | None:
    data = item.get("data")
    for source in (item, data if isinstance(data, dict) else {}):
        for name in ("hostName", "hostname"):
            if isinstance(source.get(name), str):
                return str(source[name])[:128]
    return None


def _item(item: dict[str, Any], item_no: int, ctx: DecodeContext, seqs: list[int]) -> list[Item]:
    kind = wire.text(item, "type")
    if kind is None:
        if "radioConnection" in item or "radioActivity" in item or "radioActivitiy" in item:
            return [_status(item, ctx)]
        raise Refusal("missing_field", "a Zebra message needs type")
    data = wire.json_object(item.get("data"), "data")
    at, flags, _ = wire.iso_time(item.get("timestamp"), "timestamp", ctx)
    if kind == "heartbeat":
        return [_heartbeat(data, wire.judged_time(at, item["timestamp"], "", ctx, flags)[0])]
    if kind in _EVENTS:
        number = wire.integer(item, "eventNum", 0, SEQ_MAX)
        at, key, flags = wire.judged_time(at, item["timestamp"], "" if number is None else str(number), ctx, flags)
        return [DeviceEvent(at, key, _EVENTS[kind], {"component": item.get("component"), **data}, flags, item_no=item_no)]
    tags = data.get("tagData")
    if tags is None:
        return [_tag(data, at, item["timestamp"], flags, item_no, ctx, seqs)]
    found: list[Item] = []
    for tag in wire.elements(tags, ctx.limits, what="tagData"):
        try:
            found.append(_tag(wire.json_object(tag, "a tag"), at, item["timestamp"], flags, item_no, ctx, seqs))
        except Refusal as exc:
            found.append(Rejected(exc.reason, exc.detail, item_no))
    return found


def _tag(data: dict[str, Any], at: Any, raw: str, flags: tuple[str, ...], item_no: int, ctx: DecodeContext, seqs: list[int]) -> RfidReading:
    code = data.get("idHex", data.get("EPCid", data.get("EPC")))
    if code is None:
        raise Refusal("unsupported_type", "neither a tag (idHex) nor a known management event")
    number = wire.integer(data, "eventNum", 0, SEQ_MAX)
    if number is not None and "tagData" not in data:
        seqs.append(number)
    at, key, flags = wire.judged_time(at, raw, "" if number is None else str(number), ctx, flags)
    rssi = wire.number(data, "peakRssi" if data.get("peakRssi") is not None else "rssi", RSSI_DBM_MIN, RSSI_DBM_MAX)
    reads = wire.integer(data, "reads" if data.get("reads") is not None else "seenCount", 1, READ_COUNT_MAX)
    tid = data.get("TID")
    return RfidReading(
        at,
        wire.epc(code),
        wire.integer(data, "antenna", 0, ANTENNA_MAX) or 0,
        key,
        None if tid in (None, "") else wire.hex_id(tid, "tid"),
        rssi,
        1 if reads is None else reads,
        flags,
        item_no,
    )


def _heartbeat(data: dict[str, Any], at: Any) -> StateUpdate:
    gateway = data.get("reader_gateway")
    gateway = gateway if isinstance(gateway, dict) else {}
    paths = gateway.get("dataPathStatistics")
    counters = [p for p in paths if isinstance(p, dict)] if isinstance(paths, list) else [gateway]
    dropped = [p["numDataMessagesDropped"] for p in counters if isinstance(p.get("numDataMessagesDropped"), int)]
    return StateUpdate(
        at, health=data, presence="online", dropped_total=min(sum(dropped), SEQ_MAX) if dropped and min(dropped) >= 0 else None
    )


def _status(item: dict[str, Any], ctx: DecodeContext) -> StateUpdate:
    """Answer to get_status; its systemTime is local text on some models, so our time stands when it cannot be read."""
    try:
        at, flags, _ = wire.iso_time(item.get("systemTime", item.get("systemtime")), "systemTime", ctx)
        at = wire.judged_time(at, "", "", ctx, flags)[0]
    except Refusal:
        at = ctx.received_at
    return StateUpdate(at, health=item, presence="online")
