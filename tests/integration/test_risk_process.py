"""`python -m risk` as processes: one leads, the other takes over; on a fast clock jobs run; SIGTERM ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from collateral_world import NOW
from risk_world import RiskWorld, all_heard, build_risk_world

from collateral.ids import new_id
from db.pool import Pool

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def world(pool: Pool) -> RiskWorld:
    return build_risk_world(pool)


@pytest.fixture
def start(database_url: str, tmp_path: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[bytes]] = []

    def begin(**environment: str) -> subprocess.Popen[bytes]:
        log = (tmp_path / f"risk-{len(running)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "risk"], env={**os.environ, "CHUANTOU_DATABASE_URL": database_url, **environment}, stderr=log
        )
        log.close()
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait()


def within(seconds: float, condition: Callable[[], Any], what: str) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - began


def leaders(world: RiskWorld) -> list[int]:
    with world.pool.connection() as conn:
        return [r[0] for r in conn.execute("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 7251002 AND granted AND database ="
                                           " (SELECT oid FROM pg_database WHERE datname = current_database())")]  # fmt: skip


def test_a_standby_takes_over_within_ten_seconds_of_a_kill_and_judges_what_came_meanwhile(world: RiskWorld, start: Start) -> None:
    goods = world.coils(1, 3)
    world.pledged(goods)
    spec = f"{NOW.isoformat()}@{time.time():.3f}x1"
    first = start(CHUANTOU_CLOCK=spec)
    within(20, lambda: leaders(world), "a leader")
    second = start(CHUANTOU_CLOCK=spec)
    world.movement("GATE_OUT", goods[0], NOW)
    within(5, lambda: world.open("R01") == goods[:1], "the first exit")
    within(20, lambda: world.scalar("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chuantou-risk-leader' AND datname = current_database()") == 2,
           "a standby")  # fmt: skip
    assert len(leaders(world)) == 1
    first.send_signal(signal.SIGKILL)
    first.wait()
    world.movement("GATE_OUT", goods[1], NOW)
    within(10, lambda: world.open("R01") == goods[:2], "the take-over")
    assert all(world.events(a["alert_id"]) == ["OPENED"] for a in world.alerts("R01"))
    within(10, lambda: world.scalar("SELECT count(*) FROM job_schedule") == 6, "the timetable")
    assert world.scalar("SELECT next_fire_at FROM job_schedule WHERE job = 'overnight_revaluation'") == datetime(2020, 3, 9, 18, tzinfo=UTC)
    began = time.monotonic()
    second.terminate()
    assert second.wait(10) == 0
    assert time.monotonic() - began < 8


def test_on_a_fast_clock_that_stands_still_at_first_the_night_comes_and_requests_are_served(
    world: RiskWorld, start: Start, tmp_path: Path
) -> None:
    goods = world.coils(1, 2)
    world.pledged(goods)
    clock = tmp_path / "clock"
    clock.write_text(f"standing {NOW.isoformat()}", encoding="ascii")
    process = start(CHUANTOU_CLOCK=f"file:{clock}")
    within(20, lambda: leaders(world), "a leader")
    assert world.scalar("SELECT count(*) FROM job_run") == 0
    clock.write_text(f"{NOW.isoformat()}@{time.time():.3f}x7200", encoding="ascii")
    within(
        20,
        lambda: world.scalar("SELECT count(*) FROM job_run WHERE job = 'overnight_revaluation' AND status = 'SUCCEEDED'") == 1,
        "the night",
    )
    row = world.scalar("SELECT scheduled_for FROM job_run WHERE job = 'overnight_revaluation'")
    assert row == datetime(2020, 3, 9, 18, tzinfo=UTC)
    assert world.scalar("SELECT count(*) FROM job_run WHERE job = 'cross_check' AND status = 'SUCCEEDED'") >= 2
    world.execute(
        "INSERT INTO job_request (request_id, job, requested_by, requested_at) VALUES (%s, 'closing_mark', 'officer', %s)",
        new_id("jobreq"),
        NOW,
    )
    within(10, lambda: world.scalar("SELECT state FROM job_request") == "DONE", "the request")
    world.execute(
        "INSERT INTO job_request (request_id, job, requested_by, requested_at) VALUES (%s, 'no_such_job', 'officer', %s)",
        new_id("jobreq"),
        NOW,
    )
    within(10, lambda: world.scalar("SELECT count(*) FROM job_request WHERE state = 'FAILED'") == 1, "the refusal of an unknown job")
    marked = world.scalar("SELECT count(*) FROM valuation")
    process_now = world.scalar("SELECT max(as_of) FROM valuation") + timedelta(hours=1)
    world.price("3900", process_now)
    within(10, lambda: world.scalar("SELECT count(*) FROM valuation") > marked, "the mark after a price")
    process.terminate()
    assert process.wait(10) == 0


def test_every_night_comes_once_although_the_leader_is_killed_between_two_of_them(world: RiskWorld, start: Start) -> None:
    goods = world.coils(1, 2)
    world.pledged(goods)
    began = datetime(2020, 3, 9, 17, 30, tzinfo=UTC)  # half an hour before Monday's night, by a clock on which a day takes 16 s
    spec = f"{began.isoformat()}@{time.time():.3f}x5400"
    nights = "SELECT count(*) FROM job_run WHERE job = 'overnight_revaluation' AND status = 'SUCCEEDED'"
    first = start(CHUANTOU_CLOCK=spec)
    within(20, lambda: leaders(world), "a leader")
    second = start(CHUANTOU_CLOCK=spec)
    within(20, lambda: world.scalar(nights) == 1, "the first night")
    within(20, lambda: world.scalar("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chuantou-risk-leader' AND datname = current_database()") == 2,
           "a standby")  # fmt: skip
    first.send_signal(signal.SIGKILL)
    first.wait()
    within(10, lambda: leaders(world), "the take-over")
    within(40, lambda: world.scalar(nights) >= 2, "the next night")
    second.terminate()
    assert second.wait(10) == 0
    with world.pool.connection() as conn:
        runs = conn.execute(
            "SELECT scheduled_for, status, process FROM job_run WHERE job = 'overnight_revaluation' ORDER BY scheduled_for"
        ).fetchall()
        twice = conn.execute("SELECT job, scheduled_for FROM job_run GROUP BY 1, 2 HAVING count(*) > 1").fetchall()
        left = conn.execute("SELECT count(*) FROM job_run WHERE status = 'RUNNING'").fetchone()
    assert [r[0] for r in runs] == [datetime(2020, 3, 9 + i, 18, tzinfo=UTC) for i in range(len(runs))]  # none left out
    assert runs[0][2] != runs[1][2]
    assert twice == []
    assert left == (0,)
    assert world.scalar("SELECT count(*) FROM valuation WHERE cause = 'OVERNIGHT'") == len(runs)


def test_losing_every_connection_for_a_while_is_survived(world: RiskWorld, start: Start, database_url: str) -> None:
    goods = world.coils(1, 2)
    world.pledged(goods)
    all_heard(world, NOW)
    process = start(CHUANTOU_CLOCK=f"{NOW.isoformat()}@{time.time():.3f}x1")
    within(20, lambda: leaders(world), "a leader")
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'chuantou-risk%' AND datname = current_database()"
        )
    world.movement("GATE_OUT", goods[0], NOW)
    within(10, lambda: world.open("R01") == goods[:1], "the exit after the loss")
    assert process.poll() is None


def test_a_wrong_setting_ends_with_exit_code_2(start: Start) -> None:
    assert start(CHUANTOU_CLOCK="half past nine").wait(20) == 2
