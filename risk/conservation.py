"""Nothing lost, nothing doubled: the readings that ingest counted as stored are counted again in the tables, per device and day of receipt."""

from __future__ import annotations

import logging
from datetime import datetime

from psycopg import IsolationLevel

from db.pool import Pool
from db.sql import load_queries
from risk.jobs import RunReport

log = logging.getLogger(__name__)
_Q = load_queries(__file__, "conservation.sql")

CONSERVATION = "conservation"
NAMED_MAX = 100


def check_conservation(pool: Pool, as_of: datetime, report: RunReport) -> None:
    """Count again, keep the result per device and day, and say in the run's errors what does not agree.

    Ingest writes rows and counters in one transaction, and retention counts what it takes in the same way; so in one snapshot they agree, however
    much is under way. The rule S01 raises an alert for a device; what no device stands for fails the run.
    """
    with pool.connection() as conn:
        conn.isolation_level = IsolationLevel.REPEATABLE_READ
        try:
            with conn.transaction():
                conn.execute("SET LOCAL statement_timeout = 0")
                compared = conn.execute(_Q["compare"], {"now": as_of}).fetchone()
                refused = conn.execute(_Q["refused"]).fetchone()
                broken = conn.execute(_Q["broken"], {"limit": NAMED_MAX}).fetchall()
        finally:
            conn.isolation_level = None
    assert compared is not None
    assert refused is not None
    report.inputs |= {"device_days": compared[0], "broken": compared[1], "refused_counted": refused[0], "refused_found": refused[1]}
    report.findings["S01"] = compared[2]
    for device_id, day, told, held in broken:
        report.errors.append({"device": device_id, "error": f"{day}: {told} readings counted as stored, {held} found"})
    if refused[0] != refused[1]:
        report.failed = True
        report.errors.append({"device": "", "error": f"{refused[0]} readings counted as refused, {refused[1]} found in the dead letter"})
    if report.errors:
        log.error("readings are not conserved", extra={"event": "conservation_broken", "broken": compared[1], "refused": list(refused)})
