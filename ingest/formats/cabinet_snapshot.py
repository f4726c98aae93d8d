"""A cabinet, shelf or tunnel that reports all tags present at one time (Terso Jetstream `observe`).

Each tag is a reading. The snapshot itself is an event that names them all: it says what is present, and nothing of tags that are not in it.
Whether goods are absent is judged by rules that know what this reader can see; a snapshot never counts anything down to zero.
"""

from __future__ import annotations

from typing import Any

from ingest import wire
from ingest.readings import Claim, DecodeContext, Decoded, DeviceEvent, Refusal, Rejected, RfidReading, StateUpdate


def decode(payload: bytes, ctx: DecodeContext) -> Decoded:
    """Readings of the tags present, and the snapshot as an event."""
    found: Decoded = []
    for item_no, item in wire.messages(payload, ctx.limits):
        try:
            if isinstance(item, Refusal):
                raise item
            found += _snapshot(item, item_no, ctx)
        except Refusal as exc:
            found.append(Rejected(exc.reason, exc.detail, item_no))
    return found


def _snapshot(item: dict[str, Any], item_no: int, ctx: DecodeContext) -> Decoded:
    tags = item.get("observe")
    if not isinstance(tags, list):
        raise Refusal("unsupported_type", "a snapshot lists the tags present in observe")
    if len(tags) > ctx.limits.items_max:
        raise Refusal("too_many_items", f"{len(tags)} tags; at most {ctx.limits.items_max} are taken")
    at, flags, _ = wire.iso_time(item.get("eventtime"), "eventtime", ctx)
    at, key, flags = wire.judged_time(at, item["eventtime"], wire.text(item, "eventid", 128) or "", ctx, flags)
    found: Decoded = []
    present: dict[str, None] = {}
    for i, tag in enumerate(tags):
        try:
            epc = wire.epc(tag)
        except Refusal as exc:
            found.append(Rejected(exc.reason, exc.detail, i if item_no < 0 else item_no))
            continue
        if epc not in present:  # listed twice is present once
            present[epc] = None
            found.append(RfidReading(at, epc, 0, key, None, None, 1, flags, i if item_no < 0 else item_no))
    refused = sum(isinstance(f, Rejected) for f in found)
    content = {"present": list(present), "count": len(present), "unreadable": refused}
    found.append(DeviceEvent(at, key, "snapshot", content, flags, item_no=item_no))
    device = item.get("device")
    if isinstance(device, str) and device:
        found.append(Claim("deviceCode", device[:128], item_no))
    return [*found, StateUpdate(at, presence="online")]
