"""Refused messages are mended and driven through again; counters and tables agree all the way."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from ingest_world import T0, YARD, Bench, assert_conserved, bind, read, reads, register_world, tag, topic

from db.pool import Pool
from ingest.readings import Limits
from ingest.redrive import Redriver, Round
from ingest.store import StoreOptions


@pytest.fixture
def bench(pool: Pool) -> Bench:
    with pool.connection() as conn:
        register_world(conn)
    return Bench(pool)


def redriver(pool: Pool) -> Redriver:
    return Redriver(pool, limits=Limits(), options=StoreOptions())


def queue(bench: Bench, where: str = "true") -> int:
    with bench.pool.connection() as conn:
        done = conn.execute(
            f"UPDATE dead_letter SET state = 'QUEUED', worked_by = 'devices', worked_at = %s WHERE state = 'KEPT' AND {where}".encode(),
            (T0,),
        )
        return done.rowcount


def letters(bench: Bench) -> list[tuple[str, str, Any]]:
    return bench.rows("SELECT reason, state, outcome FROM dead_letter ORDER BY dead_letter_id")  # type: ignore[return-value]


def from_unregistered(seq: int, *items: dict[str, Any]) -> tuple[str, bytes]:
    body = {"ts": T0.isoformat(), "seq": seq, "reads": list(items)}
    return f"v1/demo/{YARD}/rfid/R-NEW/reads", json.dumps(body).encode()


def register_new_reader(bench: Bench) -> None:
    with bench.pool.connection() as conn:
        conn.execute(
            "INSERT INTO device (device_id, tenant_id, site, warehouse_id, class, format, name, registered_at)"
            " VALUES ('R-NEW', 'demo', %s, %s, 'rfid', 'native', 'new', %s)",
            (YARD, YARD, T0),
        )
        conn.execute("INSERT INTO antenna_zone VALUES ('R-NEW', 1, %s, '2010-01-01Z', NULL)", (f"{YARD}/bay-1",))


def test_messages_of_an_unknown_device_go_in_after_it_was_registered(bench: Bench) -> None:
    bench.put(from_unregistered(1, read(1), read(2)), from_unregistered(2, read(3)))
    before = assert_conserved(bench.pool)
    register_new_reader(bench)
    assert queue(bench) == 2
    assert redriver(bench.pool).drive_queued() == Round(driven=2)
    assert sorted((state, outcome["stored"]) for _, state, outcome in letters(bench)) == [("REDRIVEN", 1), ("REDRIVEN", 2)]
    assert bench.rows("SELECT tag_epc, zone_id FROM goods_position ORDER BY 1") == [(tag(n), f"{YARD}/bay-1") for n in (1, 2, 3)]
    after = assert_conserved(bench.pool)
    assert after["stored"] == before["stored"] + 3
    assert after["refused"] == before["refused"]


def test_a_letter_that_is_refused_again_stays_with_the_new_reason(bench: Bench) -> None:
    bench.put(from_unregistered(1, read(1)))
    assert queue(bench) == 1
    assert redriver(bench.pool).drive_queued() == Round(refused=1)
    ((reason, state, outcome),) = letters(bench)
    assert (reason, state) == ("unknown_device", "KEPT")
    assert outcome["refused_again"][0].startswith("unknown_device")
    assert_conserved(bench.pool)


def test_what_went_in_before_is_found_to_be_repeated(bench: Bench) -> None:
    bench.put(from_unregistered(1, read(1)))
    register_new_reader(bench)
    bench.put(from_unregistered(1, read(1)))  # the device itself sends it again first
    assert queue(bench) == 1
    assert redriver(bench.pool).drive_queued() == Round(driven=1)
    ((_, state, outcome),) = letters(bench)
    assert (state, outcome["stored"], outcome["repeated"]) == ("REDRIVEN", 0, 1)
    assert bench.one("SELECT count(*) FROM observation") == 1
    assert_conserved(bench.pool)


def test_a_cut_message_is_not_driven_as_half_a_message(bench: Bench) -> None:
    with bench.pool.connection() as conn:
        conn.execute(
            "INSERT INTO dead_letter (topic, item_no, reason, detail, payload, payload_bytes, payload_sha256, first_received_at, last_received_at)"
            " VALUES (%s, -1, 'too_large', 'x', '\\x7b', 90000, '\\x00', %s, %s)",
            (topic("R-BAY-1", "reads"), T0, T0),
        )
    assert queue(bench) == 1
    assert redriver(bench.pool).drive_queued() == Round(refused=1)
    assert letters(bench)[0][2]["refused_again"] == ["payload_cut: only 1 of its 90000 bytes were kept; the sender must send it again"]


def test_a_reading_takes_its_old_time_and_does_not_overwrite_a_newer_sighting(bench: Bench) -> None:
    bench.put(from_unregistered(1, read(1)))
    register_new_reader(bench)
    bench.put(reads("R-BAY-1", 1, read(1, ant=2), at=T0 + timedelta(minutes=5)))
    queue(bench)
    redriver(bench.pool).drive_queued()
    assert bench.one("SELECT zone_id FROM goods_position") == f"{YARD}/bay-2"
    assert bench.one("SELECT count(*) FROM observation") == 2


def test_many_workers_drive_each_letter_once(bench: Bench) -> None:
    with bench.pool.connection() as conn:
        for n in range(100, 130):
            bind(conn, f"G-{n}", tag(n))
    bench.put(*(from_unregistered(n, read(n)) for n in range(100, 130)))
    register_new_reader(bench)
    assert queue(bench) == 30
    rounds: list[Round] = []
    workers = [threading.Thread(target=lambda: rounds.append(redriver(bench.pool).drive_queued())) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert sum(r.driven for r in rounds) == 30
    assert {state for _, state, _ in letters(bench)} == {"REDRIVEN"}
    counted = assert_conserved(bench.pool)
    assert (counted["stored"], counted["repeated"]) == (30, 0)
