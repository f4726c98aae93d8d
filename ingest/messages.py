"""Native payloads on the wire, as devices encode them and `formats.native` decodes them. Unknown fields are kept or passed over, not refused."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

ANTENNA_MAX = 64
RSSI_DBM_MIN = -110.0
RSSI_DBM_MAX = 0.0
READ_COUNT_MAX = 2**31 - 1
SEQ_MAX = 2**63 - 1

Antenna = Annotated[int, msgspec.Meta(ge=0, le=ANTENNA_MAX)]
RssiDbm = Annotated[float, msgspec.Meta(ge=RSSI_DBM_MIN, le=RSSI_DBM_MAX)]
ReadCount = Annotated[int, msgspec.Meta(ge=1, le=READ_COUNT_MAX)]
Seq = Annotated[int, msgspec.Meta(ge=0, le=SEQ_MAX)]


class TagRead(msgspec.Struct, omit_defaults=True, gc=False):
    """One tag in a reads message. ts only where it differs from the message's; n: how often it was heard; rssi in dBm."""

    epc: str
    ant: Antenna = 0
    tid: str | None = None
    rssi: RssiDbm | None = None
    n: ReadCount = 1
    ts: str | None = None


class ReadsMessage(msgspec.Struct, omit_defaults=True):
    """`reads`: what a reader heard. ts is ISO 8601; seq rises by one per message."""

    ts: str
    reads: list[TagRead]
    seq: Seq | None = None


class PositionMessage(msgspec.Struct, omit_defaults=True):
    """`position`: one fix; degrees in `datum`, metres, m/s, kilometres. goods: ids on board."""

    ts: str
    fix: str = "valid"
    seq: int | None = None
    lon: float | None = None
    lat: float | None = None
    datum: str | None = None
    acc_m: float | None = None
    speed_mps: float | None = None
    heading_deg: float | None = None
    sats: int | None = None
    odo_km: float | None = None
    ignition: bool | None = None
    goods: list[str] = []

    def __post_init__(self) -> None:
        if self.fix not in ("valid", "stale", "none"):
            raise ValueError(f"fix {self.fix!r} is not valid, stale or none")


class EventMessage(msgspec.Struct, omit_defaults=True):
    """`event`: weight, tank, door, seal, tamper, motion ...; `fields` are encoded beside ts, seq and type (see encode)."""

    ts: str
    type: str
    seq: int | None = None
    fields: dict[str, Any] = {}


class HealthMessage(msgspec.Struct, omit_defaults=True):
    """`health`: a device is alive. dropped counts readings lost since its start."""

    ts: str
    interval_s: float
    fw: str | None = None
    config_hash: str | None = None
    battery_pct: float | None = None
    dropped: int | None = None


ONLINE, OFFLINE = b"online", b"offline"

_encoder = msgspec.json.Encoder()


def encode(message: ReadsMessage | PositionMessage | EventMessage | HealthMessage) -> bytes:
    """The payload to publish."""
    if isinstance(message, EventMessage):
        flat = {"ts": message.ts, "type": message.type, **message.fields}
        return _encoder.encode(flat if message.seq is None else {**flat, "seq": message.seq})
    if isinstance(message, PositionMessage):
        return _encoder.encode({**msgspec.to_builtins(message), "fix": message.fix})
    return _encoder.encode(message)
