"""What a sighting is worth: confirmed, held while its reader is silent, pending, or gone. Pure.

A silent reader is not a missing good: value seen before the silence holds for 24 hours, without draw and without release (DOMAIN 2.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

FRESH = timedelta(hours=24)
HOLD = timedelta(hours=24)
PENDING = timedelta(hours=24)
SILENT_INTERVALS = 3
SILENT_GRACE = timedelta(minutes=15)


class Sighting(StrEnum):
    """How well a unit is seen."""

    CONFIRMED = "CONFIRMED"
    HELD = "HELD"
    PENDING = "PENDING"
    NOT_SIGHTED = "NOT_SIGHTED"


@dataclass(frozen=True, kw_only=True, slots=True)
class Observer:
    """The device that saw a unit last. presence_online: what its last will says, or its gateway's."""

    device_id: str
    heard_at: datetime | None
    expected_interval: timedelta
    presence_online: bool


def is_silent(observer: Observer, stream_at: datetime) -> bool:
    """Whether a device says less than it should, judged against how far the whole stream has come."""
    if not observer.presence_online:
        return True
    if observer.heard_at is None:
        return True
    return stream_at - observer.heard_at > max(SILENT_INTERVALS * observer.expected_interval, SILENT_GRACE)


def sighting(
    seen_at: datetime | None, observer: Observer | None, *, pledged_at: datetime, as_of: datetime, stream_at: datetime | None
) -> Sighting:
    """How well a unit is seen at as_of. stream_at: the newest event time of any device; None = nothing ever came."""
    if seen_at is None or stream_at is None:
        return Sighting.PENDING if as_of - pledged_at <= PENDING else Sighting.NOT_SIGHTED
    stream_at = min(stream_at, as_of)
    silent = observer is not None and is_silent(observer, stream_at)
    if as_of - seen_at <= FRESH:
        return Sighting.HELD if silent else Sighting.CONFIRMED
    since = observer.heard_at if silent and observer is not None and observer.heard_at is not None else stream_at
    if since - seen_at <= FRESH and as_of - since <= HOLD:
        return Sighting.HELD
    return Sighting.NOT_SIGHTED
