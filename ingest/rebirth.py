"""Asks Sparkplug nodes for a rebirth: those whose aliases nobody knows, or whose messages stay missing. One request per node and interval."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

import psycopg
from psycopg_pool import PoolTimeout

from collateral.clock import Clock
from db.pool import Pool
from ingest.formats.sparkplug_payload import rebirth_request
from ingest.sparkplug_store import claim_rebirths

log = logging.getLogger(__name__)

POLL_S = 0.5


class RebirthAsker:
    """Looks for nodes that are due and publishes `NCMD Node Control/Rebirth`. Any number may run: the store gives each node to one of them."""

    def __init__(self, pool: Pool, clock: Clock, publish: Callable[[str, bytes], bool], *, interval_s: float = 60.0) -> None:
        self._pool = pool
        self._clock = clock
        self._publish = publish
        self._interval = timedelta(seconds=interval_s)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rebirth", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends with the request in hand."""
        self._stopping.set()
        self._thread.join(10)

    def ask_once(self) -> int:
        """Ask every node that is due. Returns how many were asked."""
        now = self._clock.now()
        with self._pool.connection() as conn:
            due = claim_rebirths(conn, now=now, interval=self._interval)
        for group, node in due:
            sent = self._publish(f"spBv1.0/{group}/NCMD/{node}", rebirth_request(int(now.timestamp() * 1000)))
            log.info("rebirth asked", extra={"event": "rebirth_asked", "group": group, "node": node, "sent": sent})
        return len(due)

    def _run(self) -> None:
        while not self._stopping.wait(POLL_S):
            try:
                self.ask_once()
            except (psycopg.Error, PoolTimeout) as exc:
                log.warning("rebirths wait for the store: %s", exc, extra={"event": "rebirth_waiting"})
