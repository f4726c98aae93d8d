"""Telemetry tables: one batch, one transaction. Nothing here commits; ingest.writer does, and acknowledges after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg.rows import dict_row

from ingest import dead_letters
from ingest.batch import QUERIES, Batch, ConcurrentChange, Conn, StoreOptions
from ingest.device_states import KnownState, device_state_row
from ingest.readings import DeviceEvent
from ingest.registry import Registry
from ingest.screen import Delivery, Happening, Screened
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


def write(conn: Conn, screened: Screened, registry: Registry, options: StoreOptions) -> Written:
    """Write one batch within the caller's transaction. Raises ConcurrentChange or psycopg.Error; then nothing of it may be committed.

    Locks are taken in one order by all workers: tags, vehicles, devices, dead letters, tallies, each sorted by key.
    """
    batch = Batch(conn, screened, registry, options)
    put_reads(batch)
    put_positions(batch)
    _put_events(batch)
    movements = put_movements(batch)
    _put_device_states(batch)
    _put_refusals(batch)
    batch.run("add_tally", batch.tally.rows())
    return Written(batch.tally.sums(), movements, batch.tally)


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
        batch.news[e.device.device_id].missed += e.reading.missed


def _put_device_states(batch: Batch) -> None:
    for placed in batch.screened.blocks:
        batch.news[placed.device.device_id].heard(placed.reading.observed_at, placed.source.received_at)
    for items in (batch.screened.observations, batch.screened.positions, batch.screened.events):
        for item in items:
            batch.news[item.device.device_id].heard(item.reading.observed_at, item.source.received_at)
    for device, update, source in batch.screened.states:
        news = batch.news[device.device_id]
        if update.presence != "offline":  # a will is the broker's word, not the device's
            news.heard(update.observed_at, source.received_at)
        news.updates.append((update, source.received_at, id(source) in batch.fresh))
    devices = sorted(batch.news)
    if not devices:
        return
    known = _known_states(batch, devices)
    if len(known) < len(devices):
        batch.conn.execute(QUERIES["make_device_states"], {"devices": [d for d in devices if d not in known]})
        known = _known_states(batch, devices)
    batch.run("put_device_states", [device_state_row(d, known[d], batch.news[d]) for d in devices])


def _known_states(batch: Batch, devices: list[str]) -> dict[str, KnownState]:
    with batch.conn.cursor(row_factory=dict_row) as cur:
        rows = cur.execute(QUERIES["lock_device_states"], {"devices": devices}).fetchall()
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
