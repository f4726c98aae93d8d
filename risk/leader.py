"""One risk process leads. The lead is a session lock of the store: it ends with the connection, and a standby takes it within seconds."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import psycopg

log = logging.getLogger(__name__)

LEAD_LOCK = 7251002
BEAT_S = 1.0
_CONNECT = {
    "connect_timeout": 5,
    "application_name": "chuantou-risk-leader",
    "keepalives_idle": 3,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    # The server, too, drops a leader whose machine is gone, so that the lock is free within 10 s.
    "options": "-c tcp_keepalives_idle=3 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3 -c statement_timeout=5000",
}


def lead(database_url: str, while_leading: Callable[[threading.Event], None], stop: threading.Event, *, beat_s: float = BEAT_S) -> None:
    """Stand by until the lead is free, then run while_leading(lost) in a thread; lost is set when the lead is lost or stop is set.

    Returns when stop is set and while_leading has returned. A while_leading that ends early is started again.
    """
    while not stop.is_set():
        try:
            with psycopg.connect(database_url, autocommit=True, **_CONNECT) as conn:  # type: ignore[arg-type]
                if _takes(conn, stop, beat_s):
                    _hold(conn, while_leading, stop, beat_s)
        except psycopg.Error as exc:
            log.warning("store lost", extra={"event": "leader_store_lost", "error": str(exc)})
            stop.wait(beat_s)


def _takes(conn: psycopg.Connection[tuple[object, ...]], stop: threading.Event, beat_s: float) -> bool:
    while not stop.is_set():
        if conn.execute("SELECT pg_try_advisory_lock(%s)", (LEAD_LOCK,)).fetchone() == (True,):
            return True
        stop.wait(beat_s)
    return False


def _hold(
    conn: psycopg.Connection[tuple[object, ...]], while_leading: Callable[[threading.Event], None], stop: threading.Event, beat_s: float
) -> None:
    lost = threading.Event()
    log.info("leading", extra={"event": "lead_taken"})
    worker = threading.Thread(target=while_leading, args=(lost,), name="risk-lead")
    worker.start()
    try:
        while not stop.is_set() and worker.is_alive():
            conn.execute("SELECT 1")
            stop.wait(beat_s)
    finally:
        lost.set()
        worker.join()
        log.info("lead given up", extra={"event": "lead_ended"})
