"""Connection pools to the store, with the session settings that every process shares."""

from __future__ import annotations

from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

Pool = ConnectionPool[Connection[TupleRow]]

STATEMENT_TIMEOUT_MS = 60_000
LOCK_TIMEOUT_MS = 10_000


def open_pool(
    database_url: str, *, name: str, size_max: int = 8, connect_wait_s: float = 30.0, statement_timeout_ms: int = STATEMENT_TIMEOUT_MS
) -> Pool:
    """A pool of UTC connections. Opens in the background; connections that died are replaced on check-out.

    Raises psycopg_pool.PoolTimeout at check-out when the store cannot be reached within connect_wait_s.
    """
    options = f"-c TimeZone=UTC -c statement_timeout={statement_timeout_ms} -c lock_timeout={LOCK_TIMEOUT_MS}"
    kwargs: dict[str, Any] = {
        "application_name": f"chuantou-{name}",
        "options": options,
        "connect_timeout": 10,
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
    return ConnectionPool(
        database_url,
        kwargs=kwargs,
        min_size=1,
        max_size=size_max,
        timeout=connect_wait_s,
        reconnect_timeout=0,  # retry for ever: the store comes back, and with it the process
        check=ConnectionPool.check_connection,
        name=name,
        open=True,
    )
