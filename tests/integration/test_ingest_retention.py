"""Retention takes what is old and needed by nobody; counters and tables agree afterwards."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from collateral_world import NOW, TENANT, build_world
from ingest_world import T0, Bench, assert_conserved, fix, read, reads, register_world, tag

from collateral.clock import FixedClock
from db.pool import Pool
from ingest.retention import Ages, Retention

LATER = T0 + timedelta(days=100)
AGES = Ages(telemetry=timedelta(days=30), dead_letters=timedelta(days=30))


@pytest.fixture
def bench(pool: Pool) -> Bench:
    """Goods 1-4 read on day 0 and, in another bay, on day 1; a truck's fixes; a refused message."""
    with pool.connection() as conn:
        register_world(conn)
    found = Bench(pool)
    found.put(reads("R-BAY-1", 1, *(read(n) for n in range(1, 5))))
    found.put(reads("R-BAY-1", 2, *(read(n, ant=2) for n in range(1, 5)), at=T0 + timedelta(days=1)))
    found.put(fix(1, 121.5, 31.5, T0), fix(2, 121.6, 31.5, T0 + timedelta(hours=1)))
    found.put(("v1/demo/nowhere/rfid/X/reads", b"{}"))
    return found


def purge(bench: Bench) -> None:
    assert Retention(bench.pool, FixedClock(LATER), AGES).purge(LATER)


def tags_of_day_0(bench: Bench) -> set[str]:
    return {row[0] for row in bench.rows(f"SELECT tag_epc FROM observation WHERE observed_at = '{T0.isoformat()}'")}


def test_old_telemetry_goes_and_the_counters_know(bench: Bench) -> None:
    before = assert_conserved(bench.pool)
    purge(bench)
    assert tags_of_day_0(bench) == set()
    assert bench.one("SELECT count(*) FROM position") == 1, "a vehicle's newest fix stays"
    assert bench.one("SELECT count(*) FROM dead_letter") == 0
    assert bench.one("SELECT count(*) FROM movement") > 0
    stored, refused = bench.rows("SELECT sum(stored)::int, sum(refused)::int FROM telemetry_purge")[0]
    kept = bench.one("SELECT (SELECT count(*) FROM observation) + (SELECT count(*) FROM position) + (SELECT count(*) FROM device_event)")
    assert kept + stored == before["stored"]
    assert refused == before["refused"]


def test_the_row_behind_a_present_sighting_stays(bench: Bench) -> None:
    purge(bench)
    assert bench.rows("SELECT count(*) FROM observation") == [(4,)]
    assert (
        bench.one("SELECT count(*) FROM goods_position p JOIN observation o ON o.tag_epc = p.tag_epc AND o.observed_at = p.first_stored_at")
        == 4
    )


@pytest.mark.parametrize(
    ("sql", "kept"),
    [
        ("INSERT INTO legal_hold (hold_id, tenant_id, subject_kind, subject_id, reason, placed_by, placed_at) VALUES ('h', 'demo', 'goods', 'G-2', 'court', 'a', now())", {2}),
        ("INSERT INTO legal_hold (hold_id, tenant_id, subject_kind, subject_id, reason, placed_by, placed_at) VALUES ('h', 'demo', 'device', 'R-BAY-1', 'court', 'a', now())", {1, 2, 3, 4}),
        (
            "INSERT INTO alert (alert_id, tenant_id, rule_code, rule_version, subject_kind, subject_id, leg, severity, status, summary, summary_zh, evidence, occurred_at, opened_at, last_found_at)"
            " VALUES ('a', 'demo', 'R02', 1, 'goods', 'G-3', 'L', 'P2', 'OPEN', 's', 's', '{}', now(), now(), now())",
            {3},
        ),
    ],
)  # fmt: skip
def test_what_a_hold_or_an_open_alert_needs_stays(bench: Bench, sql: str, kept: set[int]) -> None:
    with bench.pool.connection() as conn:
        conn.execute(sql.encode())
    purge(bench)
    assert tags_of_day_0(bench) == {tag(n) for n in kept}


def test_readings_of_pledged_goods_stay_until_they_are_released(pool: Pool) -> None:
    world = build_world(pool, with_facility=True)
    pledged, free = world.coils(1, 2, seen_at=None, at=NOW - timedelta(days=30))
    bench = Bench(pool)
    for seq, days in enumerate((20, 10)):
        at = NOW - timedelta(days=days)
        body = {"ts": at.isoformat(), "seq": seq, "reads": [{"epc": f"E28011{i:018X}", "ant": 1} for i in (1, 2)]}
        bench.now = at
        bench.put((f"v1/{TENANT}/WH-SH-01/rfid/rd-1/reads", json.dumps(body).encode()))
    world.pledged([pledged])
    retention = Retention(pool, FixedClock(NOW), Ages(telemetry=timedelta(days=5)))

    def kept() -> list[tuple[str, int]]:
        with pool.connection() as conn:
            return conn.execute("SELECT goods_id, count(*) FROM observation GROUP BY 1 ORDER BY 1").fetchall()

    assert retention.purge(NOW)
    assert kept() == [(pledged, 2), (free, 1)], "the free unit keeps the row behind its present sighting"
    with pool.connection() as conn:
        conn.execute("UPDATE pledge_item SET released_at = %s", (NOW,))
    assert retention.purge(NOW)
    assert kept() == [(pledged, 1), (free, 1)]


def test_queued_letters_are_not_taken_away(bench: Bench) -> None:
    with bench.pool.connection() as conn:
        conn.execute("UPDATE dead_letter SET state = 'QUEUED', worked_by = 'x', worked_at = now()")
    purge(bench)
    assert bench.one("SELECT count(*) FROM dead_letter") == 1


def test_nothing_is_removed_without_an_age(bench: Bench) -> None:
    before = json.dumps(bench.rows("SELECT count(*) FROM observation"))
    assert Retention(bench.pool, FixedClock(LATER), Ages()).purge(LATER)
    assert json.dumps(bench.rows("SELECT count(*) FROM observation")) == before


def test_late_reads_after_a_purge_do_not_double_a_movement(bench: Bench) -> None:
    movements = bench.one("SELECT count(*) FROM movement")
    purge(bench)
    bench.put(reads("R-BAY-1", 2, *(read(n, ant=2) for n in range(1, 5)), at=T0 + timedelta(days=1)))  # delivered again
    assert bench.one("SELECT count(*) FROM movement") == movements
    assert bench.one("SELECT count(*) FROM observation") == 4
