"""What sightings mean: where a tag is now, what moved, which way it passed a gate, when a vehicle left a fence. Pure decisions by event time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from collateral.zones import Fence, containing
from ingest.screen import Observation

GATE_RSSI_FLOOR_DBM = -65.0
GATE_WINDOW = timedelta(seconds=10)
GATE_READS_MIN = 3
GATE_ANTENNAS_MIN = 2
GATE_READS_BEYOND_MIN = 2  # one read on the far side is a stray
GATE_PASS_MAX = timedelta(minutes=10)  # an inner sighting older than this says nothing about the direction of an outer one
FENCE_MARGIN_M = 50.0
FENCE_ACCURACY_MAX_M = 500.0


class MovementKind(StrEnum):
    """Mirrored by the CHECK on movement.kind; CORRECTION is written by people's services, not here."""

    APPEARED = "APPEARED"
    ZONE_CHANGE = "ZONE_CHANGE"
    SITE_CHANGE = "SITE_CHANGE"
    GATE_OUT = "GATE_OUT"
    GATE_IN = "GATE_IN"
    TID_MISMATCH = "TID_MISMATCH"
    FENCE_EXIT = "FENCE_EXIT"
    FENCE_ENTER = "FENCE_ENTER"


@dataclass(frozen=True)
class Movement:
    """One row of `movement`."""

    occurred_at: datetime
    received_at: datetime
    kind: MovementKind
    device_id: str
    tag_epc: str | None = None
    goods_id: str | None = None
    vehicle_plate: str | None = None
    from_zone_id: str | None = None
    to_zone_id: str | None = None
    from_seen_at: datetime | None = None
    evidence: dict[str, Any] = field(default_factory=dict)


class Change(StrEnum):
    """What a batch did to a sighting; decides how it is written."""

    NONE = "none"
    EXTENDED = "extended"
    MOVED = "moved"
    NEW = "new"


class Sighting(msgspec.Struct, eq=False):
    """Where a tag is now: one row of `goods_position`."""

    tag_epc: str
    goods_id: str | None
    device_id: str
    antenna: int
    zone_id: str | None
    warehouse_id: str | None
    tid: str | None
    entered_at: datetime
    first_stored_at: datetime
    last_seen_at: datetime
    previous_zone_id: str | None
    reads: int
    absorbed: int
    rssi_dbm: float | None
    change: Change = Change.NONE


class Outcome(StrEnum):
    """What becomes of a read. LATE: older than the newest sighting; only the table can tell a repeated one from a late one."""

    STORE = "store"
    ABSORB = "absorb"
    LATE = "late"


PlaceOf = Callable[[str], tuple[float | None, float | None]]


def absorb(
    state: Sighting,
    at: datetime,
    smoothing: timedelta,
    device_id: str,
    antenna: int,
    zone_id: str | None,
    goods_id: str | None,
    tid: str | None,
    rssi_dbm: float | None,
) -> bool:
    """Whether a read outside gates only extends the sighting, which it then has done. at must be later than the sighting."""
    if not (
        smoothing
        and state.device_id == device_id
        and state.antenna == antenna
        and state.zone_id == zone_id
        and state.goods_id == goods_id
        and (tid is None or tid == state.tid)
        and at - state.first_stored_at <= smoothing
    ):
        return False
    state.last_seen_at = at
    state.reads += 1
    state.absorbed += 1
    state.rssi_dbm = rssi_dbm
    if state.change is Change.NONE:
        state.change = Change.EXTENDED
    return True


def sight(state: Sighting | None, obs: Observation, smoothing: timedelta, place_of: PlaceOf) -> tuple[Sighting, Outcome, list[Movement]]:
    """Apply one read to what is known of its tag. state is changed in place and returned.

    A read at the same device and antenna within `smoothing` of the sighting's stored row is absorbed; reads in gate zones never are,
    they are evidence of direction. An older read never changes where the tag is.
    """
    read, zone = obs.reading, obs.zone
    at, device_id = read.observed_at, obs.device.device_id
    zone_id = None if zone is None else zone.zone_id
    warehouse_id = obs.device.warehouse_id if zone is None else zone.warehouse_id
    if state is not None and at <= state.last_seen_at:
        return state, Outcome.LATE, _contradictions(state, obs, warehouse_id, place_of)
    if (
        state is not None
        and not (zone is not None and zone.is_gate)
        and absorb(state, at, smoothing, device_id, read.antenna, zone_id, obs.goods_id, read.tid, read.rssi_dbm)
    ):
        return state, Outcome.ABSORB, []
    movements = _movements(state, obs, zone_id, warehouse_id, place_of)
    if state is None:
        state = Sighting(
            read.epc,
            obs.goods_id,
            device_id,
            read.antenna,
            zone_id,
            warehouse_id,
            read.tid,
            at,
            at,
            at,
            None,
            1,
            0,
            read.rssi_dbm,
            Change.NEW,
        )
        return state, Outcome.STORE, movements
    if state.zone_id != zone_id or state.warehouse_id != warehouse_id or state.goods_id != obs.goods_id:
        state.entered_at = at
        state.previous_zone_id = state.zone_id
        state.reads = state.absorbed = 0
    state.goods_id, state.device_id, state.antenna = obs.goods_id, device_id, read.antenna
    state.zone_id, state.warehouse_id = zone_id, warehouse_id
    state.tid = read.tid or state.tid
    state.first_stored_at = state.last_seen_at = at
    state.reads += 1
    state.rssi_dbm = read.rssi_dbm
    if state.change is not Change.NEW:
        state.change = Change.MOVED
    return state, Outcome.STORE, movements


def _movements(
    state: Sighting | None, obs: Observation, zone_id: str | None, warehouse_id: str | None, place_of: PlaceOf
) -> list[Movement]:
    if obs.goods_id is None:
        return []
    found: list[Movement] = []
    read = obs.reading
    if state is None or state.goods_id != obs.goods_id:
        found.append(_movement(MovementKind.APPEARED, None, obs, zone_id, warehouse_id, place_of))
    elif state.warehouse_id is not None and warehouse_id is not None and state.warehouse_id != warehouse_id:
        found.append(_movement(MovementKind.SITE_CHANGE, state, obs, zone_id, warehouse_id, place_of))
    elif zone_id is not None and state.zone_id != zone_id:
        found.append(_movement(MovementKind.ZONE_CHANGE, state, obs, zone_id, warehouse_id, place_of))
    expected = obs.bound_tid or (state.tid if state is not None and state.goods_id == obs.goods_id else None)
    seen_before = state is not None and state.tid == read.tid and state.device_id == obs.device.device_id and state.goods_id == obs.goods_id
    if read.tid is not None and expected is not None and read.tid != expected and not seen_before:
        made = _movement(MovementKind.TID_MISMATCH, state, obs, zone_id, warehouse_id, place_of)
        made.evidence.update(expected_tid=expected, tid=read.tid)
        found.append(made)
    return found


def _contradictions(state: Sighting, obs: Observation, warehouse_id: str | None, place_of: PlaceOf) -> list[Movement]:
    """A late read from another site inside the time of the present sighting: the tag cannot have been at both."""
    apart = warehouse_id is not None and state.warehouse_id is not None and state.warehouse_id != warehouse_id
    if obs.goods_id is None or state.goods_id != obs.goods_id or not apart or obs.reading.observed_at < state.entered_at:
        return []
    zone_id = None if obs.zone is None else obs.zone.zone_id
    made = _movement(MovementKind.SITE_CHANGE, state, obs, zone_id, warehouse_id, place_of)
    made.evidence["overlap"] = True
    return [made]


def _movement(
    kind: MovementKind, state: Sighting | None, obs: Observation, zone_id: str | None, warehouse_id: str | None, place_of: PlaceOf
) -> Movement:
    read = obs.reading
    lon, lat = place_of(obs.device.device_id)
    evidence: dict[str, Any] = {
        "received_at": obs.source.received_at,
        "to_device_id": obs.device.device_id,
        "to_warehouse_id": warehouse_id,
        "to_lon": lon,
        "to_lat": lat,
        "antenna": read.antenna,
        "rssi_dbm": read.rssi_dbm,
        "reads": read.read_count,
        "tid": read.tid,
        "flags": list(obs.flags),
    }
    if state is not None:
        lon, lat = place_of(state.device_id)
        evidence |= {
            "from_device_id": state.device_id,
            "from_warehouse_id": state.warehouse_id,
            "from_lon": lon,
            "from_lat": lat,
            "from_antenna": state.antenna,
            "from_entered_at": state.entered_at,
            "from_tid": state.tid,
        }
    return Movement(
        read.observed_at,
        obs.source.received_at,
        kind,
        obs.device.device_id,
        read.epc,
        obs.goods_id,
        None,
        None if state is None else state.zone_id,
        zone_id,
        None if state is None else state.last_seen_at,
        evidence,
    )


# ---------------------------------------------------------------- gates


@dataclass(frozen=True)
class GateRead:
    """A read of one tag in a gate zone of one warehouse. inner: on the yard's side."""

    observed_at: datetime
    received_at: datetime
    device_id: str
    antenna: int
    zone_id: str
    inner: bool
    rssi_dbm: float | None


def gate_passages(
    tag_epc: str, goods_id: str, reads: Iterable[GateRead], known: Sequence[tuple[datetime, MovementKind]] = ()
) -> list[Movement]:
    """GATE_OUT and GATE_IN that these reads show, besides those already known, whichever came first.

    A passage is a read on the other side than before, not longer than GATE_PASS_MAX after the last read on the first side, confirmed
    by GATE_READS_MIN reads or GATE_ANTENNAS_MIN antennas within GATE_WINDOW, at least two of the reads on the far side. Reads weaker than
    the floor are strays and do not count. known: passages of the goods in order of time.
    """
    strong = sorted(
        (r for r in reads if r.rssi_dbm is None or r.rssi_dbm >= GATE_RSSI_FLOOR_DBM), key=lambda r: (r.observed_at, r.device_id, r.antenna)
    )
    inner: bool | None = None
    found: list[Movement] = []
    newest: dict[bool, GateRead] = {}  # by side
    following = 0
    for i, read in enumerate(strong):
        while following < len(known) and known[following][0] <= read.observed_at:
            inner = known[following][1] is MovementKind.GATE_IN
            following += 1
        before = None if inner is None else newest.get(inner)  # where the tag was
        newest[read.inner] = read
        if inner is None or read.inner == inner or before is None or read.observed_at - before.observed_at > GATE_PASS_MAX:
            inner = read.inner  # the same side, or the other one so much later that no direction can be told
            continue
        window = [r for r in strong[: i + 1] if read.observed_at - r.observed_at <= GATE_WINDOW]
        antennas = {(r.device_id, r.antenna) for r in window}
        beyond = sum(1 for r in window if r.inner == read.inner)
        if beyond < GATE_READS_BEYOND_MIN or (len(window) < GATE_READS_MIN and len(antennas) < GATE_ANTENNAS_MIN):
            continue
        kind = MovementKind.GATE_IN if read.inner else MovementKind.GATE_OUT
        inner = read.inner
        if following < len(known) and known[following][1] is kind and known[following][0] - read.observed_at <= GATE_PASS_MAX:
            continue  # told before from fewer reads
        levels = [r.rssi_dbm for r in window if r.rssi_dbm is not None]
        found.append(
            Movement(
                read.observed_at,
                read.received_at,
                kind,
                read.device_id,
                tag_epc,
                goods_id,
                None,
                before.zone_id,
                read.zone_id,
                before.observed_at,
                {
                    "received_at": read.received_at,
                    "reads": len(window),
                    "antennas": sorted(f"{d}/{a}" for d, a in antennas),
                    "rssi_dbm_max": max(levels, default=None),
                    "rssi_dbm_min": min(levels, default=None),
                    "zones": list(dict.fromkeys([before.zone_id, *(r.zone_id for r in window)])),
                    "times": [r.observed_at for r in window],
                    "inner_seen_at" if not read.inner else "outer_seen_at": before.observed_at,
                },
            )
        )
    return found


# ---------------------------------------------------------------- fences


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
