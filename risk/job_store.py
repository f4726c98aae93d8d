"""Runs, schedule and requests in the store."""

from __future__ import annotations

import os
import platform
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from collateral.ids import new_id
from db.pool import Pool
from db.sql import load_queries
from risk.alert_store import jsonb

_Q = load_queries(__file__, "job_queries.sql")
PROCESS = f"{platform.node()}:{os.getpid()}"


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """A run that somebody asked for."""

    request_id: str
    job: str
    as_of: datetime | None
    requested_at: datetime


def begin_run(pool: Pool, job: str, *, scheduled_for: datetime, as_of: datetime, now: datetime) -> str | None:
    """A new run's id, or None when this due time was served already."""
    params = {"run_id": new_id("run"), "job": job, "scheduled_for": scheduled_for, "as_of": as_of, "started_at": now, "process": PROCESS}
    with pool.connection() as conn:
        row = conn.execute(_Q["begin_run"], params).fetchone()
    return None if row is None else str(row[0])


def end_run(
    pool: Pool,
    run_id: str,
    *,
    status: str,
    now: datetime,
    inputs: Mapping[str, Any],
    findings: Mapping[str, int],
    errors: list[Any],
    duration_ms: int,
) -> None:
    """Complete a run's row."""
    params = {
        "run_id": run_id,
        "status": status,
        "finished_at": now,
        "inputs": jsonb(inputs),
        "findings": jsonb(findings),
        "errors": jsonb(errors),
        "duration_ms": duration_ms,
        "process": PROCESS,
    }
    with pool.connection() as conn:
        conn.execute(_Q["end_run"], params)


def take_over(pool: Pool, now: datetime) -> None:
    """A new leader marks what the old one left: its runs are abandoned, the requests it had taken wait again."""
    with pool.connection() as conn:
        conn.execute(_Q["abandon_runs"], {"now": now})
        conn.execute(_Q["return_requests"])


def tidy_up(pool: Pool, active: Collection[str], now: datetime) -> None:
    """What this leader left when the store was away: requests taken and not ended wait again, runs that nobody works on are abandoned."""
    with pool.connection() as conn:
        conn.execute(_Q["return_requests"])
        conn.execute(_Q["abandon_own_runs"], {"now": now, "process": PROCESS, "active": list(active)})


def previous_run(pool: Pool, job: str) -> datetime | None:
    """as_of of the newest finished run that acted; runs for a past instant only look."""
    with pool.connection() as conn:
        row = conn.execute(_Q["previous_run"], {"job": job}).fetchone()
    return None if row is None else row[0]


def ran_for(pool: Pool, job: str, scheduled_for: datetime) -> bool:
    """Whether this due time was served."""
    with pool.connection() as conn:
        return conn.execute(_Q["ran_for"], {"job": job, "scheduled_for": scheduled_for}).fetchone() is not None


def save_schedule(pool: Pool, job: str, next_fire_at: datetime, now: datetime) -> None:
    """Tell when a job fires next."""
    with pool.connection() as conn:
        conn.execute(_Q["save_schedule"], {"job": job, "next_fire_at": next_fire_at, "now": now})


def take_request(pool: Pool) -> JobRequest | None:
    """The oldest waiting request, now taken."""
    with pool.connection() as conn:
        row = conn.execute(_Q["take_request"]).fetchone()
    return None if row is None else JobRequest(request_id=row[0], job=row[1], as_of=row[2], requested_at=row[3])


def end_request(pool: Pool, request_id: str, run_id: str | None, *, failed: bool) -> None:
    """A request is done or failed; its run, where there is one, says how and why."""
    with pool.connection() as conn:
        conn.execute(_Q["end_request"], {"request_id": request_id, "run_id": run_id, "state": "FAILED" if failed else "DONE"})


def marks_due(pool: Pool, now: datetime, slack: timedelta) -> dict[str, list[str]]:
    """Cause of a mark -> facilities that wait for one."""
    due: dict[str, list[str]] = {}
    with pool.connection() as conn:
        for facility_id, cause in conn.execute(_Q["marks_due"], {"now": now, "slack": slack}):
            due.setdefault(cause, []).append(facility_id)
    return due
