"""Blocks of plain reads take a short way through decoding and screening; what they leave in the tables is what the long way leaves."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from ingest_world import T0, Bench, assert_conserved, bind, read, reads, register_world, tag

from db.pool import Pool
from ingest import screen

TABLES = {
    "observation": "observed_at, device_id, tag_epc, antenna, event_key, tid, goods_id, zone_id, rssi_dbm, read_count, flags, content_hash",
    "goods_position": "tag_epc, goods_id, device_id, antenna, zone_id, warehouse_id, tid, entered_at, first_stored_at, last_seen_at,"
    " previous_zone_id, reads, absorbed, rssi_dbm, pending::text",
    "movement": "occurred_at, kind, tag_epc, goods_id, device_id, from_zone_id, to_zone_id, from_seen_at, (evidence - 'received_at')::text",
    "device_state": "device_id, last_observed_at, last_seq, gaps, heard_from, heard_until",
    "missed_reads": "device_id, kind, from_at, until_at, seq_from, seq_to, missed",
    "ingest_tally": "device_id, received, stored, repeated, absorbed, refused",
    "dead_letter": "topic, reason, item_no, items, times, detail",
}
FOREIGN = 77


def batches(seed: int) -> list[list[tuple[str, bytes]]]:
    """Four hours of a yard: rounds of two readers, gates, strays, late, repeated and conflicting messages, several at one instant."""
    rng = random.Random(seed)
    sent: list[tuple[str, bytes]] = []
    found = []
    for number in range(60):
        batch = []
        for _ in range(rng.randint(1, 6)):
            if sent and rng.random() < 0.15:
                batch.append(rng.choice(sent))
                continue
            device = rng.choice(("R-BAY-1", "R-BAY-1", "R-GATE-1", "R-METAL-1"))
            at = T0 + timedelta(seconds=number * 10 - rng.choice((0, 0, 0, 1, 40, 300)))
            antennas = {"R-BAY-1": (1, 1, 2, 9), "R-GATE-1": (1, 2, 3, 4), "R-METAL-1": (0,)}[device]
            items = []
            for n in rng.sample([*range(1, 13), 50, FOREIGN], rng.randint(1, 10)):
                more: dict[str, Any] = {"rssi": rng.choice((-48.0, -60.0, -75.0))}
                if rng.random() < 0.05:
                    more["tid"] = "E2806894000000000000000" + str(rng.randint(1, 2))
                items.append(read(n, ant=rng.choice(antennas), **more))
            batch.append(reads(device, rng.randint(0, 400), *items, at=at))
        sent += batch
        found.append(batch)
    return found


@pytest.mark.parametrize("smoothing_s", [0.0, 300.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_short_and_long_way_leave_the_same(pool: Pool, monkeypatch: pytest.MonkeyPatch, seed: int, smoothing_s: float) -> None:
    with pool.connection() as conn:
        register_world(conn)
        conn.execute("INSERT INTO tenant VALUES ('other', 'Other')")
        bind(conn, "G-FOREIGN", tag(FOREIGN))
        conn.execute("UPDATE goods_unit SET tenant_id = 'other' WHERE goods_id = 'G-FOREIGN'")
    left = []
    for short in (True, False):
        if not short:
            monkeypatch.setattr(screen, "decode_block", lambda *_: None)
            with pool.connection() as conn:
                conn.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE".encode())
        bench = Bench(pool, smoothing_s=smoothing_s)
        for batch in batches(seed):
            bench.put(*batch)
        assert_conserved(pool)
        left.append({table: sorted(bench.rows(f"SELECT {columns} FROM {table}"), key=repr) for table, columns in TABLES.items()})
    for table in TABLES:
        assert left[0][table] == left[1][table], table
    assert len(left[0]["movement"]) > 20
    if smoothing_s:
        assert sum(row[4] for row in left[0]["ingest_tally"]) > 0
