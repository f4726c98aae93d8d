"""RFID reads of a batch into `observation` and `goods_position`: new ones by COPY, doubtful ones by key, re-reads absorbed."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

import msgspec
from psycopg import errors

from ingest.batch import QUERIES, Batch, ConcurrentChange
from ingest.movements import Change, Outcome, Sighting, absorb, sight
from ingest.registry import Zone
from ingest.rows import observation_rows, sighting_rows
from ingest.screen import FOREIGN_TAG, Observation, PlacedReads, place_read
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
    entries: list[Observation | PlacedReads] = [*(o for o in found if FOREIGN_TAG not in o.flags), *batch.screened.blocks]
    entries.sort(key=_observed_at)
    epcs = {o.reading.epc for o in found if FOREIGN_TAG not in o.flags}
    for placed in batch.screened.blocks:
        epcs.update(r.epc for r in placed.reading.reads)
    states: dict[str, Sighting] = {}
    if epcs:
        states = {r[0]: Sighting(*r) for r in batch.conn.execute(QUERIES["lock_sightings"], {"epcs": ",".join(sorted(epcs))})}
    sorter = _Sorter(batch, states)
    for entry in entries:
        if isinstance(entry, PlacedReads):
            foreign += sorter.take_block(entry)
        else:
            sorter.take(entry)
    if foreign:
        _insert_carefully(batch, batch.first_of_key(foreign, _observation_key))
    _copy(batch, sorter.store)
    late = _not_yet_told(batch, sorter.late)
    stored = [*sorter.store, *_insert_carefully(batch, batch.first_of_key(late, _observation_key))]
    _put_sightings(batch, states)
    gate_movements(batch, [o for o in stored if o.zone is not None and o.zone.is_gate and o.goods_id is not None])


class _Sorter:
    """Reads in order of event time: absorbed into their tag's sighting, to be stored, or late."""

    def __init__(self, batch: Batch, states: dict[str, Sighting]) -> None:
        self._batch = batch
        self._states = states
        self._keys: dict[tuple[Any, ...], Observation] = {}
        self._stored_at: defaultdict[tuple[str, str, int], list[datetime]] = defaultdict(list)
        self.store: list[Observation] = []
        self.late: list[Observation] = []

    def take(self, o: Observation) -> None:
        batch, epc = self._batch, o.reading.epc
        known = self._states.get(epc)
        state, outcome, movements = sight(known, o, batch.options.smoothing, batch.registry.place_of)
        if known is None:
            self._states[epc] = state
        batch.movements += movements
        if outcome is Outcome.STORE:
            self.store.append(o)
        elif outcome is Outcome.ABSORB:
            batch.settle(o, Fate.ABSORBED)
        else:
            self._take_late(o)

    def _take_late(self, o: Observation) -> None:
        """Only what the batch itself stored can be looked up here; the table tells of the others."""
        for s in self.store[len(self._keys) :]:
            self._keys[s.key] = s
            self._stored_at[s.reading.epc, s.device.device_id, s.reading.antenna].append(s.reading.observed_at)
        batch, at = self._batch, o.reading.observed_at
        first = self._keys.get(o.key)
        if first is not None:
            batch.repeated_or_conflict(o, first.content_hash)
            return
        stored_at = self._stored_at.get((o.reading.epc, o.device.device_id, o.reading.antenna), ())
        if not _at_gate(o) and any(at - batch.options.smoothing <= s < at for s in stored_at):
            batch.settle(o, Fate.REPEATED)
        else:
            self.late.append(o)

    def take_block(self, placed: PlacedReads) -> list[Observation]:
        """The reads of one message. Most re-reads of standing stock are absorbed without becoming an object. Returns foreign tags."""
        batch, device, block = self._batch, placed.device, placed.reading
        registry, states, smoothing = batch.registry, self._states, batch.options.smoothing
        device_id, at = device.device_id, block.observed_at
        zones: dict[int, Zone | None] = {}
        foreign: list[Observation] = []
        absorbed = 0
        for i, read in enumerate(block.reads):
            epc, antenna = read.epc, read.ant
            if antenna not in zones:
                zones[antenna] = registry.zone_at(device_id, antenna, at)
            state = states.get(epc)
            if state is not None and at > state.last_seen_at:
                zone = zones[antenna]
                binding = registry.binding(epc, at)
                goods_id = None if binding is None else binding.value
                if (
                    (zone is None or not zone.is_gate)
                    and (binding is None or binding.tenant_id == device.tenant_id)
                    and absorb(
                        state, at, smoothing, device_id, antenna, None if zone is None else zone.zone_id, goods_id, read.tid, read.rssi
                    )
                ):
                    absorbed += 1
                    continue
            o = place_read(block.reading(i), device, registry, placed.source)
            if FOREIGN_TAG in o.flags:
                foreign.append(o)
            else:
                self.take(o)
        if absorbed:
            batch.settle_block(device_id, placed.source, Fate.ABSORBED, absorbed)
        return foreign


def _copy(batch: Batch, store: list[Observation]) -> None:
    """The fast path. Reads newer than their tag's sighting cannot be there already, except after a loss of goods_position."""
    if not store:
        return
    try:
        with batch.conn.transaction(), batch.conn.cursor().copy(QUERIES["copy_observations"]) as copy:
            for piece in observation_rows(store):
                copy.write(piece)
    except errors.UniqueViolation:
        _insert_carefully(batch, store)
    else:
        batch.settle_all(store, Fate.STORED)


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
                for piece in sighting_rows(new):
                    copy.write(piece)
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


def _observed_at(o: Observation | PlacedReads) -> datetime:
    return o.reading.observed_at


def _observation_key(o: Observation) -> tuple[Any, ...]:
    return o.key


def _at_gate(o: Observation) -> bool:
    return o.zone is not None and o.zone.is_gate
