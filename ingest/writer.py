"""The worker's loop: take a batch, decode, screen, write in one transaction, commit, and only then acknowledge.

A lost store is waited for; a batch that the store refuses is halved until the one bad message is alone, which goes to the dead letter.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import psycopg
from psycopg import errors
from psycopg_pool import PoolTimeout

from db.pool import Pool
from ingest import store
from ingest.readings import Limits
from ingest.registry import Registry
from ingest.screen import Delivery, Refused, Screened, open_delivery, screen
from ingest.store import ConcurrentChange, StoreOptions, Written
from ingest.tally import Sums

log = logging.getLogger(__name__)

RETRY_S_MIN, RETRY_S_MAX = 0.1, 5.0
_POISON = (psycopg.DataError, psycopg.IntegrityError, errors.ProgramLimitExceeded, errors.StatementTooComplex)
_AT_ONCE = (ConcurrentChange, errors.DeadlockDetected, errors.SerializationFailure)


class Inbox(Protocol):
    """Where deliveries come from and acknowledgements go to; ingest.subscriber is one."""

    def take_all(self, items_max: int, bytes_max: int, timeout_s: float) -> list[Delivery]:
        """The next deliveries within these limits, at least one; none when none came in time."""
        ...

    def ack(self, deliveries: list[Delivery]) -> None:
        """Acknowledge in this order, on the connection that delivered them or not at all."""
        ...


@dataclass(frozen=True)
class BatchLimits:
    """When a batch closes: by size, after flush_interval_ms, or when nothing came for idle_ms."""

    messages_max: int = 1_000
    bytes_max: int = 4_194_304
    flush_interval_ms: int = 50
    idle_ms: int = 5


class Writer:
    """One worker's writing side. run() returns after stop(), with the batch in hand finished."""

    def __init__(
        self,
        pool: Pool,
        inbox: Inbox,
        registry: Registry,
        *,
        limits: Limits | None = None,
        options: StoreOptions | None = None,
        batch: BatchLimits | None = None,
        on_written: Callable[[Written, float], None] | None = None,
    ) -> None:
        self._pool = pool
        self._inbox = inbox
        self._registry = registry
        self._limits = limits or Limits()
        self._options = options or StoreOptions()
        self._batch = batch or BatchLimits()
        self._on_written = on_written
        self._stopping = threading.Event()
        self.total = Sums()

    def stop(self) -> None:
        """Finish the batch in hand and return from run()."""
        self._stopping.set()

    def run(self) -> None:
        """Until stop(). What was not acknowledged then comes again."""
        while not self._stopping.is_set():
            batch = self.collect()
            if batch and self.keep(batch):
                self._inbox.ack(batch)

    def collect(self) -> list[Delivery]:
        """The next batch; empty when nothing came for a moment."""
        limits = self._batch
        batch = self._inbox.take_all(limits.messages_max, limits.bytes_max, 0.2)
        size = sum(len(d.payload) for d in batch)
        closes_at = time.monotonic() + limits.flush_interval_ms / 1000
        while batch and len(batch) < limits.messages_max and size < limits.bytes_max:
            left_s = closes_at - time.monotonic()
            if left_s <= 0:
                break
            following = self._inbox.take_all(limits.messages_max - len(batch), limits.bytes_max - size, min(left_s, limits.idle_ms / 1000))
            if not following:
                break
            batch += following
            size += sum(len(d.payload) for d in following)
        return batch

    def keep(self, batch: list[Delivery]) -> bool:
        """Write until it is committed. Returns False only when stop() came while the store was away."""
        delay_s = RETRY_S_MIN
        while True:
            try:
                self._write(batch)
                return True
            except _AT_ONCE as exc:
                log.info("batch is done again: %s", type(exc).__name__, extra={"event": "batch_redone", "messages": len(batch)})
                continue
            except _POISON as exc:
                return self._halve(batch, exc)
            except (psycopg.Error, PoolTimeout, OSError, MemoryError) as exc:
                if isinstance(exc, errors.OutOfMemory) and len(batch) > 1:  # also: more locks than one transaction may hold
                    return self._halve(batch, exc)
                log.warning(
                    "store cannot take the batch, trying again in %.1f s: %s",
                    delay_s,
                    str(exc).strip()[:300],
                    extra={"event": "store_unavailable", "messages": len(batch), "error": type(exc).__name__},
                )
                if self._stopping.wait(delay_s):
                    return False
                delay_s = min(delay_s * 2, RETRY_S_MAX)
            except Exception as exc:  # noqa: BLE001 - the edge of the loop: one message must never stop the others
                return self._halve(batch, exc)

    def _halve(self, batch: list[Delivery], exc: Exception) -> bool:
        if len(batch) > 1:
            middle = len(batch) // 2
            return self.keep(batch[:middle]) and self.keep(batch[middle:])
        log.error("a message cannot be stored", exc_info=exc, extra={"event": "poison_message", "topic": batch[0].topic})
        return self._bury(batch[0], exc)

    def _bury(self, delivery: Delivery, cause: Exception) -> bool:
        """The one bad message goes to the dead letter as a whole."""
        refused = Refused(delivery, "", -1, "poison", f"{type(cause).__name__}: {cause}"[:900])
        opened = open_delivery(Delivery(delivery.topic, b"", delivery.received_at), self._registry, self._limits)
        if opened.device is not None:
            refused.device_id = opened.device.device_id
        delay_s = RETRY_S_MIN
        while True:
            try:
                with self._pool.connection() as conn, conn.transaction():
                    written = store.write(conn, Screened(refused=[refused]), self._registry, self._options)
                self._count(written, 0.0)
                return True
            except Exception as exc:  # noqa: BLE001 - what cannot be kept is not acknowledged; we go on trying
                log.warning("dead letter cannot be written: %s", exc, extra={"event": "dead_letter_failed", "topic": delivery.topic})
                if self._stopping.wait(delay_s):
                    return False
                delay_s = min(delay_s * 2, RETRY_S_MAX)

    def _write(self, batch: list[Delivery]) -> None:
        started = time.monotonic()
        with self._pool.connection() as conn:
            self._registry.refresh(conn)
            opened = [open_delivery(d, self._registry, self._limits) for d in batch]
            if any(o.device is None for o in opened) and self._registry.refresh(conn, unknown_met=True):
                opened = [open_delivery(o.source, self._registry, self._limits) if o.device is None else o for o in opened]
            self._registry.learn_tags(conn, (epc for o in opened for epc in o.epcs()))
            screened = screen(opened, self._registry)
            conn.commit()  # what was read for the registry must not hold a snapshot while the batch waits for locks
            with conn.transaction():
                written = store.write(conn, screened, self._registry, self._options)
        self._count(written, time.monotonic() - started)

    def _count(self, written: Written, took_s: float) -> None:
        self.total += written.sums
        if self._on_written is not None:
            self._on_written(written, took_s)
        s = written.sums
        log.debug(
            "batch stored",
            extra={
                "event": "batch_stored", "stored": s.stored, "repeated": s.repeated, "absorbed": s.absorbed, "refused": s.refused,
                "movements": written.movements, "took_ms": round(took_s * 1000),
            },
        )  # fmt: skip
