"""Teltonika AVL packets: codec 8, 8 Extended and 16 as they are on the wire, one or several in a message, over TCP or UDP framing.

`00000000 length codec count records count crc`; the crc is CRC-16/IBM from codec to the second count. Codecs 12 to 15 carry text, the login
packet an IMEI. Source: Teltonika's wiki, "Codec".
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from typing import Any

from ingest import wire
from ingest.readings import Claim, DecodeContext, Decoded, DeviceEvent, Fix, Item, PositionReading, Refusal, Rejected, StateUpdate

CODEC_8, CODEC_12, CODEC_13, CODEC_14, CODEC_15, CODEC_16, CODEC_8E = 0x08, 0x0C, 0x0D, 0x0E, 0x0F, 0x10, 0x8E
PRIORITY_PANIC = 2
IO_IGNITION, IO_ODOMETER_M = 239, 16  # the same in all vehicle models of the maker
_FIXED = struct.Struct(">QBiihHBH")
_IMEI_LENGTHS = range(14, 18)
NO_TIME: tuple[str, ...] = ("clock_unset",)  # the content names such a message; delivered again, it takes the time of its first delivery


def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
        table.append(value)
    return table


_CRC = _crc_table()


def crc16_ibm(data: bytes) -> int:
    """CRC-16/IBM (ARC): polynomial 0x8005 reflected, start 0."""
    crc = 0
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc


class _Reader:
    """Big-endian numbers from bytes; running out is a Refusal."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise Refusal("truncated", f"{count} bytes are due at {self.at}, {len(self.data) - self.at} are left")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    @property
    def left(self) -> int:
        return len(self.data) - self.at


@dataclass
class _Packets:
    """What the packets of one message came to."""

    ctx: DecodeContext
    items: list[Item]
    imei: str | None = None


def decode(payload: bytes, ctx: DecodeContext) -> Decoded:
    """Positions with their IO elements, panic alarms, text answers and logins. What follows a bad packet cannot be found and is refused with it."""
    reader = _Reader(wire.checked_binary(payload, ctx.limits))
    found = _Packets(ctx, [])
    while reader.left:
        start = reader.at
        try:
            _packet(reader, found)
        except Refusal as exc:
            found.items.append(Rejected(exc.reason, f"packet at byte {start}: {exc.detail}", start if start else -1))
            break
    if found.imei is not None:
        found.items.append(Claim("imei", found.imei))
    return found.items


def _packet(reader: _Reader, found: _Packets) -> None:
    if reader.left >= 4 and reader.data[reader.at : reader.at + 4] != b"\0\0\0\0":
        length = int.from_bytes(reader.data[reader.at : reader.at + 2], "big")
        if length in _IMEI_LENGTHS:
            found.imei = _imei(reader)
            found.items.append(StateUpdate(None, presence="online", presence_text="teltonika login"))
        else:
            _datagram(reader, found)
        return
    reader.take(4)
    length = reader.number(4)
    data = reader.take(length)
    crc, computed = reader.number(4), crc16_ibm(data)
    if crc != computed:
        raise Refusal("bad_checksum", f"crc {crc:04x}, computed {computed:04x}")
    _codec(_Reader(data), found)


def _imei(reader: _Reader) -> str:
    raw = reader.take(reader.number(2))
    if not (raw.isascii() and raw.isdigit()):
        raise Refusal("unsupported_type", "neither an AVL packet nor a login with an IMEI")
    return raw.decode("ascii")


def _datagram(reader: _Reader, found: _Packets) -> None:
    """UDP: u16 length, u16 packet id, 01, u8 AVL packet id, IMEI, then codec ... count without preamble and crc."""
    length = reader.number(2)
    if length > reader.left:
        raise Refusal("truncated", f"no AVL preamble; read as a datagram it says {length} bytes, {reader.left} are left")
    inner = _Reader(reader.take(length))
    inner.take(2)
    if inner.number(1) != 1:
        raise Refusal("unsupported_type", "neither an AVL packet nor a login with an IMEI")
    inner.take(1)
    found.imei = _imei(inner)
    _codec(inner, found)


def _codec(reader: _Reader, found: _Packets) -> None:
    codec, count = reader.number(1), reader.number(1)
    if codec in (CODEC_8, CODEC_8E, CODEC_16):
        made = _records(reader, codec, count, found)
    elif codec in (CODEC_12, CODEC_13, CODEC_14, CODEC_15):
        made = _texts(reader, codec, count, found)
    else:
        raise Refusal("unsupported_type", f"codec {codec:02x} is none of 8, 8 Extended, 16 and 12 to 15")
    if (again := reader.number(1)) != count:
        raise Refusal("bad_count", f"the packet says {count} records before and {again} after them")
    if reader.left:
        raise Refusal("bad_length", f"{reader.left} bytes behind the last record")
    found.items += made


def _records(reader: _Reader, codec: int, count: int, found: _Packets) -> list[Item]:
    made: list[Item] = []
    # A device sends what was not acknowledged again, perhaps in another packet: the place within one time stays the same.
    times: Counter[int] = Counter()
    for no in range(count):
        fields = _FIXED.unpack(reader.take(_FIXED.size))
        io = _io_elements(reader, codec)
        times[fields[0]] += 1
        try:
            made += _record(fields, io, f"{times[fields[0]] - 1}", found.ctx)
        except Refusal as exc:
            made.append(Rejected(exc.reason, f"record {no}: {exc.detail}", no))
    return made


def _io_elements(reader: _Reader, codec: int) -> dict[str, Any]:
    """{"event": id that triggered the record, "values": {id: number, or hex when longer than 8 bytes}}."""
    id_bytes = 1 if codec == CODEC_8 else 2
    count_bytes = 2 if codec == CODEC_8E else 1
    found: dict[str, Any] = {"event": reader.number(id_bytes)}
    if codec == CODEC_16:
        found["generation"] = reader.number(1)
    total = reader.number(count_bytes)
    values: dict[str, Any] = {}
    for size in (1, 2, 4, 8):
        for _ in range(reader.number(count_bytes)):
            name = str(reader.number(id_bytes))
            values[name] = reader.number(size)
    if codec == CODEC_8E:
        for _ in range(reader.number(2)):
            name = str(reader.number(2))
            values[name] = reader.take(reader.number(2)).hex()
    elif len(values) < total and codec == CODEC_8 and reader.left:
        for _ in range(reader.number(1)):  # FM36xx models add 16-byte elements to codec 8 and count them in the total only
            values[str(reader.number(1))] = reader.take(16).hex()
    return {**found, "values": values}


def _record(fields: tuple[int, ...], io: dict[str, Any], key: str, ctx: DecodeContext) -> list[Item]:
    time_ms, priority, lon_e7, lat_e7, alt_m, angle, sats, speed_kmh = fields
    at, key, flags = wire.judged_time(wire.epoch_time(time_ms, "time", 1000), time_ms, key, ctx)
    lon, lat = wire.place(lon_e7 / 1e7, lat_e7 / 1e7)
    values = io["values"]
    odometer_m = values.get(str(IO_ODOMETER_M))
    ignition = values.get(str(IO_IGNITION))
    position = PositionReading(
        observed_at=at,
        event_key=key,
        lon=lon,
        lat=lat,
        datum=ctx.datum,
        fix=Fix.VALID if sats else Fix.STALE,  # without a fix the device repeats its last place, with no satellites
        speed_mps=speed_kmh / 3.6 if sats else None,
        heading_deg=float(angle) if sats and angle <= 360 else None,
        odo_km=odometer_m / 1000 if isinstance(odometer_m, int) else None,
        sats=sats,
        ignition=bool(ignition) if ignition in (0, 1) else None,
        flags=flags if sats else (*flags, "no_fix"),
        extra={"alt_m": alt_m, "priority": priority, "io": io},
    )
    items: list[Item] = [position, StateUpdate(at)]
    if priority >= PRIORITY_PANIC:
        items.append(DeviceEvent(at, key, "alarm", {"alarms": ["panic"], "priority": priority, "event": io["event"]}, flags))
    return items


def _texts(reader: _Reader, codec: int, count: int, found: _Packets) -> list[Item]:
    """Answers to commands: u8 type, u32 length, then a time (codecs 13 and 15), an IMEI (14 and 15), and text."""
    made: list[Item] = []
    for no in range(count):
        kind = reader.number(1)
        body = _Reader(reader.take(reader.number(4)))
        at, flags = found.ctx.received_at, NO_TIME
        if codec in (CODEC_13, CODEC_15):
            seconds = body.number(4)
            at, _, flags = wire.judged_time(wire.epoch_time(seconds, "time", 1), seconds, "", found.ctx)
        if codec in (CODEC_14, CODEC_15):
            found.imei = body.take(8).hex().lstrip("0") or "0"
        text = body.take(body.left)
        key = f"{no}/{wire.content_key(text)}"
        content = {"codec": codec, "answer": kind == 6, **_words(text)}
        made += [DeviceEvent(at, key, "answer", content, flags), StateUpdate(None, presence="online", presence_text="teltonika text")]
    return made


def _words(raw: bytes) -> dict[str, str]:
    plain = raw.rstrip(b"\r\n\0")
    if plain.isascii() and plain.decode("ascii").isprintable():
        return {"text": plain.decode("ascii")}
    return {"hex": raw.hex()}
