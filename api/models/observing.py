"""What devices may have missed, when zones were observed, how vehicles went."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.models.base import Out


class MissedReads(Out):
    """We may have missed reads between two instants of event time."""

    kind: Literal["SEQ_GAP", "SEQ_RESET", "OVERFLOW", "DROPPED"]
    from_at: datetime
    until_at: datetime
    seq_from: int = Field(description="First missing number; of a reset, the last number before it")
    seq_to: int = Field(description="Last missing number; of a reset, the first number after it")
    missed: int | None = Field(description="Messages or reads; null = nobody knows how many")
    recorded_at: datetime
    filled_at: datetime | None = Field(
        description="When they came after all, wholly or in part; what is still missing is an item of its own"
    )


class MissedReadsOfDevice(Out):
    """Newest first. `truncated`: there are more."""

    device_id: str
    items: list[MissedReads]
    truncated: bool


class ObservedSpan(Out):
    """Somebody looked."""

    from_at: datetime
    until_at: datetime


class BlindSpan(Out):
    """Nobody looked, and why."""

    from_at: datetime
    until_at: datetime
    reason: Literal["NO_READER", "READER_OUTAGE", "GATEWAY_OUTAGE", "SITE_OUTAGE"]


class ZoneObservability(Out):
    """When a zone was observed. Goods not seen while it was blind are not absent, they are not observable."""

    zone_id: str
    from_at: datetime
    until_at: datetime
    observed_s: float
    observed: list[ObservedSpan]
    blind: list[BlindSpan]


class VehicleLeg(Out):
    """A stop, a drive between two, or a time of which nothing is known."""

    kind: Literal["STOP", "DRIVE", "UNKNOWN"]
    from_at: datetime
    until_at: datetime
    lon: float = Field(description="Middle of a stop, end of a drive; WGS-84")
    lat: float
    metres: float
    fixes: int
    reason: str


class VehicleLegs(Out):
    """In order of time. `truncated`: there were more fixes than are judged at once."""

    device_id: str
    items: list[VehicleLeg]
    truncated: bool
