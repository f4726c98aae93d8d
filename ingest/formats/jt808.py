"""JT/T 808 frames as they are on the wire: one or several in a message, 2013 and 2019 headers.

`7E header body check 7E`, with 7E and 7D inside written as 7D02 and 7D01; check is the XOR of header and body. Sub-packages are put together when they
come in one message. Half a frame is refused as what it is: which other half belongs to it cannot be known.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from functools import reduce
from operator import xor
from typing import Any

from ingest import wire
from ingest.formats.jt808_location import Location, location_items, plain_phone
from ingest.readings import Claim, DecodeContext, Decoded, Item, Refusal, Rejected, StateUpdate

LOCATION, BATCH = 0x0200, 0x0704
ALIVE = {
    0x0001: "answer", 0x0002: "heartbeat", 0x0003: "log-off", 0x0100: "registration", 0x0102: "authentication",
    0x0104: "parameters", 0x0107: "attributes",
}  # fmt: skip
_BODY_LENGTH, _ENCRYPTED, _SUB_PACKAGES, _VERSION_2019 = 0x03FF, 0x1C00, 0x2000, 0x4000
_LOCATION = struct.Struct(">IIIIHHH6s")
_ITEMS: dict[int, tuple[int, str]] = {
    0x02: (2, "fuel_dl"), 0x03: (2, "recorder_speed_dkmh"), 0x04: (2, "alarm_event"), 0x25: (4, "vehicle_signals"),
    0x2A: (2, "io"), 0x2B: (4, "analog"), 0x30: (1, "signal"),
}  # fmt: skip


@dataclass(frozen=True)
class Frame:
    """One frame after unescaping and checking. package: (total, number) of a sub-package."""

    message_id: int
    phone: str
    serial: int
    body: bytes
    package: tuple[int, int] | None = None


def decode(payload: bytes, ctx: DecodeContext) -> Decoded:
    """Positions, alarms and signs of life of every frame in the message; a bad frame does not take its neighbours with it."""
    found: Decoded = []
    frames: list[tuple[int, Frame]] = []
    parts = wire.checked_binary(payload, ctx.limits).split(b"\x7e")
    pieces = [(part, i not in (0, len(parts) - 1)) for i, part in enumerate(parts) if part]
    if len(pieces) > 1 and _is_one_frame(payload):
        pieces = [(payload[1:-1], True)]
    if len(pieces) > ctx.limits.items_max:
        raise Refusal("too_many_items", f"{len(pieces)} frames; at most {ctx.limits.items_max} are taken")
    for i, (piece, whole) in enumerate(pieces):
        item_no = i if len(pieces) > 1 else -1
        try:
            if not whole:
                raise Refusal("truncated", f"{len(piece)} bytes of a frame without its start or end")
            frames.append((item_no, _frame(piece)))
        except Refusal as exc:
            found.append(Rejected(exc.reason, exc.detail, item_no))
    for item_no, frame in _joined(frames, found):
        try:
            found += [*_message(frame, item_no, ctx), Claim("phone", plain_phone(frame.phone), item_no)]
        except Refusal as exc:
            found.append(Rejected(exc.reason, exc.detail, item_no))
    return found


def _unescaped(raw: bytes) -> bytes:
    head, *rest = raw.split(b"\x7d")
    parts = [head]
    for part in rest:
        if part[:1] not in (b"\x01", b"\x02"):
            raise Refusal("bad_escape", f"7d is followed by {part[:1].hex() or 'nothing'}, not 01 or 02")
        parts += (b"\x7d" if part[0] == 1 else b"\x7e", part[1:])
    return b"".join(parts)


def _frame(raw: bytes) -> Frame:
    data = _unescaped(raw)
    if len(data) < 13:
        raise Refusal("truncated", f"a frame of {len(data)} bytes has no whole header")
    if reduce(xor, data):
        raise Refusal("bad_checksum", f"check byte {data[-1]:02x}, computed {reduce(xor, data[:-1]):02x}")
    message_id, attributes = struct.unpack_from(">HH", data)
    newer = bool(attributes & _VERSION_2019)
    at = 17 if newer else 12
    if attributes & _ENCRYPTED:
        raise Refusal("encrypted", f"message 0x{message_id:04x} is encrypted with a key we do not hold")
    package = None
    if attributes & _SUB_PACKAGES:
        at += 4
    body = data[at:-1]
    if len(data) < at + 1 or len(body) != attributes & _BODY_LENGTH:
        raise Refusal("bad_length", f"the header says {attributes & _BODY_LENGTH} bytes, the body has {max(len(data) - at - 1, 0)}")
    if attributes & _SUB_PACKAGES:
        total, number = struct.unpack_from(">HH", data, at - 4)
        if not 1 <= number <= total:
            raise Refusal("bad_length", f"sub-package {number} of {total}")
        package = (total, number)
    phone = data[5:15] if newer else data[4:10]
    (serial,) = struct.unpack_from(">H", data, 15 if newer else 10)
    return Frame(message_id, phone.hex(), serial, body, package)


def _is_one_frame(payload: bytes) -> bool:
    """Whether a message with 7E inside is one frame of a terminal that forgets to escape it: length and check byte must both say so."""
    if len(payload) > 4096 or payload[:1] != b"\x7e" or payload[-1:] != b"\x7e":
        return False
    try:
        _frame(payload[1:-1])
    except Refusal:
        return False
    return True


def _joined(frames: list[tuple[int, Frame]], found: Decoded) -> list[tuple[int, Frame]]:
    """Frames with complete sets of sub-packages as one; incomplete sets are refused. Numbers of one set are consecutive."""
    whole: list[tuple[int, Frame]] = []
    sets: dict[tuple[int, str, int, int], dict[int, tuple[int, Frame]]] = {}
    for item_no, frame in frames:
        if frame.package is None:
            whole.append((item_no, frame))
            continue
        total, number = frame.package
        first_serial = (frame.serial - number + 1) & 0xFFFF
        sets.setdefault((frame.message_id, frame.phone, total, first_serial), {})[number] = (item_no, frame)
    for (message_id, _, total, first_serial), members in sets.items():
        if len(members) == total:
            item_no, first = members[1]
            body = b"".join(members[n][1].body for n in range(1, total + 1))
            whole.append((item_no, replace(first, serial=first_serial, body=body, package=None)))
        else:
            detail = f"{len(members)} of {total} sub-packages of message 0x{message_id:04x}"
            found += [Rejected("sub_package", detail, item_no) for item_no, _ in members.values()]
    return whole


def _message(frame: Frame, item_no: int, ctx: DecodeContext) -> list[Item]:
    key = f"{frame.phone}/{frame.serial}"
    if frame.message_id == LOCATION:
        return location_items(location_of(frame.body), key, ctx, item_no)
    if frame.message_id == BATCH:
        return _batch(frame.body, key, item_no, ctx)
    name = ALIVE.get(frame.message_id)
    if name is None:
        raise Refusal("unsupported_type", f"JT/T 808 message 0x{frame.message_id:04x} carries no position")
    return [StateUpdate(None, presence="offline" if name == "log-off" else "online", presence_text=f"jt808 {name}")]


def _batch(body: bytes, key: str, item_no: int, ctx: DecodeContext) -> list[Item]:
    """Reports that waited for a connection: u16 count, u8 kind, then u16 length and report each. Late by design."""
    if len(body) < 3:
        raise Refusal("bad_length", "a batch needs a count and a kind")
    (count,) = struct.unpack_from(">H", body)
    found: list[Item] = []
    at, seen = 3, 0
    while at < len(body):
        if at + 2 > len(body):
            raise Refusal("bad_length", "the last report of the batch has no whole length")
        (length,) = struct.unpack_from(">H", body, at)
        if at + 2 + length > len(body):
            raise Refusal("bad_length", f"report {seen} says {length} bytes, {len(body) - at - 2} are left")
        if seen >= ctx.limits.items_max:
            raise Refusal("too_many_items", f"more than {ctx.limits.items_max} reports in one batch")
        try:
            found += location_items(location_of(body[at + 2 : at + 2 + length]), f"{key}/{seen}", ctx, item_no)
        except Refusal as exc:
            found.append(Rejected(exc.reason, f"report {seen}: {exc.detail}", item_no))
        at, seen = at + 2 + length, seen + 1
    if seen != count:
        raise Refusal("bad_count", f"the batch says {count} reports and holds {seen}")
    return found


def location_of(body: bytes) -> Location:
    """The body of 0x0200. Unknown additional items are kept as hex. Raises Refusal on a body that is too short."""
    if len(body) < _LOCATION.size:
        raise Refusal("bad_length", f"a position report has at least {_LOCATION.size} bytes, this one {len(body)}")
    alarm, status, lat, lon, alt, speed, direction, time = _LOCATION.unpack_from(body)
    extra: dict[str, Any] = {}
    mileage = sats = None
    at = _LOCATION.size
    while at + 2 <= len(body):
        kind, length = body[at], body[at + 1]
        value = body[at + 2 : at + 2 + length]
        if len(value) < length:
            break
        known = _ITEMS.get(kind)
        if kind == 0x01 and length == 4:
            mileage = int.from_bytes(value, "big")
        elif kind == 0x31 and length == 1:
            sats = value[0]
        elif known is not None and known[0] == length:
            extra[known[1]] = int.from_bytes(value, "big")
        else:
            extra.setdefault("items", {})[f"{kind:02x}"] = value.hex()
        at += 2 + length
    if at < len(body):
        extra["unread"] = body[at:].hex()  # some makers put bytes of their own behind the items
    return Location(alarm, status, lat, lon, alt, speed, direction, time.hex(), mileage, sats, extra)
