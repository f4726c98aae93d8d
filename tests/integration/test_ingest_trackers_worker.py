"""Trackers and Sparkplug nodes on a real broker and store: what is said twice is stored once, and what is missing is asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import pytest
from ingest_world import T0, Bench, assert_conserved, read, reads, register_device, register_world, running_worker, tag, until
from paho.mqtt.enums import CallbackAPIVersion

from collateral.credentials import mosquitto_hash
from collateral.datum import from_wgs84
from collateral.errors import RejectedInput
from db.pool import Pool
from ingest.broker import DeviceOnBroker, device_account
from ingest.formats.sparkplug_payload import Payload
from ingest.readings import Limits
from ingest.redrive import Redriver, Round
from ingest.replay import replay
from ingest.sparkplug_store import claim_rebirths
from ingest.store import StoreOptions
from ingest.subscriber import publish_all

PAYLOADS = Path(__file__).parents[1] / "payloads"
GROUP, NODE = "Yard sensors", "Edge 1"
SAMPLES = {
    "jt808": ["jt808/frames.csv"],
    "jt808-json": ["jt808/gateway_json_location_2013.json", "jt808/gateway_json_location_2019.json", "jt808/gateway_json_heartbeat.json"],
    "teltonika": ["teltonika/avl_packets.csv", "teltonika/vendor_documentation_packets.csv"],
    "meitrack": ["meitrack/lines.txt"],
}


def rows(pool: Pool, sql: str) -> list[tuple[Any, ...]]:
    with pool.connection() as conn:
        return conn.execute(sql.encode()).fetchall()


def spb(verb: str, at_ms: int, seq: int | None, *metrics: dict[str, Any], part: str = "") -> tuple[str, bytes]:
    message = Payload(timestamp=at_ms)
    if seq is not None:
        message.seq = seq
    for metric in metrics:
        message.metrics.add(**metric)
    return f"spBv1.0/{GROUP}/{verb}/{NODE}" + (f"/{part}" if part else ""), bytes(message.SerializeToString())


def bd_seq(value: int) -> dict[str, Any]:
    return {"name": "bdSeq", "datatype": 4, "long_value": value}


def level(value: float, **more: Any) -> dict[str, Any]:
    return {"alias": 3, "double_value": value, **more}


LEVEL_BORN = level(0.0, name="Tank/Level", datatype=10)


def register_node(conn: Any) -> None:
    register_device(
        conn,
        "EDGE-1",
        "sparkplug-b",
        cls="gw",
        claims={"topic": f"{GROUP}/{NODE}", "metrics": {"Tank/Level": "tank.level_m"}},
        site="WH-SH-01",
    )
    register_device(conn, "DOOR-1", "sparkplug-b", cls="sensor", claims={"topic": f"{GROUP}/{NODE}/door"}, gateway_device_id="EDGE-1")


@pytest.mark.parametrize("format_name", list(SAMPLES))
def test_samples_published_twice_are_stored_once(format_name: str, pool: Pool, database_url: str, broker: Any) -> None:
    with pool.connection() as conn:
        register_world(conn)
        register_device(conn, "TRACKER-1", format_name, utc_offset_minutes=480 if format_name.startswith("jt808") else 0)
    name = f"twice-{format_name}"
    sender = broker.add_account(f"sender-{name}")
    sums = []
    with running_worker(database_url, broker.url, name):
        for n in (1, 2):
            for path in SAMPLES[format_name]:
                replay(PAYLOADS / path, format_name=format_name, device_id="TRACKER-1", mqtt_url=sender, database_url=database_url)
            publish_all(sender, [reads("R-BAY-1", n, read(n), at=datetime.now(UTC))], client_id=f"sender-{name}")
            until(lambda n=n: tag(n) in {r[0] for r in rows(pool, "SELECT tag_epc FROM observation")}, what="the last message")
            sums.append(assert_conserved(pool))
    first, second = sums
    assert first["stored"] > 1
    assert second["stored"] == first["stored"] + 1  # the marker
    assert second["repeated"] == 2 * first["repeated"] + first["stored"] - 1
    assert second["refused"] == 2 * first["refused"]
    assert "conflict" not in {r[0] for r in rows(pool, "SELECT reason FROM dead_letter")}
    assert rows(pool, "SELECT count(*) > 0 FROM position WHERE device_id = 'TRACKER-1' AND lon IS NOT NULL") == [(True,)]
    assert rows(pool, "SELECT count(*) FROM device_state WHERE device_id = 'TRACKER-1'") == [(1,)]


def test_a_tracker_in_gcj02_is_converted_at_the_edge_and_both_places_are_kept(pool: Pool) -> None:
    with pool.connection() as conn:
        register_world(conn)
        register_device(conn, "TRACKER-1", "jt808-json", utc_offset_minutes=480, datum="GCJ02", claims={"phone": "123456789012"})
    bench = Bench(pool)
    message = json.loads((PAYLOADS / "jt808/gateway_json_location_2013.json").read_bytes())
    lon, lat = from_wgs84(121.405, 31.305, "GCJ02")
    message["body"] |= {
        "latitude": round(lat * 1e6),
        "longitude": round(lon * 1e6),
        "time": (T0 + timedelta(hours=8)).strftime("%y%m%d%H%M%S"),
    }
    bench.put(("v1/demo/fleet/gps/TRACKER-1/position", json.dumps(message).encode()))
    ((x, y, raw_x, raw_y, datum, flags),) = bench.rows("SELECT lon, lat, lon_raw, lat_raw, datum_in, flags FROM position")
    assert (x, y) == (pytest.approx(121.405, abs=2e-6), pytest.approx(31.305, abs=2e-6))
    assert (raw_x, raw_y, datum, flags) == (pytest.approx(lon, abs=1e-6), pytest.approx(lat, abs=1e-6), "GCJ02", [])
    assert bench.rows("SELECT observed_at FROM position") == [(T0,)]
    assert bench.rows("SELECT warehouse_id FROM vehicle_position WHERE device_id = 'TRACKER-1'") == [("WH-SH-01",)]
    assert bench.rows("SELECT payload->'alarms' FROM device_event") == [(["emergency"],)]
    message["header"]["phone"] = "000000000777"
    bench.put(("v1/demo/fleet/gps/TRACKER-1/position", json.dumps(message).encode()))
    assert {r[0] for r in bench.rows("SELECT reason FROM dead_letter")} == {"claims_other_device"}
    assert_conserved(pool)


@contextmanager
def node_client(url: str) -> Iterator[tuple[mqtt.Client, list[tuple[str, bytes]]]]:
    """An edge node: logged in with its own account, hearing its commands."""
    parts = urlsplit(url)
    heard: list[tuple[str, bytes]] = []
    subscribed: list[int] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="edge-1", protocol=mqtt.MQTTv311)
    client.username_pw_set(parts.username, parts.password)
    client.on_message = lambda c, u, m: heard.append((m.topic, bytes(m.payload)))
    client.on_subscribe = lambda c, u, mid, codes, p: subscribed.append(mid)
    client.on_connect = lambda c, u, f, code, p: c.subscribe(f"spBv1.0/{GROUP}/NCMD/{NODE}", qos=1)
    client.connect(parts.hostname or "", parts.port or 0)
    client.loop_start()
    try:
        until(lambda: bool(subscribed), what="the node's subscription")
        yield client, heard
    finally:
        client.disconnect()
        client.loop_stop()


def test_a_node_under_its_own_account_is_asked_for_its_births_and_then_understood(pool: Pool, database_url: str, broker: Any) -> None:
    with pool.connection() as conn:
        register_world(conn)
        register_node(conn)
    claims = {"topic": f"{GROUP}/{NODE}"}
    account = device_account(DeviceOnBroker("EDGE-1", "v1/demo/WH-SH-01/gw/EDGE-1", "sparkplug-b", claims, mosquitto_hash("pw")))
    url = broker.add(account, "pw")
    now = int(time.time() * 1000)

    def say(client: mqtt.Client, message: tuple[str, bytes]) -> None:
        client.publish(*message, qos=0).wait_for_publish(10)  # as Sparkplug nodes do

    # Two workers of one share: what the node says in order reaches the store in any.
    with (
        running_worker(database_url, broker.url, "sparkplug"),
        running_worker(database_url, broker.url, "sparkplug", client_id="sparkplug-2"),
        node_client(url) as (client, heard),
    ):
        say(client, spb("NDATA", now, 7, level(1.5)))
        until(lambda: heard, what="the request for a rebirth")
        topic, request = heard[0]
        assert topic == f"spBv1.0/{GROUP}/NCMD/{NODE}"
        metric = Payload.FromString(request).metrics[0]
        assert (metric.name, metric.boolean_value) == ("Node Control/Rebirth", True)
        assert rows(pool, "SELECT count(*) FROM device_event") == [(0,)]
        say(client, spb("NBIRTH", now + 1, 0, bd_seq(4), LEVEL_BORN))
        say(client, spb("DBIRTH", now + 2, 1, {"name": "open", "alias": 9, "datatype": 11, "boolean_value": False}, part="door"))
        for n in range(1, 41):
            say(client, spb("NDATA", now + 2 + n, (1 + n) % 256, level(float(n))))
        say(client, spb("DDATA", now + 50, 42, {"alias": 9, "boolean_value": True}, part="door"))
        until(
            lambda: rows(pool, "SELECT count(*) FROM device_event WHERE type = 'tank'") == [(41,)], what="40 levels and that of the birth"
        )
        until(lambda: rows(pool, "SELECT count(*) FROM device_event WHERE device_id = 'DOOR-1'") == [(2,)], what="the door")
        assert len(heard) == 1
        client.publish(*spb("NDEATH", now, None, bd_seq(4)), qos=1).wait_for_publish(10)
        until(lambda: rows(pool, "SELECT presence FROM device_state WHERE device_id = 'EDGE-1'") == [("offline",)], what="the death")
    found = rows(pool, "SELECT payload->>'level_m' FROM device_event WHERE type = 'tank' ORDER BY observed_at")
    assert [float(r[0]) for r in found] == [float(n) for n in range(41)]
    assert rows(pool, "SELECT payload->'metrics'->>'open' FROM device_event WHERE device_id = 'DOOR-1' ORDER BY observed_at") == [
        ("false",),
        ("true",),
    ]
    # What came before any birth is of a session that nobody knows: refused with its bytes, never given a meaning.
    assert rows(pool, "SELECT reason, items FROM dead_letter") == [("no_birth", 1)]
    assert rows(pool, "SELECT count(*) FROM sparkplug_waiting") == [(0,)]
    assert_conserved(pool)


def test_a_node_cannot_speak_for_another_and_its_batch_is_written_once(pool: Pool) -> None:
    with pool.connection() as conn:
        register_world(conn)
        register_node(conn)
    bench = Bench(pool)
    at = int(T0.timestamp() * 1000)
    session = [
        spb("NBIRTH", at, 0, bd_seq(1), LEVEL_BORN),
        *(spb("NDATA", at + n * 1000, n, level(float(n))) for n in range(1, 100)),
        spb("NDEATH", at, None, bd_seq(0)),
    ]
    for _ in range(2):
        bench.put(*session[:50])
        bench.put(*session[50:])
    bench.put(("spBv1.0/Other/NDATA/Edge 1", session[1][1]))
    sums = assert_conserved(pool)
    # The birth gives two events (bdSeq and the level), each of the data one; the stranger is refused.
    assert (sums["stored"], sums["repeated"], sums["refused"]) == (101, 101, 1)
    assert bench.rows("SELECT reason FROM dead_letter") == [("unknown_device",)]
    assert bench.rows("SELECT alive, next_seq, rebirth_due_at FROM sparkplug_node") == [(True, 100, None)]
    assert bench.rows("SELECT presence, gaps FROM device_state WHERE device_id = 'EDGE-1'") == [("online", 0)]


def test_messages_that_never_come_are_counted_and_a_node_is_asked_once_an_interval(pool: Pool) -> None:
    with pool.connection() as conn:
        register_world(conn)
        register_node(conn)
    bench = Bench(pool)
    at = int(T0.timestamp() * 1000)
    bench.put(spb("NBIRTH", at, 0, bd_seq(1), LEVEL_BORN), spb("NDATA", at + 9000, 9, level(9.0)))
    minute = timedelta(minutes=1)

    def claimed(now: datetime) -> list[tuple[str, str]]:
        with pool.connection() as conn:
            return claim_rebirths(conn, now=now, interval=minute)

    assert claimed(bench.now + timedelta(seconds=1)) == []
    assert claimed(bench.now + timedelta(seconds=2)) == [(GROUP, NODE)]
    assert claimed(bench.now + timedelta(seconds=3)) == []
    assert claimed(bench.now + timedelta(seconds=2) + minute) == [(GROUP, NODE)]
    bench.put(spb("NBIRTH", at + 10_000, 0, bd_seq(1), LEVEL_BORN))
    assert claimed(bench.now + 10 * minute) == []
    assert bench.rows("SELECT gaps FROM device_state WHERE device_id = 'EDGE-1'") == [(8,)]
    assert bench.rows("SELECT count(*) FROM device_event WHERE type = 'tank'") == [(3,)]
    assert_conserved(pool)


def test_metrics_mapped_to_a_place_are_a_position_in_the_datum_of_the_node(pool: Pool) -> None:
    mapping = {"Gps/Lon": "position.lon", "Gps/Lat": "position.lat"}
    with pool.connection() as conn:
        register_world(conn)
        register_device(conn, "EDGE-2", "sparkplug-b", cls="gps", claims={"topic": f"{GROUP}/{NODE}", "metrics": mapping}, datum="GCJ02")
    bench = Bench(pool)
    at = int(T0.timestamp() * 1000)
    lon, lat = from_wgs84(121.405, 31.305, "GCJ02")
    place = [{"name": "Gps/Lon", "datatype": 10, "double_value": lon}, {"name": "Gps/Lat", "datatype": 10, "double_value": lat}]
    bench.put(spb("NBIRTH", at, 0, bd_seq(1), *place))
    bench.put(spb("NDATA", at + 1000, 1, place[0]))
    ((x, y, raw_x),) = bench.rows("SELECT lon, lat, lon_raw FROM position")
    assert (x, y, raw_x) == (pytest.approx(121.405), pytest.approx(31.305), pytest.approx(lon))
    assert bench.rows("SELECT reason FROM dead_letter") == [("missing_field",)]
    with pool.connection() as conn:
        conn.execute("UPDATE dead_letter SET state = 'QUEUED', worked_by = 'devices', worked_at = %s", (T0,))
    assert Redriver(pool, limits=Limits(), options=StoreOptions()).drive_queued() == Round(refused=1)
    ((state, outcome),) = bench.rows("SELECT state, outcome FROM dead_letter")
    assert (state, [why.split(":")[0] for why in outcome["refused_again"]]) == ("KEPT", ["missing_field"]), "what only the session can tell"
    assert_conserved(pool)


def test_rendered_samples_of_sparkplug_are_replayed_and_those_of_hosts_refused(pool: Pool, database_url: str, broker: Any) -> None:
    with pool.connection() as conn:
        register_world(conn)
        register_device(conn, "PI-1", "sparkplug-b", cls="gw", claims={"topic": "Sparkplug B Devices/Raspberry Pi"})
    sender = broker.add_account("sender-pi")

    def play(name: str) -> int:
        path = PAYLOADS / f"sparkplug-b/{name}.json"
        return replay(path, format_name="sparkplug-b", device_id="PI-1", mqtt_url=sender, database_url=database_url).messages

    with running_worker(database_url, broker.url, "pi"):
        for _ in range(2):
            assert [play(name) for name in ("NBIRTH", "DDATA", "NDEATH")] == [1, 1, 1]
        until(lambda: rows(pool, "SELECT presence FROM device_state WHERE device_id = 'PI-1'") == [("offline",)], what="the death")
        until(lambda: assert_conserved(pool)["received"] == 4, what="two readings, twice")
        for name in ("STATE", "NCMD"):
            with pytest.raises(RejectedInput):
                play(name)
    sums = assert_conserved(pool)
    assert (sums["stored"], sums["repeated"], sums["refused"]) == (2, 2, 0)
    ((metrics,),) = rows(pool, "SELECT payload->'metrics' FROM device_event WHERE payload->>'verb' = 'NBIRTH'")
    assert (metrics["Supply Voltage"], metrics["Properties/OS"], metrics["Node Control/Scan Rate"]) == (12.1, "Raspbian", 3000)
