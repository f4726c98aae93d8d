"""Telemetry tables: one batch, one transaction. Nothing here commits; ingest.writer does, and acknowledges after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from psycopg.rows import dict_row

from collateral.heard import silence_max
from ingest import dead_letters, device_facts, sparkplug_store
from ingest.batch import OUR_TIME_FLAGS, QUERIES, Batch, ConcurrentChange, Conn, StoreOptions
from ingest.device_states import KnownState, device_state
from ingest.gaps import Epoch
from ingest.readings import DeviceEvent
from ingest.registry import Registry
from ingest.screen import Delivery, Happening, Refused, Screened
from ingest.store_movements import put_movements
from ingest.store_positions import put_positions
from ingest.store_reads import put_reads
from ingest.tally import Fate, Sums, Tally


@dataclass(frozen=True)
class Written:
    """What one batch came to."""

    sums: Sums
    movements: int
    device_sums: Tally
    refused: tuple[Refused, ...]  # also what only the store could tell: conflicts, sessions without a birth


def write(conn: Conn, screened: Screened, registry: Registry, options: StoreOptions) -> Written:
    """Write one batch within the caller's transaction. Raises ConcurrentChange or psycopg.Error; then nothing of it may be committed.

    Locks are taken in one order by all workers: Sparkplug nodes, tags, vehicles, devices, dead letters, tallies, each sorted by key.
    """
    screened = screened.copy()  # what nodes said adds to it, and the batch may be written again
    missed = sparkplug_store.understand(conn, screened, registry, reorder=options.reorder)
    batch = Batch(conn, screened, registry, options)
    for device_id, never_came in missed:
        batch.news[device_id].never_came.append(never_came)
    put_reads(batch)
    put_positions(batch)
    _put_events(batch)
    movements = put_movements(batch)
    _put_device_states(batch)
    _put_refusals(batch)
    batch.run("add_tally", batch.tally.rows())
    return Written(batch.tally.sums(), movements, batch.tally, tuple(batch.refused))


def _put_events(batch: Batch) -> None:
    found = batch.by_our_time(
        batch.screened.events,
        "events_by_key",
        lambda e: {"device_id": e.device.device_id, "type": e.reading.type, "event_key": e.reading.event_key},
        always=lambda e: e.reading.type == "doc",
    )
    found = batch.first_of_key(found, _event_key)
    rows = [
        {
            "observed_at": e.reading.observed_at,
            "received_at": e.source.received_at,
            "device_id": e.device.device_id,
            "event_key": e.reading.event_key,
            "type": e.reading.type,
            "payload": _flagged(e.reading),
            "content_hash": e.content_hash.hex(),
        }
        for e in found
    ]
    for e in batch.settle_kept(found, _event_key, "insert_events", "event_hashes", rows):
        if e.reading.missed:
            batch.news[e.device.device_id].overflows.append((e.reading.observed_at, e.reading.missed))


def _put_device_states(batch: Batch) -> None:
    for placed in batch.screened.blocks:
        block = placed.reading
        own_time = OUR_TIME_FLAGS.isdisjoint(block.flags)
        batch.news[placed.device.device_id].heard(block.observed_at, placed.source.received_at, own_time=own_time)
    for items in (batch.screened.observations, batch.screened.positions, batch.screened.events):
        for item in items:
            own_time = not item.reading.flags or OUR_TIME_FLAGS.isdisjoint(item.reading.flags)
            batch.news[item.device.device_id].heard(item.reading.observed_at, item.source.received_at, own_time=own_time)
    for device, update, source in batch.screened.states:
        news = batch.news[device.device_id]
        if update.presence != "offline":  # a will is the broker's word, not the device's
            own_time = update.observed_at != source.received_at  # equal = we put it in
            news.heard(update.observed_at, source.received_at, own_time=own_time)
        news.updates.append((update, source.received_at))
    devices = sorted(batch.news)
    if not devices:
        return
    known = _known_states(batch, devices)
    if len(known) < len(devices):
        batch.conn.execute(QUERIES["make_device_states"], {"devices": [d for d in devices if d not in known]})
        known = _known_states(batch, devices)
    rows, opened, filled = [], [], []
    for device_id in devices:
        news, registered = batch.news[device_id], batch.registry.device(device_id)
        silence = silence_max(timedelta(seconds=60 if registered is None else registered.expected_interval_s))
        told = device_state(device_id, known[device_id], news, silence)
        if told.runs:
            run = device_facts.merge_heard(batch.conn, device_id, told.runs, silence)
            told.row.update(heard_from=run.from_at, heard_until=run.until_at)
        rows.append(told.row)
        at = news.received_at or max(received_at for _, received_at in news.updates)
        opened += [(device_id, m, at) for m in told.opened]
        filled += [(device_id, m, at) for m in told.filled]
    batch.run("put_device_states", rows)
    device_facts.put_missed(batch.conn, opened, filled)


def _known_states(batch: Batch, devices: list[str]) -> dict[str, KnownState]:
    with batch.conn.cursor(row_factory=dict_row) as cur:
        rows = cur.execute(QUERIES["lock_device_states"], {"devices": devices}).fetchall()
    for row in rows:
        row["seq_spans"] = msgspec.convert(row["seq_spans"], list[Epoch])
    return {row.pop("device_id"): KnownState(**row) for row in rows}


def _put_refusals(batch: Batch) -> None:
    for r in batch.refused:
        batch.tally.count(r.device_id, r.source.received_at, Fate.REFUSED, r.items)
    rows = dead_letters.fold(batch.refused, payload_kept_bytes_max=batch.options.payload_kept_bytes_max)
    kept = {tuple(row) for row in batch.run("put_dead_letters", list(rows.values()))}
    others: dict[dead_letters.Key, dict[str, Any]] = {}
    for key, row in rows.items():
        if key in kept:
            continue
        row["item_no"] = dead_letters.other_item_no(row["items"])
        known = others.setdefault(dead_letters.key_of(row), row)
        if known is not row:
            known["times"] += row["times"]
    batch.run("put_dead_letters", list(others.values()))


def _event_key(e: Happening) -> tuple[Any, ...]:
    return (e.reading.observed_at, e.device.device_id, e.reading.type, e.reading.event_key)


def _flagged(event: DeviceEvent) -> dict[str, Any]:
    return {**event.payload, "_flags": event.flags} if event.flags else event.payload


__all__ = ["ConcurrentChange", "Delivery", "StoreOptions", "Written", "write"]
