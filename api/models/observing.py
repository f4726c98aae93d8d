"""What devices may have missed, when zones were observed, how vehicles went."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from api.models.base import In, LongText, Out


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


class _Thresholds(In):
    """Thresholds of zone evidence and smoothing (docs/devices.md)."""

    smoothing_s: (
        Annotated[int, Field(ge=0, le=86_400, description="A re-read at one place within this adds no row; 0 = every read does")] | None
    ) = None
    window_s: Annotated[int, Field(ge=1, le=3_600, description="Reads within this are weighed together")] | None = None
    reads_min: Annotated[int, Field(ge=1, le=100, description="Reads in another zone that make a move")] | None = None
    clear_dbm: Annotated[float, Field(ge=-110, le=0, allow_inf_nan=False, description="Weaker reads alone are no evidence")] | None = None
    lead_db: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False, description="By how much another zone must be stronger")] | None = (
        None
    )
    strong_db: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False, description="A lead by which one read suffices")] | None = None
    return_within_s: Annotated[int, Field(ge=0, le=86_400, description="How long a tag needs more than one read to be back")] | None = None


class NewReadPolicy(_Thresholds):
    """What is set for the device itself, as a whole: a threshold that is left out has nothing of its own."""

    reason: LongText


class ReadThresholds(Out):
    """One set of thresholds; null = nothing is set."""

    smoothing_s: int | None
    window_s: int | None
    reads_min: int | None
    clear_dbm: float | None
    lead_db: float | None
    strong_db: float | None
    return_within_s: int | None


class DeviceReadPolicy(Out):
    """own: set for the device. said: with what its site, its class and all devices have, the most exact first; null = the program's default."""

    device_id: str
    own: ReadThresholds
    said: ReadThresholds
