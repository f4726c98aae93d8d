"""paho's client for one who takes many messages: it reads the socket in large pieces and acknowledges a batch in one write.

A stock client waits in select for every message and writes every acknowledgement by itself, which costs several times what ingest does with a
message. Connecting, subscribing, keep-alive and every other packet stay paho's. What is used of its inside is listed in `_USED`; a test sees to it
that a new release still has it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

READ_BYTES = 262_144
_PUBLISH, _PUBACK = 0x30, 0x40
_puback = struct.Struct("!BBH").pack
_USED = ("_in_packet", "_sock", "_sock_recv", "_packet_read", "_packet_queue", "_handle_publish", "_loop_rc_handle")

Taken = tuple[bytes, bytes, int, int, bool]
"""Topic, payload, packet id, QoS, retain flag."""


class MqttReader(mqtt.Client):
    """An MQTT 5 client that acknowledges only by `ack_all`. Subscribe with QoS 1 at most. on_taken gets messages in order of arrival, never an
    empty list, from the network thread; what it does not keep must not be acknowledged.
    """

    def __init__(self, client_id: str, on_taken: Callable[[list[Taken]], None]) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5, manual_ack=True)
        self._on_taken = on_taken
        self._unread = b""
        self._at = 0
        self._taken: list[Taken] = []

    def ack_all(self, mids: Iterable[int]) -> None:
        """Acknowledge messages of QoS 1 of the present connection, in this order."""
        packet = b"".join(_puback(_PUBACK, 2, mid) for mid in mids)
        if packet:
            self._packet_queue(_PUBACK, packet, 0, 1)

    def forget_unread(self) -> None:
        """Drop what was read ahead: after the end of a connection it comes again. From the network thread only."""
        self._unread, self._at = b"", 0
        self._taken = []

    def _sock_recv(self, bufsize: int) -> bytes:
        if self._at >= len(self._unread):
            self._unread, self._at = b"", 0
            self._unread = super()._sock_recv(READ_BYTES)
        found = self._unread[self._at : self._at + bufsize]
        self._at += len(found)
        return found

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Handle what one read of the socket brought; then paho gets its turn to write."""
        rc = MQTTErrorCode.MQTT_ERR_NO_CONN if self._sock is None else MQTTErrorCode.MQTT_ERR_SUCCESS
        while self._sock is not None:
            rc = self._packet_read()
            if rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._take_whole_messages()
                if self._at < len(self._unread):
                    continue
            break
        if self._taken:
            taken, self._taken = self._taken, []
            self._on_taken(taken)
        if rc > 0 and self._sock is not None:
            self.forget_unread()
            return self._loop_rc_handle(rc)
        return MQTTErrorCode.MQTT_ERR_SUCCESS if rc == MQTTErrorCode.MQTT_ERR_AGAIN else rc

    def _take_whole_messages(self) -> None:
        """Messages that were read ahead completely need none of paho's handling piece by piece."""
        data, at, end = self._unread, self._at, len(self._unread)
        while at + 2 <= end and data[at] & 0xF0 == _PUBLISH:
            length, shift, start = 0, 0, at + 1
            while start < end:
                digit = data[start]
                length |= (digit & 0x7F) << shift
                start, shift = start + 1, shift + 7
                if digit < 0x80 or shift > 21:
                    break
            else:
                break
            if digit >= 0x80 or start + length > end or not self._take(data[at], data[start : start + length]):
                break  # incomplete, or not right: paho looks at it from its first byte
            at = start + length
        self._at = at

    def _take(self, command: int, packet: bytes) -> bool:
        """Take one PUBLISH packet apart. Returns whether it was in order."""
        try:
            qos = (command >> 1) & 3
            at = 2 + (packet[0] << 8 | packet[1])
            topic = packet[2:at]
            mid = 0
            if qos:
                mid = packet[at] << 8 | packet[at + 1]
                at += 2
            length, shift = 0, 0
            while True:  # of the properties, which nobody here needs
                digit = packet[at]
                length |= (digit & 0x7F) << shift
                at, shift = at + 1, shift + 7
                if digit < 0x80:
                    break
        except IndexError:
            return False
        at += length
        if qos > 1 or at > len(packet) or shift > 28:
            return False
        self._taken.append((topic, packet[at:], mid, qos, bool(command & 1)))
        return True

    def _handle_publish(self) -> MQTTErrorCode:
        if self._take(self._in_packet["command"], bytes(self._in_packet["packet"])):
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        return MQTTErrorCode.MQTT_ERR_PROTOCOL
