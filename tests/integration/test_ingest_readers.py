"""Readers of every make on a real broker and store: each sample counts once however often it is delivered; gates' own words become passages."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ingest_world import T0, YARD, Bench, assert_conserved, bind, register_world, running_worker, until

from db.pool import Pool
from ingest.replay import recorded_messages
from ingest.subscriber import publish_all

PAYLOADS = Path(__file__).parents[1] / "payloads"
READERS = {
    # device: class, format, claims, antenna zone, sample files
    "S-ZEBRA": ("rfid", "zebra-ziotc", {"hostname": "FX9600F10AE0"}, "bay-1", "zebra-ziotc/**/*json"),
    "S-HANDHELD": ("rfid", "zebra-handheld", {}, "bay-1", "zebra-ziotc/handheld*"),
    "S-IMPINJ": (
        "rfid", "impinj-iot", {"hostname": ["impinj-14-2f-f4", "impinj-13-f8-f5", "r700-dock1", "impinj00162513F90B"], "deviceCode": "SRE801_1_gate1_1"},
        "bay-1", "impinj-iot/**/*json",
    ),
    "S-SMART": ("rfid", "smartreader", {"hostname": "impinj00162513F90B"}, "bay-1", "impinj-iot/smartreader*"),
    "S-SPEEDWAY": ("rfid", "speedway-connect", {}, "bay-1", "impinj-iot/speedway*"),
    "S-GATE": ("gate", "generic-gate", {"deviceCode": "490503"}, "gate-outer", "generic-gate/gate*"),
    "S-CABINET": ("rfid", "cabinet-snapshot", {"deviceCode": "mydevicename"}, "bay-2", "generic-gate/cabinet*"),
}  # fmt: skip
CAME, WENT = "E2801114200087CB77002222", "E2801114200087CB77002223"


def register_readers(conn: psycopg.Connection[Any]) -> None:
    register_world(conn)
    for device, (cls, format_name, claims, zone, _) in READERS.items():
        conn.execute(
            "INSERT INTO device (device_id, tenant_id, site, warehouse_id, class, format, name, claims, lon, lat, registered_at)"
            " VALUES (%s, 'demo', %s, %s, %s, %s, %s, %s, 121.405, 31.305, %s)",
            (device, YARD, YARD, cls, format_name, device, json.dumps(claims), T0),
        )
        conn.execute("INSERT INTO antenna_zone VALUES (%s, 0, %s, '2010-01-01Z', NULL)", (device, f"{YARD}/{zone}"))


def topic(device: str) -> str:
    return f"v1/demo/{YARD}/{READERS[device][0]}/{device}/reads"


def samples() -> list[tuple[str, bytes]]:
    """Every sample of every reader, on the device's data topic: heartbeats and management events come there too."""
    return [
        (topic(device), payload)
        for device, (_, _, _, _, pattern) in READERS.items()
        for path in sorted(PAYLOADS.glob(pattern))
        for payload in recorded_messages(path)
    ]


@pytest.mark.parametrize("smoothing_s", [0.0, 300.0])
def test_every_sample_delivered_twice_is_stored_once(pool: Pool, database_url: str, broker: Any, smoothing_s: float) -> None:
    with pool.connection() as conn:
        register_readers(conn)
    name = f"samples-{smoothing_s:.0f}"
    sender = broker.add_account(name)
    messages = samples()
    assert len(messages) > 35
    with running_worker(database_url, broker.url, name, smoothing_s=smoothing_s):
        assert publish_all(sender, messages, client_id=name) == len(messages)
        # the last message of the last device is stored when all are: the broker keeps their order
        until(lambda: _events(pool, "snapshot") == 1, what="the first delivery")
        first = assert_conserved(pool)
        assert publish_all(sender, messages, client_id=f"{name}-again") == len(messages)
        until(lambda: assert_conserved(pool)["received"] == 2 * first["received"], what="the second delivery")
    second = assert_conserved(pool)
    assert first["refused"] == 1  # impinj-iot/constructed/mqtt_settings.json is no telemetry
    assert second == {**second, "stored": first["stored"], "refused": 2, "received": 2 * first["received"]}
    if not smoothing_s:
        assert first == {**first, "repeated": 0, "absorbed": 0, "stored": first["received"] - 1}
        assert (second["repeated"], second["absorbed"]) == (first["stored"], 0)
    with pool.connection() as conn:
        assert conn.execute("SELECT DISTINCT reason FROM dead_letter").fetchall() == [("unsupported_type",)]
        overflow = conn.execute("SELECT gaps FROM device_state WHERE device_id = 'S-IMPINJ'").fetchone()
    assert overflow == (1200,)


def _events(pool: Pool, kind: str) -> int:
    with pool.connection() as conn:
        (count,) = conn.execute("SELECT count(*) FROM device_event WHERE type = %s", (kind,)).fetchone() or (0,)
    return int(count)


@pytest.fixture
def gate(pool: Pool) -> Bench:
    with pool.connection() as conn:
        register_readers(conn)
        bind(conn, "G-CAME", CAME)
        bind(conn, "G-WENT", WENT)
    return Bench(pool)


def feedback(*passages: tuple[str, str, datetime]) -> tuple[str, bytes]:
    items = [
        {"eventID": i, "gateID": 490503, "direction": direction, "EPC": epc, "timestamp": at.isoformat()}
        for i, (epc, direction, at) in enumerate(passages, 1)
    ]
    return topic("S-GATE"), json.dumps(items).encode()


def test_a_gates_own_word_is_a_passage_without_a_second_antenna(gate: Bench) -> None:
    at = T0 + timedelta(seconds=30)
    message = feedback((CAME, "IN", at), (WENT, "OUT", at), ("E280111420000000000000AA", "OUT", at))
    gate.put(message)
    gate.put(message)
    passages = gate.rows(
        "SELECT goods_id, kind, from_zone_id, to_zone_id, evidence->>'decided_by' FROM movement WHERE kind LIKE 'GATE%' ORDER BY goods_id"
    )
    assert passages == [
        ("G-CAME", "GATE_IN", None, f"{YARD}/gate-outer", "S-GATE"),
        ("G-WENT", "GATE_OUT", f"{YARD}/gate-outer", None, "S-GATE"),
    ]
    assert assert_conserved(gate.pool) == {"received": 6, "stored": 3, "repeated": 3, "absorbed": 0, "refused": 0}


def test_out_and_back_in_within_seconds_are_two_passages_and_nothing_is_smoothed_away(gate: Bench) -> None:
    for second, direction in ((10, "OUT"), (14, "IN"), (18, "OUT")):
        gate.put(feedback((CAME, direction, T0 + timedelta(seconds=second))))
    assert [k for (k,) in gate.rows("SELECT kind FROM movement WHERE kind LIKE 'GATE%' ORDER BY occurred_at")] == [
        "GATE_OUT",
        "GATE_IN",
        "GATE_OUT",
    ]


def test_a_gate_that_changes_its_word_under_one_key_is_a_conflict(gate: Bench) -> None:
    at = T0 + timedelta(seconds=30)
    gate.put(feedback((CAME, "IN", at)))
    gate.put(feedback((CAME, "OUT", at)))
    assert gate.rows("SELECT reason FROM dead_letter") == [("conflict",)]
    assert gate.rows("SELECT kind FROM movement WHERE kind LIKE 'GATE%'") == [("GATE_IN",)]


def test_a_later_snapshot_without_a_tag_leaves_the_tag_where_it_was(gate: Bench) -> None:
    at = T0 + timedelta(seconds=30)
    for minute, present in ((0, [CAME, WENT]), (1, [WENT]), (2, [])):
        message = {
            "observe": present,
            "device": "mydevicename",
            "eventid": f"s{minute}",
            "eventtime": (at + timedelta(minutes=minute)).isoformat(),
        }
        gate.put((topic("S-CABINET"), json.dumps(message).encode()))
    assert gate.rows("SELECT tag_epc, zone_id FROM goods_position ORDER BY 1") == [(CAME, f"{YARD}/bay-2"), (WENT, f"{YARD}/bay-2")]
    assert gate.one("SELECT count(*) FROM movement WHERE kind <> 'APPEARED'") == 0
    assert gate.rows("SELECT payload->'count' FROM device_event WHERE type = 'snapshot' ORDER BY observed_at") == [(2,), (1,), (0,)]


def test_doubtful_reads_are_kept_with_their_flags(gate: Bench) -> None:
    at = (T0 + timedelta(seconds=30)).isoformat()
    weak, strong = ({"epc": e, "antennaPort": 9, "peakRssi": r, "firstSeenTimestamp": at} for e, r in ((CAME, -70.5), ("E28011", -70.0)))
    with gate.pool.connection() as conn:
        conn.execute("DELETE FROM antenna_zone WHERE device_id = 'S-SPEEDWAY'")
    gate.put((topic("S-SPEEDWAY"), json.dumps([weak, strong, {**strong, "epc": "3074257BF7194E4000001A85"}]).encode()))
    assert gate.rows("SELECT tag_epc, flags FROM observation ORDER BY tag_epc") == [
        ("3074257BF7194E4000001A85", ["unknown_antenna"]),
        ("E28011", ["unknown_antenna", "id_opaque"]),
        (CAME, ["unknown_antenna", "weak_rssi"]),
    ]


def test_a_clock_offset_told_by_the_reader_is_its_skew(gate: Bench) -> None:
    message = {
        "type": "heartbeat",
        "timestamp": datetime(2026, 11, 1, 8, 1, tzinfo=UTC).isoformat(),
        "data": {"system": {"ntp": {"offset": 1250, "reach": 377}}, "reader_gateway": {"numDataMessagesDropped": 3}},
    }
    gate.put((topic("S-ZEBRA"), json.dumps(message).encode()))
    assert gate.rows("SELECT skew_ms, gaps, presence FROM device_state WHERE device_id = 'S-ZEBRA'") == [(1250, 3, "online")]
