"""When a vehicle left a fence or came into one. Pure decisions by event time, in metres, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from collateral.zones import Fence, containing
from ingest.movements import Movement, MovementKind

FENCE_MARGIN_M = 50.0
FENCE_ACCURACY_MAX_M = 500.0


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


def fence_side(fences: Sequence[tuple[str, Fence]], current: str | None, fix: VehicleFix) -> str | None:
    """The warehouse whose fence holds the fix, or None for the open road. Near the fence it was in, it still counts as in:
    outside is more than FENCE_MARGIN_M, and more than the fix's accuracy, away."""
    inside = containing(fences, fix.lon, fix.lat)
    if inside is not None or current is None:
        return inside
    fence = next((f for name, f in fences if name == current), None)
    if fence is not None and fence.distance_m(fix.lon, fix.lat) <= max(FENCE_MARGIN_M, fix.acc_m or 0.0):
        return current
    return None


def fence_crossings(
    device_id: str,
    vehicle_plate: str | None,
    fences: Sequence[tuple[str, Fence]],
    current: str | None,
    previous: VehicleFix | None,
    fixes: Iterable[VehicleFix],
) -> tuple[str | None, list[Movement]]:
    """Where the vehicle is after these fixes (in order of event time), and what it crossed. Two fixes in a row must agree.

    previous: the newest fix before them; None = the first ever, which only says where the vehicle starts.
    """
    found: list[Movement] = []
    for fix in fixes:
        if not fix.usable:
            continue
        if previous is None:
            current = fence_side(fences, None, fix)
        else:
            side = fence_side(fences, current, fix)
            if side != current and fence_side(fences, current, previous) == side:
                if current is not None:
                    found.append(_crossing(MovementKind.FENCE_EXIT, device_id, vehicle_plate, current, fences, previous, fix))
                if side is not None:
                    found.append(_crossing(MovementKind.FENCE_ENTER, device_id, vehicle_plate, side, fences, previous, fix))
                current = side
        previous = fix
    return current, found


@dataclass(frozen=True)
class Crossing:
    """A FENCE_EXIT or FENCE_ENTER that was told. warehouse_id: whose fence."""

    at: datetime
    kind: MovementKind
    warehouse_id: str

    @property
    def after(self) -> str | None:
        """Where the vehicle is after it."""
        return self.warehouse_id if self.kind is MovementKind.FENCE_ENTER else None


def untold(found: Sequence[Movement], known: Sequence[Crossing]) -> list[Movement]:
    """Of crossings found again with late fixes, those not told before. Both in order of time.

    A known crossing of the same kind and fence that follows before anything else was found is the same one, told from fewer fixes.
    """
    new: list[Movement] = []
    for i, crossing in enumerate(found):
        following = next((k for k in known if k.at >= crossing.occurred_at), None)
        same = following is not None and (following.kind, following.warehouse_id) == (crossing.kind, crossing.evidence["warehouse_id"])
        if same and following is not None and (i + 1 == len(found) or following.at < found[i + 1].occurred_at):
            continue
        new.append(crossing)
    return new


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
    evidence = {
        "received_at": second.received_at,
        "warehouse_id": warehouse_id,
        "lon": second.lon,
        "lat": second.lat,
        "acc_m": second.acc_m,
        "distance_m": round(fence.distance_m(second.lon, second.lat), 1),
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
