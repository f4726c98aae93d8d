"""What a tracker's fixes say about its day: where the vehicle stood, and the ways between. Pure.

A stop is a time of at least STOP_MIN within STOP_RADIUS_M (and the fixes' accuracy) of where it began; everything between two stops is a
drive. Fixes are taken in order of event time, so the order of arrival does not matter; jumps and stale fixes must be left out by the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from statistics import fmean

from collateral.zones import geodesic_m

STOP_RADIUS_M = 100.0
STOP_MIN = timedelta(minutes=5)
SILENCE_MAX = timedelta(hours=2)  # between fixes further apart nobody knows what the vehicle did


@dataclass(frozen=True, slots=True)
class Fix:
    """A believed fix, WGS-84."""

    at: datetime
    lon: float
    lat: float
    acc_m: float | None = None


class LegKind(StrEnum):
    """What a vehicle did. UNKNOWN: no fix for longer than SILENCE_MAX."""

    STOP = "STOP"
    DRIVE = "DRIVE"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Leg:
    """A stop, or a way between two. metres: along the fixes; lon/lat: the middle of a stop, the end of a drive. reason: why it is one."""

    kind: LegKind
    from_at: datetime
    until_at: datetime
    lon: float
    lat: float
    metres: float
    fixes: int
    reason: str


def legs(fixes: Sequence[Fix]) -> list[Leg]:
    """Stops and drives that these fixes show, in order of time; they follow one another without a hole."""
    ordered = sorted(fixes, key=lambda f: (f.at, f.lon, f.lat))
    found: list[Leg] = []
    start = 0
    for i, (a, b) in enumerate(pairwise(ordered), 1):
        if b.at - a.at > SILENCE_MAX:
            found += _between_silences(ordered[start:i])
            metres = geodesic_m(a.lon, a.lat, b.lon, b.lat)
            found.append(Leg(LegKind.UNKNOWN, a.at, b.at, b.lon, b.lat, metres, 2, "no_fix_for_two_hours"))
            start = i
    return [*found, *_between_silences(ordered[start:])]


def _between_silences(fixes: Sequence[Fix]) -> list[Leg]:
    found: list[Leg] = []
    moving_from = i = 0
    while i < len(fixes):
        end = i
        while end + 1 < len(fixes) and _near(fixes[i], fixes[end + 1]):
            end += 1
        if fixes[end].at - fixes[i].at < STOP_MIN:
            i += 1
            continue
        if i > moving_from:
            found.append(_drive(fixes[moving_from : i + 1]))
        stood = fixes[i : end + 1]
        lon, lat = fmean(f.lon for f in stood), fmean(f.lat for f in stood)
        found.append(Leg(LegKind.STOP, stood[0].at, stood[-1].at, lon, lat, 0.0, len(stood), "stayed_within_radius"))
        moving_from = end
        i = end + 1
    if moving_from < len(fixes) - 1:
        found.append(_drive(fixes[moving_from:]))
    return found


def _near(first: Fix, other: Fix) -> bool:
    return geodesic_m(first.lon, first.lat, other.lon, other.lat) <= max(STOP_RADIUS_M, first.acc_m or 0.0, other.acc_m or 0.0)


def _drive(fixes: Sequence[Fix]) -> Leg:
    metres = sum(geodesic_m(a.lon, a.lat, b.lon, b.lat) for a, b in pairwise(fixes))
    last = fixes[-1]
    return Leg(LegKind.DRIVE, fixes[0].at, last.at, last.lon, last.lat, metres, len(fixes), "between_stops")
