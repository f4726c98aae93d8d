"""The reading client takes packets apart as MQTT 5 says, however the network cuts them, and leans on nothing that paho no longer has."""

from __future__ import annotations

import socket
import struct

import paho.mqtt.client as mqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import mqtt_reader
from ingest.mqtt_reader import MqttReader, Taken


class Scripted(MqttReader):
    """A reader on one end of a socket pair, without a broker."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        super().__init__("scripted", self.taken.extend)
        self.here, self.there = socket.socketpair()
        self.here.setblocking(False)
        self._sock = self.here

    def hear(self, data: bytes) -> None:
        self.there.sendall(data)
        self.loop_read()

    def close(self) -> None:
        self._sock = None
        self.here.close()
        self.there.close()


def publish(topic: bytes, payload: bytes, mid: int, *, qos: int = 1, retain: bool = False, properties: bytes = b"") -> bytes:
    body = (
        struct.pack("!H", len(topic)) + topic + (struct.pack("!H", mid) if qos else b"") + bytes([len(properties)]) + properties + payload
    )
    length, digits = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | (0x80 if length else 0))
        if not length:
            return bytes([0x30 | qos << 1 | retain]) + bytes(digits) + body


messages = st.lists(
    st.tuples(st.binary(max_size=300), st.integers(0, 1), st.booleans(), st.sampled_from([b"", b"\x01\x01", b"\x23\x00\x07"])),
    min_size=1,
    max_size=20,
)


@given(messages, st.lists(st.integers(1, 400), min_size=1, max_size=30))
def test_messages_come_whole_and_in_order_however_the_network_cuts_them(
    sent: list[tuple[bytes, int, bool, bytes]], cuts: list[int]
) -> None:
    expected = [(b"a/topic", payload, n + 1 if qos else 0, qos, retain) for n, (payload, qos, retain, _) in enumerate(sent)]
    data = b"".join(publish(b"a/topic", p, n + 1, qos=q, retain=r, properties=props) for n, (p, q, r, props) in enumerate(sent))
    reader = Scripted()
    try:
        while data:
            cut = cuts[0] if len(cuts) == 1 else cuts.pop()
            reader.hear(data[:cut])
            data = data[cut:]
        assert reader.taken == expected
    finally:
        reader.close()


def test_acknowledgements_of_a_batch_leave_in_one_packet_train() -> None:
    reader = Scripted()
    try:
        reader.ack_all([1, 513, 65_535])
        reader.loop_write()
        assert reader.there.recv(100) == b"\x40\x02\x00\x01\x40\x02\x02\x01\x40\x02\xff\xff"
        reader.ack_all([])
        assert not reader.want_write()
    finally:
        reader.close()


@pytest.mark.parametrize("packet", [b"\x32\x01\x00", b"\x32\x04\x00\x09ab", b"\x34\x06\x00\x01a\x00\x01\x00", b"\x32\xff\xff\xff\xff\x01"])
def test_a_packet_that_is_not_mqtt_ends_the_connection_and_gives_no_message(packet: bytes) -> None:
    reader = Scripted()
    ended: list[object] = []
    reader.on_disconnect = lambda *args: ended.append(args)
    reader.hear(packet)
    assert reader.taken == []
    assert ended
    reader.close()


def test_paho_still_has_what_the_reader_uses() -> None:
    client = MqttReader("x", lambda taken: None)
    missing = [name for name in mqtt_reader._USED if not hasattr(client, name) and name not in mqtt.Client.__dict__]
    assert not missing
