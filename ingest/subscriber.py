"""MQTT 5 in, acknowledgements out. What is not acknowledged comes again: a full inbox drops the connection, never a message.

Beside ingest.mqtt_reader the only module of ingest that knows paho; `publish_all` is here for that reason.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from collateral.clock import Clock
from collateral.errors import MisconfiguredService
from ingest.inbox import BoundedInbox
from ingest.mqtt_reader import MqttReader, Taken
from ingest.screen import Delivery
from ingest.topics import READY_TOPIC, subscriptions

log = logging.getLogger(__name__)

INBOX_BYTES_MAX = 67_108_864  # with room for a few messages of the broker's largest size
FULL_WAIT_S = 2.0  # how long the network thread may wait for room in the inbox
TOPICS_REMEMBERED_MAX = 100_000
SESSION_TAKEN_OVER = 0x8E  # MQTT 5: another client connected under our id
TAKEN_OVER_MAX, TAKEN_OVER_WITHIN_S = 3, 60.0
RECONNECT_S_MIN, RECONNECT_S_MAX = 0.2, 2.0  # devices wait for us after a start of the broker


@dataclass(frozen=True)
class MqttAddress:
    """A broker and who we are there."""

    host: str
    port: int
    username: str | None
    password: str | None
    tls: bool


def parse_mqtt_url(url: str) -> MqttAddress:
    """From `mqtt://user:password@host:port` or `mqtts://...`. Raises MisconfiguredService."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise MisconfiguredService(f"MQTT URL cannot be read: {exc}") from None
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise MisconfiguredService("an MQTT URL is mqtt://user:password@host:port or mqtts://...")
    tls = parts.scheme == "mqtts"
    return MqttAddress(
        parts.hostname,
        port or (8883 if tls else 1883),
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
        tls,
    )


def _client(address: MqttAddress, client_id: str, *, ca_file: str | None) -> mqtt.Client:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5)
    _identify(client, address, ca_file)
    return client


def _identify(client: mqtt.Client, address: MqttAddress, ca_file: str | None) -> None:
    if address.username is not None:
        client.username_pw_set(address.username, address.password)
    if address.tls:
        client.tls_set(ca_certs=ca_file)


class Subscriber:
    """The inbox of one worker: a shared subscription under a fixed client id, with a session that outlives us."""

    def __init__(
        self,
        url: str,
        *,
        client_id: str,
        clock: Clock,
        share: str = "ingest",
        session_expiry_s: int = 7 * 86_400,
        receive_max: int = 4_000,
        inbox_max: int = 8_000,
        inbox_bytes_max: int = INBOX_BYTES_MAX,
        ca_file: str | None = None,
        topics: list[str] | None = None,
    ) -> None:
        self._address = parse_mqtt_url(url)
        self._clock = clock
        self._topics = topics if topics is not None else subscriptions(share)
        self._inbox = BoundedInbox(inbox_max, inbox_bytes_max)
        self._connection = 0
        self._topic_names: dict[bytes, str] = {}
        self._connected = False
        self._taken_over: deque[float] = deque(maxlen=TAKEN_OVER_MAX)
        self.fault: str | None = None  # why it gave up for good
        self._client_id = client_id
        self._stopping = False
        self._sent_away = threading.Event()
        self._keeper = threading.Thread(target=self._come_back, name="mqtt-keeper", daemon=True)
        self._lock = threading.Lock()  # between an acknowledgement and a change of connection
        self._properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        self._properties.SessionExpiryInterval = session_expiry_s
        self._properties.ReceiveMaximum = receive_max
        self._client = MqttReader(client_id, self._on_taken)
        _identify(self._client, self._address, ca_file)
        self._client.reconnect_delay_set(RECONNECT_S_MIN, RECONNECT_S_MAX)  # type: ignore[arg-type]  # paho only compares and doubles them
        self._client.on_connect = self._on_connect
        self._client.on_pre_connect = self._on_pre_connect
        self._client.on_disconnect = self._on_disconnect

    @property
    def connected(self) -> bool:
        """Whether the broker is there and knows our subscriptions."""
        return self._connected

    def start(self) -> None:
        """Connect in the background, for ever."""
        self._connect()
        self._keeper.start()

    def _connect(self) -> None:
        self._client.connect_async(self._address.host, self._address.port, keepalive=30, clean_start=False, properties=self._properties)
        self._client.loop_start()

    def stop(self) -> None:
        """Leave the broker; the session stays there and keeps what is not acknowledged."""
        self._stopping = True
        self._sent_away.set()
        self._keeper.join(10)
        self._client.disconnect()
        self._client.loop_stop()

    def _come_back(self) -> None:
        """paho ends its loop when the broker itself says goodbye (a shutdown, a session taken over); start it again."""
        while True:
            self._sent_away.wait()
            if self._stopping:
                return
            self._sent_away.clear()
            self._client.loop_stop()
            self._sent_away.wait(0.5)
            if not self._stopping:
                self._connect()

    def take_all(self, items_max: int, bytes_max: int, timeout_s: float) -> list[Delivery]:
        """The next deliveries of the present connection within these limits; none when none came in time."""
        while found := self._inbox.take_all(items_max, bytes_max, timeout_s):
            ours = [d for d in found if d.connection == self._connection or d.qos == 0]
            if ours:
                return ours
        return []

    def ack(self, deliveries: list[Delivery]) -> None:
        """Acknowledge in order of arrival; a delivery of an earlier connection is not ours to acknowledge any more."""
        with self._lock:
            self._client.ack_all(d.mid for d in deliveries if d.qos and d.connection == self._connection)

    def publish(self, topic: str, payload: bytes) -> bool:
        """A command at QoS 0, as Sparkplug wants it. False when there is no connection: it is not kept for later."""
        return self._connected and self._client.publish(topic, payload, qos=0).rc == mqtt.MQTT_ERR_SUCCESS

    def backlog(self) -> int:
        """Deliveries waiting in the inbox."""
        return len(self._inbox)

    def _new_connection(self) -> None:
        with self._lock:
            self._connection += 1
        self._connected = False
        self._inbox.forget(lambda d: d.qos > 0)  # unacknowledged: it comes again, and must not fill the inbox twice

    def _on_pre_connect(self, client: mqtt.Client, userdata: Any) -> None:
        self._client.forget_unread()
        self._new_connection()

    def _on_connect(
        self, client: mqtt.Client, userdata: Any, flags: mqtt.ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            log.error("broker refuses us: %s", reason, extra={"event": "broker_refused", "reason": str(reason)})
            return
        # Nothing that the broker retained: it is old. And the flag that a device sets on a live message (OwnTracks does on every position)
        # must not come through, or the message would be taken for an old one.
        how = SubscribeOptions(qos=1, retainAsPublished=False, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        client.subscribe([(topic, how) for topic in self._topics])
        self._connected = True
        log.info("connected", extra={"event": "broker_connected", "session_present": flags.session_present, "host": self._address.host})

    def _on_disconnect(
        self, client: mqtt.Client, userdata: Any, flags: mqtt.DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._new_connection()
        if reason.value == SESSION_TAKEN_OVER and self._gives_way():
            return
        if flags.is_disconnect_packet_from_server and not self._stopping:
            self._sent_away.set()
        log.warning("connection to the broker ended: %s", reason, extra={"event": "broker_lost", "reason": str(reason)})

    def _gives_way(self) -> bool:
        """Another client came under our id. Once is our own ghost of before a restart; again and again is a second worker, and one must go."""
        self._taken_over.append(time.monotonic())
        if len(self._taken_over) < TAKEN_OVER_MAX or self._taken_over[-1] - self._taken_over[0] > TAKEN_OVER_WITHIN_S:
            return False
        self.fault = (
            f"another worker connects under the client id {self._client_id!r} and takes our session; give every worker a "
            "CHUANTOU_INGEST_CLIENT_ID of its own"
        )
        log.error("%s", self.fault, extra={"event": "client_id_taken", "client_id": self._client_id})
        return True

    def _on_taken(self, taken: list[Taken]) -> None:
        """In the network thread: while it waits here, nothing more is read, and the broker keeps what it has."""
        now, connection = self._clock.now(), self._connection
        deliveries: list[Delivery] = []
        for raw_topic, payload, mid, qos, retained in taken:
            topic = self._topic_names.get(raw_topic) or self._topic_name(raw_topic)
            if topic != READY_TOPIC:
                deliveries.append(Delivery(topic, payload, now, mid, qos, connection, retained))
            elif qos:
                self._client.ack_all((mid,))
        if self._inbox.put_all(deliveries, FULL_WAIT_S) < len(deliveries):
            log.warning("inbox stays full; leaving the broker for a moment", extra={"event": "inbox_full", "waiting": self.backlog()})
            self._client.forget_unread()
            sock = self._client.socket()
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]

    def _topic_name(self, raw: bytes) -> str:
        if len(self._topic_names) >= TOPICS_REMEMBERED_MAX:
            self._topic_names.clear()
        return self._topic_names.setdefault(raw, raw.decode("utf-8", "backslashreplace"))


NO_SUBSCRIBERS = 0x10  # MQTT 5: the broker took the message and threw it away


def workers_subscribe(url: str, *, ca_file: str | None = None, wait_s: float = 2.0) -> bool:
    """Whether the broker has an ingest worker for what devices say. False also when it cannot be reached or refuses us.

    url: an account that may write READY_TOPIC.
    """
    address = parse_mqtt_url(url)
    client = _client(address, "", ca_file=ca_file)
    answers: list[ReasonCode] = []

    def on_connect(c: mqtt.Client, u: Any, flags: mqtt.ConnectFlags, reason: ReasonCode, properties: Properties | None) -> None:
        if reason.is_failure:
            answers.append(reason)
        else:
            c.publish(READY_TOPIC, b"", qos=1)

    client.on_connect = on_connect
    client.on_publish = lambda c, u, mid, reason, properties: answers.append(reason)
    deadline = time.monotonic() + wait_s
    try:
        client.connect(address.host, address.port)
        while not answers and time.monotonic() < deadline:
            if client.loop(0.1) != mqtt.MQTT_ERR_SUCCESS:
                break
        client.disconnect()
    except (OSError, ValueError):
        return False
    return bool(answers) and not answers[0].is_failure and answers[0].value != NO_SUBSCRIBERS


def publish_all(
    url: str, messages: Iterable[tuple[str, bytes]], *, client_id: str, ca_file: str | None = None, wait_s: float = 30.0
) -> int:
    """Publish (topic, payload) pairs in order at QoS 1 and wait until the broker has each for somebody. Returns how many.

    A broker that has just started may not know the workers' shared subscriptions yet and then discards what it takes; it says so, and the
    message is published again. Raises OSError when the broker cannot be reached, TimeoutError when it takes a message for nobody within
    wait_s, PermissionError when it refuses us.
    """
    address = parse_mqtt_url(url)
    client = _client(address, client_id, ca_file=ca_file)
    ready = threading.Event()
    answers: dict[int, ReasonCode] = {}
    refused: list[str] = []

    def on_connect(c: mqtt.Client, u: Any, flags: mqtt.ConnectFlags, reason: ReasonCode, properties: Properties | None) -> None:
        if reason.is_failure:
            refused.append(str(reason))
        ready.set()

    def on_publish(c: mqtt.Client, u: Any, mid: int, reason: ReasonCode, properties: Properties | None) -> None:
        answers[mid] = reason

    client.on_connect = on_connect
    client.on_publish = on_publish
    client.connect(address.host, address.port)
    client.loop_start()
    count = 0
    try:
        if not ready.wait(wait_s) or refused:
            raise PermissionError(f"the broker does not let us in: {', '.join(refused) or 'no answer'}")
        for topic, payload in messages:
            deadline = time.monotonic() + wait_s
            while True:
                info = client.publish(topic, payload, qos=1)
                info.wait_for_publish(wait_s)
                if not info.is_published():
                    raise TimeoutError(f"the broker did not take a message on {topic} within {wait_s:g} s")
                reason = answers.pop(info.mid, None)
                if reason is None or reason.value != NO_SUBSCRIBERS:
                    break
                if time.monotonic() > deadline:
                    raise TimeoutError(f"nobody subscribes to {topic}; no ingest worker has ever been connected to this broker")
                time.sleep(0.2)
            if reason is not None and reason.is_failure:
                raise PermissionError(f"the broker refuses {topic}: {reason}")
            count += 1
        return count
    finally:
        client.disconnect()
        client.loop_stop()
