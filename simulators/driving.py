"""Where a lorry is at an instant: a pure function of its route, the time and what befell it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from simulators.telemetry import Driven
from simulators.world.geo import along, beside, heading, length_m
from simulators.world.roads import Lorry
from simulators.world.seeds import stream

JITTER_M = 6.0
_RAMP = timedelta(minutes=15)


@dataclass(frozen=True)
class Detour:
    """Off the planned road, so many metres to the right of it, from one instant to another."""

    begins_at: datetime
    ends_at: datetime
    metres: float

    def offset_m(self, at: datetime) -> float:
        """Distance from the road: it grows and shrinks within a quarter of an hour."""
        if not self.begins_at < at < self.ends_at:
            return 0.0
        share = min((at - self.begins_at) / _RAMP, (self.ends_at - at) / _RAMP, 1.0)
        return self.metres * share


@dataclass(frozen=True)
class Roster:
    """When a lorry drives: it leaves first at departs_at, rests at each end, and drives to and fro; once = it stays at the far end."""

    departs_at: datetime
    speed_mps: float
    rest: timedelta
    once: bool = False


def roster(seed: int, lorry: Lorry, starts_at: datetime) -> Roster:
    """A lorry's usual day, chosen by the seed."""
    chance = stream(seed, f"roster/{lorry.device_id}")
    return Roster(
        starts_at + timedelta(minutes=chance.uniform(2, 50)), chance.uniform(13.0, 17.0), timedelta(minutes=chance.uniform(60, 150))
    )


def driven_at(
    seed: int, lorry: Lorry, times: Roster | None, at: datetime, *, goods: tuple[str, ...] = (), detour: Detour | None = None
) -> Driven:
    """Place and motion at an instant; without a roster it waits at the start of its route."""
    route = lorry.route
    total_m = length_m(route)
    metres, towards, moving, rounds = 0.0, heading(route[0], route[1]), False, 0.0
    outward = True
    if times is not None and at >= times.departs_at:
        leg = timedelta(seconds=total_m / times.speed_mps)
        elapsed = at - times.departs_at
        if times.once:
            metres, moving = min(total_m, elapsed / leg * total_m), elapsed < leg
        else:
            half = leg + times.rest
            rounds, within = divmod(elapsed, half)
            outward = int(rounds) % 2 == 0
            share = min(1.0, within / leg)
            moving = within < leg
            metres = share * total_m if outward else (1 - share) * total_m
    point, towards = along(route, metres)
    if not outward:
        towards = (towards + 180) % 360
    if detour is not None:
        point = beside(point, towards, detour.offset_m(at))
    chance = stream(seed, f"fix/{lorry.device_id}/{at.isoformat()}")
    point = beside(point, chance.uniform(0, 360), chance.uniform(0, JITTER_M))
    odo_km = 120_000 + (rounds * total_m + (metres if outward else total_m - metres)) / 1000
    speed = times.speed_mps * chance.uniform(0.9, 1.05) if moving and times is not None else 0.0
    return Driven(point, towards, speed, odo_km, goods if outward else ())
