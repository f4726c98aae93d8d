"""What sightings mean: where a tag is now, and what moved. Pure decisions by event time; gates are in gates.py, vehicles in fences.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from ingest.readings import Direction
from ingest.screen import Observation
from ingest.zones_evidence import Pending, ReadPolicy, Verdict, read_at_home, read_elsewhere


class MovementKind(StrEnum):
    """Mirrored by the CHECK on movement.kind."""

    APPEARED = "APPEARED"
    ZONE_CHANGE = "ZONE_CHANGE"
    SITE_CHANGE = "SITE_CHANGE"
    GATE_OUT = "GATE_OUT"
    GATE_IN = "GATE_IN"
    TID_MISMATCH = "TID_MISMATCH"
    FENCE_EXIT = "FENCE_EXIT"
    FENCE_ENTER = "FENCE_ENTER"
    CORRECTION = "CORRECTION"


@dataclass(frozen=True)
class Movement:
    """One row of `movement`. corrects: the id of the row that a CORRECTION takes back."""

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
    corrects: int | None = None


class Change(StrEnum):
    """What a batch did to a sighting; decides how it is written."""

    NONE = "none"
    EXTENDED = "extended"
    MOVED = "moved"
    NEW = "new"


class Sighting(msgspec.Struct, eq=False):
    """Where a tag is now: one row of `goods_position`. device_id, antenna and rssi_dbm are of the newest read in its zone; last_seen_at is of
    the newest read anywhere. pending: evidence that it may be in another zone."""

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
    pending: Pending | None = None
    change: Change = Change.NONE
    pending_changed: bool = False


class Outcome(StrEnum):
    """What becomes of a read. LATE: not newer than the newest sighting; only the table can tell a repeated one from a late one."""

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
    warehouse_id: str | None,
    goods_id: str | None,
    tid: str | None,
    rssi_dbm: float | None,
) -> bool:
    """Whether a read outside gates only extends the sighting, which it then has done. at must be later than the sighting.

    While something speaks for another zone no read is absorbed: it is evidence.
    """
    if not (
        smoothing
        and state.device_id == device_id
        and state.antenna == antenna
        and state.zone_id == zone_id
        and state.warehouse_id == warehouse_id
        and state.goods_id == goods_id
        and (tid is None or tid == state.tid)
        and at - state.first_stored_at <= smoothing
        and (state.pending is None or not state.pending.candidates)
    ):
        return False
    state.last_seen_at = at
    state.reads += 1
    state.absorbed += 1
    state.rssi_dbm = rssi_dbm
    if state.change is Change.NONE:
        state.change = Change.EXTENDED
    return True


def sight(
    state: Sighting | None, obs: Observation, policy: ReadPolicy, place_of: PlaceOf, tie: bool = False
) -> tuple[Sighting, Outcome, list[Movement]]:
    """Apply one read to what is known of its tag. state is changed in place and returned.

    A read at the same device and antenna within policy.smoothing of the sighting's stored row is absorbed; reads in gate zones never are,
    nor while something speaks for another zone: they are evidence. An older read changes nothing here; ingest.corrections tells the
    tag's history again with it. tie: a read known to be another one of the same instant, applied as the next.
    """
    read, zone = obs.reading, obs.zone
    at = read.observed_at
    zone_id = None if zone is None else zone.zone_id
    warehouse_id = obs.device.warehouse_id if zone is None else zone.warehouse_id
    if state is None:
        movements = _movements(MovementKind.APPEARED, None, obs, zone_id, warehouse_id, place_of)
        return _first(obs, zone_id, warehouse_id), Outcome.STORE, movements
    if at <= state.last_seen_at and not (tie and at == state.last_seen_at):
        return state, Outcome.LATE, []
    if state.warehouse_id != warehouse_id or state.goods_id != obs.goods_id:
        kind = _leap(state, obs, warehouse_id, zone_id)
        movements = _movements(kind, state, obs, zone_id, warehouse_id, place_of)
        _settle(state, obs, zone_id, warehouse_id, at)
        return state, Outcome.STORE, movements
    if state.zone_id == zone_id:
        if (
            read.direction is None
            and not (zone is not None and zone.is_gate)
            and absorb(
                state,
                at,
                policy.smoothing,
                obs.device.device_id,
                read.antenna,
                zone_id,
                warehouse_id,
                obs.goods_id,
                read.tid,
                read.rssi_dbm,
            )
        ):
            return state, Outcome.ABSORB, []
        movements = _movements(None, state, obs, zone_id, warehouse_id, place_of)
        if state.pending is not None:
            state.pending = read_at_home(state.pending, at, read.rssi_dbm, policy)
            state.pending_changed = True
        _stay(state, obs, at)
        return state, Outcome.STORE, movements
    if zone is not None and state.zone_id is not None:
        pending = state.pending
        if pending is None or not pending.candidates:
            pending = Pending(state.last_seen_at, state.rssi_dbm, [], None if pending is None else pending.previous_at)
        state.pending, state.pending_changed = pending, True
        returning = False
        if zone_id == state.previous_zone_id and not zone.is_gate:
            returning = at - (pending.previous_at or state.entered_at) <= policy.return_within
            pending.previous_at = at
        verdict = read_elsewhere(pending, zone.zone_id, at, read.rssi_dbm, policy, returning=returning)
        if verdict is None:
            movements = _movements(None, state, obs, zone_id, warehouse_id, place_of)
            _passing(state, obs, at)
            return state, Outcome.STORE, movements
        movements = _movements(MovementKind.ZONE_CHANGE, state, obs, zone_id, warehouse_id, place_of, verdict)
        _settle(state, obs, zone_id, warehouse_id, verdict.entered_at)
        return state, Outcome.STORE, movements
    if zone is None:  # an antenna that nobody placed: seen on the site, and that is all
        movements = _movements(None, state, obs, zone_id, warehouse_id, place_of)
        _passing(state, obs, at)
        return state, Outcome.STORE, movements
    movements = _movements(MovementKind.ZONE_CHANGE, state, obs, zone_id, warehouse_id, place_of)
    _settle(state, obs, zone_id, warehouse_id, at)
    return state, Outcome.STORE, movements


def _leap(state: Sighting, obs: Observation, warehouse_id: str | None, zone_id: str | None) -> MovementKind | None:
    """What a read with other goods, or on another site, means."""
    if state.goods_id != obs.goods_id:
        return MovementKind.APPEARED
    if state.warehouse_id is not None and warehouse_id is not None:
        return MovementKind.SITE_CHANGE
    return MovementKind.ZONE_CHANGE if zone_id is not None and state.zone_id != zone_id else None


def _first(obs: Observation, zone_id: str | None, warehouse_id: str | None) -> Sighting:
    read = obs.reading
    at = read.observed_at
    return Sighting(
        read.epc,
        obs.goods_id,
        obs.device.device_id,
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
        change=Change.NEW,
    )


def _stay(state: Sighting, obs: Observation, at: datetime) -> None:
    """A stored read at home."""
    read = obs.reading
    state.device_id, state.antenna = obs.device.device_id, read.antenna
    state.tid = read.tid or state.tid
    state.first_stored_at = state.last_seen_at = at
    state.reads += 1
    state.rssi_dbm = read.rssi_dbm
    if state.change is not Change.NEW:
        state.change = Change.MOVED


def _passing(state: Sighting, obs: Observation, at: datetime) -> None:
    """A stored read elsewhere that does not move the tag."""
    state.last_seen_at = at
    tid = obs.reading.tid
    if tid is not None and tid != state.tid:
        state.tid = tid
        if state.change is not Change.NEW:
            state.change = Change.MOVED
    elif state.change is Change.NONE:
        state.change = Change.EXTENDED


def _settle(state: Sighting, obs: Observation, zone_id: str | None, warehouse_id: str | None, entered_at: datetime) -> None:
    """The tag has a new home."""
    state.entered_at = entered_at
    state.previous_zone_id = state.zone_id
    state.goods_id, state.zone_id, state.warehouse_id = obs.goods_id, zone_id, warehouse_id
    state.reads = state.absorbed = 0
    if state.pending is not None:
        state.pending, state.pending_changed = None, True
    _stay(state, obs, obs.reading.observed_at)


def history(
    state: Sighting | None, reads: Iterable[Observation], policy_of: Callable[[Observation], ReadPolicy], place_of: PlaceOf
) -> tuple[Sighting | None, list[Movement]]:
    """A tag's reads in order of event time, told anew from where it was before them. Nothing is absorbed."""
    found: list[Movement] = []
    for obs in reads:
        policy = replace(policy_of(obs), smoothing=timedelta(0))
        state, _, movements = sight(state, obs, policy, place_of, True)
        found += movements
    return state, found


def _movements(
    kind: MovementKind | None,
    state: Sighting | None,
    obs: Observation,
    zone_id: str | None,
    warehouse_id: str | None,
    place_of: PlaceOf,
    verdict: Verdict | None = None,
) -> list[Movement]:
    """What a stored read shows: the change of place, if any, and another chip under a known EPC."""
    if obs.goods_id is None:
        return []
    found: list[Movement] = []
    read = obs.reading
    if kind is not None:
        found.append(_movement(kind, state, obs, zone_id, warehouse_id, place_of, verdict))
    if read.tid is None:
        return found
    expected = obs.bound_tid or (state.tid if state is not None and state.goods_id == obs.goods_id else None)
    seen_before = state is not None and state.tid == read.tid and state.device_id == obs.device.device_id and state.goods_id == obs.goods_id
    if expected is not None and read.tid != expected and not seen_before:
        made = _movement(MovementKind.TID_MISMATCH, state, obs, zone_id, warehouse_id, place_of)
        made.evidence.update(expected_tid=expected, tid=read.tid)
        found.append(made)
    return found


_REASONS = {MovementKind.APPEARED: "first_read", MovementKind.SITE_CHANGE: "read_at_other_site", MovementKind.TID_MISMATCH: "other_chip"}


def _movement(
    kind: MovementKind,
    state: Sighting | None,
    obs: Observation,
    zone_id: str | None,
    warehouse_id: str | None,
    place_of: PlaceOf,
    verdict: Verdict | None = None,
) -> Movement:
    read = obs.reading
    lon, lat = place_of(obs.device.device_id)
    evidence: dict[str, Any] = {
        "reason": _REASONS.get(kind, "home_unknown"),
        "decided_at": read.observed_at,
        "received_at": obs.source.received_at,
        "to_device_id": obs.device.device_id,
        "to_warehouse_id": warehouse_id,
        "to_lon": lon,
        "to_lat": lat,
        "antenna": read.antenna,
        "rssi_dbm": read.rssi_dbm,
        "reads": read.read_count,
        "tid": read.tid,
        "known_tid": read.tid or (None if state is None else state.tid),
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
    if verdict is not None:
        evidence |= verdict.evidence
    return Movement(
        read.observed_at if verdict is None else verdict.entered_at,
        obs.source.received_at,
        kind,
        obs.device.device_id,
        read.epc,
        obs.goods_id,
        None,
        None if state is None else state.zone_id,
        zone_id,
        None
        if state is None
        else state.last_seen_at
        if state.pending is None or not state.pending.candidates
        else state.pending.home_last_at,
        evidence,
    )


def decided_passage(obs: Observation) -> Movement | None:
    """The GATE_OUT or GATE_IN that a gate decided by itself; None when the read says no direction or belongs to no goods.

    Such a gate has seen both sides; its word needs no second antenna, and the evidence says whose word it is.
    """
    read, device = obs.reading, obs.device
    if read.direction is None or obs.goods_id is None:
        return None
    out = read.direction is Direction.OUT
    zone_id = None if obs.zone is None else obs.zone.zone_id
    warehouse_id = device.warehouse_id if obs.zone is None else obs.zone.warehouse_id
    evidence = {
        "reason": "decided_by_gate",
        "received_at": obs.source.received_at,
        "decided_by": device.device_id,
        "direction": read.direction,
        "from_warehouse_id" if out else "to_warehouse_id": warehouse_id,
        "reads": read.read_count,
        "tid": read.tid,
        "flags": list(obs.flags),
    }
    return Movement(
        read.observed_at,
        obs.source.received_at,
        MovementKind.GATE_OUT if out else MovementKind.GATE_IN,
        device.device_id,
        read.epc,
        obs.goods_id,
        None,
        zone_id if out else None,
        None if out else zone_id,
        None,
        evidence,
    )
