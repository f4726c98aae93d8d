"""RFID reads of a batch into `observation` and `goods_position`: new ones by COPY, doubtful ones by key, re-reads absorbed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg import errors

from ingest import corrections
from ingest.batch import QUERIES, Batch, ConcurrentChange
from ingest.movements import Change, Outcome, Sighting, absorb, decided_passage, sight
from ingest.readings import ReadsBlock
from ingest.registry import Registry, Zone
from ingest.rows import observation_rows, sighting_rows
from ingest.screen import FOREIGN_TAG, Observation, PlacedReads, place_read
from ingest.store_movements import gate_movements
from ingest.tally import Fate
from ingest.zones_evidence import Pending


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
    entries: list[Observation | PlacedReads] = [o for o in found if FOREIGN_TAG not in o.flags]
    for placed in _apart(batch.screened.blocks, tuple(entries), batch.registry):
        if isinstance(placed, PlacedReads):
            entries.append(placed)
        else:
            (foreign if FOREIGN_TAG in placed.flags else entries).append(placed)
    entries.sort(key=_order)
    epcs: set[str] = set()
    for entry in entries:
        if isinstance(entry, PlacedReads):
            epcs.update(r.epc for r in entry.reading.reads)
        else:
            epcs.add(entry.reading.epc)
    states: dict[str, Sighting] = {}
    if epcs:
        states = {r[0]: Sighting(*r) for r in batch.conn.execute(QUERIES["lock_sightings"], {"epcs": ",".join(sorted(epcs))})}
    for state in states.values():
        if state.pending is not None:
            state.pending = msgspec.convert(state.pending, Pending)
    sorter = _Sorter(batch, states)
    for entry in entries:
        if isinstance(entry, PlacedReads):
            foreign += sorter.take_block(entry)
        else:
            sorter.take(entry)
    if foreign:
        _insert_carefully(batch, batch.first_of_key(foreign, _observation_key))
    _copy(batch, sorter.store)
    late = _insert_carefully(batch, batch.first_of_key(_not_yet_told(batch, sorter.late), _observation_key))
    if late:
        _retell(batch, late, states)
    _put_sightings(batch, states)
    stored = [*sorter.store, *late]
    gate_movements(
        batch,
        [o for o in stored if _in_gate_zone(o) and o.goods_id is not None and o.reading.direction is None],
        {o.reading.epc: o for o in reversed(late) if _in_gate_zone(o) and o.reading.direction is None},
    )
    batch.movements += [m for o in stored if o.reading.direction is not None and (m := decided_passage(o)) is not None]


def _apart(
    blocks: list[PlacedReads], others: Sequence[Observation | PlacedReads], registry: Registry
) -> Iterator[PlacedReads | Observation]:
    """Blocks whose device has nothing else at their instant, with their reads by antenna; the reads of the rest one by one.

    Reads of one instant have one order, by device and antenna, whatever came first; a block can only be taken as a whole where it is alone.
    """
    at_once = Counter((b.reading.observed_at, b.device.device_id) for b in blocks)
    if others:
        at_once.update((o.reading.observed_at, o.device.device_id) for o in others)
    for placed in blocks:
        block = placed.reading
        if at_once[block.observed_at, placed.device.device_id] > 1:
            for i in range(len(block.reads)):
                yield place_read(block.reading(i), placed.device, registry, placed.source)
        else:
            yield placed


def _retell(batch: Batch, late: list[Observation], states: dict[str, Sighting]) -> None:
    """What late reads change of what was told; see ingest.corrections."""
    tags, again = corrections.retell(batch.conn, batch.registry, late, states, batch.policy, batch.registry.place_of)
    batch.movements = [m for m in batch.movements if m.tag_epc not in tags]
    batch.again += again


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
        tie = (
            known is not None
            and known.change is not Change.NONE
            and known.last_seen_at == o.reading.observed_at
            and (known.antenna != o.reading.antenna or known.device_id != o.device.device_id)
            and self._stored(o) is None
        )
        state, outcome, movements = sight(known, o, batch.policy(o), batch.registry.place_of, tie)
        if known is None:
            self._states[epc] = state
        batch.movements += movements
        if outcome is Outcome.STORE:
            self.store.append(o)
        elif outcome is Outcome.ABSORB:
            batch.settle(o, Fate.ABSORBED)
        else:
            self._take_late(o)

    def _stored(self, o: Observation) -> Observation | None:
        """The read of this key that the batch stores already. Most batches never ask, so the index is made when one does."""
        for s in self.store[len(self._keys) :]:
            self._keys[s.key] = s
            self._stored_at[s.reading.epc, s.device.device_id, s.reading.antenna].append(s.reading.observed_at)
        return self._keys.get(o.key)

    def _take_late(self, o: Observation) -> None:
        """Only what the batch itself stored can be looked up here; the table tells of the others."""
        batch, at = self._batch, o.reading.observed_at
        first = self._stored(o)
        if first is not None:
            batch.repeated_or_conflict(o, first.content_hash)
            return
        smoothing = batch.policy(o).smoothing
        stored_at = self._stored_at.get((o.reading.epc, o.device.device_id, o.reading.antenna), ())
        if not _at_gate(o) and any(at - smoothing <= s < at for s in stored_at):
            batch.settle(o, Fate.REPEATED)
        else:
            self.late.append(o)

    def take_block(self, placed: PlacedReads) -> list[Observation]:
        """The reads of one message. Most re-reads of standing stock are absorbed without becoming an object. Returns foreign tags."""
        batch, device, block = self._batch, placed.device, placed.reading
        registry, states, smoothing = batch.registry, self._states, batch.policy(placed).smoothing
        device_id, at = device.device_id, block.observed_at
        zones: dict[int, Zone | None] = {}
        foreign: list[Observation] = []
        absorbed = 0
        for i in _by_antenna(block):
            read = block.reads[i]
            epc, antenna = read.epc, read.ant
            if antenna not in zones:
                zones[antenna] = registry.zone_at(device_id, antenna, at)
            state = states.get(epc)
            if state is not None and at > state.last_seen_at:
                zone = zones[antenna]
                binding = registry.binding(epc, at)
                goods_id = None if binding is None else binding.value
                zone_id, warehouse_id = (None, device.warehouse_id) if zone is None else (zone.zone_id, zone.warehouse_id)
                if (
                    (zone is None or not zone.is_gate)
                    and (binding is None or binding.tenant_id == device.tenant_id)
                    and absorb(state, at, smoothing, device_id, antenna, zone_id, warehouse_id, goods_id, read.tid, read.rssi)
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
    rows = [
        {
            "no": i,
            "observed_at": o.reading.observed_at,
            "device_id": o.device.device_id,
            "tag_epc": o.reading.epc,
            "antenna": o.reading.antenna,
            "smoothing_s": batch.policy(o).smoothing.total_seconds(),
        }
        for i, o in enumerate(late)
        if not _at_gate(o) and batch.policy(o).smoothing
    ]
    told = {row[0] for row in batch.run("late_reads_already_told", rows)}
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
    corrections.put_pending(batch.conn, states.values())


def _order(entry: Observation | PlacedReads) -> tuple[datetime, str, int]:
    return (entry.reading.observed_at, entry.device.device_id, 0 if isinstance(entry, PlacedReads) else entry.reading.antenna)


def _by_antenna(block: ReadsBlock) -> Sequence[int]:
    """The numbers of the reads, those of one antenna together in the order of antennas."""
    reads = block.reads
    if len({r.ant for r in reads}) == 1:
        return range(len(reads))
    return sorted(range(len(reads)), key=lambda i: reads[i].ant)


def _observation_key(o: Observation) -> tuple[Any, ...]:
    return o.key


def _in_gate_zone(o: Observation) -> bool:
    return o.zone is not None and o.zone.is_gate


def _at_gate(o: Observation) -> bool:
    return o.reading.direction is not None or _in_gate_zone(o)
