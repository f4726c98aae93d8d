"""What is wrong with an installation, and how to mend each point."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psycopg

from collateral.ledger_audit import Fault
from collateral.ledger_service import audit, audit_receipts, verify_all_chains
from db.edition import detect_installed
from db.migrate import pending
from db.pool import open_pool
from simulators.embedded.broker_probe import BrokerRefused, days_left, greet

SKEW_S_MAX = 2.0
DISK_FREE_MIN = 0.10
CERTIFICATE_DAYS_MIN = 30


class Verdict(StrEnum):
    """How one check ended."""

    OK = "ok"
    WRONG = "wrong"
    UNKNOWN = "not checked"


@dataclass(frozen=True)
class Check:
    """One point: what was found, and what to do when it is wrong."""

    name: str
    verdict: Verdict
    found: str
    mend: str = ""


def examine(database_url: str | None, mqtt_url: str | None, data_dir: Path | None) -> list[Check]:
    """All checks, in the order in which to mend them. Reads only."""
    checks = _store(database_url)
    checks.append(_disk(data_dir or Path("/")))
    checks += _broker(mqtt_url)
    if database_url and checks[0].verdict is Verdict.OK and not any(c.name == "migrations" and c.verdict is Verdict.WRONG for c in checks):
        checks.append(_ledger(database_url))
    return checks


def _store(database_url: str | None) -> list[Check]:
    if not database_url:
        mend = "set CHUANTOU_DATABASE_URL or CHUANTOU_DATABASE_URL_FILE, or start `chuantou up`"
        return [Check("store", Verdict.WRONG, "no store is named and none runs here", mend)]
    try:
        with psycopg.connect(database_url, autocommit=True, connect_timeout=5) as conn:
            checks = [_edition(conn), _migrations(conn), _clock(conn)]
    except psycopg.OperationalError as exc:
        return [Check("store", Verdict.WRONG, str(exc).strip().splitlines()[0], "start the server, or correct CHUANTOU_DATABASE_URL")]
    return checks


def _edition(conn: psycopg.Connection[tuple[object, ...]]) -> Check:
    now = detect_installed(conn)
    text = f"PostgreSQL {now.server_version}, " + (f"TimescaleDB {now.timescale_version}" if now.timescale_version else "plain")
    if conn.execute("SELECT to_regclass('installation')").fetchone() == (None,):
        return Check("store", Verdict.OK, text)
    row = conn.execute("SELECT edition, timescale_version FROM installation").fetchone()
    if row is not None and row != (now.name.value, now.timescale_version):
        return Check("store", Verdict.WRONG, f"{text} ({now.name}), but {row[0]} {row[1] or ''} is recorded", "run: chuantou migrate")
    return Check("store", Verdict.OK, f"{text} ({now.name})")


def _migrations(conn: psycopg.Connection[tuple[object, ...]]) -> Check:
    missing = pending(conn)
    if missing:
        return Check("migrations", Verdict.WRONG, f"{len(missing)} to come: {', '.join(missing)}", "run: chuantou migrate")
    return Check("migrations", Verdict.OK, "the schema is the newest")


def _clock(conn: psycopg.Connection[tuple[object, ...]]) -> Check:
    before = time.time()
    row = conn.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    after = time.time()
    assert row is not None
    assert isinstance(row[0], float)
    skew = row[0] - (before + after) / 2
    if abs(skew) > SKEW_S_MAX + (after - before) / 2:
        return Check(
            "clock", Verdict.WRONG, f"the store's clock is {skew:+.1f} s off this machine's", "run NTP (chrony, timesyncd) on both"
        )
    return Check("clock", Verdict.OK, f"the store's clock and this machine's agree within {abs(skew) + (after - before) / 2:.3f} s")


def _disk(folder: Path) -> Check:
    place = folder if folder.exists() else Path("/")
    usage = shutil.disk_usage(place)
    text = f"{usage.free / 2**30:.1f} GiB of {usage.total / 2**30:.1f} GiB free at {place}"
    if usage.free < DISK_FREE_MIN * usage.total and usage.free < 20 * 2**30:
        return Check("disk", Verdict.WRONG, text, "make room, or move the data directory: a full disk stops ingest and ledger")
    return Check("disk", Verdict.OK, text)


def _broker(mqtt_url: str | None) -> list[Check]:
    if not mqtt_url:
        mend = "set CHUANTOU_MQTT_URL or CHUANTOU_MQTT_URL_FILE"
        return [Check("broker", Verdict.WRONG, "no broker is named and none runs here", mend)]
    try:
        greeting = greet(mqtt_url)
    except BrokerRefused as exc:
        mend = "start the broker; if it refuses the login, let `chuantou broker-files` write its account files"
        return [Check("broker", Verdict.WRONG, str(exc), mend)]
    checks = [Check("broker", Verdict.OK, "accepts the login" if greeting.accepted else "accepts connections (no login given)")]
    if greeting.certificate_until is None:
        return [*checks, Check("certificates", Verdict.UNKNOWN, "the broker's URL does not use TLS")]
    left = days_left(greeting.certificate_until)
    found = f"the broker's certificate ends on {greeting.certificate_until:%Y-%m-%d}, in {left} days"
    verdict = Verdict.OK if left >= CERTIFICATE_DAYS_MIN else Verdict.WRONG
    return [*checks, Check("certificates", verdict, found, "" if verdict is Verdict.OK else "renew it and restart the broker")]


def _ledger(database_url: str) -> Check:
    pool = open_pool(database_url, name="doctor", size_max=2, connect_wait_s=10)
    try:
        faults = verify_all_chains(pool)
    finally:
        pool.close()
    if faults:
        first = next(iter(faults.values()))[0]
        found = f"{sum(map(len, faults.values()))} faults in {', '.join(sorted(faults))}: {first}"
        return Check("ledger", Verdict.WRONG, found, "stop posting, keep the database as it is, and compare with the last backup")
    return Check("ledger", Verdict.OK, "every facility's chain of entries is sound")


def audit_ledger(database_url: str, facility_id: str | None) -> tuple[int, list[Fault]]:
    """How many books were audited and every row at fault; all of them: the chains of receipts too. Reads only. Raises StoreUnavailable, NotFound."""
    pool = open_pool(database_url, name="doctor", size_max=2, connect_wait_s=10)
    try:
        books, found = audit(pool, facility_id)
        return books, found if facility_id is not None else [*found, *audit_receipts(pool)[1]]
    finally:
        pool.close()
