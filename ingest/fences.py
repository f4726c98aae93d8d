"""When a vehicle left a fence or came into one. Pure decisions by event time, in metres, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from collateral.zones import Fence, containing, geodesic_m
from ingest.movements import Movement, MovementKind

FENCE_MARGIN_M = 50.0
FENCE_ACCURACY_MAX_M = 500.0
JUMP_SPEED_MPS = 100.0  # 360 km/h: far beyond any lorry, as clocks step and fixes are stamped to the second
JUMP_SLACK_M = 100.0
PASS_BETWEEN_MAX = timedelta(minutes=15)  # between fixes further apart a straight way says nothing


@dataclass(frozen=True)
class VehicleFix:
    """A valid fix of a vehicle's tracker, WGS-84."""

    observed_at: datetime
    received_at: datetime
    lon: float
    lat: float
    acc_m: float | None
    goods: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        return self.acc_m is None or self.acc_m <= FENCE_ACCURACY_MAX_M


@dataclass(frozen=True)
class Track:
    """A vehicle on its way: whose fence it is in, the newest fix that was believed, and a fix that was not, which the next may confirm."""

    current: str | None = None
    last: VehicleFix | None = None
    suspect: VehicleFix | None = None


def is_jump(before: VehicleFix, fix: VehicleFix) -> bool:
    """Whether no lorry gets from one fix to the other in that time, given how exact they are."""
    slack_m = JUMP_SLACK_M + (before.acc_m or 0.0) + (fix.acc_m or 0.0)
    metres = geodesic_m(before.lon, before.lat, fix.lon, fix.lat) - slack_m
    return metres > JUMP_SPEED_MPS * max(0.0, (fix.observed_at - before.observed_at).total_seconds())


def believed(track: Track, fix: VehicleFix) -> Track | None:
    """The track with this fix as its newest, or None when it is a jump. A second fix that agrees with the first jump makes both true."""
    if track.last is None or not is_jump(track.last, fix):
        return Track(track.current, fix)
    if track.suspect is not None and not is_jump(track.suspect, fix):
        return Track(track.current, fix)
    return None


def fence_side(fences: Sequence[tuple[str, Fence]], current: str | None, fix: VehicleFix) -> str | None:
    """The warehouse whose fence holds the fix, or None for the open road. Where fences overlap, the one it was in holds it still. Near the
    fence it was in, it counts as in: outside is more than FENCE_MARGIN_M, and more than the fix's accuracy, away."""
    fence = None if current is None else next((f for name, f in fences if name == current), None)
    if fence is not None and fence.contains(fix.lon, fix.lat):
        return current
    inside = containing(fences, fix.lon, fix.lat)
    if inside is not None or fence is None:
        return inside
    return current if fence.distance_m(fix.lon, fix.lat) <= max(FENCE_MARGIN_M, fix.acc_m or 0.0) else None


def fence_crossings(
    device_id: str, vehicle_plate: str | None, fences: Sequence[tuple[str, Fence]], track: Track, fixes: Iterable[VehicleFix]
) -> tuple[Track, list[Movement]]:
    """Where the vehicle is after these fixes (in order of event time), and what it crossed. Two fixes in a row must agree.

    A way between two fixes outside that leads deep through a fence is told too, with times between theirs (reason `passed_between_fixes`).
    A track without a fix says nothing yet: the first only tells where the vehicle starts.
    """
    found: list[Movement] = []
    for fix in fixes:
        if not fix.usable:
            continue
        previous = track.last
        following = believed(track, fix)
        if following is None:
            track = Track(track.current, previous, fix)
            continue
        if previous is None:
            track = Track(fence_side(fences, track.current, fix), fix)
            continue
        if track.suspect is not None and is_jump(previous, fix):
            previous = track.suspect  # it was true after all
        current = track.current
        side = fence_side(fences, current, fix)
        if side != current and fence_side(fences, current, previous) == side:
            if current is not None:
                found.append(_crossing(MovementKind.FENCE_EXIT, device_id, vehicle_plate, current, fences, previous, fix))
            if side is not None:
                found.append(_crossing(MovementKind.FENCE_ENTER, device_id, vehicle_plate, side, fences, previous, fix))
            current = side
        elif side is None and current is None:
            found += _passed(device_id, vehicle_plate, fences, previous, fix)
        track = Track(current, fix)
    return track, found


def _passed(
    device_id: str, vehicle_plate: str | None, fences: Sequence[tuple[str, Fence]], first: VehicleFix, second: VehicleFix
) -> list[Movement]:
    """Fences that the straight way between two fixes outside leads through, deeper than the margin and than either fix is vague."""
    took = second.observed_at - first.observed_at
    if took > PASS_BETWEEN_MAX:
        return []
    found: list[Movement] = []
    for name, fence in fences:
        if fence.contains(first.lon, first.lat) or fence.contains(second.lon, second.lat):
            continue
        passage = fence.passage((first.lon, first.lat), (second.lon, second.lat))
        if passage is None or passage.depth_m <= max(FENCE_MARGIN_M, first.acc_m or 0.0, second.acc_m or 0.0):
            continue
        for kind, part in ((MovementKind.FENCE_ENTER, passage.enters), (MovementKind.FENCE_EXIT, passage.leaves)):
            made = _crossing(kind, device_id, vehicle_plate, name, fences, first, second)
            # nobody saw it stop there: it moves no goods in or out, it is shown
            made.evidence.update(
                reason="passed_between_fixes", depth_m=round(passage.depth_m, 1), goods=[], goods_aboard=list(second.goods)
            )
            found.append(replace(made, occurred_at=first.observed_at + took * part))
    return sorted(found, key=lambda m: m.occurred_at)


def start_of(told: Sequence[tuple[datetime, MovementKind, str]], at: datetime, current: str | None) -> str | None:
    """Whose fence a vehicle was in at an instant, by the crossings that were told around it, in order; current: where it is now."""
    before = [t for t in told if t[0] <= at]
    if before:
        return before[-1][2] if before[-1][1] is MovementKind.FENCE_ENTER else None
    after = [t for t in told if t[0] > at]
    if after:
        return after[0][2] if after[0][1] is MovementKind.FENCE_EXIT else None
    return current


def _crossing(
    kind: MovementKind,
    device_id: str,
    vehicle_plate: str | None,
    warehouse_id: str,
    fences: Sequence[tuple[str, Fence]],
    first: VehicleFix,
    second: VehicleFix,
) -> Movement:
    fence = next(f for name, f in fences if name == warehouse_id)
    outside_m = fence.distance_m(second.lon, second.lat)
    evidence: dict[str, Any] = {
        "reason": "two_fixes_inside" if kind is MovementKind.FENCE_ENTER else "two_fixes_outside",
        "decided_at": second.observed_at,
        "margin_m": max(FENCE_MARGIN_M, second.acc_m or 0.0),
        "received_at": second.received_at,
        "warehouse_id": warehouse_id,
        "lon": second.lon,
        "lat": second.lat,
        "acc_m": second.acc_m,
        "distance_m": round(outside_m, 1),
        "first_fix": {"observed_at": first.observed_at, "lon": first.lon, "lat": first.lat, "acc_m": first.acc_m},
        "goods": list(second.goods),
    }
    return Movement(
        second.observed_at,
        second.received_at,
        kind,
        device_id,
        vehicle_plate=vehicle_plate,
        from_seen_at=first.observed_at,
        evidence=evidence,
    )
