"""Rows for binary COPY, packed by hand: two to three times as fast as one adapter call per value, which is what ingest spends its time on."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

from ingest.movements import Sighting
from ingest.screen import Observation

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_HEADER = b"PGCOPY\n\xff\r\n\x00" + b"\x00" * 8
_TRAILER = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_EMPTY_ARRAY = struct.pack("!iiiI", 12, 0, 0, 25)
_TEXT_OID = 25

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


def observation_rows(observations: Iterable[Observation]) -> bytes:
    """A whole COPY stream for `copy_observations`."""
    columns = _columns(13)
    parts = [_HEADER]
    for o in observations:
        r = o.reading
        parts += (
            columns,
            _time(r.observed_at),
            _time(o.source.received_at),
            _name(o.device.device_id),
            _text(r.epc),
            _int4(4, r.antenna),
            _text(r.event_key),
            _text(r.tid),
            _text(o.goods_id),
            _name(None if o.zone is None else o.zone.zone_id),
            _NULL if r.rssi_dbm is None else _real(4, r.rssi_dbm),
            _int4(4, r.read_count),
            _texts(o.flags),
            b"\x00\x00\x00\x08",
            o.content_hash,
        )
    parts.append(_TRAILER)
    return b"".join(parts)


def sighting_rows(sightings: Iterable[Sighting]) -> bytes:
    """A whole COPY stream for `copy_sightings`."""
    columns = _columns(14)
    parts = [_HEADER]
    for s in sightings:
        parts += (
            columns,
            _text(s.tag_epc),
            _text(s.goods_id),
            _name(s.device_id),
            _int4(4, s.antenna),
            _name(s.zone_id),
            _name(s.warehouse_id),
            _text(s.tid),
            _time(s.entered_at),
            _time(s.first_stored_at),
            _time(s.last_seen_at),
            _name(s.previous_zone_id),
            _int8(8, s.reads),
            _int8(8, s.absorbed),
            _NULL if s.rssi_dbm is None else _real(4, s.rssi_dbm),
        )
    parts.append(_TRAILER)
    return b"".join(parts)
