"""A gate that decides IN or OUT by itself and reports tags with that word (ifm ZZ0814, "gate feedback"); several in one array."""

from __future__ import annotations

from typing import Any

from ingest import wire
from ingest.messages import ANTENNA_MAX, RSSI_DBM_MAX, RSSI_DBM_MIN, SEQ_MAX
from ingest.readings import Claim, DecodeContext, Decoded, Direction, Refusal, Rejected, RfidReading, StateUpdate

_GATE_ID_MAX = 2**53


def decode(payload: bytes, ctx: DecodeContext) -> Decoded:
    """Readings with their direction."""
    found: Decoded = []
    for item_no, item in wire.messages(payload, ctx.limits):
        try:
            if isinstance(item, Refusal):
                raise item
            found.append(_passage(item, item_no, ctx))
        except Refusal as exc:
            found.append(Rejected(exc.reason, exc.detail, item_no))
        else:
            gate = _gate(item)
            if gate is not None:
                found.append(Claim("deviceCode", gate, item_no))
    newest = max((f.observed_at for f in found if isinstance(f, RfidReading)), default=None)
    if newest is not None:
        found.append(StateUpdate(newest))  # eventID restarts with every report, so it tells no gap
    return found


def _passage(item: dict[str, Any], item_no: int, ctx: DecodeContext) -> RfidReading:
    if "EPC" not in item:
        raise Refusal("unsupported_type", "gate feedback names a tag in EPC")
    words = wire.text(item, "direction", 16)
    if words is None:
        raise Refusal("missing_field", "gate feedback says IN or OUT in direction")
    try:
        direction = Direction(words.lower())
    except ValueError:
        raise Refusal("out_of_range", f"direction {words!r} is neither IN nor OUT") from None
    at, flags, _ = wire.iso_time(item.get("timestamp"), "timestamp", ctx)
    number = wire.integer(item, "eventID", 0, SEQ_MAX)
    at, key, flags = wire.judged_time(at, item["timestamp"], "" if number is None else str(number), ctx, flags)
    tid = item.get("TID")
    return RfidReading(
        at,
        wire.epc(item["EPC"]),
        wire.integer(item, "antenna", 0, ANTENNA_MAX) or 0,
        key,
        None if tid in (None, "") else wire.hex_id(tid, "tid"),
        wire.number(item, "rssi", RSSI_DBM_MIN, RSSI_DBM_MAX),
        1,
        flags,
        item_no,
        direction,
    )


def _gate(item: dict[str, Any]) -> str | None:
    gate = item.get("gateID")
    if isinstance(gate, str) and gate:
        return gate[:128]
    return str(gate) if isinstance(gate, int) and not isinstance(gate, bool) and abs(gate) < _GATE_ID_MAX else None
