"""Speedway Connect on older Impinj readers: a line of JSON per tag, EPC and TID as hex, RSSI in dBm, isHeartBeat for a sign of life."""

from __future__ import annotations

from typing import Any

from ingest import wire
from ingest.formats.smartreader import tag_read
from ingest.readings import DecodeContext, Decoded, Refusal, Rejected, RfidReading, StateUpdate


def decode(payload: bytes, ctx: DecodeContext) -> Decoded:
    """Readings of one line, several, or an array."""
    found: Decoded = []
    for item_no, item in wire.messages(payload, ctx.limits):
        try:
            if isinstance(item, Refusal):
                raise item
            found.append(line(item, item_no, ctx))
        except Refusal as exc:
            found.append(Rejected(exc.reason, exc.detail, item_no))
    newest = max((f.observed_at for f in found if isinstance(f, RfidReading)), default=None)
    if newest is not None:
        found.append(StateUpdate(newest))
    return found


def line(item: dict[str, Any], item_no: int, ctx: DecodeContext) -> RfidReading | StateUpdate:
    """One line: a tag, or a heartbeat without one."""
    at, flags, _ = wire.iso_time(item.get("firstSeenTimestamp"), "firstSeenTimestamp", ctx)
    at, key, flags = wire.judged_time(at, item["firstSeenTimestamp"], "", ctx, flags)
    if item.get("isHeartBeat") is True:
        return StateUpdate(at, presence="online")
    return tag_read(item, at, key, flags, item_no)
