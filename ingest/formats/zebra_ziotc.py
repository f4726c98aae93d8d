"""Zebra IoT Connector (FX7500, FX9600, FXR90, ATR7000, handhelds): tag data, management events and health share one shape.

`type` is the reader's operating mode for tag data (SIMPLE, INVENTORY, PORTAL, CONVEYOR, CUSTOM, DIRECTIONALITY..., a handheld's profile), or
the kind of a management event; the presence of a tag tells the two apart. Fields beyond eventNum, format and idHex are optional. Tag reads
and management events are numbered separately, both from 1 after a reboot: the time of the event is part of every key.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ingest import wire
from ingest.formats import zebra_health
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
_HEARTBEAT = "heartbeat"
_BEARING = ("azimuth", "elevation", "zone", "direction")  # directionality modes
_ACCESS = ("accessResults", "USER")  # what was read from or written to the tag's memory banks


def decode(payload: bytes, ctx: DecodeContext) -> Decoded:
    """Readings, events and health of one message, an array of them, or one per line."""
    found: Decoded = []
    seqs: list[int] = []
    for item_no, item in wire.messages(payload, ctx.limits):
        if isinstance(item, Refusal):
            found.append(Rejected(item.reason, item.detail, item_no))
            continue
        try:
            found += _item(item, item_no, ctx, seqs)
        except Refusal as exc:
            found.append(Rejected(exc.reason, exc.detail, item_no))
            continue
        host = _host_name(item)
        if host is not None:
            found.append(Claim("hostname", host, item_no))
    newest = max((f.observed_at for f in found if isinstance(f, RfidReading | DeviceEvent)), default=None)
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
        if zebra_health.is_status(item):
            return [zebra_health.status(item, ctx)]
        raise Refusal("missing_field", "a Zebra message needs type")
    at, flags, _ = wire.iso_time(item.get("timestamp"), "timestamp", ctx)
    if kind in _EVENTS:
        return [_event(item, kind, at, flags, item_no, ctx)]
    data = wire.json_object(item.get("data"), "data")
    if kind == _HEARTBEAT:
        return [zebra_health.heartbeat(data, wire.judged_time(at, item["timestamp"], "", ctx, flags)[0])]
    tags = data.get("tagData")
    if tags is None:
        return _tag(data, at, item["timestamp"], flags, item_no, ctx, seqs)
    found: list[Item] = []
    for tag in wire.elements(tags, ctx.limits, what="tagData"):
        try:
            # a handheld numbers its tags in each message anew, so its eventNum tells no gap
            found += _tag(wire.json_object(tag, "a tag"), at, item["timestamp"], flags, item_no, ctx, [])
        except Refusal as exc:
            found.append(Rejected(exc.reason, exc.detail, item_no))
    return found


def _event(item: dict[str, Any], kind: str, at: datetime, flags: tuple[str, ...], item_no: int, ctx: DecodeContext) -> DeviceEvent:
    """A management event or a Bluetooth beacon. `hello` may come without data, `userapp` with an application's own text or list."""
    data = item.get("data")
    content = data if isinstance(data, dict) else {} if data is None else {"data": data}
    number = wire.integer(item, "eventNum", 0, SEQ_MAX)
    at, key, flags = wire.judged_time(at, item["timestamp"], "" if number is None else str(number), ctx, flags)
    return DeviceEvent(at, key, _EVENTS[kind], {"component": item.get("component"), **content}, flags, item_no=item_no)


def _tag(
    data: dict[str, Any], at: datetime, raw: str, flags: tuple[str, ...], item_no: int, ctx: DecodeContext, seqs: list[int]
) -> list[Item]:
    """A tag read; what it says besides (bearing, memory banks) is an event of its own beside the read."""
    code = data.get("idHex", data.get("EPCid", data.get("EPC")))
    if code is None:
        raise Refusal("unsupported_type", "neither a tag (idHex) nor a known management event")
    number = wire.integer(data, "eventNum", 0, SEQ_MAX)
    at, key, flags = wire.judged_time(at, raw, "" if number is None else str(number), ctx, flags)
    rssi = wire.number(data, "peakRssi" if data.get("peakRssi") is not None else "rssi", RSSI_DBM_MIN, RSSI_DBM_MAX)
    reads = wire.integer(data, "reads" if data.get("reads") is not None else "seenCount", 1, READ_COUNT_MAX)
    tid = data.get("TID")
    antenna = wire.integer(data, "antenna", 0, ANTENNA_MAX) or 0
    epc = wire.epc(code)
    read = RfidReading(
        at,
        epc,
        antenna,
        key,
        None if tid in (None, "") else wire.hex_id(tid, "tid"),
        rssi,
        1 if reads is None else reads,
        flags,
        item_no,
    )
    if number is not None:
        seqs.append(number)
    found: list[Item] = [read]
    for kind, names in (("bearing", _BEARING), ("tag_access", _ACCESS)):
        content = {name: data[name] for name in names if data.get(name) is not None}
        if content:
            found.append(
                DeviceEvent(at, f"{key}/{epc}/{antenna}", kind, {"epc": epc, "antenna": antenna, **content}, flags, item_no=item_no)
            )
    return found
