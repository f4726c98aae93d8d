"""Old telemetry and old refusals go by age; what an open pledge, an open alert or a legal hold still needs stays, whatever its age.

What goes is counted in `telemetry_purge`, so that the counters can still be compared with the tables. Movements, the ledger and alerts are
never removed.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout

from collateral.clock import Clock
from db.pool import Pool
from db.sql import load_queries

log = logging.getLogger(__name__)

_Q = load_queries(__file__, "retention.sql")
SLICE = timedelta(days=1)  # of event time in one transaction: a chunk of TimescaleDB, and a bound on locks
ROUND_INTERVAL_S = 3_600.0


@dataclass(frozen=True)
class Ages:
    """How long things are kept; None = for ever."""

    telemetry: timedelta | None = None
    dead_letters: timedelta | None = None


class Retention:
    """One round an hour, by whichever worker comes first."""

    def __init__(self, pool: Pool, clock: Clock, ages: Ages) -> None:
        self._pool = pool
        self._clock = clock
        self._ages = ages
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        if self._ages != Ages():
            self._thread.start()

    def stop(self) -> None:
        """Ends after the slice in hand."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(15)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.purge(self._clock.now())
            except (psycopg.Error, PoolTimeout) as exc:
                log.warning("retention waits: %s", str(exc).strip()[:300], extra={"event": "retention_waits"})
            self._stopping.wait(ROUND_INTERVAL_S)

    def purge(self, now: datetime) -> bool:
        """Remove what is older than its age, slice by slice. Returns False when another worker was at it."""
        if self._ages.telemetry is not None:
            for table in ("observation", "position"):
                if not self._telemetry(table, now - self._ages.telemetry):
                    return False
        if self._ages.dead_letters is not None:
            with self._pool.connection() as conn, conn.transaction():
                if not _my_turn(conn):
                    return False
                conn.execute(
                    _Q["purge_dead_letters"], {"before": now - self._ages.dead_letters, "devices": _needed(conn, "needed_devices")}
                )
        return True

    def _telemetry(self, table: str, before: datetime) -> bool:
        start: datetime | None = None
        while not self._stopping.is_set():
            with self._pool.connection() as conn, conn.transaction():
                if not _my_turn(conn):
                    return False
                if start is None:
                    row = conn.execute(_Q[f"oldest_{table}"], {"before": before}).fetchone()
                    start = None if row is None else row[0]
                if start is None or start >= before:
                    return True
                until = min(start + SLICE, before)
                slice_ = {
                    "from_": start,
                    "until": until,
                    "goods": _needed(conn, "needed_goods"),
                    "devices": _needed(conn, "needed_devices"),
                }
                conn.execute(_Q[f"purge_{table}s"], slice_)
            start = until
        return True


def _my_turn(conn: psycopg.Connection[Any]) -> bool:
    return conn.execute(_Q["take_turn"]).fetchone() == (True,)


def _needed(conn: psycopg.Connection[Any], query: str) -> list[str]:
    return [row[0] for row in conn.execute(_Q[query])]
