"""One worker per client id. Two under one id would take the session from each other for ever, and most brokers do not say so.

The owner holds an advisory lock of the store on a connection of its own; a second worker stands by, says so, and takes over when the first ends.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from typing import Any

import psycopg

from db.sql import load_queries

log = logging.getLogger(__name__)
_Q = load_queries(__file__, "lease.sql")

LOOK_S = 1.0
TOLD_EVERY = 30  # looks


class ClientIdLease:
    """`held` is set while the client id is ours. `fault`: it was taken by another worker while the store was away; then we must leave the broker."""

    def __init__(self, database_url: str, client_id: str) -> None:
        self._database_url = database_url
        self._client_id = client_id
        self._key = int.from_bytes(hashlib.blake2b(f"ingest client {client_id}".encode(), digest_size=8).digest(), signed=True)
        self.held = threading.Event()
        self.fault: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="client-id-lease", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Give the id up."""
        self._stopping.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stopping.is_set() and self.fault is None:
            try:
                with psycopg.connect(
                    self._database_url, autocommit=True, connect_timeout=10, application_name="chuantou-ingest-lease"
                ) as conn:
                    if self._acquire(conn):
                        while not self._stopping.wait(LOOK_S):
                            conn.execute(_Q["still_there"])
            except psycopg.Error as exc:
                log.warning("the store does not say whose client id this is: %s", str(exc).strip()[:200], extra={"event": "lease_unknown"})
                self._stopping.wait(LOOK_S)

    def _acquire(self, conn: psycopg.Connection[Any]) -> bool:
        looks = 0
        while not self._stopping.is_set():
            if conn.execute(_Q["try_lease"], {"key": self._key}).fetchone() == (True,):
                self.held.set()
                return True
            words = f"another worker runs under the client id {self._client_id!r}; give every worker a CHUANTOU_INGEST_CLIENT_ID of its own"
            if self.held.is_set():
                self.fault = words
                return False
            if looks % TOLD_EVERY == 0:
                log.error("%s; until it ends this one stands by", words, extra={"event": "client_id_taken", "client_id": self._client_id})
            looks += 1
            self._stopping.wait(LOOK_S)
        return False
