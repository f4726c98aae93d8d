"""Our own payloads (ingest/messages.py). Reads are the hot path: one typed decode, and a careful second look only where it fails."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ingest import wire
from ingest.formats import wms_event
from ingest.messages import ANTENNA_MAX, READ_COUNT_MAX, RSSI_DBM_MAX, RSSI_DBM_MIN, SEQ_MAX, ReadsMessage, TagRead
from ingest.readings import (
    Claim,
    DecodeContext,
    Decoded,
    DeviceEvent,
    Fix,
    Item,
    PositionReading,
    ReadsBlock,
    Refusal,
    Rejected,
    RfidReading,
    StateUpdate,
)

_reads_decoder = msgspec.json.Decoder(ReadsMessage)
_TYPE = re.compile(r"[a-z][a-z0-9_]{0,31}")
_PER_READ = (b'"epc"', b'"ant"', b'"tid"', b'"rssi"', b'"n"')
_DATUMS = ("WGS84", "GCJ02", "BD09")
_POSITION_FIELDS = frozenset(
    "ts seq lon lat datum acc_m speed_mps heading_deg fix sats odo_km ignition goods".split()  # noqa: SIM905
)


def decode(payload: bytes, ctx: DecodeContext) -> Decoded:
    """Readings of one native message; the channel says which message it is."""
    match ctx.channel:
        case "reads":
            return decode_reads(payload, ctx)
        case "position":
            message = wire.json_object(wire.strict_json(payload, ctx.limits))
            return [made := position(message, ctx), StateUpdate(made.observed_at, seqs=_seqs(made.seq)), *_claims(message)]
        case "event":
            message = wire.json_object(wire.strict_json(payload, ctx.limits))
            return [*event(message, ctx), *_claims(message)]
        case "health":
            message = wire.json_object(wire.strict_json(payload, ctx.limits))
            return [health(message, ctx), *_claims(message)]
        case "doc":
            return wms_event.decode(payload, ctx)
    raise Refusal("wrong_channel", f"native devices say nothing on {ctx.channel}")


def decode_block(payload: bytes, ctx: DecodeContext) -> ReadsBlock | None:
    """A reads message without anything particular, which most are; None = decode says what it holds, read by read."""
    try:
        wire.checked_bytes(payload, ctx.limits)
        message = _reads_decoder.decode(payload)
        reads = message.reads
        if (
            not 0 < len(reads) <= ctx.limits.items_max
            or _may_hold_duplicates(payload, len(reads))
            or b"\\u" in payload
            or b'"device' in payload
        ):
            return None
        if payload.count(b'"ts"') != 1 or not wire.are_plain_epcs([r.epc for r in reads]):
            return None
        if b'"tid"' in payload:
            for read in reads:
                if read.tid is not None:
                    read.tid = wire.hex_id(read.tid, "tid")
        at, flags, _ = wire.iso_time(message.ts, "ts", ctx)
        judged, event_key, flags = wire.judged_time(at, message.ts, "" if message.seq is None else str(message.seq), ctx, flags)
    except (Refusal, msgspec.DecodeError, ValueError, OverflowError):
        return None
    return ReadsBlock(at, event_key, flags, reads, _seqs(message.seq)) if judged is at else None


def decode_reads(payload: bytes, ctx: DecodeContext) -> Decoded:
    """Readings of a reads message. One bad read does not take its neighbours with it."""
    wire.checked_bytes(payload, ctx.limits)
    try:
        message = _reads_decoder.decode(payload)
    except (msgspec.DecodeError, ValueError, OverflowError):
        return _decode_reads_slowly(payload, ctx)
    reads = message.reads
    if len(reads) > ctx.limits.items_max or _may_hold_duplicates(payload, len(reads)) or b"\\u" in payload or b'"device' in payload:
        return _decode_reads_slowly(payload, ctx)
    at, flags, _ = wire.iso_time(message.ts, "ts", ctx)
    key = "" if message.seq is None else str(message.seq)
    at, event_key, flags = wire.judged_time(at, message.ts, key, ctx, flags)
    found: list[Item] = []
    for i, read in enumerate(reads):
        try:
            if read.ts is None:
                found.append(
                    RfidReading(
                        at,
                        wire.epc(read.epc),
                        read.ant,
                        event_key,
                        None if read.tid is None else wire.hex_id(read.tid, "tid"),
                        read.rssi,
                        read.n,
                        flags,
                        i,
                    )
                )
            else:
                found.append(_with_own_time(read, key, i, ctx))
        except Refusal as exc:
            found.append(Rejected(exc.reason, exc.detail, i))
    found.append(StateUpdate(at, seqs=_seqs(message.seq)))
    return found


def _seqs(seq: int | None) -> tuple[int, ...]:
    return () if seq is None else (seq,)


def _claims(message: dict[str, Any]) -> list[Claim]:
    """Native payloads need not say whose they are; when they do, it must be true."""
    return [Claim("device_id", message[k][:128]) for k in ("device_id", "device") if isinstance(message.get(k), str)]


def _with_own_time(read: TagRead, key: str, item_no: int, ctx: DecodeContext) -> RfidReading:
    own, flags, _ = wire.iso_time(read.ts, "ts", ctx)
    own, event_key, flags = wire.judged_time(own, read.ts, key, ctx, flags)
    tid = None if read.tid is None else wire.hex_id(read.tid, "tid")
    return RfidReading(own, wire.epc(read.epc), read.ant, event_key, tid, read.rssi, read.n, flags, item_no)


def _may_hold_duplicates(payload: bytes, reads: int) -> bool:
    """Whether a key occurs more often than distinct keys allow; the strict parser then decides."""
    count = payload.count
    return any(count(key) > reads for key in _PER_READ) or count(b'"ts"') > reads + 1 or count(b'"seq"') > 1 or count(b'"reads"') > 1


def _decode_reads_slowly(payload: bytes, ctx: DecodeContext) -> Decoded:
    message = wire.json_object(wire.strict_json(payload, ctx.limits))
    reads = message.get("reads")
    if not isinstance(reads, list):
        raise Refusal("wrong_type", "reads is missing or no array")
    if len(reads) > ctx.limits.items_max:
        raise Refusal("too_many_items", f"{len(reads)} reads; at most {ctx.limits.items_max} are taken")
    seq = wire.integer(message, "seq", 0, SEQ_MAX)
    key = "" if seq is None else str(seq)
    at, flags, _ = wire.iso_time(message.get("ts"), "ts", ctx)
    at, event_key, flags = wire.judged_time(at, message["ts"], key, ctx, flags)
    found: list[Item] = []
    for i, item in enumerate(reads):
        try:
            read = wire.json_object(item, "a read")
            made = TagRead(
                epc=wire.epc(read.get("epc")),
                ant=wire.integer(read, "ant", 0, ANTENNA_MAX) or 0,
                tid=None if read.get("tid") is None else wire.hex_id(read["tid"], "tid"),
                rssi=wire.number(read, "rssi", RSSI_DBM_MIN, RSSI_DBM_MAX),
                n=1 if read.get("n") is None else wire.integer(read, "n", 1, READ_COUNT_MAX) or 1,
                ts=wire.text(read, "ts", 64),
            )
            if made.ts is None:
                found.append(RfidReading(at, made.epc, made.ant, event_key, made.tid, made.rssi, made.n, flags, i))
            else:
                found.append(_with_own_time(made, key, i, ctx))
        except Refusal as exc:
            found.append(Rejected(exc.reason, exc.detail, i))
    found.append(StateUpdate(at, seqs=_seqs(seq)))
    return found + _claims(message)


def position(message: dict[str, Any], ctx: DecodeContext) -> PositionReading:
    """One fix."""
    seq = wire.integer(message, "seq", 0, SEQ_MAX)
    at, flags, _ = wire.iso_time(message.get("ts"), "ts", ctx)
    at, key, flags = wire.judged_time(at, message["ts"], "" if seq is None else str(seq), ctx, flags)
    datum = wire.text(message, "datum")
    if datum is None:
        datum, flags = ctx.datum, (*flags, "datum_assumed")
    elif datum not in _DATUMS:
        raise Refusal("out_of_range", f"datum {datum!r} is none of {', '.join(_DATUMS)}")
    fix_text = wire.text(message, "fix")
    try:
        fix = Fix(fix_text or "")
    except ValueError:
        raise Refusal("out_of_range", f"fix {fix_text!r} is not valid, stale or none") from None
    lon, lat = wire.number(message, "lon", -180, 180), wire.number(message, "lat", -90, 90)
    if (lon is None or lat is None) and fix is not Fix.NONE:
        raise Refusal("missing_field", f"a {fix} fix needs lon and lat")
    goods = message.get("goods") or []
    if not isinstance(goods, list) or len(goods) > ctx.limits.items_max or not all(isinstance(g, str) and len(g) <= 96 for g in goods):
        raise Refusal("wrong_type", "goods is no list of goods ids")
    acc_m = wire.number(message, "acc_m", -1, 1e6)
    return PositionReading(
        observed_at=at,
        event_key=key,
        lon=lon if lat is not None else None,
        lat=lat if lon is not None else None,
        datum=datum,
        fix=fix,
        acc_m=acc_m if acc_m is not None and acc_m >= 0 else None,
        speed_mps=wire.number(message, "speed_mps", 0, 150),
        heading_deg=wire.number(message, "heading_deg", 0, 360),
        odo_km=wire.number(message, "odo_km", 0, 1e8),
        sats=wire.integer(message, "sats", 0, 200),
        ignition=wire.boolean(message, "ignition"),
        goods=tuple(goods),
        flags=flags,
        extra={k: v for k, v in message.items() if k not in _POSITION_FIELDS},
        seq=seq,
    )


def event(message: dict[str, Any], ctx: DecodeContext) -> Decoded:
    """One sensor event; its own fields are kept as they came."""
    seq = wire.integer(message, "seq", 0, SEQ_MAX)
    kind = wire.text(message, "type")
    if kind is None or _TYPE.fullmatch(kind) is None:
        raise Refusal("missing_field" if kind is None else "out_of_range", "an event needs a type of small letters, digits and _")
    at, flags, _ = wire.iso_time(message.get("ts"), "ts", ctx)
    at, key, flags = wire.judged_time(at, message["ts"], "" if seq is None else str(seq), ctx, flags)
    payload = {k: v for k, v in message.items() if k not in ("ts", "seq", "type")}
    missed = wire.integer(message, "missed", 0, SEQ_MAX) or 0
    return [DeviceEvent(at, key, kind, payload, flags, missed), StateUpdate(at, seqs=_seqs(seq))]


def health(message: dict[str, Any], ctx: DecodeContext) -> StateUpdate:
    """A sign of life with the device's own figures."""
    at, _, _ = wire.iso_time(message.get("ts"), "ts", ctx)
    at, _, flags = wire.judged_time(at, message["ts"], "", ctx)
    wire.number(message, "interval_s", 0, 86_400)
    wire.number(message, "battery_pct", 0, 100)
    figures = {k: v for k, v in message.items() if k != "ts"}
    if flags:
        figures["clock"] = flags[0]
    return StateUpdate(at, health=figures, presence="online", dropped_total=wire.integer(message, "dropped", 0, SEQ_MAX))
