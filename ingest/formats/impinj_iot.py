"""Impinj R700/R720 IoT device interface, gateways that wrap it, SmartReader `tag_reads` and Speedway Connect lines.

RSSI is centi-dBm in the vendor's own events and dBm in the two relatives. `epc` is base64 there and hex in the relatives: the field's
place decides, never the look of its content.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ingest import wire
from ingest.messages import ANTENNA_MAX, RSSI_DBM_MAX, RSSI_DBM_MIN, SEQ_MAX
from ingest.readings import Claim, DecodeContext, Decoded, DeviceEvent, Item, Reading, Refusal, Rejected, RfidReading, StateUpdate

_EVENTS = {
    "antennaConnectedEvent": "antenna_connected",
    "antennaDisconnectedEvent": "antenna_disconnected",
    "gpiTransitionEvent": "gpi",
    "overflowEvent": "overflow",
    "diagnosticEvent": "diagnostic",
}


def decode(payload: bytes, ctx: DecodeContext) -> Decoded:
    """Readings, events and state of one message or a batch of them."""
    value = wire.strict_json(payload, ctx.limits)
    batch = isinstance(value, list)
    found: Decoded = []
    newest: datetime | None = None
    for i, item in enumerate(wire.elements(value, ctx.limits)):
        item_no = i if batch else -1
        try:
            made = _item(wire.json_object(item, "an item"), item_no, ctx)
        except Refusal as exc:
            made = [Rejected(exc.reason, exc.detail, item_no)]
        else:
            found += _claims(item, item_no)
        for one in made:
            if isinstance(one, RfidReading | DeviceEvent) and (newest is None or one.observed_at > newest):
                newest = one.observed_at
        found += made
    if newest is not None:
        found.append(StateUpdate(newest))
    return found


def _item(item: dict[str, Any], item_no: int, ctx: DecodeContext) -> list[Item]:
    if "tag_reads" in item:
        return _smart_reader(item, ctx)
    if "firstSeenTimestamp" in item:
        return [_speedway(item, item_no, ctx)]
    if isinstance(item.get("tagInventoryEvent"), dict):
        return [_tag(item["tagInventoryEvent"], item.get("timestamp"), item_no, ctx)]
    if "eventType" not in item and "systemTime" in item and "deviceCode" in item:
        return [_gateway_heartbeat(item, ctx)]
    status = item.get("inventoryStatusEvent")
    if isinstance(status, dict):
        at = _event_time(item, ctx)[0]
        return [StateUpdate(at, health={"inventory": status.get("inventoryStatus", status.get("status"))}, presence="online")]
    for name, kind in _EVENTS.items():
        content = item.get(name)
        if isinstance(content, dict):
            at, key, flags = _event_time(item, ctx)
            missed = max(1, wire.integer(content, "eventsPurged", 0, SEQ_MAX) or 0) if kind == "overflow" else 0
            port = content.get("antennaPort", content.get("gpi", ""))
            key = f"{key}{port}" if isinstance(port, int) else key
            return [DeviceEvent(at, key[:128], kind, content, flags, missed, item_no)]
    raise Refusal("unsupported_type", "no event of the Impinj IoT device interface")


def _claims(item: dict[str, Any], item_no: int) -> list[Claim]:
    return [Claim(name, item[name][:128], item_no) for name in ("hostname", "deviceCode") if isinstance(item.get(name), str) and item[name]]


def _event_time(item: dict[str, Any], ctx: DecodeContext) -> tuple[datetime, str, tuple[str, ...]]:
    at, flags, rest = wire.iso_time(item.get("timestamp"), "timestamp", ctx)
    return wire.judged_time(at, item["timestamp"], f"n{rest}" if rest else "", ctx, flags)


def _tag(tag: dict[str, Any], timestamp: Any, item_no: int, ctx: DecodeContext) -> RfidReading:
    raw = tag.get("lastSeenTime") or timestamp
    at, flags, rest = wire.iso_time(raw, "lastSeenTime", ctx)
    at, key, flags = wire.judged_time(at, raw, f"n{rest}" if rest else "", ctx, flags)
    cdbm = wire.number(tag, "peakRssiCdbm", RSSI_DBM_MIN * 100, RSSI_DBM_MAX * 100)
    tid = _either(tag, "tidHex", "tid")
    code = _either(tag, "epcHex", "epc")
    if code is None:
        raise Refusal("missing_field", "a tag needs epc or epcHex")
    return RfidReading(
        at,
        wire.epc(code),
        wire.integer(tag, "antennaPort", 0, ANTENNA_MAX) or 0,
        key,
        tid,
        None if cdbm is None else cdbm / 100,
        1,
        flags,
        item_no,
    )


def _either(tag: dict[str, Any], hex_name: str, base64_name: str) -> str | None:
    """A memory bank that comes as hex, as base64, or as both, which must then agree."""
    as_hex = None if tag.get(hex_name) in (None, "") else wire.hex_id(tag[hex_name], "epc" if hex_name == "epcHex" else hex_name)
    as_base64 = None if tag.get(base64_name) in (None, "") else wire.hex_from_base64(tag[base64_name], base64_name)
    if as_hex is not None and as_base64 is not None and as_hex != as_base64:
        raise Refusal("id_conflict", f"{hex_name} {as_hex[:64]} and {base64_name} {as_base64[:64]} name different chips")
    return as_hex if as_hex is not None else as_base64


def _smart_reader(item: dict[str, Any], ctx: DecodeContext) -> list[Item]:
    found: list[Item] = []
    tags = item["tag_reads"]
    if not isinstance(tags, list):
        raise Refusal("wrong_type", "tag_reads is no array")
    for i, element in enumerate(wire.elements(tags, ctx.limits, what="tag_reads")):
        try:
            tag = wire.json_object(element, "a tag read")
            if tag.get("isHeartBeat") is True:
                continue
            at = wire.epoch_time(tag.get("firstSeenTimestamp"), "firstSeenTimestamp", 1_000_000)
            at, key, flags = wire.judged_time(at, tag["firstSeenTimestamp"], "", ctx)
            found.append(_relative(tag, at, key, flags, i))
        except Refusal as exc:
            found.append(Rejected(exc.reason, exc.detail, i))
    return found or [StateUpdate(ctx.received_at, presence="online")]


def _speedway(line: dict[str, Any], item_no: int, ctx: DecodeContext) -> Reading:
    at, flags, _ = wire.iso_time(line["firstSeenTimestamp"], "firstSeenTimestamp", ctx)
    at, key, flags = wire.judged_time(at, line["firstSeenTimestamp"], "", ctx, flags)
    if line.get("isHeartBeat") is True:
        return StateUpdate(at, presence="online")
    return _relative(line, at, key, flags, item_no)


def _relative(tag: dict[str, Any], at: datetime, key: str, flags: tuple[str, ...], item_no: int) -> RfidReading:
    tid = tag.get("tid")
    return RfidReading(
        at,
        wire.epc(tag.get("epc")),
        wire.integer(tag, "antennaPort", 0, ANTENNA_MAX) or 0,
        key,
        None if tid in (None, "") else wire.hex_id(tid, "tid"),
        wire.number(tag, "peakRssi", RSSI_DBM_MIN, RSSI_DBM_MAX),
        1,
        flags,
        item_no,
    )


def _gateway_heartbeat(item: dict[str, Any], ctx: DecodeContext) -> StateUpdate:
    raw = wire.text(item, "systemTime", 20)
    if raw is None or not raw.isascii() or not raw.isdigit():
        raise Refusal("bad_time", "systemTime is no count of milliseconds in text")
    at = wire.judged_time(wire.epoch_time(int(raw), "systemTime", 1000), raw, "", ctx)[0]
    return StateUpdate(at, health={k: v for k, v in item.items() if k != "originalMessage"}, presence="online")
