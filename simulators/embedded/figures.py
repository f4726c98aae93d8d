"""The figures of a running installation, for the demo's status and its closing report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from db.pool import Pool
from db.sql import load_queries

_Q = load_queries(__file__, "figures.sql")


@dataclass(frozen=True)
class Figures:
    """One look at the store. readings: received, stored, repeated, absorbed, refused."""

    readings: dict[str, int]
    counts: dict[str, int]
    open_alerts: dict[str, int]
    newest_alerts: list[dict[str, Any]]
    coverage: list[dict[str, Any]]
    next_jobs: list[tuple[str, datetime]]


def look(pool: Pool) -> Figures:
    """The present figures."""
    with pool.connection() as conn, conn.cursor(row_factory=dict_row) as cur:
        readings = cur.execute(_Q["tally"]).fetchone() or {}
        counts = cur.execute(_Q["counts"]).fetchone() or {}
        severities = cur.execute(_Q["open_alerts_by_severity"]).fetchall()
        newest = cur.execute(_Q["newest_alerts"], {"limit": 6}).fetchall()
        coverage = cur.execute(_Q["coverage"]).fetchall()
        jobs = cur.execute(_Q["next_jobs"], {"limit": 4}).fetchall()
    return Figures(
        dict(readings),
        dict(counts),
        {row["severity"]: row["count"] for row in severities},
        newest,
        coverage,
        [(row["job"], row["next_fire_at"]) for row in jobs],
    )


def readings(pool: Pool) -> dict[str, int]:
    """received, stored, repeated, absorbed, refused."""
    with pool.connection() as conn, conn.cursor(row_factory=dict_row) as cur:
        return dict(cur.execute(_Q["tally"]).fetchone() or {})


def report(pool: Pool) -> dict[str, Any]:
    """The store's part of the closing report. `agrees_with_tables` compares the tally with the rows that are really there."""
    with pool.connection() as conn, conn.transaction(), conn.cursor(row_factory=dict_row) as cur:
        cur.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        tally = dict(cur.execute(_Q["tally"]).fetchone() or {})
        tables = dict(cur.execute(_Q["tables"]).fetchone() or {})
        store = cur.execute(_Q["store"]).fetchone() or {}
        counts = cur.execute(_Q["counts"]).fetchone() or {}
        alerts = {row["rule_code"]: row["count"] for row in cur.execute(_Q["alerts_by_rule"]).fetchall()}
    return {
        "store": {"edition": store.get("edition"), "server": store.get("server_version"), "timescaledb": store.get("timescale_version")},
        "readings": tally,
        "agrees_with_tables": tables["stored"] == tally["stored"] and tables["refused"] == tally["refused"],
        "tables": tables,
        "alerts": alerts,
        "margin_calls": counts.get("margin_calls", 0),
        "disposal_cases": counts.get("disposal_cases", 0),
        "goods": counts.get("goods", 0),
    }
