"""A broker that starts lets devices in only when an ingest worker has subscribed: what it acknowledges has somebody who stores it."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import psycopg
import pytest
from ingest_world import assert_conserved, read, reads, register_world, running_worker, until
from paho.mqtt.enums import CallbackAPIVersion

from collateral.credentials import mosquitto_hash
from db.pool import Pool
from ingest.broker import Admission, BrokerFilesWatcher, DeviceOnBroker, device_account, ingest_account, ready_account, write_broker_files
from ingest.embedded_broker import EmbeddedBroker
from ingest.subscriber import workers_subscribe


class GuardedBroker:
    """A broker with its watcher, as the one-machine stack runs them."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.control = EmbeddedBroker(folder)
        self._password, self._ready = secrets.token_urlsafe(9), secrets.token_urlsafe(9)
        services = (ingest_account(self._password), ready_account(self._ready))
        self.admission = Admission(lambda: workers_subscribe(self.control.url_for("ready", self._ready)))
        self.control.admit_by(self.admission, services)
        self.watcher = BrokerFilesWatcher(
            database_url,
            self.control.files_dir,
            services,
            self.control.reload,
            owner=self.control.owner,
            poll_s=0.5,
            admission=self.admission,
        )
        self._thread = threading.Thread(target=self.watcher.run)

    @property
    def url(self) -> str:
        return self.control.url_for("ingest", self._password)

    def start(self) -> None:
        self.control.start()
        self._thread.start()

    def stop(self) -> None:
        self.watcher.stopping.set()
        self._thread.join(10)
        self.control.stop()


class OldDevice:
    """An MQTT 3.1.1 device: it takes every PUBACK for good and cannot see that nobody subscribes."""

    def __init__(self, port: int) -> None:
        self.refusals = 0
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="R-BAY-1", protocol=mqtt.MQTTv311)
        self.client.username_pw_set("R-BAY-1", "secret")
        self.client.reconnect_delay_set(0.02, 0.02)  # type: ignore[arg-type]  # the most impatient device
        self.client.on_connect = self._on_connect
        self.client.connect_async("127.0.0.1", port)
        self.client.loop_start()

    def _on_connect(self, client: object, userdata: object, flags: object, reason: Any, properties: object) -> None:
        self.refusals += reason.is_failure

    def say(self, first: int, count: int) -> None:
        now = datetime.now(UTC)
        for i in range(first, first + count):
            topic, payload = reads("R-BAY-1", i, read(1000 + i), at=now + timedelta(milliseconds=i))
            self.client.publish(topic, payload, qos=1)

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def stored(pool: Pool) -> int:
    with pool.connection() as conn:
        return int(conn.execute("SELECT count(*) FROM observation").fetchone()[0])  # type: ignore[index]


@pytest.fixture
def guarded(pool: Pool, database_url: str, server_dir: Path) -> Iterator[GuardedBroker]:
    with pool.connection() as conn:
        register_world(conn)
        conn.execute("UPDATE device SET credential_hash = %s WHERE device_id = 'R-BAY-1'", (mosquitto_hash("secret"),))
    broker = GuardedBroker(server_dir / f"guarded-{secrets.token_hex(4)}", database_url)
    broker.start()
    yield broker
    broker.stop()


def test_an_old_device_loses_nothing_over_a_restart_before_the_worker_is_back(
    guarded: GuardedBroker, pool: Pool, database_url: str
) -> None:
    device = OldDevice(guarded.control.port)
    try:
        with running_worker(database_url, guarded.url, "admission"):
            device.say(0, 50)
            until(lambda: stored(pool) == 50, what="the first messages")
        device.say(50, 50)  # kept by the broker for the worker that is away
        until(lambda: not device.client._out_messages, what="acknowledged for the worker's session")
        guarded.control.restart()
        device.say(100, 50)
        until(lambda: device.refusals >= 2, what="refused while no worker is there")
        assert not device.client.is_connected()
        with running_worker(database_url, guarded.url, "admission"):
            ready_at = time.monotonic()
            until(device.client.is_connected, what="admission")
            assert time.monotonic() - ready_at < 3
            until(lambda: stored(pool) == 150, what="all messages")
    finally:
        device.stop()
    assert assert_conserved(pool) == {"received": 150, "stored": 150, "repeated": 0, "absorbed": 0, "refused": 0}


def test_an_old_device_that_never_pauses_loses_nothing_over_three_restarts(guarded: GuardedBroker, pool: Pool, database_url: str) -> None:
    device, sent, ending = OldDevice(guarded.control.port), 0, threading.Event()

    def talk() -> None:
        nonlocal sent
        while not ending.wait(0.005):
            device.say(sent, 1)
            sent += 1

    talker = threading.Thread(target=talk)
    try:
        with running_worker(database_url, guarded.url, "restless"):
            talker.start()
            for _ in range(3):
                enough = stored(pool) + 100
                until(lambda enough=enough: stored(pool) >= enough, what="a hundred more")
                guarded.control.restart()
            ending.set()
            talker.join()
            until(lambda: stored(pool) == sent, what="every message")
    finally:
        ending.set()
        device.stop()
    assert assert_conserved(pool)["refused"] == 0


def test_what_the_broker_said_before_a_start_opens_nothing() -> None:
    admission = Admission(lambda: True)

    def restarted_meanwhile() -> bool:
        with admission.lock:
            admission.close()
        return True

    admission._workers_subscribe = restarted_meanwhile
    assert admission.ask() is False
    admission._workers_subscribe = lambda: True
    assert admission.ask() is True


def test_devices_come_in_after_a_start_while_the_store_is_away(tmp_path: Path, database_url: str, pool: Pool) -> None:
    with pool.connection() as conn:
        register_world(conn)
        conn.execute("UPDATE device SET credential_hash = 'h' WHERE device_id = 'R-BAY-1'")
    admission = Admission(lambda: True)
    watcher = BrokerFilesWatcher(database_url, tmp_path, (ready_account("x"),), lambda: None, admission=admission)
    with psycopg.connect(database_url) as conn:
        watcher.write_once(conn)
    with admission.lock:
        admission.close()
        write_broker_files(tmp_path, watcher.service_accounts)
    watcher.database_url = "postgresql://127.0.0.1:1/nothing"
    thread = threading.Thread(target=watcher.run)
    thread.start()
    until(lambda: "R-BAY-1:" in (tmp_path / "passwords").read_text(), what="the device in the file")
    watcher.stopping.set()
    thread.join()


def test_a_device_named_like_a_service_does_not_take_its_account(tmp_path: Path) -> None:
    service = ingest_account("right")
    write_broker_files(tmp_path, [service, device_account(DeviceOnBroker("ingest", "v1/demo/S/rfid/ingest", "native", {}, "forged"))])
    assert (tmp_path / "passwords").read_text() == f"ingest:{service.password_hash}\n"
    assert (tmp_path / "acl").read_text().count("user ingest") == 1
    written = [line for line in (tmp_path / "acl").read_text().splitlines() if "write" in line]
    assert written == ["topic write spBv1.0/+/NCMD/+"], "the service asks for rebirths, and the device wrote nothing"
