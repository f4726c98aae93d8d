"""What the broker says of itself: whether a login works, and how many messages wait in it.

Speaks the few packets of MQTT 3.1.1 that this needs over a plain or TLS socket; the client library stays in the subscriber
and the simulators' publisher.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import ssl
import struct
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

from cryptography import x509

_STORED = "$SYS/broker/store/messages/count"
_RETAINED = "$SYS/broker/retained messages/count"
_KEEPALIVE_S = 60


class BrokerRefused(Exception):
    """The broker cannot be reached or does not accept the login; the message says which."""


@dataclass(frozen=True)
class Greeting:
    """How the login went. certificate_until: end of the server certificate's validity; None without TLS."""

    accepted: bool
    certificate_until: datetime | None


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("!H", len(raw)) + raw


def _packet(kind: int, body: bytes) -> bytes:
    length, size = bytearray(), len(body)
    while True:
        size, digit = divmod(size, 128)
        length.append(digit | (128 if size else 0))
        if not size:
            return bytes([kind]) + bytes(length) + body


class BrokerConnection:
    """One logged-in MQTT 3.1.1 connection. Raises BrokerRefused."""

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise BrokerRefused("the broker's URL must look like mqtt://user:password@host:1883")
        port = parts.port or (8883 if parts.scheme == "mqtts" else 1883)
        self.certificate_until: datetime | None = None
        try:
            self._socket: socket.socket = socket.create_connection((parts.hostname, port), timeout=timeout_s)
            if parts.scheme == "mqtts":
                wrapped = ssl.create_default_context().wrap_socket(self._socket, server_hostname=parts.hostname)
                raw = wrapped.getpeercert(binary_form=True)
                if raw is not None:
                    self.certificate_until = x509.load_der_x509_certificate(raw).not_valid_after_utc
                self._socket = wrapped
        except OSError as exc:
            raise BrokerRefused(f"cannot connect to {parts.hostname}:{port}: {exc}") from exc
        try:
            self._log_in(unquote(parts.username or ""), unquote(parts.password or ""))
        except BaseException:
            self._socket.close()
            raise

    def _log_in(self, username: str, password: str) -> None:
        flags = 0x02 | (0x80 if username else 0) | (0x40 if username and password else 0)
        body = _text("MQTT") + bytes([4, flags]) + struct.pack("!H", _KEEPALIVE_S) + _text(f"probe-{secrets.token_hex(8)}")
        if username:
            body += _text(username) + (_text(password) if password else b"")
        self.send(_packet(0x10, body))
        kind, answer = self.read()
        if kind >> 4 != 2 or len(answer) < 2 or answer[1] != 0:
            raise BrokerRefused("the broker does not accept this user and password")

    def send(self, raw: bytes) -> None:
        try:
            self._socket.sendall(raw)
        except OSError as exc:
            raise BrokerRefused(f"the connection broke: {exc}") from exc

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                more = self._socket.recv(count - len(data))
            except OSError as exc:
                raise BrokerRefused(f"the connection broke: {exc}") from exc
            if not more:
                raise BrokerRefused("the broker closed the connection")
            data += more
        return data

    def read(self) -> tuple[int, bytes]:
        """The next packet: its first byte and its body."""
        kind, size, shift = self._exactly(1)[0], 0, 0
        while True:
            digit = self._exactly(1)[0]
            size |= (digit & 127) << shift
            shift += 7
            if not digit & 128:
                return kind, self._exactly(size)

    def subscribe(self, *topics: str) -> None:
        self.send(_packet(0x82, b"\0\1" + b"".join(_text(topic) + b"\0" for topic in topics)))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendall(b"\xe0\0")
        self._socket.close()


def greet(url: str) -> Greeting:
    """Log in and leave. Without a user name only the connection is tried. Raises BrokerRefused."""
    parts = urlsplit(url)
    if parts.username:
        connection = BrokerConnection(url)
        connection.close()
        return Greeting(True, connection.certificate_until)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 1883), timeout=5).close()
    except OSError as exc:
        raise BrokerRefused(f"cannot connect to {parts.hostname}:{parts.port}: {exc}") from exc
    return Greeting(False, None)


class BacklogMeter:
    """How many messages wait in the broker, from its own figures, about a second old. `messages` is None while unknown."""

    def __init__(self, monitor_url: str) -> None:
        self._url = monitor_url
        self._figures: dict[str, int] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="backlog-meter", daemon=True)

    @property
    def messages(self) -> int | None:
        if _STORED not in self._figures:
            return None
        return max(0, self._figures[_STORED] - self._figures.get(_RETAINED, 0))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                connection = BrokerConnection(self._url, timeout_s=15)
                connection.subscribe(_STORED, _RETAINED)
                try:
                    while not self._ending.is_set():
                        self._take(*connection.read())
                        connection.send(b"\xc0\0")  # ping: the figures come every second
                finally:
                    connection.close()
            except BrokerRefused:
                self._figures = {}
                self._ending.wait(0.5)

    def _take(self, kind: int, body: bytes) -> None:
        if kind >> 4 != 3:
            return
        size = struct.unpack("!H", body[:2])[0]
        topic, value = body[2 : 2 + size].decode(), body[2 + size :].decode(errors="replace")
        if value.isdigit():
            self._figures = {**self._figures, topic: int(value)}


def days_left(until: datetime) -> int:
    """Whole days until a certificate ends."""
    return (until - datetime.now(UTC)).days
