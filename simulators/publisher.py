"""Devices on the broker: each with its own connection, credential and last will. What is not acknowledged is sent again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.messages import OFFLINE, ONLINE
from ingest.topics import build_topic
from simulators.world.model import Device

log = logging.getLogger(__name__)

KEEPALIVE_S = 30
RECONNECT_S_MIN, RECONNECT_S_MAX = 1, 4
BACKLOG_MESSAGES_MAX = 60_000
"""Per device; below MQTT's 65 535 packet ids. More than this waits in no real reader either, and is counted as dropped."""
INFLIGHT_MAX = 50
REFUSALS_PER_WARNING = 8
_WITH_WILL = ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message")
_OLD_PROTOCOL = {"owntracks", "traccar"}
"""Phones and forwarders still speak MQTT 3.1.1."""


@dataclass(frozen=True)
class BrokerAddress:
    """Where the broker listens. ca_file: for mqtts; None = the system's authorities."""

    host: str
    port: int
    tls: bool = False
    ca_file: str | None = None

    @classmethod
    def parse(cls, url: str, ca_file: str | None = None) -> BrokerAddress:
        """From `mqtt://host:port`, `mqtts://host:port` or `host:port`. Raises ValueError."""
        parts = urlsplit(url if "://" in url else f"mqtt://{url}")
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise ValueError(f"{url!r} is no broker address such as mqtt://127.0.0.1:1883")
        tls = parts.scheme == "mqtts"
        return cls(parts.hostname, parts.port or (8883 if tls else 1883), tls, ca_file)


class DeviceClient:
    """One device's connection. Messages are kept from `publish` until the broker has acknowledged them, over any number of reconnects."""

    def __init__(self, device: Device, tenant: str, password: str, broker: BrokerAddress) -> None:
        self.device = device
        self.dropped = 0
        self._refusals = 0
        self._tenant = tenant
        self._broker = broker
        self._quiet = False
        self._running = False
        self._v5 = device.format not in _OLD_PROTOCOL
        self._password = password
        self._client = self._new_client()

    def _new_client(self) -> mqtt.Client:
        protocol = mqtt.MQTTv5 if self._v5 else mqtt.MQTTv311
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=self.device.device_id, protocol=protocol)
        client.username_pw_set(self.device.device_id, self._password)
        client.max_queued_messages_set(BACKLOG_MESSAGES_MAX)
        client.max_inflight_messages_set(INFLIGHT_MAX)
        client.reconnect_delay_set(RECONNECT_S_MIN, RECONNECT_S_MAX)
        client.will_set(self.topic("presence"), OFFLINE, qos=1, retain=True)
        if self._broker.tls:
            client.tls_set(ca_certs=self._broker.ca_file)
        client.on_connect = self._on_connect
        return client

    def topic(self, channel: str) -> str:
        """Where this device publishes: an OwnTracks client has a tree of its own for positions."""
        if self.device.format == "owntracks" and channel == "position":
            return f"owntracks/{self.device.claims['topic']}"
        return build_topic(self._tenant, self.device.site, self.device.device_class, self.device.device_id, channel)

    def start(self) -> None:
        """Connect in the background, for as long as it takes."""
        if not self._running:
            if self._quiet:  # a device that lost power starts afresh, with an empty memory
                self._client = self._new_client()
            self._running, self._quiet = True, False
            self._client.connect_async(self._broker.host, self._broker.port, KEEPALIVE_S)
            self._client.loop_start()

    def publish(self, channel: str, payload: bytes) -> bool:
        """Hand over one message at QoS 1. False when the device is silent or its backlog is full."""
        if self._quiet:
            return False
        sent = self._client.publish(self.topic(channel), payload, qos=1)
        if sent.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
            self.dropped += 1
            return False
        return True

    def go_silent(self) -> None:
        """Power cut: the broker publishes the last will, nothing is sent until `start`."""
        self._quiet = True
        if self._running:
            self._running = False
            if self._v5:
                self._client.disconnect(reasoncode=_WITH_WILL)
            else:
                self._client.disconnect()
            self._client.loop_stop()

    def take_leave(self) -> None:
        """Presence says offline, then the connection closes. `stop` waits for it."""
        if self._running:
            self._client.publish(self.topic("presence"), OFFLINE, qos=1, retain=True)
            self._running = False
            self._client.disconnect()

    def stop(self) -> None:
        """Take leave, and wait for the client's thread: up to a second while the broker is away."""
        self.take_leave()
        self._client.loop_stop()

    @property
    def connected(self) -> bool:
        return bool(self._client.is_connected())

    @property
    def waiting(self) -> int:
        """Messages that the broker has not acknowledged."""
        return len(self._client._out_messages)  # paho offers no public count

    def _on_connect(
        self, client: mqtt.Client, userdata: object, flags: mqtt.ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._refusals += 1  # right after a start the broker may not know its devices yet
            level = logging.WARNING if self._refusals % REFUSALS_PER_WARNING == 0 else logging.DEBUG
            fields = {"event": "device_refused", "device": self.device.device_id, "reason": str(reason), "times": self._refusals}
            log.log(level, "broker refuses the device", extra=fields)
            return
        self._refusals = 0
        client.publish(self.topic("presence"), ONLINE, qos=1, retain=True)


class Publisher:
    """All devices of a world. Once `stopping` is set nothing waits for the broker any more."""

    def __init__(
        self,
        devices: Iterable[Device],
        tenant: str,
        passwords: Mapping[str, str],
        broker: BrokerAddress,
        stopping: threading.Event | None = None,
    ) -> None:
        self._stopping = stopping or threading.Event()
        self.clients = {d.device_id: DeviceClient(d, tenant, passwords[d.device_id], broker) for d in devices if d.device_id in passwords}
        self._counting = threading.Lock()
        self.messages = 0

    def start(self) -> None:
        """Connect every device."""
        for client in self.clients.values():
            client.start()

    def publish(self, device_id: str, channel: str, payload: bytes) -> bool:
        """Hand over one message of a device; thread-safe."""
        sent = self.clients[device_id].publish(channel, payload)
        if sent:
            with self._counting:
                self.messages += 1
        return sent

    def wait_connected(self, timeout_s: float) -> bool:
        """Whether all devices were connected in time."""
        return self._until(lambda: all(c.connected for c in self.clients.values()), timeout_s)

    def drain(self, timeout_s: float) -> bool:
        """Whether everything was acknowledged in time."""
        return self._until(lambda: all(c.waiting == 0 for c in self.clients.values()), timeout_s)

    def _until(self, condition: object, timeout_s: float) -> bool:
        assert callable(condition)
        give_up_at = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() >= give_up_at or self._stopping.wait(0.05):
                return False
        return True

    def stop(self) -> None:
        """Close every connection in order, all at the same time."""
        for client in self.clients.values():
            client.take_leave()
        for client in self.clients.values():
            client.stop()
