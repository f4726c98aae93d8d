"""What a device said, in our terms: decoders make these, screening adds place and doubt, the store keeps them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec

from ingest.messages import TagRead


class Fix(StrEnum):
    """Mirrored by the CHECK on position.fix."""

    VALID = "valid"
    STALE = "stale"
    NONE = "none"


class Direction(StrEnum):
    """What a gate that decides for itself says of a passage."""

    IN = "in"
    OUT = "out"


class RfidReading(msgspec.Struct, frozen=True, gc=False):
    """One tag heard by one antenna. antenna 0 = not said; rssi in dBm; direction only from a gate that decides for itself."""

    observed_at: datetime
    epc: str
    antenna: int
    event_key: str
    tid: str | None
    rssi_dbm: float | None
    read_count: int
    flags: tuple[str, ...]
    item_no: int = -1
    direction: Direction | None = None

    def content_hash(self) -> bytes:
        """Equal for equal content under one key."""
        return _read_hash(self.tid, self.rssi_dbm, self.read_count, self.direction)


@lru_cache(maxsize=65_536, typed=True)  # strengths and counts repeat; hashing each anew was a tenth of the worker's time
def _read_hash(tid: str | None, rssi_dbm: float | None, read_count: int, direction: Direction | None) -> bytes:
    text = f"{tid}|{rssi_dbm}|{read_count}"
    return hashlib.blake2b((text if direction is None else f"{text}|{direction}").encode(), digest_size=8).digest()


class ReadsBlock(msgspec.Struct, frozen=True):
    """Tag reads of one message that share time, key and flags, checked but not yet one object each: most are absorbed and never become one.

    epc and tid of the reads are upper-case hex, and no read has a time of its own. seqs: of the message.
    """

    observed_at: datetime
    event_key: str
    flags: tuple[str, ...]
    reads: list[TagRead]
    seqs: tuple[int, ...]

    def reading(self, item_no: int) -> RfidReading:
        """One of the reads by itself."""
        r = self.reads[item_no]
        return RfidReading(self.observed_at, r.epc, r.ant, self.event_key, r.tid, r.rssi, r.n, self.flags, item_no=item_no)


class PositionReading(msgspec.Struct, frozen=True):
    """One fix of a tracker as it was sent: degrees in `datum`, metres, m/s. `extra` is kept, not interpreted."""

    observed_at: datetime
    event_key: str
    lon: float | None
    lat: float | None
    datum: str
    fix: Fix
    acc_m: float | None = None
    speed_mps: float | None = None
    heading_deg: float | None = None
    odo_km: float | None = None
    sats: int | None = None
    ignition: bool | None = None
    goods: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    extra: dict[str, Any] = {}
    item_no: int = -1
    seq: int | None = None

    def content_hash(self) -> bytes:
        """Equal for equal content under one key; `extra` and the kind of fix do not count: a stale fix repeats its original."""
        text = f"{self.lon}|{self.lat}|{self.acc_m}|{self.speed_mps}|{self.heading_deg}|{self.odo_km}|{self.ignition}|{self.goods}"
        return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()


class DeviceEvent(msgspec.Struct, frozen=True):
    """Something else that a device reports: weight, door, seal, gpi, overflow, a document. missed: readings it says were lost."""

    observed_at: datetime
    event_key: str
    type: str
    payload: dict[str, Any]
    flags: tuple[str, ...] = ()
    missed: int = 0
    item_no: int = -1

    def content_hash(self) -> bytes:
        """Equal for equal content under one key."""
        return hashlib.blake2b(msgspec.json.encode(self.payload, order="deterministic"), digest_size=8).digest()


class StateUpdate(msgspec.Struct, frozen=True):
    """Device state, no reading: health, presence, counters. dropped_total rises at the device until it restarts.

    clock_offset_ms: how far the device's clock is behind true time by its own measure (NTP).
    """

    observed_at: datetime | None
    health: dict[str, Any] | None = None
    presence: str | None = None
    presence_text: str | None = None
    dropped_total: int | None = None
    seqs: tuple[int, ...] = ()
    clock_offset_ms: int | None = None


class Claim(msgspec.Struct, frozen=True):
    """A payload says whose it is: `name` (hostname, uniqueId, deviceCode, device_id) and the value it carries. Screening judges it."""

    name: str
    value: str
    item_no: int = -1


class Rejected(msgspec.Struct, frozen=True):
    """Why a message, or one item of it (item_no >= 0), was refused. reason is a stable code."""

    reason: str
    detail: str
    item_no: int = -1


class Metric(msgspec.Struct, frozen=True):
    """One metric of a Sparkplug payload as it came; name or alias, at_ms in milliseconds since 1970. single: a 32-bit float."""

    name: str | None
    alias: int | None
    at_ms: int | None
    datatype: int | None
    value: Any
    single: bool = False


class NodeMessage(msgspec.Struct, frozen=True):
    """What a Sparkplug edge node, or a device behind it (part), said. Its session, which is in the store, says what it means."""

    verb: str
    part: str
    at_ms: int
    seq: int | None
    bd_seq: int | None
    metrics: tuple[Metric, ...]


Reading = RfidReading | PositionReading | DeviceEvent | StateUpdate
Item = Reading | Claim | Rejected | NodeMessage
Decoded = list[Item]


class Refusal(Exception):
    """Raised inside a decoder; becomes Rejected at its edge."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Limits:
    """What one message may be at most."""

    payload_bytes_max: int = 1_048_576
    items_max: int = 5_000
    depth_max: int = 24
    days_max: int = 62  # event days in one message: each may open a chunk of its own in the store
    future_s_max: float = 300.0
    late_after_s: float = 600.0


@dataclass(frozen=True)
class DecodeContext:
    """What a decoder knows besides the bytes. utc_offset_minutes holds for times without an offset; part: the device in a Sparkplug topic."""

    channel: str
    received_at: datetime
    utc_offset_minutes: int = 0
    datum: str = "WGS84"
    limits: Limits = Limits()
    part: str = ""
