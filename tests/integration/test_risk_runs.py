"""Runs that people ask for: the past is looked at and not acted on, the future is refused, and no request is forgotten."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from collateral_world import NOW
from psycopg.rows import dict_row
from risk_world import TUNING, RiskWorld, all_heard, build_risk_world

from collateral.clock import FixedClock
from collateral.ids import new_id
from db.pool import Pool, open_pool
from risk.jobs import JUDGEMENT_LOCK
from risk.schedule import Schedule
from risk.settings import RiskSettings

HOUR = timedelta(hours=1)


@pytest.fixture
def world(pool: Pool) -> RiskWorld:
    return build_risk_world(pool)


def within(seconds: float, condition: Callable[[], Any], what: str) -> None:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.02)


@contextmanager
def leading(pool: Pool, at: datetime, database_url: str) -> Iterator[Schedule]:
    """The scheduled lane of a leader whose clock stands at this time."""
    schedule, stop = Schedule(pool, FixedClock(at), RiskSettings(database_url=database_url), TUNING), threading.Event()
    thread = threading.Thread(target=schedule.run, args=(stop,))
    thread.start()
    try:
        yield schedule
    finally:
        stop.set()
        schedule.wake("poll")
        thread.join()


def ask(world: RiskWorld, job: str, as_of: datetime | None = None) -> str:
    request_id = new_id("jobreq")
    world.execute(
        "INSERT INTO job_request (request_id, job, as_of, requested_by, requested_at) VALUES (%s, %s, %s, 'officer', %s)",
        request_id, job, as_of, NOW,
    )  # fmt: skip
    return request_id


def served(world: RiskWorld, request_id: str) -> tuple[str, dict[str, Any]]:
    """State of the request and its run, once it has ended."""
    within(20, lambda: world.scalar("SELECT state FROM job_request WHERE request_id = %s", request_id) in ("DONE", "FAILED"), "the request")
    with world.pool.connection() as conn, conn.cursor(row_factory=dict_row) as cur:
        row = cur.execute("SELECT q.state, r.* FROM job_request q JOIN job_run r USING (run_id) WHERE request_id = %s", (request_id,))
        found = row.fetchone()
    assert found is not None
    return found["state"], found


def phantom(world: RiskWorld) -> datetime:
    """A unit that nobody ever saw is found now; returns a later time at which it has been seen."""
    never = world.coils(1, 1, seen_at=None)
    world.pledged(never, at=NOW - 2 * 24 * HOUR)
    all_heard(world, NOW)
    world.check(NOW)
    return NOW


def test_a_check_of_an_instant_before_the_newest_check_looks_and_changes_no_alert(world: RiskWorld) -> None:
    phantom(world)
    before = world.alerts()
    assert [a["rule_code"] for a in before] == ["R04"]
    reports = [world.check(NOW - HOUR - timedelta(microseconds=i)) for i in range(2)]
    assert world.alerts() == before
    assert [r.findings["R04"] for r in reports] == [1, 1]
    assert world.scalar("SELECT count(*) FROM job_run WHERE inputs ? 'replay'") == 2
    world.see(["HRC-00001"], NOW)
    world.check(NOW - HOUR - timedelta(seconds=1))
    assert world.alerts() == before  # nor does the past resolve what the present has to
    world.check(NOW + HOUR)
    assert world.open("R04") == []


def test_a_run_asked_for_a_past_instant_gives_its_findings_again_and_acts_on_nothing(world: RiskWorld, database_url: str) -> None:
    phantom(world)
    before, marks = world.alerts(), world.scalar("SELECT count(*) FROM valuation")
    with leading(world.pool, NOW + HOUR, database_url):
        runs = [served(world, ask(world, "cross_check", NOW - i * HOUR)) for i in (0, 1)]
        state, night = served(world, ask(world, "overnight_revaluation", NOW - HOUR))
        refused, expiry = served(world, ask(world, "margin_expiry", NOW - HOUR))
    assert [(s, r["findings"]["R04"], r["inputs"]["replay"]) for s, r in runs] == [("DONE", 1, True)] * 2
    assert (state, night["inputs"]["replay"]) == ("DONE", True)
    assert (refused, expiry["status"]) == ("FAILED", "FAILED")
    assert "only on the present" in expiry["errors"][0]["error"]
    assert world.alerts() == before
    assert world.scalar("SELECT count(*) FROM valuation WHERE as_of < %s", NOW + HOUR) == marks


def test_a_run_asked_for_the_future_fails_with_the_reason_and_changes_nothing(world: RiskWorld, database_url: str) -> None:
    phantom(world)
    before = world.alerts()
    with leading(world.pool, NOW + HOUR, database_url):
        state, run = served(world, ask(world, "cross_check", NOW + HOUR + timedelta(seconds=1)))
    assert (state, run["status"]) == ("FAILED", "FAILED")
    assert "lies in the future" in run["errors"][0]["error"]
    assert world.alerts() == before


def test_a_request_whose_run_the_store_could_not_end_is_served_again(world: RiskWorld, database_url: str) -> None:
    lane = open_pool(database_url, name="risk-lane", size_max=3)
    waiting = "SELECT pid FROM pg_stat_activity WHERE application_name = 'chuantou-risk-lane' AND wait_event_type = 'Lock'"
    try:
        with psycopg.connect(database_url) as judging, psycopg.connect(database_url) as away, leading(lane, NOW + HOUR, database_url):
            judging.execute("SELECT pg_advisory_xact_lock(%s)", (JUDGEMENT_LOCK,))
            request_id = ask(world, "cross_check")
            within(20, lambda: world.scalar(waiting), "the run before the lock")
            away.execute("SELECT 1 FROM job_run FOR UPDATE")
            judging.rollback()
            within(20, lambda: world.scalar(f"{waiting} AND query LIKE '%%UPDATE job_run SET status%%'"), "the end of the run, held up")
            world.execute(f"SELECT pg_terminate_backend(pid) FROM ({waiting}) w")
            away.rollback()
            state, run = served(world, request_id)
        assert (state, run["status"]) == ("DONE", "SUCCEEDED")
        assert world.scalar("SELECT array_agg(status ORDER BY status) FROM job_run") == ["ABANDONED", "SUCCEEDED"]  # nothing runs for ever
    finally:
        lane.close()
