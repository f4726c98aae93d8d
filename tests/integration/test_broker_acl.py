"""The broker keeps each device to its own topics, and a revoked device is out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from collateral.credentials import mosquitto_hash
from ingest.broker import DeviceOnBroker, device_account, write_broker_files

if TYPE_CHECKING:
    from tests.conftest import BrokerForTests


class Client:
    """A small real MQTT 5 client."""

    def __init__(self, url: str, client_id: str, *, session: bool = False) -> None:
        parts = urlsplit(url)
        self.received: list[tuple[str, bytes]] = []
        self.published: list[tuple[int, bool]] = []
        self.connected: list[bool] = []
        self.lost: list[str] = []
        self.mqtt = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5)
        self.mqtt.username_pw_set(parts.username, parts.password)
        self.mqtt.on_connect = lambda c, u, f, code, p: self.connected.append(not code.is_failure)
        self.mqtt.on_disconnect = lambda c, u, f, code, p: self.lost.append(str(code))
        self.mqtt.on_message = lambda c, u, m: self.received.append((m.topic, m.payload))
        self.mqtt.on_publish = lambda c, u, mid, code, p: self.published.append((mid, code.is_failure))
        properties = mqtt.Properties(mqtt.PacketTypes.CONNECT)
        if session:
            properties.SessionExpiryInterval = 3600
        self.mqtt.connect(parts.hostname or "", parts.port or 0, clean_start=not session, properties=properties)
        self.mqtt.loop_start()
        until(lambda: bool(self.connected))

    def publish(self, topic: str, payload: bytes) -> bool:
        """Whether the broker accepted it."""
        info = self.mqtt.publish(topic, payload, qos=1)
        until(lambda: any(mid == info.mid for mid, _ in self.published))
        return not next(failed for mid, failed in self.published if mid == info.mid)

    def subscribe(self, topic: str) -> None:
        granted: list[int] = []
        self.mqtt.on_subscribe = lambda c, u, mid, codes, p: granted.append(mid)
        self.mqtt.subscribe(topic, qos=1)
        until(lambda: bool(granted))

    def close(self) -> None:
        self.mqtt.disconnect()
        self.mqtt.loop_stop()


def until(condition: Callable[[], bool], limit_s: float = 10.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def device(name: str, site: str = "WH-SH-01", format: str = "native", **rest: object) -> DeviceOnBroker:
    return DeviceOnBroker(name, f"v1/demo/{site}/rfid/{name}", format, dict(rest), mosquitto_hash("pw-" + name))


def test_a_device_cannot_speak_for_another(broker: BrokerForTests) -> None:
    a = Client(broker.add(device_account(device("ACL-A")), "pw-ACL-A"), "acl-a")
    broker.add(device_account(device("ACL-B")), "pw-ACL-B")
    ear = Client(broker.url, "acl-ear")
    ear.subscribe("$share/acl/v1/demo/+/rfid/+/#")
    assert not a.publish("v1/demo/WH-SH-01/rfid/ACL-B/reads", b"forged")
    assert not a.publish("v1/demo/WH-SH-02/rfid/ACL-A/reads", b"another site")
    assert not a.publish("v1/demo/WH-SH-01/rfid/ACL-A/cmd", b"own command topic")
    assert a.publish("v1/demo/WH-SH-01/rfid/ACL-A/reads", b"own")
    until(lambda: bool(ear.received))
    assert ear.received == [("v1/demo/WH-SH-01/rfid/ACL-A/reads", b"own")]
    a.close()
    ear.close()


def test_a_device_hears_no_other_device(broker: BrokerForTests) -> None:
    spy = Client(broker.add(device_account(device("ACL-SPY")), "pw-ACL-SPY"), "acl-spy")
    other = Client(broker.add(device_account(device("ACL-OTHER")), "pw-ACL-OTHER"), "acl-other")
    back = Client(broker.add_account("acl-office", acl=("readwrite v1/#",)), "acl-office")
    spy.subscribe("#")
    spy.subscribe("v1/demo/WH-SH-01/rfid/ACL-SPY/cmd")
    assert other.publish("v1/demo/WH-SH-01/rfid/ACL-OTHER/reads", b"private")
    assert back.publish("v1/demo/WH-SH-01/rfid/ACL-SPY/cmd", b"reboot")
    until(lambda: bool(spy.received))
    assert {payload for _, payload in spy.received} == {b"reboot"}
    for client in (spy, other, back):
        client.close()


def test_an_owntracks_phone_writes_its_alias_topic_only(broker: BrokerForTests) -> None:
    phone = device("ACL-PHONE", format="owntracks", topic="driver7/phone")
    client = Client(broker.add(device_account(phone), "pw-ACL-PHONE"), "acl-phone")
    assert client.publish("owntracks/driver7/phone", b"{}")
    assert client.publish("owntracks/driver7/phone/event", b"{}")
    assert not client.publish("owntracks/driver8/phone", b"{}")
    client.close()


def test_a_sparkplug_node_writes_its_own_node_only_and_a_worker_its_commands_only(broker: BrokerForTests) -> None:
    node = device("ACL-EDGE", format="sparkplug-b", topic="Yard 1/Edge 1")
    client = Client(broker.add(device_account(node), "pw-ACL-EDGE"), "acl-edge")
    worker = Client(broker.url, "acl-worker")
    assert client.publish("spBv1.0/Yard 1/NBIRTH/Edge 1", b"x")
    assert client.publish("spBv1.0/Yard 1/DDATA/Edge 1/door 1", b"x")
    assert not client.publish("spBv1.0/Yard 1/NBIRTH/Edge 2", b"x")
    assert not client.publish("spBv1.0/Yard 2/DDATA/Edge 1/door 1", b"x")
    assert not client.publish("spBv1.0/STATE/host-1", b"x")
    assert not client.publish("spBv1.0/Yard 1/NCMD/Edge 1", b"x")
    assert not worker.publish("spBv1.0/Yard 1/NDATA/Edge 1", b"forged")
    assert worker.publish("spBv1.0/Yard 1/NCMD/Edge 1", b"rebirth")
    client.close()
    worker.close()


def test_a_gateway_speaks_for_the_devices_behind_it(broker: BrokerForTests) -> None:
    gateway = DeviceOnBroker("ACL-GW", "v1/demo/S/gw/ACL-GW", "native", {}, mosquitto_hash("pw-ACL-GW"), ("v1/demo/S/rfid/ACL-R9",))
    client = Client(broker.add(device_account(gateway), "pw-ACL-GW"), "acl-gw")
    assert client.publish("v1/demo/S/rfid/ACL-R9/reads", b"{}")
    assert not client.publish("v1/demo/S/rfid/ACL-R8/reads", b"{}")
    client.close()


def test_a_revoked_device_is_disconnected_and_stays_out(broker_factory: Callable[[], BrokerForTests]) -> None:
    own = broker_factory()
    client = Client(own.add(device_account(device("ACL-GONE")), "pw-ACL-GONE"), "acl-gone")
    own.control.set_accounts([])
    until(lambda: bool(client.lost))
    until(lambda: client.connected[-1] is False)
    client.close()


def test_what_waits_for_ingest_survives_a_broker_restart(broker_factory: Callable[[], BrokerForTests]) -> None:
    own = broker_factory()
    ear = Client(own.url, "ingest-1", session=True)
    ear.subscribe("$share/ingest/v1/#")
    ear.close()
    sender = Client(own.add(device_account(device("ACL-Q")), "pw-ACL-Q"), "acl-q")
    for n in range(500):
        assert sender.publish("v1/demo/WH-SH-01/rfid/ACL-Q/reads", str(n).encode())
    sender.close()
    own.control.restart()
    ear = Client(own.url, "ingest-1", session=True)
    until(lambda: len(ear.received) == 500)
    assert [int(payload) for _, payload in ear.received] == list(range(500))
    ear.close()


def test_unchanged_accounts_are_not_rewritten(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    account = device_account(device("ACL-SAME"))
    assert write_broker_files(folder, [account]) is True
    assert write_broker_files(folder, [account]) is False
    assert write_broker_files(folder, []) is True


@pytest.mark.parametrize("name", ["a b", "a#", "a+", "x\nuser ingest", "a:b", ""])
def test_a_name_that_could_widen_the_acl_gets_no_account(tmp_path: object, name: str) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    write_broker_files(folder, [device_account(DeviceOnBroker(name, "v1/x", "native", {}, "h"))])
    assert (folder / "passwords").read_text().strip() == ""
    assert "user" not in (folder / "acl").read_text()
