"""A publisher that costs next to nothing: prepared MQTT 3.1.1 frames over a bare socket at QoS 1, a bounded number unacknowledged.

A benchmark's publisher takes its share of the same two cores; a client library would be measured along with the worker.
`python -m simulators.bench.load`: one publisher, its plan as JSON on the first line of stdin. It says "ready", waits for another line, publishes,
and prints what it did as JSON.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlsplit

from ingest.messages import ReadsMessage, TagRead, encode

WINDOW_MESSAGES = 1_000  # below the embedded broker's in-flight limit
CHUNK_BYTES = 65_536
_PUBACK_BYTES = 4


@dataclass(frozen=True)
class Plan:
    """What one publisher says. tags: size of the stock that is read over and over; 0 = every read is another tag.

    rate: messages a second; 0 = as fast as the broker takes them. first: number of the first message, for tags and seq.
    """

    url: str
    client_id: str
    topic: str
    messages: int
    reads: int
    first: int = 0
    tags: int = 0
    rate: float = 0.0
    tag_prefix: str = "E28011"


def tag(prefix: str, n: int) -> str:
    """EPC of the bench's n-th tag: 24 hex digits."""
    return f"{prefix}{n:0{24 - len(prefix)}X}"


def payloads(plan: Plan, start: datetime) -> Iterator[bytes]:
    """Native reads messages one millisecond apart."""
    for i in range(plan.first, plan.first + plan.messages):
        numbers = range(i * plan.reads, (i + 1) * plan.reads)
        at = start + timedelta(milliseconds=i - plan.first)
        yield encode(
            ReadsMessage(
                at.isoformat(),
                [
                    TagRead(tag(plan.tag_prefix, n % plan.tags if plan.tags else n), ant=1 + i % 4, rssi=-50.5 - n % 20, n=1 + n % 5)
                    if not plan.tags
                    else TagRead(tag(plan.tag_prefix, n % plan.tags), ant=1, rssi=-50.5 - n % 20)
                    for n in numbers
                ],
                i + 1,
            )
        )


def _length(n: int) -> bytes:
    found = bytearray()
    while True:
        n, digit = divmod(n, 128)
        found.append(digit | (0x80 if n else 0))
        if not n:
            return bytes(found)


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("!H", len(raw)) + raw


def frames(plan: Plan, start: datetime) -> list[bytes]:
    """PUBLISH packets at QoS 1."""
    found = []
    for i, payload in enumerate(payloads(plan, start)):
        body = _text(plan.topic) + struct.pack("!H", i % 65_535 + 1) + payload
        found.append(b"\x32" + _length(len(body)) + body)
    return found


def connect(url: str, client_id: str) -> socket.socket:
    """A connected, authenticated socket. Raises OSError, PermissionError."""
    parts = urlsplit(url)
    sock = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 1883), timeout=30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = _text("MQTT") + bytes([4, 0xC2]) + struct.pack("!H", 0) + _text(client_id)
    body += _text(unquote(parts.username or "")) + _text(unquote(parts.password or ""))
    sock.sendall(b"\x10" + _length(len(body)) + body)
    answer = sock.recv(4)
    if len(answer) != 4 or answer[3] != 0:
        raise PermissionError(f"the broker does not let us in: {answer.hex()}")
    return sock


def publish(sock: socket.socket, packets: list[bytes], rate: float = 0.0) -> None:
    """Send every packet and wait for every acknowledgement."""
    sent = acked = rest = 0
    started = time.monotonic()
    while acked < len(packets):
        room = WINDOW_MESSAGES - (sent - acked)
        due = len(packets) if not rate else int((time.monotonic() - started) * rate) + 1
        chunk: list[bytes] = []
        size = 0
        while room > 0 and sent < min(due, len(packets)) and size < CHUNK_BYTES:
            chunk.append(packets[sent])
            size += len(packets[sent])
            sent, room = sent + 1, room - 1
        if chunk:
            sock.sendall(b"".join(chunk))
        if sent == acked:
            time.sleep(0.001)
            continue
        if chunk and room > WINDOW_MESSAGES // 2:
            continue
        data = sock.recv(CHUNK_BYTES)
        if not data:
            raise ConnectionError("the broker hung up")
        done, rest = divmod(rest + len(data), _PUBACK_BYTES)
        acked += done


def main() -> int:
    """One publisher; see the module's text."""
    plan = Plan(**json.loads(sys.stdin.readline()))
    packets = frames(plan, datetime.now(UTC))
    sock = connect(plan.url, plan.client_id)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    started = time.time()
    publish(sock, packets, plan.rate)
    sock.sendall(b"\xe0\x00")
    sock.close()
    sys.stdout.write(json.dumps({"started": started, "ended": time.time()}) + "\n")
    return 0


def as_line(plan: Plan) -> bytes:
    """The plan as the program reads it."""
    return json.dumps(asdict(plan)).encode() + b"\n"


if __name__ == "__main__":
    sys.exit(main())
