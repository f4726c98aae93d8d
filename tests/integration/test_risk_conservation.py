"""The nightly count of readings: what is under way, repeated, refused or purged is conserved; what was removed or added by hand is told."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from ingest_world import T0, Bench, fix, read, reads, register_device, register_world

from collateral.clock import FixedClock
from db.pool import Pool
from ingest.retention import Ages, Retention
from risk import jobs
from risk.conservation import CONSERVATION, check_conservation

DAY = timedelta(days=1)
LATER = T0 + 100 * DAY


@pytest.fixture
def bench(pool: Pool) -> Bench:
    """Reads of two days, one told twice, one absorbed; positions; a health message; a message of nobody."""
    with pool.connection() as conn:
        register_world(conn)
    found = Bench(pool)
    found.put(reads("R-BAY-1", 1, *(read(n) for n in range(1, 5))))
    found.put(reads("R-BAY-1", 1, *(read(n) for n in range(1, 5))))
    found.put(reads("R-BAY-1", 2, read(1), at=T0 + timedelta(minutes=1)))
    found.put(fix(1, 121.5, 31.5, T0), fix(2, 121.6, 31.5, T0 + timedelta(hours=1)))
    found.put(("v1/demo/nowhere/rfid/X/reads", b"{}"))
    found.now = T0 + DAY
    found.put(reads("R-BAY-1", 3, *(read(n, ant=2) for n in range(1, 5)), at=T0 + DAY))
    return found


def count_again(bench: Bench, at: datetime = LATER) -> jobs.RunReport:
    work = partial(check_conservation, bench.pool, at)
    return jobs.recorded(bench.pool, CONSERVATION, work, as_of=at, scheduled_for=at, clock_now=lambda: at)


def alerts(bench: Bench) -> list[tuple[Any, ...]]:
    return bench.rows("SELECT subject_id, severity, status, summary FROM alert WHERE rule_code = 'S01' ORDER BY opened_at")


def test_what_ingest_wrote_is_conserved_per_device_and_day(bench: Bench) -> None:
    report = count_again(bench)
    assert (report.status, report.errors) == ("SUCCEEDED", [])
    assert report.inputs["broken"] == 0
    assert (report.inputs["refused_counted"], report.inputs["refused_found"]) == (1, 1)
    kept = bench.rows("SELECT device_id, day::text, counted, found FROM conservation_check ORDER BY 1, 2")
    assert kept == [("R-BAY-1", "2026-11-01", 4, 4), ("R-BAY-1", "2026-11-02", 4, 4), ("TRUCK-1", "2026-11-01", 2, 2)]
    jobs.run_cross_check(bench.pool, LATER + timedelta(minutes=1))
    assert alerts(bench) == []


def test_what_retention_takes_is_no_loss(bench: Bench) -> None:
    assert Retention(bench.pool, FixedClock(LATER), Ages(telemetry=30 * DAY, dead_letters=30 * DAY)).purge(LATER)
    assert bench.one("SELECT sum(stored) FROM telemetry_purge") > 0
    report = count_again(bench)
    assert (report.status, report.errors) == ("SUCCEEDED", [])


def test_a_row_removed_by_hand_is_an_alert_on_its_device_until_it_is_back(bench: Bench) -> None:
    with bench.pool.connection() as conn:
        conn.execute(
            "CREATE TABLE taken AS SELECT * FROM observation WHERE observed_at < %s AND tag_epc LIKE '%%2'", (T0 + timedelta(hours=1),)
        )
        conn.execute("DELETE FROM observation o USING taken t WHERE o.observed_at = t.observed_at AND o.tag_epc = t.tag_epc")
        conn.execute("DELETE FROM position WHERE observed_at = %s", (T0,))
        conn.execute(
            "INSERT INTO device_event (observed_at, received_at, device_id, type, event_key, payload, content_hash) VALUES (%s, %s, 'WMS-1', 'doc', 'x', '{}', '')",
            (T0, T0),
        )
    report = count_again(bench)
    assert report.status == "PARTLY_FAILED"
    assert report.findings == {"S01": 3}
    assert [(e["device"], e["error"]) for e in report.errors] == [
        ("R-BAY-1", "2026-11-01: 4 readings counted as stored, 3 found"),
        ("TRUCK-1", "2026-11-01: 2 readings counted as stored, 1 found"),
        ("WMS-1", "2026-11-01: 0 readings counted as stored, 1 found"),
    ]
    check = partial(jobs.run_cross_check, bench.pool)
    assert check(LATER + timedelta(minutes=1)).errors == []
    found = alerts(bench)
    assert sorted((a[0], a[1], a[2]) for a in found) == [("R-BAY-1", "P2", "OPEN"), ("TRUCK-1", "P2", "OPEN"), ("WMS-1", "P2", "OPEN")]
    assert {a[3] for a in found if a[0] == "WMS-1"} == {"Device WMS-1: 1 are there that nobody counted, on 1 days."}
    with bench.pool.connection() as conn:
        conn.execute("INSERT INTO observation SELECT * FROM taken")
        conn.execute("DELETE FROM device_event WHERE event_key = 'x'")
    count_again(bench, LATER + DAY)
    check(LATER + DAY + timedelta(minutes=1))
    assert {a[0]: a[2] for a in alerts(bench)} == {"R-BAY-1": "RESOLVED", "TRUCK-1": "OPEN", "WMS-1": "RESOLVED"}


def test_a_letter_removed_by_hand_fails_the_run(bench: Bench) -> None:
    with bench.pool.connection() as conn:
        conn.execute("DELETE FROM dead_letter")
    report = count_again(bench)
    assert report.status == "FAILED"
    assert report.errors == [{"device": "", "error": "1 readings counted as refused, 0 found in the dead letter"}]


def test_a_device_registered_after_it_was_refused_breaks_nothing(bench: Bench) -> None:
    with bench.pool.connection() as conn:
        register_device(conn, "X", "native", cls="rfid", site="nowhere")
    assert count_again(bench).errors == []
