"""Messages that come over HTTP instead of MQTT: the same decoders, screening and tables, and an answer for each element.

The only module of ingest that the API imports.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import msgspec
import psycopg

from db.pool import Pool
from ingest import store
from ingest.formats import FORMATS
from ingest.readings import Limits
from ingest.registry import Device, Registry
from ingest.screen import Delivery, Refused, Screened, open_delivery, screen
from ingest.store import ConcurrentChange, StoreOptions, Written
from ingest.topics import build_topic

ELEMENTS_MAX = 1_000
TRIES = 20
CHANNEL_OF_CLASS = {"wms": "doc", "gps": "position", "sensor": "event"}
_AGAIN = (ConcurrentChange, psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
_TEXT_FORMATS = {"x12", "edifact", "meitrack"}


class Status(StrEnum):
    """What became of one element."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    PARTLY = "partly"
    REJECTED = "rejected"


@dataclass
class Result:
    """One element's readings by fate, and why some were refused."""

    index: int
    status: Status
    stored: int = 0
    repeated: int = 0
    absorbed: int = 0
    refused: int = 0
    reasons: list[tuple[str, str]] = field(default_factory=list)


class TooManyElements(Exception):
    """More elements than one request may carry."""


def elements(format_name: str, body: bytes) -> list[bytes]:
    """The messages in a request: the items of a JSON array, the lines of NDJSON, or the body as one. What is not JSON stays one, to be refused by name."""
    if format_name in _TEXT_FORMATS:
        return [body]
    stripped = body.strip()
    found = [body]
    if stripped.startswith(b"["):
        try:
            found = [bytes(raw) for raw in msgspec.json.decode(stripped, type=list[msgspec.Raw])] or [body]
        except (msgspec.DecodeError, RecursionError):
            return [body]
    elif stripped.startswith(b"{") and b"\n" in stripped:
        lines = [line.strip() for line in stripped.splitlines() if line.strip()]
        try:
            for line in lines:
                msgspec.json.decode(line, type=msgspec.Raw)
            found = lines
        except (msgspec.DecodeError, RecursionError):
            return [body]
    if len(found) > ELEMENTS_MAX:
        raise TooManyElements(f"{len(found)} messages in one request; at most {ELEMENTS_MAX} are taken")
    return found


class Intake:
    """Writes HTTP messages as an ingest worker would. Safe for several threads."""

    def __init__(self, pool: Pool, *, limits: Limits | None = None, options: StoreOptions | None = None) -> None:
        self._pool = pool
        self._limits = limits or Limits()
        self._options = options or StoreOptions()
        self._registry = Registry(refresh_interval_s=2.0, unknown_retry_s=0.0)
        self._lock = threading.Lock()  # the registry's cache is for one thread

    def device(self, tenant_id: str, device_id: str) -> Device | None:
        """A registered device of this tenant, as it is now."""
        with self._lock, self._pool.connection() as conn:
            self._registry.refresh(conn)
            found = self._registry.device(device_id)
            if found is None and self._registry.refresh(conn, unknown_met=True):
                found = self._registry.device(device_id)
        return found if found is not None and found.tenant_id == tenant_id else None

    def receive(self, device: Device, messages: list[bytes], received_at: datetime, *, channel: str | None = None) -> list[Result]:
        """Each message in a transaction of its own: a bad one does not take its neighbours with it. Raises psycopg.Error when the store is away."""
        channel = channel or CHANNEL_OF_CLASS.get(device.device_class, "reads")
        topic = build_topic(device.tenant_id, device.site, device.device_class, device.device_id, channel)
        with self._lock:
            return [self._one(index, Delivery(topic, payload, received_at)) for index, payload in enumerate(messages)]

    def keep_refused(self, tenant_id: str, source: str, payload: bytes, reason: str, detail: str, received_at: datetime) -> None:
        """A refused paper that came from no device, into the dead letters of its tenant."""
        delivery = Delivery(build_topic(tenant_id, "http", "wms", source, "doc"), payload, received_at)
        with self._lock:
            self._write(Screened(refused=[Refused(delivery, "", -1, reason, detail)]))

    def _one(self, index: int, delivery: Delivery) -> Result:
        with self._pool.connection() as conn:
            self._registry.refresh(conn)
            opened = open_delivery(delivery, self._registry, self._limits)
            self._registry.learn_tags(conn, opened.epcs())
        screened = screen([opened], self._registry)
        reasons = [(r.reason, r.detail) for r in screened.refused]
        try:
            written = self._write(screened)
        except (psycopg.DataError, psycopg.IntegrityError) as exc:
            device_id = opened.device.device_id if opened.device is not None else ""
            reasons = [("poison", f"{type(exc).__name__}: {exc}"[:900])]
            written = self._write(Screened(refused=[Refused(delivery, device_id, -1, *reasons[0])]))
        sums = written.sums
        if sums.refused > sum(r.items for r in screened.refused) and not any(r == "poison" for r, _ in reasons):
            reasons.append(("conflict", "the same key was received before with other content; both are kept"))
        went_in = sums.stored + sums.absorbed + sums.repeated
        status = (
            (Status.PARTLY if went_in else Status.REJECTED) if sums.refused
            else Status.ACCEPTED if sums.stored + sums.absorbed or not sums.repeated
            else Status.DUPLICATE
        )  # fmt: skip
        return Result(index, status, sums.stored, sums.repeated, sums.absorbed, sums.refused, reasons)

    def _write(self, screened: Screened) -> Written:
        for attempt in range(TRIES):
            try:
                with self._pool.connection() as conn, conn.transaction():
                    return store.write(conn, screened, self._registry, self._options)
            except _AGAIN:
                if attempt == TRIES - 1:
                    raise
        raise AssertionError


def known_formats() -> list[str]:
    """Names of the formats that devices can be registered with."""
    return sorted(FORMATS)
