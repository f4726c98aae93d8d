"""SmartReader on Impinj readers: `tag_reads[]`, EPC and TID as hex, times in microseconds since 1970, RSSI in dBm."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ingest import wire
from ingest.messages import ANTENNA_MAX, RSSI_DBM_MAX, RSSI_DBM_MIN
from ingest.readings import Claim, DecodeContext, Decoded, Item, Refusal, Rejected, RfidReading, StateUpdate


def decode(payload: bytes, ctx: DecodeContext) -> Decoded:
    """Readings of one message, an array of them, or one per line."""
    found: Decoded = []
    for item_no, item in wire.messages(payload, ctx.limits):
        try:
            if isinstance(item, Refusal):
                raise item
            found += tag_reads(item, item_no, ctx)
        except Refusal as exc:
            found.append(Rejected(exc.reason, exc.detail, item_no))
    newest = max((f.observed_at for f in found if isinstance(f, RfidReading)), default=None)
    if newest is not None:
        found.append(StateUpdate(newest))
    return found


def tag_reads(item: dict[str, Any], item_no: int, ctx: DecodeContext) -> list[Item]:
    """Readings of one message. item_no -1: the message is the payload, and its tags are the items."""
    tags = item.get("tag_reads")
    if not isinstance(tags, list):
        raise Refusal("wrong_type", "tag_reads is missing or no array")
    found: list[Item] = []
    for i, element in enumerate(wire.elements(tags, ctx.limits, what="tag_reads")):
        no = i if item_no < 0 else item_no
        try:
            tag = wire.json_object(element, "a tag read")
            if tag.get("isHeartBeat") is not True:
                at = wire.epoch_time(tag.get("firstSeenTimestamp"), "firstSeenTimestamp", 1_000_000)
                at, key, flags = wire.judged_time(at, tag["firstSeenTimestamp"], "", ctx)
                found.append(tag_read(tag, at, key, flags, no))
        except Refusal as exc:
            found.append(Rejected(exc.reason, exc.detail, no))
    if not found:
        found.append(StateUpdate(ctx.received_at, presence="online"))
    name = item.get("readerName")
    return [*found, Claim("hostname", name[:128], item_no)] if isinstance(name, str) and name else found


def tag_read(tag: dict[str, Any], at: datetime, key: str, flags: tuple[str, ...], item_no: int) -> RfidReading:
    """One tag as SmartReader and Speedway Connect write it."""
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
