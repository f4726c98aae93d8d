"""Hostile and unlucky streams: what one device or tenant does must not cost another one a reading, nor the worker its life."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from ingest_world import T0, YARD, Bench, assert_conserved, fix, read, reads, register_world, running_worker, tag, topic, until
from paho.mqtt.enums import CallbackAPIVersion

from db.pool import Pool
from ingest.inbox import BoundedInbox
from ingest.screen import Delivery

S = timedelta(seconds=1)


@pytest.fixture
def bench(pool: Pool) -> Bench:
    with pool.connection() as conn:
        register_world(conn)
    return Bench(pool)


def test_a_phone_that_publishes_with_the_retain_flag_is_heard_once_each_time(pool: Pool, database_url: str, broker: Any) -> None:
    """OwnTracks sets the flag on every position it sends, by default."""
    with pool.connection() as conn:
        register_world(conn)
    sender = broker.add_account("sender-retain").removeprefix("mqtt://sender-retain:").split("@")[0]
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="retaining-phone", protocol=mqtt.MQTTv311)
    client.username_pw_set("sender-retain", sender)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        for n in range(2):  # the second worker finds the first position retained at the broker, and must not take it again
            with running_worker(database_url, broker.url, "retain"):
                payload = {"_type": "location", "lat": 31.2 + n / 100, "lon": 121.4, "tst": int(datetime.now(UTC).timestamp())}
                client.publish("owntracks/driver1/phone", json.dumps(payload), qos=1, retain=True)
                count = assert_conserved(pool)["received"]
                until(lambda count=count: assert_conserved(pool)["received"] > count, what="the position")
    finally:
        client.publish("owntracks/driver1/phone", b"", qos=1, retain=True).wait_for_publish(5)
        client.disconnect()
        client.loop_stop()
    with pool.connection() as conn:
        assert conn.execute("SELECT reason, detail FROM dead_letter").fetchall() == []
    assert assert_conserved(pool) == {"received": 2, "stored": 2, "repeated": 0, "absorbed": 0, "refused": 0}


def test_the_inbox_is_bounded_in_bytes_and_forgets_what_will_come_again() -> None:
    inbox = BoundedInbox(100, 1000)

    def put(size: int, mid: int, qos: int = 1) -> bool:
        return inbox.put_all([Delivery("t", b"x" * size, T0, mid, qos)], 0.01) == 1

    assert put(900, 1)
    assert not put(200, 2)
    assert put(50, 3, qos=0)
    inbox.forget(lambda d: d.qos > 0)
    assert len(inbox) == 1, "an unacknowledged delivery of the old connection comes again; one of QoS 0 does not"
    assert not put(5000, 4)
    assert [d.mid for d in inbox.take_all(10, 10_000, 0)] == [3]
    assert put(5000, 4), "one message always has room in an empty inbox"
    assert [d.mid for d in inbox.take_all(10, 10, 0.5)] == [4], "and is given out whatever the limit"
    assert inbox.take_all(10, 10, 0.01) == []
    assert inbox.put_all([Delivery("t", b"x" * 400, T0, mid) for mid in range(5, 10)], 0.01) == 2, "as many as there is room for"


def gate(seq: int, at: datetime, *antennas: int) -> tuple[str, bytes]:
    return reads("R-GATE-1", seq, *(read(1, a, at + i * S) for i, a in enumerate(antennas)), at=at)


def passages(bench: Bench) -> list[tuple[str, int]]:
    return [
        (kind, int((at - T0) / S))
        for kind, at in bench.rows("SELECT kind, occurred_at FROM movement WHERE kind IN ('GATE_OUT', 'GATE_IN') ORDER BY occurred_at")
    ]


def test_an_exit_that_arrives_after_the_return_is_still_told(bench: Bench) -> None:
    bench.now = T0 + 3700 * S
    bench.put(reads("R-BAY-1", 1, read(1)))
    bench.put(gate(9, T0 + 3600 * S, 3, 4, 1, 2))  # back, at once
    bench.put(gate(2, T0 + 60 * S, 1, 2, 3, 4))  # the way out, an hour late
    bench.put(gate(2, T0 + 60 * S, 1, 2, 3, 4), gate(9, T0 + 3600 * S, 3, 4, 1, 2))
    assert passages(bench) == [("GATE_OUT", 63), ("GATE_IN", 3603)]


def test_more_reads_of_a_passage_already_told_tell_nothing_more(bench: Bench) -> None:
    bench.put(reads("R-BAY-1", 1, read(1)))
    bench.put(gate(3, T0 + 60 * S, 1), gate(5, T0 + 70 * S, 3, 4, 3))
    bench.put(gate(4, T0 + 64 * S, 2, 3, 3))
    assert [kind for kind, _ in passages(bench)] == ["GATE_OUT"]


def test_a_trip_that_a_tracker_reports_late_still_crosses_the_fence(bench: Bench) -> None:
    bench.now = T0 + 3700 * S
    bench.put(fix(1, 121.405, 31.305, T0), fix(9, 121.405, 31.305, T0 + 3600 * S), fix(10, 121.405, 31.305, T0 + 3660 * S))
    late = [fix(2 + i, 121.45, 31.305, T0 + (600 + 60 * i) * S) for i in range(3)]
    bench.put(late[2])
    bench.put(*late[:2])
    bench.put(*late)
    found = bench.rows("SELECT kind, occurred_at FROM movement ORDER BY occurred_at")
    assert [(k, int((at - T0) / S)) for k, at in found] == [("FENCE_EXIT", 660), ("FENCE_ENTER", 3660)]
    assert bench.rows("SELECT warehouse_id, observed_at FROM vehicle_position") == [(YARD, T0 + 3660 * S)]


def other_tenant(pool: Pool) -> None:
    with pool.connection() as conn:
        conn.execute("INSERT INTO tenant VALUES ('other', 'Other')")
        conn.execute(
            "INSERT INTO device (device_id, tenant_id, site, class, format, name, claims, gateway_device_id, registered_at) VALUES"
            " ('R-OTHER', 'other', 'X', 'rfid', 'native', 'x', '{}', NULL, %(t)s),"
            " ('I-OTHER', 'other', 'X', 'rfid', 'impinj-iot', 'x', '{\"hostname\": \"stolen\"}', 'IMPINJ-1', %(t)s)",
            {"t": T0},
        )


def test_a_reader_of_another_tenant_moves_none_of_our_goods(bench: Bench) -> None:
    other_tenant(bench.pool)
    bench.put(reads("R-BAY-1", 1, read(1)))
    body = json.dumps({"ts": (T0 + 60 * S).isoformat(), "seq": 1, "reads": [read(1)]}).encode()
    bench.put(("v1/other/X/rfid/R-OTHER/reads", body))
    bench.put(("v1/other/X/rfid/R-OTHER/reads", body))
    assert bench.rows("SELECT goods_id, flags FROM observation WHERE device_id = 'R-OTHER'") == [(None, ["unknown_antenna", "foreign_tag"])]
    assert bench.rows("SELECT goods_id, device_id, last_seen_at FROM goods_position") == [("G-1", "R-BAY-1", T0)]
    assert [k for (k,) in bench.rows("SELECT kind FROM movement")] == ["APPEARED"]
    assert assert_conserved(bench.pool) == {"received": 3, "stored": 2, "repeated": 1, "absorbed": 0, "refused": 0}


def test_a_gateway_does_not_speak_for_a_device_of_another_tenant(bench: Bench) -> None:
    other_tenant(bench.pool)
    body = {"timestamp": T0.isoformat(), "hostname": "stolen", "tagInventoryEvent": {"epcHex": tag(1)}}
    bench.put((topic("IMPINJ-1", "reads"), json.dumps(body).encode()))
    assert bench.rows("SELECT reason FROM dead_letter") == [("claims_other_device",)]
    assert bench.one("SELECT count(*) FROM observation") == 0


def test_a_document_about_another_warehouse_is_refused(bench: Bench) -> None:
    doc = {"schema": "wms-event/1", "messageId": "M-9", "type": "stock_count", "occurredAt": T0.isoformat(), "warehouse": {"id": "WH-SH-02"}, "lines": [{"line": 1}]}  # fmt: skip
    bench.put((topic("WMS-1", "doc"), json.dumps(doc).encode()))
    assert bench.rows("SELECT reason, items FROM dead_letter") == [("claims_other_device", 1)]


def test_one_message_with_a_reading_for_each_day_of_years_is_cut(bench: Bench) -> None:
    """Each day is a chunk of the hypertable; thousands in one transaction would hold the worker for minutes, at every delivery."""
    bench.put(reads("R-BAY-1", 1, *(read(1000 + n, at=T0 - timedelta(days=n)) for n in range(100))), reads("R-BAY-1", 2, read(1)))
    assert bench.rows("SELECT reason, items FROM dead_letter") == [("too_many_days", 38)]
    assert assert_conserved(bench.pool) == {"received": 101, "stored": 63, "repeated": 0, "absorbed": 0, "refused": 38}


def test_a_batch_too_large_for_the_store_is_written_in_parts(bench: Bench) -> None:
    with bench.pool.connection() as conn:
        conn.execute(
            "CREATE FUNCTION narrow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE EXCEPTION 'out of shared memory' USING ERRCODE = '53200'; END $$"
        )
        conn.execute("CREATE TRIGGER narrow BEFORE INSERT ON ingest_tally FOR EACH ROW WHEN (NEW.received > 4) EXECUTE FUNCTION narrow()")
    bench.put(*(reads("R-BAY-1", n, read(n)) for n in range(1, 11)))
    assert assert_conserved(bench.pool) == {"received": 10, "stored": 10, "repeated": 0, "absorbed": 0, "refused": 0}
