"""Impinj R700/R720 IoT device interface, and gateways that wrap it. Messages of its relatives on one topic with it are read as theirs.

RSSI and power are centi-dBm. `epc` is base64, `epcHex` hex: the field's name decides, never the look of its content. There is no sequence
number; `overflow` says that buffered reads were purged.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ingest import wire
from ingest.formats import smartreader, speedway_connect
from ingest.messages import ANTENNA_MAX, RSSI_DBM_MAX, RSSI_DBM_MIN, SEQ_MAX
from ingest.readings import Claim, DecodeContext, Decoded, DeviceEvent, Item, Refusal, Rejected, RfidReading, StateUpdate

_EVENTS = {
    "antennaConnectedEvent": "antenna_connected",
    "antennaDisconnectedEvent": "antenna_disconnected",
    "gpiTransitionEvent": "gpi",
    "overflowEvent": "overflow",
    "diagnosticEvent": "diagnostic",
}


def decode(payload: bytes, ctx: DecodeContext) -> Decoded:
    """Readings, events and state of one message, an array of them, or one per line."""
    found: Decoded = []
    for item_no, item in wire.messages(payload, ctx.limits):
        if isinstance(item, Refusal):
            found.append(Rejected(item.reason, item.detail, item_no))
            continue
        try:
            found += _item(item, item_no, ctx)
        except Refusal as exc:
            found.append(Rejected(exc.reason, exc.detail, item_no))
        else:
            found += _claims(item, item_no)
    newest = max((f.observed_at for f in found if isinstance(f, RfidReading | DeviceEvent)), default=None)
    if newest is not None:
        found.append(StateUpdate(newest))
    return found


def _item(item: dict[str, Any], item_no: int, ctx: DecodeContext) -> list[Item]:
    if "tag_reads" in item:
        return smartreader.tag_reads(item, item_no, ctx)
    if "firstSeenTimestamp" in item:
        return [speedway_connect.line(item, item_no, ctx)]
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
            flags = (*flags, "overflow_gap") if missed else flags
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


def _gateway_heartbeat(item: dict[str, Any], ctx: DecodeContext) -> StateUpdate:
    raw = wire.text(item, "systemTime", 20)
    if raw is None or not raw.isascii() or not raw.isdigit():
        raise Refusal("bad_time", "systemTime is no count of milliseconds in text")
    at = wire.judged_time(wire.epoch_time(int(raw), "systemTime", 1000), raw, "", ctx)[0]
    return StateUpdate(at, health={k: v for k, v in item.items() if k != "originalMessage"}, presence="online")
