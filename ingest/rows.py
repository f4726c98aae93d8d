"""Rows for binary COPY, packed by hand: two to three times as fast as one adapter call per value, which is what ingest spends its time on."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache

from ingest.movements import Sighting
from ingest.screen import Delivery, Observation

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_HEADER = b"PGCOPY\n\xff\r\n\x00" + b"\x00" * 8
_TRAILER = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_EMPTY_ARRAY = struct.pack("!iiiI", 12, 0, 0, 25)
_TEXT_OID = 25
PIECE_ROWS = 500

_columns = struct.Struct("!h").pack
_length = struct.Struct("!i").pack
_int4 = struct.Struct("!ii").pack
_int8 = struct.Struct("!iq").pack
_real = struct.Struct("!if").pack


def _time(at: datetime) -> bytes:
    span = at - _EPOCH
    return _int8(8, (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds)


def _text(value: str | None) -> bytes:
    if value is None:
        return _NULL
    raw = value.encode()
    return _length(len(raw)) + raw


@lru_cache(maxsize=4096)
def _name(value: str | None) -> bytes:
    return _text(value)


@lru_cache(maxsize=1024)
def _texts(values: tuple[str, ...]) -> bytes:
    if not values:
        return _EMPTY_ARRAY
    body = struct.pack("!iiIii", 1, 0, _TEXT_OID, len(values), 1) + b"".join(_text(v) for v in values)
    return _length(len(body)) + body


@lru_cache(maxsize=65_536)
def _strength(rssi_dbm: float | None, read_count: int, flags: tuple[str, ...]) -> bytes:
    return (_NULL if rssi_dbm is None else _real(4, rssi_dbm)) + _int4(4, read_count) + _texts(flags) + b"\x00\x00\x00\x08"


def observation_rows(observations: Iterable[Observation]) -> Iterator[bytes]:
    """A whole COPY stream for `copy_observations`, in pieces, so that the server works while the rest is packed."""
    columns = _columns(13)
    parts = [_HEADER]
    append = parts.append
    source: Delivery | None = None
    at: datetime | None = None
    head = key = received = b""
    event_key: str | None = None
    for o in observations:
        r = o.reading
        if o.source is not source or r.observed_at is not at or r.event_key is not event_key:  # else as in the row before
            if o.source is not source:
                source, received = o.source, _time(o.source.received_at)
            at, event_key = r.observed_at, r.event_key
            head = columns + _time(at) + received
            key = _text(event_key)
        epc = r.epc.encode()
        append(
            b"%b%b%b%b%b%b%b%b%b%b%b"
            % (
                head,
                _name(o.device.device_id),
                _length(len(epc)),
                epc,
                _int4(4, r.antenna),
                key,
                _NULL if r.tid is None else _text(r.tid),
                _NULL if o.goods_id is None else _text(o.goods_id),
                _NULL if o.zone is None else _name(o.zone.zone_id),
                _strength(r.rssi_dbm, r.read_count, o.flags),
                o.content_hash,
            )
        )
        if len(parts) > PIECE_ROWS:
            yield b"".join(parts)
            parts.clear()
    append(_TRAILER)
    yield b"".join(parts)


@lru_cache(maxsize=4096)
def _place(device_id: str, antenna: int, zone_id: str | None, warehouse_id: str | None) -> bytes:
    return _name(device_id) + _int4(4, antenna) + _name(zone_id) + _name(warehouse_id)


@lru_cache(maxsize=65_536)
def _counts(previous_zone_id: str | None, reads: int, absorbed: int, rssi_dbm: float | None) -> bytes:
    return _name(previous_zone_id) + _int8(8, reads) + _int8(8, absorbed) + (_NULL if rssi_dbm is None else _real(4, rssi_dbm))


def sighting_rows(sightings: Iterable[Sighting]) -> Iterator[bytes]:
    """A whole COPY stream for `copy_sightings`, in pieces."""
    columns = _columns(14)
    parts = [_HEADER]
    at: datetime | None = None
    thrice = b""
    for s in sightings:
        if s.entered_at is s.first_stored_at and s.first_stored_at is s.last_seen_at:
            if s.entered_at is not at:
                at = s.entered_at
                thrice = _time(at) * 3
            times = thrice
        else:
            times = _time(s.entered_at) + _time(s.first_stored_at) + _time(s.last_seen_at)
        epc = s.tag_epc.encode()
        parts.append(
            b"%b%b%b%b%b%b%b%b"
            % (
                columns,
                _length(len(epc)),
                epc,
                _NULL if s.goods_id is None else _text(s.goods_id),
                _place(s.device_id, s.antenna, s.zone_id, s.warehouse_id),
                _NULL if s.tid is None else _text(s.tid),
                times,
                _counts(s.previous_zone_id, s.reads, s.absorbed, s.rssi_dbm),
            )
        )
        if len(parts) > PIECE_ROWS:
            yield b"".join(parts)
            parts.clear()
    parts.append(_TRAILER)
    yield b"".join(parts)
