"""Late reads: the tag's history from the last sure place on is told again, and the table is brought to agree by corrections.

Set-based over all tags of a batch; nothing here runs for reads that come in order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg
from psycopg.rows import tuple_row

from db.sql import load_queries
from ingest.gates import GATE_PASS_MAX, GateRead, gate_passages
from ingest.movements import Change, Movement, MovementKind, PlaceOf, Sighting, history
from ingest.readings import RfidReading
from ingest.registry import Registry
from ingest.restate import Cause, Told, restated, restated_passages
from ingest.screen import FOREIGN_TAG, Delivery, Observation
from ingest.zones_evidence import EVIDENCE_WINDOWS, ReadPolicy

_Q = load_queries(__file__, "corrections.sql")
NO_ANCHOR_LOOKBACK = timedelta(days=1)
PLACE_KINDS = {MovementKind.APPEARED, MovementKind.ZONE_CHANGE, MovementKind.SITE_CHANGE, MovementKind.TID_MISMATCH}

Conn = psycopg.Connection[Any]
PolicyOf = Callable[[Observation], ReadPolicy]


def _rows(conn: Conn, query: str, rows: Sequence[dict[str, Any]], **more: Any) -> list[tuple[Any, ...]]:
    if not rows:
        return []
    with conn.cursor(row_factory=tuple_row) as cur:
        cur.execute(_Q[query], {"rows": msgspec.json.encode(rows).decode(), **more})
        return cur.fetchall() if cur.description is not None else []


def put_pending(conn: Conn, states: Iterable[Sighting]) -> None:
    """Keep what speaks against the homes, where it changed."""
    _rows(conn, "put_pending", [{"tag_epc": s.tag_epc, "pending": s.pending} for s in states if s.pending_changed])


def insert_again(conn: Conn, movements: Sequence[Movement]) -> int:
    """Write corrections, and movements told because of late data. Returns how many."""
    return len(_rows(conn, "insert_again", [movement_row(m) for m in movements]))


def movement_row(m: Movement) -> dict[str, Any]:
    """A row for `insert_movements` and `insert_again`."""
    return {
        "occurred_at": m.occurred_at,
        "received_at": m.received_at,
        "kind": m.kind,
        "tag_epc": m.tag_epc,
        "goods_id": m.goods_id,
        "vehicle_plate": m.vehicle_plate,
        "device_id": m.device_id,
        "from_zone_id": m.from_zone_id,
        "to_zone_id": m.to_zone_id,
        "from_seen_at": m.from_seen_at,
        "evidence": m.evidence,
        "corrects": m.corrects,
    }


def matters(state: Sighting, late: Observation, policy: ReadPolicy) -> bool:
    """Whether a late read can change what was told. One more read in the zone in which the tag had settled before it cannot."""
    if late.goods_id is None and state.goods_id is None:
        return False
    zone_id = None if late.zone is None else late.zone.zone_id
    tid = late.reading.tid
    settled = (
        (state.pending is None or not state.pending.candidates)
        and state.goods_id == late.goods_id
        and state.zone_id == zone_id
        and (tid is None or tid == state.tid)
        and late.reading.observed_at > state.entered_at + EVIDENCE_WINDOWS * policy.window
    )
    return not settled


def retell(
    conn: Conn, registry: Registry, late: Sequence[Observation], states: dict[str, Sighting], policy_of: PolicyOf, place_of: PlaceOf
) -> tuple[set[str], list[Movement]]:
    """Tell the history of tags again from before their late reads, which must be in the table. states is brought to what holds.

    Returns the tags, whose movements of this batch must not be written besides, and what is to be written by insert_again.
    """
    first: dict[str, Observation] = {}
    for o in late:
        epc = o.reading.epc
        if matters(states[epc], o, policy_of(o)) and (epc not in first or o.reading.observed_at < first[epc].reading.observed_at):
            first[epc] = o
    if not first:
        return set(), []
    starts = [{"tag_epc": epc, "from_": o.reading.observed_at} for epc, o in first.items()]
    anchors: dict[str, tuple[Any, ...]] = {row[0]: row for row in _rows(conn, "anchors", starts)}
    decided = {  # the read that each history starts after; reads of one instant have one order
        epc: (anchors[epc][2], anchors[epc][8].get("to_device_id", anchors[epc][5]), anchors[epc][8].get("antenna", 0))
        if epc in anchors
        else (o.reading.observed_at - NO_ANCHOR_LOOKBACK, "", 0)
        for epc, o in first.items()
    }
    since = [{"tag_epc": epc, "since": at, "device_id": device, "antenna": antenna} for epc, (at, device, antenna) in decided.items()]
    reads: defaultdict[str, list[Observation]] = defaultdict(list)
    for row in _rows(conn, "reads_since", since, foreign=FOREIGN_TAG):
        kept = _observation(registry, row)
        if kept is not None:
            reads[row[0]].append(kept)
    told: defaultdict[str, list[Told]] = defaultdict(list)
    for row in _rows(conn, "told_since", since):
        told[row[0]].append(Told(row[1], row[2], row[3], MovementKind(row[4]), *row[5:]))
    again: list[Movement] = []
    for epc, o in first.items():
        anchor = anchors.get(epc)
        start = None if anchor is None else _start(registry, anchor)
        found = [r for r in reads[epc] if (r.reading.observed_at, r.device.device_id, r.reading.antenna) > decided[epc]]
        state = states[epc]
        last = _last_seen(registry, state, found)
        derived_state, derived = history(start, [*found, *last], policy_of, place_of)
        if derived_state is None:
            continue
        cause = Cause("late_read", o.device.device_id, o.reading.observed_at, o.source.received_at)
        again += restated([m for m in derived if m.kind in PLACE_KINDS], told[epc], cause)
        states[epc] = _carried_over(state, derived_state)
    return set(first), again


def _start(registry: Registry, anchor: tuple[Any, ...]) -> Sighting:
    """Where a tag was just after a change of place was decided."""
    epc, _, decided_at, entered_at, goods_id, device_id, from_zone_id, to_zone_id, evidence = anchor
    zone = registry.zone(to_zone_id)
    device = registry.device(device_id)
    site = zone.warehouse_id if zone is not None else None if device is None else device.warehouse_id
    tid = evidence.get("known_tid") or evidence.get("tid")
    return Sighting(
        epc,
        goods_id,
        device_id,
        evidence.get("antenna") or 0,
        to_zone_id,
        site,
        tid,
        entered_at,
        decided_at,
        decided_at,
        from_zone_id,
        1,
        0,
        evidence.get("rssi_dbm"),
    )


def _observation(registry: Registry, row: tuple[Any, ...]) -> Observation | None:
    """A kept read as it was screened; None when its device is gone."""
    epc, at, received_at, device_id, antenna, key, tid, goods_id, zone_id, rssi_dbm, count, flags, content_hash = row
    device = registry.device(device_id)
    if device is None:
        return None
    binding = registry.binding(epc, at)
    bound_tid = None if binding is None else binding.tid
    reading = RfidReading(at, epc, antenna, key, tid, rssi_dbm, count, tuple(flags))
    return Observation(
        reading, device, registry.zone(zone_id), goods_id, bound_tid, tuple(flags), bytes(content_hash), Delivery("", b"", received_at)
    )


def _last_seen(registry: Registry, state: Sighting, reads: Sequence[Observation]) -> list[Observation]:
    """The newest absorbed read, which left no row: it was at home."""
    device = registry.device(state.device_id)
    if device is None or (reads and reads[-1].reading.observed_at >= state.last_seen_at):
        return []
    reading = RfidReading(state.last_seen_at, state.tag_epc, state.antenna, "", state.tid, state.rssi_dbm, 1, ())
    return [
        Observation(reading, device, registry.zone(state.zone_id), state.goods_id, None, (), b"", Delivery("", b"", state.last_seen_at))
    ]


def _carried_over(before: Sighting, now: Sighting) -> Sighting:
    """The told-again sighting with the counters of reads that left no row."""
    if (now.zone_id, now.entered_at) == (before.zone_id, before.entered_at):
        now.reads, now.absorbed = before.reads + 1, before.absorbed
    if now.last_seen_at < before.last_seen_at:
        now.last_seen_at = before.last_seen_at
    now.change = Change.NEW if before.change is Change.NEW else Change.MOVED
    now.pending_changed = now.pending is not None or before.pending is not None or before.pending_changed
    return now


def retell_passages(
    conn: Conn, tag_epc: str, goods_id: str, reads: Sequence[GateRead], late_at: datetime, until: datetime, cause: Cause
) -> list[Movement]:
    """Gate passages of a tag from its first late gate read on: what holds now against what was told. reads: with those well before it."""
    derived = [m for m in gate_passages(tag_epc, goods_id, reads) if late_at <= m.occurred_at <= until]
    window = [{"goods_id": goods_id, "from_": late_at, "until": until + GATE_PASS_MAX}]
    told = [Told(row[0], row[1], row[2], MovementKind(row[3]), *row[4:]) for row in _rows(conn, "passages_told", window)]
    return restated_passages(derived, told, cause, apart=GATE_PASS_MAX, tag_epc=tag_epc)
