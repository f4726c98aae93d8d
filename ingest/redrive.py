"""Refused messages driven through again, after people mended what stood against them (a device registered, a clock put right).

A re-drive is one more delivery of the kept bytes: it is counted as received again, what went in before is found to be repeated, and a
message that is refused again stays in the dead letter with the new reason.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout

from db.pool import Pool
from db.sql import load_queries
from ingest import store
from ingest.readings import Limits
from ingest.registry import Registry
from ingest.screen import Delivery, open_delivery, screen
from ingest.store import ConcurrentChange, StoreOptions, Written

log = logging.getLogger(__name__)

_Q = load_queries(__file__, "redrive.sql")
QUEUE_POLL_S = 1.0
LETTERS_PER_ROUND = 100
TRIES = 5


@dataclass(frozen=True)
class Round:
    """What one look at the queue came to, in letters."""

    driven: int = 0
    refused: int = 0


class Redriver:
    """Takes queued letters one by one, each in a transaction of its own. Any number of workers may run one."""

    def __init__(self, pool: Pool, *, limits: Limits, options: StoreOptions) -> None:
        self._pool = pool
        self._registry = Registry()  # the writer's belongs to its thread
        self._limits = limits
        self._options = options
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="redriver", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends after the letter in hand."""
        self._stopping.set()
        self._thread.join(15)

    def _run(self) -> None:
        while not self._stopping.wait(QUEUE_POLL_S):
            try:
                while self.drive_queued() != Round() and not self._stopping.is_set():
                    pass
            except (psycopg.Error, PoolTimeout) as exc:
                log.warning("queued letters wait: %s", str(exc).strip()[:300], extra={"event": "redrive_waits"})

    def drive_queued(self) -> Round:
        """Drive what is queued now. Raises psycopg.Error when the store is away; a letter in hand then stays queued."""
        with self._pool.connection() as conn:
            ids = [row[0] for row in conn.execute(_Q["queued"], {"limit": LETTERS_PER_ROUND})]
        self._registry.mark_stale()  # people have just mended something
        driven = refused = 0
        for letter_id in ids:
            if self._stopping.is_set():
                break
            went_in = self._drive(letter_id)
            driven += went_in is True
            refused += went_in is False
        return Round(driven, refused)

    def _drive(self, letter_id: int) -> bool | None:
        """True: all went in; False: refused again; None: another worker has it."""
        for attempt in range(TRIES):
            try:
                with self._pool.connection() as conn:
                    return self._in_one_transaction(conn, letter_id)
            except (ConcurrentChange, psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
                continue
            except (psycopg.DataError, psycopg.IntegrityError) as exc:
                return self._put_back(letter_id, f"poison: {type(exc).__name__}: {exc}"[:900])
            except (psycopg.OperationalError, PoolTimeout):
                raise
            except Exception as exc:
                log.exception("a letter cannot be driven", extra={"event": "redrive_failed", "letter": letter_id, "attempt": attempt})
                return self._put_back(letter_id, f"poison: {type(exc).__name__}: {exc}"[:900])
        return None

    def _put_back(self, letter_id: int, why: str) -> bool:
        with self._pool.connection() as conn:
            conn.execute(_Q["refused_again"], {"id": letter_id, "outcome": Jsonb({"refused_again": [why]})})
        return False

    def _in_one_transaction(self, conn: psycopg.Connection[Any], letter_id: int) -> bool | None:
        self._registry.refresh(conn)
        conn.commit()
        with conn.transaction():
            if conn.execute(_Q["take_in_hand"], {"id": letter_id}).fetchone() == (False,):
                return None
            row = conn.execute(_Q["letter"], {"id": letter_id}).fetchone()
            if row is None:
                return None
            topic, payload, payload_bytes, received_at = row
            if payload_bytes > len(payload):
                why = f"only {len(payload)} of its {payload_bytes} bytes were kept; the sender must send it again"
                conn.execute(_Q["refused_again"], {"id": letter_id, "outcome": Jsonb({"refused_again": [f"payload_cut: {why}"]})})
                return False
            written, reasons = self._write(conn, Delivery(topic, bytes(payload), received_at))
            outcome: dict[str, Any] = asdict(written.sums)
            if reasons:
                outcome["refused_again"] = reasons
            conn.execute(_Q["refused_again" if reasons else "driven"], {"id": letter_id, "outcome": Jsonb(outcome)})
        log.info(
            "a refused message was driven again",
            extra={"event": "letter_redriven", "letter": letter_id, **{k: v for k, v in outcome.items() if k != "refused_again"}},
        )
        return not reasons

    def _write(self, conn: psycopg.Connection[Any], delivery: Delivery) -> tuple[Written, list[str]]:
        opened = open_delivery(delivery, self._registry, self._limits)
        if opened.device is None and self._registry.refresh(conn, unknown_met=True):
            opened = open_delivery(delivery, self._registry, self._limits)
        self._registry.learn_tags(conn, opened.epcs())
        screened = screen([opened], self._registry)
        written = store.write(conn, screened, self._registry, self._options)
        return written, list(dict.fromkeys(f"{r.reason}: {r.detail}"[:500] for r in written.refused))
