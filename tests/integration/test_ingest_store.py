"""What batches leave in the tables: exactly once, by event time, conserved."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

import pytest
from ingest_world import T0, YARD, Bench, assert_conserved, bind, fix, read, reads, register_world, tag, topic

from db.pool import Pool

S = timedelta(seconds=1)


@pytest.fixture
def bench(pool: Pool) -> Bench:
    with pool.connection() as conn:
        register_world(conn)
    return Bench(pool)


def test_a_read_becomes_a_row_with_its_goods_and_zone(bench: Bench) -> None:
    bench.put(reads("R-BAY-1", 1, read(1), read(99, ant=2)))
    assert bench.rows("SELECT tag_epc, goods_id, zone_id, rssi_dbm, event_key, flags FROM observation ORDER BY 2") == [
        (tag(1), "G-1", f"{YARD}/bay-1", -50.0, "1", []),
        (tag(99), None, f"{YARD}/bay-2", -50.0, "1", ["id_opaque"]),
    ]
    assert bench.rows("SELECT kind, goods_id, to_zone_id FROM movement") == [("APPEARED", "G-1", f"{YARD}/bay-1")]
    assert assert_conserved(bench.pool)["stored"] == 2


def test_the_same_message_again_changes_nothing(bench: Bench) -> None:
    message = reads("R-BAY-1", 1, *(read(n) for n in range(1, 6)))
    bench.put(message)
    bench.put(message, message)
    assert assert_conserved(bench.pool) == {"received": 15, "stored": 5, "repeated": 10, "absorbed": 0, "refused": 0}
    assert bench.one("SELECT count(*) FROM movement") == 5
    assert bench.one("SELECT gaps FROM device_state WHERE device_id = 'R-BAY-1'") == 0


def test_the_same_key_with_other_content_is_a_conflict_in_the_dead_letter(bench: Bench) -> None:
    bench.put(reads("R-BAY-1", 1, read(1), read(2)))
    other = reads("R-BAY-1", 1, read(1, rssi=-40.0), read(2))
    bench.put(other)
    bench.put(other)
    assert bench.rows("SELECT reason, item_no, items, times FROM dead_letter") == [("conflict", 0, 1, 2)]
    assert bench.one(f"SELECT rssi_dbm FROM observation WHERE tag_epc = '{tag(1)}'") == -50.0
    assert assert_conserved(bench.pool) == {"received": 6, "stored": 2, "repeated": 2, "absorbed": 0, "refused": 2}


def test_rereads_of_static_stock_are_absorbed_until_the_smoothing_time_is_over(bench: Bench) -> None:
    for i in range(32):
        bench.put(reads("R-BAY-1", i, read(1), at=T0 + i * 10 * S))
    assert bench.rows("SELECT observed_at FROM observation ORDER BY 1") == [(T0,), (T0 + 310 * S,)]
    assert bench.rows("SELECT first_stored_at, last_seen_at, reads, absorbed FROM goods_position") == [(T0 + 310 * S, T0 + 310 * S, 32, 30)]
    assert assert_conserved(bench.pool)["absorbed"] == 30


def test_an_absorbed_read_that_is_delivered_again_is_repeated_even_after_the_tag_moved(bench: Bench) -> None:
    absorbed = reads("R-BAY-1", 2, read(1), at=T0 + 10 * S)
    bench.put(reads("R-BAY-1", 1, read(1)), absorbed)
    bench.put(absorbed)
    bench.put(reads("R-BAY-1", 3, read(1, ant=2), at=T0 + 20 * S))
    bench.put(absorbed)
    assert assert_conserved(bench.pool) == {"received": 5, "stored": 2, "repeated": 2, "absorbed": 1, "refused": 0}


def test_a_late_read_is_stored_but_does_not_overwrite_a_newer_sighting(bench: Bench) -> None:
    bench.put(reads("R-BAY-1", 2, read(1, ant=2), at=T0 + 60 * S))
    bench.put(reads("R-BAY-1", 1, read(1, ant=1)))
    assert bench.one("SELECT zone_id FROM goods_position") == f"{YARD}/bay-2"
    assert bench.one("SELECT count(*) FROM observation") == 2
    assert sorted(k for (k,) in bench.rows("SELECT kind FROM movement")) == ["APPEARED", "APPEARED", "CORRECTION", "ZONE_CHANGE"]


def test_a_device_without_a_clock_is_not_counted_twice(bench: Bench) -> None:
    t, p = reads("R-BAY-1", 1, read(1))
    unset = (t, p.replace(b"2026-11-01T08:00:00+00:00", b"1970-01-01T00:00:09Z"))
    bench.put(unset)
    bench.now += 600 * S
    bench.put(unset, unset)
    assert bench.rows("SELECT observed_at, flags FROM observation") == [(bench.now - 600 * S, ["clock_unset"])]
    assert assert_conserved(bench.pool) == {"received": 3, "stored": 1, "repeated": 2, "absorbed": 0, "refused": 0}


def test_a_tag_bound_later_appears_when_it_is_next_read(bench: Bench) -> None:
    bench.put(reads("R-BAY-1", 1, read(77)))
    with bench.pool.connection() as conn:
        bind(conn, "G-77", tag(77))
    bench.put(reads("R-BAY-1", 2, read(77), at=T0 + 5 * S))
    assert bench.rows("SELECT kind, goods_id FROM movement") == [("APPEARED", "G-77")]
    assert bench.one("SELECT goods_id FROM goods_position") == "G-77"


def gate_exit(start: int = 0) -> tuple[str, bytes]:
    at = T0 + timedelta(minutes=1, seconds=start)
    return reads("R-GATE-1", start + 1, read(1, 1, at), read(1, 2, at + S), read(1, 3, at + 3 * S), read(1, 4, at + 4 * S), at=at)


def test_inner_then_outer_zone_is_a_way_out_told_once_with_its_evidence(bench: Bench) -> None:
    bench.put(reads("R-BAY-1", 1, read(1)))
    bench.put(gate_exit())
    bench.put(gate_exit())
    (row,) = bench.rows("SELECT from_zone_id, to_zone_id, evidence FROM movement WHERE kind = 'GATE_OUT'")
    assert row[:2] == (f"{YARD}/gate-inner", f"{YARD}/gate-outer")
    assert row[2]["reads"] == 4
    assert row[2]["antennas"] == [f"R-GATE-1/{n}" for n in (1, 2, 3, 4)]
    assert row[2]["received_at"]


def test_a_way_out_is_seen_when_its_reads_come_in_single_messages(bench: Bench) -> None:
    for i, ant in enumerate((1, 2, 3, 4)):
        bench.put(reads("R-GATE-1", i, read(1, ant), at=T0 + i * S))
    assert bench.one("SELECT count(*) FROM movement WHERE kind = 'GATE_OUT'") == 1


def test_another_site_within_minutes_carries_the_places_of_both_readers(bench: Bench) -> None:
    bench.put(reads("R-BAY-1", 1, read(1)))
    bench.put(reads("R-METAL-1", 1, read(1), at=T0 + 30 * S))
    ((evidence, seen_at),) = bench.rows("SELECT evidence, from_seen_at FROM movement WHERE kind = 'SITE_CHANGE'")
    assert (evidence["from_lon"], evidence["to_lon"], evidence["from_device_id"]) == (121.405, 121.805, "R-BAY-1")
    assert seen_at == T0


def test_another_chip_under_a_known_epc_is_told(bench: Bench) -> None:
    with bench.pool.connection() as conn:
        bind(conn, "G-50", tag(50), tid="E2001111")
    bench.put(reads("R-BAY-1", 1, read(50, tid="E2001111")))
    bench.put(reads("R-BAY-1", 2, read(50, tid="E2002222"), at=T0 + 5 * S))
    ((evidence,),) = bench.rows("SELECT evidence FROM movement WHERE kind = 'TID_MISMATCH'")
    assert (evidence["expected_tid"], evidence["tid"]) == ("E2001111", "E2002222")


def test_a_truck_leaves_and_enters_by_two_fixes_in_a_row(bench: Bench) -> None:
    bench.put(fix(1, 121.405, 31.305, T0), fix(2, 121.45, 31.305, T0 + 60 * S))
    assert bench.one("SELECT count(*) FROM movement") == 0
    bench.put(fix(3, 121.47, 31.305, T0 + 90 * S, goods=["G-1"]))
    bench.put(fix(4, 121.805, 31.005, T0 + 600 * S), fix(5, 121.8051, 31.005, T0 + 660 * S))
    found = bench.rows("SELECT kind, vehicle_plate, evidence->>'warehouse_id' FROM movement ORDER BY occurred_at")
    assert found == [("FENCE_EXIT", "沪C00001", YARD), ("FENCE_ENTER", "沪C00001", "WH-SH-02")]
    assert bench.one("SELECT warehouse_id FROM vehicle_position") == "WH-SH-02"


def test_zero_zero_is_kept_as_no_fix(bench: Bench) -> None:
    bench.put(fix(1, 0.0, 0.0, T0))
    assert bench.rows("SELECT lon, fix, lon_raw, flags FROM position") == [(None, "none", 0.0, ["null_island"])]


@pytest.mark.parametrize(
    ("where", "payload", "reason"),
    [
        (topic("R-BAY-1", "reads"), b"{", "malformed_json"),
        (topic("R-BAY-1", "reads"), b"\xff\xfe\x00", "byte_order_mark"),
        (topic("R-BAY-1", "reads"), b'{"ts":"\xff"}', "not_utf8"),
        (topic("R-BAY-1", "reads"), b"x" * 1_100_000, "oversized"),
        (topic("R-BAY-1", "reads"), b'{"ts":1,"reads":[]}', "bad_time"),
        (topic("R-BAY-1", "reads"), json.dumps({"ts": T0.isoformat(), "reads": [read(1, ant=99)]}).encode(), "out_of_range"),
        (topic("TRUCK-1", "position"), fix(1, 200.0, 31.0, T0)[1], "out_of_range"),
        ("v1/demo/WH-SH-01/rfid/NOBODY/reads", b"{}", "unknown_device"),
        ("v1/other/WH-SH-01/rfid/R-BAY-1/reads", b"{}", "wrong_topic"),
        ("v1/demo/../rfid/R-BAY-1/reads", b"{}", "bad_topic"),
        ("owntracks/nobody/phone", b"{}", "unknown_device"),
        (topic("WMS-1", "reads"), b"{}", "wrong_channel"),
        (topic("ZEBRA-1", "health"), b'{"hostName":"R-BAY-1","type":"heartbeat","timestamp":"2026-11-01T08:00:00Z","data":{}}', "claims_other_device"),
        (topic("IMPINJ-1", "reads"), b'{"timestamp":"2026-11-01T08:00:00Z","hostname":"stranger","tagInventoryEvent":{"epcHex":"E280"}}', "claims_other_device"),
    ],
)  # fmt: skip
def test_what_is_refused_is_kept_with_its_reason_and_counted(bench: Bench, where: str, payload: bytes, reason: str) -> None:
    bench.put((where, payload), reads("R-BAY-1", 1, read(1)), (where, payload))
    bench.put((where, payload))
    ((found, size, kept, times),) = bench.rows("SELECT reason, payload_bytes, length(payload), times FROM dead_letter")
    assert (found, size, kept, times) == (reason, len(payload), min(len(payload), 65_536), 3)
    assert assert_conserved(bench.pool) == {"received": 4, "stored": 1, "repeated": 0, "absorbed": 0, "refused": 3}


def test_the_same_bytes_refused_in_another_number_still_add_up(bench: Bench) -> None:
    bench.put(reads("R-BAY-1", 1, read(1, rssi=-41.0), read(2, rssi=-41.0)))
    with bench.pool.connection() as conn:
        conn.execute("DELETE FROM observation WHERE goods_id = 'G-2'")
        conn.execute("DELETE FROM goods_position WHERE goods_id = 'G-2'")
    with bench.pool.connection() as conn:
        conn.execute("UPDATE ingest_tally SET stored = 1, received = 1")
    other = reads("R-BAY-1", 1, read(1), read(2, ant=2), read(1))
    bench.put(other)
    with bench.pool.connection() as conn:
        conn.execute("DELETE FROM observation")
        conn.execute("UPDATE ingest_tally SET received = received - stored, stored = 0")
    bench.put(other)
    assert_conserved(bench.pool)


def test_one_message_that_the_store_cannot_take_does_not_stop_the_others(bench: Bench, pool: Pool) -> None:
    with pool.connection() as conn:
        conn.execute(f"ALTER TABLE observation ADD CONSTRAINT poison CHECK (tag_epc <> '{tag(13)}')".encode())
    bench.put(*(reads("R-BAY-1", n, read(n)) for n in range(1, 20)))
    assert bench.rows("SELECT reason, items, topic_device FROM dead_letter") == [("poison", 1, "R-BAY-1")]
    assert assert_conserved(pool) == {"received": 19, "stored": 18, "repeated": 0, "absorbed": 0, "refused": 1}


def test_device_state_knows_health_presence_and_gaps(bench: Bench) -> None:
    bench.put(reads("R-BAY-1", 1, read(1)), reads("R-BAY-1", 4, read(2), at=T0 + S))
    assert bench.one("SELECT gaps FROM device_state WHERE device_id = 'R-BAY-1'") == 2
    bench.put(reads("R-BAY-1", 3, read(3), at=T0 + S / 2))
    health = json.dumps({"ts": T0.isoformat(), "interval_s": 60, "fw": "1.2", "dropped": 5}).encode()
    bench.put(
        (topic("R-BAY-1", "health"), health), (topic("R-BAY-1", "health"), health), (topic("R-BAY-1", "presence"), b"connection lost")
    )
    ((gaps, last_seq, fw, presence, words),) = bench.rows("SELECT gaps, last_seq, health->>'fw', presence, presence_text FROM device_state")
    assert (gaps, last_seq, fw, presence, words) == (6, 4, "1.2", "offline", "connection lost")
    assert assert_conserved(bench.pool)["received"] == 3


def test_documents_are_known_by_their_message_id(bench: Bench) -> None:
    doc = {
        "schema": "wms-event/1",
        "messageId": "M-1",
        "type": "stock_count",
        "occurredAt": T0.isoformat(),
        "warehouse": {"id": YARD},
        "lines": [{"line": 1}],
    }
    bench.put((topic("WMS-1", "doc"), json.dumps(doc).encode()))
    bench.put((topic("WMS-1", "doc"), json.dumps(doc).encode()))
    bench.put((topic("WMS-1", "doc"), json.dumps({**doc, "occurredAt": (T0 + S).isoformat()}).encode()))
    assert bench.rows("SELECT type, event_key FROM device_event") == [("doc", "M-1")]
    assert assert_conserved(bench.pool) == {"received": 3, "stored": 1, "repeated": 1, "absorbed": 0, "refused": 1}


def test_two_workers_on_the_same_tags_store_each_read_once(bench: Bench, pool: Pool) -> None:
    benches = [Bench(pool), Bench(pool)]
    messages = [reads("R-BAY-1", i, *(read(n, ant=1 + i % 2) for n in range(1, 16)), at=T0 + i * S) for i in range(60)]

    def work(index: int) -> None:
        for i in range(0, 60, 6):
            benches[index].put(*(messages[i : i + 6] if index else reversed(messages[i : i + 6])))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    sums = assert_conserved(pool)
    assert sums["received"] == 1800
    assert sums["stored"] + sums["absorbed"] <= 900
    assert sums["refused"] == 0
    assert bench.one("SELECT count(*) FROM movement WHERE kind = 'APPEARED'") == 15
