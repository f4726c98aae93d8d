"""The sample world goes through the real API, and the devices' messages survive a broker that restarts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import paho.mqtt.client as mqtt
from api_server import PASSWORD, T0, USERS, serve, until
from conftest import BrokerForTests

from collateral.clock import FixedClock
from collateral.credentials import mosquitto_hash
from collateral.lines import derived_lines
from db.pool import Pool
from ingest.broker import DeviceOnBroker, device_account
from simulators.fleet import Fleet
from simulators.http import Api
from simulators.loader import load_world
from simulators.publisher import BrokerAddress, Publisher
from simulators.state import WorldState
from simulators.world import build_world
from simulators.world.loans import TANK_LINE, drawing

SMALL = Decimal("0.05")


def test_a_small_world_loads_through_the_api_and_reads_back(pool: Pool, database_url: str, tmp_path: Path) -> None:
    world = build_world(11, SMALL)
    users = dict.fromkeys(USERS, PASSWORD)
    with serve(pool, database_url) as server, Api(server.url, users) as api:
        state = load_world(api, world, tenant="demo", size=SMALL, users=users)
        assert set(state.passwords) == {d.device_id for d in world.devices}
        state.save(tmp_path / "world.json")
        assert WorldState.read(tmp_path / "world.json") == state
        assert state.world() == world
        assert (tmp_path / "world.json").stat().st_mode & 0o077 == 0
        with pool.connection() as conn:
            for table, things in (
                ("party", world.parties),
                ("zone", world.zones),
                ("device", world.devices),
                ("goods_unit", world.goods),
                ("document", world.documents),
                ("trip", world.trips),
                ("warehouse_receipt", world.receipts),
                ("price_quote", world.quotes),
            ):
                assert conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (len(things),), table
            assert conn.execute("SELECT count(*) FROM price_quote WHERE status <> 'ACCEPTED'").fetchone() == (0,)
            assert conn.execute("SELECT DISTINCT source FROM price_quote WHERE NOT synthetic").fetchall() == [("EIA-BRENT-SPOT",)]
            assert conn.execute("SELECT count(*) FROM pledge_item").fetchone() == (len(world.facility_of),)
            _everything_is_seen(conn, T0)
        for facility in world.facilities:
            units = [world.goods_by_id[g] for g, f in world.facility_of.items() if f == facility.facility_id]
            position = api.get(f"facilities/{facility.facility_id}/position", "officer")
            assert Decimal(position["exposure"]) == drawing(11, facility, units)
            coverage = Decimal(position["collateral_value"]) / Decimal(position["exposure"])
            assert abs(coverage - facility.opening_coverage) < Decimal("0.02"), (facility.facility_id, position)
            if facility.facility_id == TANK_LINE:
                lines = derived_lines(facility.advance_rate, Decimal("0.05"))
                assert lines.margin_call < coverage * Decimal("45.60") / Decimal("51.29") < lines.warning
                assert lines.disposal < coverage * Decimal("35.33") / Decimal("51.29") < lines.margin_call


def _everything_is_seen(conn: object, at: datetime) -> None:
    """Each bound tag in its book place, as ingest writes it after the opening round."""
    conn.execute(  # type: ignore[attr-defined]
        "INSERT INTO device_state (device_id, last_observed_at, last_received_at) SELECT device_id, %(at)s, %(at)s FROM device"
        " ON CONFLICT (device_id) DO UPDATE SET last_observed_at = %(at)s, last_received_at = %(at)s",
        {"at": at},
    )
    conn.execute(  # type: ignore[attr-defined]
        "INSERT INTO goods_position (tag_epc, goods_id, device_id, antenna, zone_id, warehouse_id, entered_at, first_stored_at, last_seen_at)"
        " SELECT DISTINCT ON (b.tag_epc) b.tag_epc, g.goods_id, a.device_id, a.antenna, g.zone_id, g.warehouse_id, %(at)s, %(at)s, %(at)s"
        "   FROM tag_binding b JOIN goods_unit g USING (goods_id) JOIN antenna_zone a ON a.zone_id = g.zone_id AND a.antenna > 0",
        {"at": at},
    )


def test_no_message_is_lost_when_the_broker_is_away(broker_factory: Callable[[], BrokerForTests]) -> None:
    broker = broker_factory()
    world = build_world(11, SMALL)
    passwords: dict[str, str] = {}
    for device in world.devices:
        prefix = f"v1/demo/{device.site}/{device.device_class}/{device.device_id}"
        passwords[device.device_id] = f"secret-{device.device_id}"
        on_broker = DeviceOnBroker(
            device.device_id, prefix, device.format, dict(device.claims), mosquitto_hash(passwords[device.device_id])
        )
        broker._accounts[device.device_id] = device_account(on_broker)
    broker.control.set_accounts(broker._accounts.values())
    broker.wait_for_login("TRK-01", passwords["TRK-01"])
    heard: dict[tuple[str, bytes], int] = {}
    listener = _listener(broker, heard)
    publisher = Publisher(world.devices, "demo", passwords, BrokerAddress("127.0.0.1", broker.port))
    fleet = Fleet(world, FixedClock(T0), publisher)
    publisher.start()
    try:
        assert publisher.wait_connected(20)
        fleet.open_shift()
        assert publisher.drain(20)
        broker.control.stop()
        until(lambda: not any(c.connected for c in publisher.clients.values()), "all devices notice")
        fleet.clock = FixedClock(T0 + timedelta(hours=1))
        fleet.open_shift()
        broker.control.start()
        assert publisher.drain(40)
        until(lambda: sum(1 for topic, _ in heard if "/presence" not in topic) >= publisher.messages, "every message arrives")
        assert all(c.dropped == 0 for c in publisher.clients.values())
    finally:
        publisher.stop()
        listener.disconnect()
        listener.loop_stop()


def _listener(broker: BrokerForTests, heard: dict[tuple[str, bytes], int]) -> mqtt.Client:
    """Hears everything that is published, over a session that outlives the broker."""
    password, ready = "listens", threading.Event()
    broker.add_account("listener", password, ("read v1/#", "read owntracks/#"))
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="listener", protocol=mqtt.MQTTv311, clean_session=False)
    client.username_pw_set("listener", password)
    client.reconnect_delay_set(1, 1)

    def connected(*_: object) -> None:
        client.subscribe([("v1/#", 1), ("owntracks/#", 1)])

    def arrived(c: object, u: object, message: mqtt.MQTTMessage) -> None:
        key = (message.topic, bytes(message.payload))
        heard[key] = heard.get(key, 0) + 1

    client.on_connect, client.on_message = connected, arrived
    client.on_subscribe = lambda *_: ready.set()
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    assert ready.wait(10)
    return client


def test_a_silent_device_is_announced_by_its_last_will(broker_factory: Callable[[], BrokerForTests]) -> None:
    broker = broker_factory()
    device = next(d for d in build_world(11, SMALL).devices if d.device_class == "rfid")
    prefix = f"v1/demo/{device.site}/rfid/{device.device_id}"
    broker.add(device_account(DeviceOnBroker(device.device_id, prefix, device.format, {}, mosquitto_hash("secret"))), "secret")
    heard: dict[tuple[str, bytes], int] = {}
    listener = _listener(broker, heard)
    publisher = Publisher([device], "demo", {device.device_id: "secret"}, BrokerAddress("127.0.0.1", broker.port))
    client = publisher.clients[device.device_id]
    try:
        publisher.start()
        assert publisher.wait_connected(20)
        until(lambda: (f"{prefix}/presence", b"online") in heard, "the device says online")
        client.go_silent()
        until(lambda: (f"{prefix}/presence", b"offline") in heard, "the broker publishes the last will")
        assert not publisher.publish(device.device_id, "health", b"{}")
        client.start()
        until(lambda: heard[(f"{prefix}/presence", b"online")] == 2, "the device comes back")
    finally:
        publisher.stop()
        listener.disconnect()
        listener.loop_stop()
