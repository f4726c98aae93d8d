"""RFID reads of a batch into `observation` and `goods_position`: new ones by COPY, doubtful ones by key, re-reads absorbed."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

import msgspec
from psycopg import errors

from ingest.batch import QUERIES, Batch, ConcurrentChange
from ingest.movements import Change, Outcome, Sighting, sight
from ingest.rows import observation_rows, sighting_rows
from ingest.screen import FOREIGN_TAG, Observation
from ingest.store_movements import gate_movements
from ingest.tally import Fate


def put_reads(batch: Batch) -> None:
    """Store, absorb or settle every read of the batch and move its tags' sightings."""
    found = batch.by_our_time(
        batch.screened.observations,
        "reads_by_our_time",
        lambda o: {
            "device_id": o.device.device_id,
            "tag_epc": o.reading.epc,
            "antenna": o.reading.antenna,
            "event_key": o.reading.event_key,
        },
    )
    foreign = [o for o in found if FOREIGN_TAG in o.flags]
    if foreign:
        _insert_carefully(batch, batch.first_of_key(foreign, _observation_key))
        found = [o for o in found if FOREIGN_TAG not in o.flags]
    if not found:
        return
    found.sort(key=_observed_at)
    epcs = sorted({o.reading.epc for o in found})
    states: dict[str, Sighting] = {r[0]: Sighting(*r) for r in batch.conn.execute(QUERIES["lock_sightings"], {"epcs": epcs})}
    store, late = _sight_all(batch, found, states)
    _copy(batch, store)
    late = _not_yet_told(batch, late)
    stored = [*store, *_insert_carefully(batch, batch.first_of_key(late, _observation_key))]
    _put_sightings(batch, states)
    gate_movements(batch, [o for o in stored if o.zone is not None and o.zone.is_gate and o.goods_id is not None])


def _sight_all(batch: Batch, found: list[Observation], states: dict[str, Sighting]) -> tuple[list[Observation], list[Observation]]:
    smoothing = batch.options.smoothing
    store: list[Observation] = []
    late: list[Observation] = []
    keys: dict[tuple[Any, ...], Observation] = {}
    stored_at: defaultdict[tuple[str, str, int], list[datetime]] = defaultdict(list)
    for o in found:
        epc = o.reading.epc
        state, outcome, movements = sight(states.get(epc), o, smoothing, batch.registry.place_of)
        states[epc] = state
        if outcome is Outcome.ABSORB:
            batch.settle(o, Fate.ABSORBED)
        elif outcome is Outcome.STORE:
            keys[o.key] = o
            stored_at[epc, o.device.device_id, o.reading.antenna].append(o.reading.observed_at)
            store.append(o)
        else:
            first = keys.get(o.key)
            at = o.reading.observed_at
            if first is not None:
                batch.repeated_or_conflict(o, first.content_hash)
                continue
            told = not _at_gate(o) and any(
                at - smoothing <= s < at for s in stored_at.get((epc, o.device.device_id, o.reading.antenna), ())
            )
            if told:
                batch.settle(o, Fate.REPEATED)
                continue
            late.append(o)
        batch.movements += movements
    return store, late


def _copy(batch: Batch, store: list[Observation]) -> None:
    """The fast path. Reads newer than their tag's sighting cannot be there already, except after a loss of goods_position."""
    if not store:
        return
    try:
        with batch.conn.transaction(), batch.conn.cursor().copy(QUERIES["copy_observations"]) as copy:
            copy.write(observation_rows(store))
    except errors.UniqueViolation:
        _insert_carefully(batch, store)
    else:
        for o in store:
            batch.settle(o, Fate.STORED)


def _not_yet_told(batch: Batch, late: list[Observation]) -> list[Observation]:
    """Late reads that are not within the smoothing time of a stored row of the same antenna; the others are settled."""
    if not batch.options.smoothing:
        return late
    rows = [
        {
            "no": i,
            "observed_at": o.reading.observed_at,
            "device_id": o.device.device_id,
            "tag_epc": o.reading.epc,
            "antenna": o.reading.antenna,
        }
        for i, o in enumerate(late)
        if not _at_gate(o)
    ]
    told = {row[0] for row in batch.run("late_reads_already_told", rows, smoothing=batch.options.smoothing)}
    for no in told:
        batch.settle(late[no], Fate.REPEATED)
    return [o for i, o in enumerate(late) if i not in told]


def _insert_carefully(batch: Batch, found: list[Observation]) -> list[Observation]:
    rows = [
        {
            "observed_at": o.reading.observed_at,
            "received_at": o.source.received_at,
            "device_id": o.device.device_id,
            "tag_epc": o.reading.epc,
            "antenna": o.reading.antenna,
            "event_key": o.reading.event_key,
            "tid": o.reading.tid,
            "goods_id": o.goods_id,
            "zone_id": None if o.zone is None else o.zone.zone_id,
            "rssi_dbm": o.reading.rssi_dbm,
            "read_count": o.reading.read_count,
            "flags": o.flags,
            "content_hash": o.content_hash.hex(),
        }
        for o in found
    ]
    return batch.settle_kept(found, _observation_key, "insert_observations", "observation_hashes", rows)


def _put_sightings(batch: Batch, states: dict[str, Sighting]) -> None:
    by_change: defaultdict[Change, list[Sighting]] = defaultdict(list)
    for state in states.values():
        by_change[state.change].append(state)
    if new := sorted(by_change[Change.NEW], key=lambda s: s.tag_epc):
        try:
            with batch.conn.cursor().copy(QUERIES["copy_sightings"]) as copy:
                copy.write(sighting_rows(new))
        except errors.UniqueViolation as exc:
            raise ConcurrentChange from exc
    batch.run("move_sightings", [msgspec.structs.asdict(s) for s in by_change[Change.MOVED]])
    batch.run(
        "extend_sightings",
        [
            {"tag_epc": s.tag_epc, "last_seen_at": s.last_seen_at, "reads": s.reads, "absorbed": s.absorbed, "rssi_dbm": s.rssi_dbm}
            for s in by_change[Change.EXTENDED]
        ],
    )


def _observed_at(o: Observation) -> datetime:
    return o.reading.observed_at


def _observation_key(o: Observation) -> tuple[Any, ...]:
    return o.key


def _at_gate(o: Observation) -> bool:
    return o.zone is not None and o.zone.is_gate
