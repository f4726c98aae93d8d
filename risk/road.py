"""Where and how a vehicle went: stops, speeds, distances, from its fixes. Pure; metres, seconds, WGS-84."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from collateral.zones import point_distance_m
from risk.facts import Fix


@dataclass(frozen=True, kw_only=True)
class Stop:
    """A vehicle stayed within some metres of a place."""

    fixes: tuple[Fix, ...]
    lon: float
    lat: float

    @property
    def lasted(self) -> timedelta:
        return self.fixes[-1].observed_at - self.fixes[0].observed_at


def distance_m(a: Fix, b: Fix) -> float:
    """Metres between two fixes."""
    return point_distance_m(a.lon, a.lat, b.lon, b.lat)


def speed_mps(a: Fix, b: Fix) -> float:
    """Mean speed from a to b; two places at one instant are infinitely far apart in speed, one place is not."""
    seconds = (b.observed_at - a.observed_at).total_seconds()
    metres = distance_m(a, b)
    return metres / seconds if seconds > 0 else 0.0 if metres < 1 else float("inf")


def stops(fixes: Sequence[Fix], *, slow_mps: float, radius_m: float = 150.0) -> list[Stop]:
    """Stays, oldest first: fixes in a row within radius_m of the first of them, slower than slow_mps where the tracker says its speed."""
    made: list[Stop] = []
    run: list[Fix] = []

    def end() -> None:
        if len(run) >= 2:
            made.append(Stop(fixes=tuple(run), lon=sum(f.lon for f in run) / len(run), lat=sum(f.lat for f in run) / len(run)))

    for fix in fixes:
        slow = fix.speed_mps is None or fix.speed_mps < slow_mps
        if slow and run and distance_m(run[0], fix) <= radius_m:
            run.append(fix)
            continue
        end()
        run = [fix] if slow else []
    end()
    return made


def path_m(fixes: Sequence[Fix]) -> float:
    """Length of the way through all fixes."""
    return sum(distance_m(a, b) for a, b in pairwise(fixes))
