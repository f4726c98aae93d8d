"""Late data, corrections and evidence in the tables: what holds in the end does not depend on what came first."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from ingest_world import METAL, T0, YARD, Bench, assert_conserved, fix, read, reads, register_world, tag

from api.trace import trace
from collateral.observability import Blind, NotSeen, not_seen
from collateral.observability_store import zone_observability
from db.pool import Pool

S = timedelta(seconds=1)
SEQ = itertools.count(1)
PLACES = [("R-BAY-1", 1), ("R-BAY-1", 2), ("R-GATE-1", 1), ("R-GATE-1", 3), ("R-METAL-1", 1), ("R-BAY-1", 7)]


@pytest.fixture
def bench(pool: Pool) -> Bench:
    with pool.connection() as conn:
        register_world(conn)
    return Bench(pool)


def upheld(bench: Bench, n: int) -> list[tuple[Any, ...]]:
    """Movements of a tag that were not taken back."""
    return bench.rows(
        "SELECT kind, occurred_at, from_zone_id, to_zone_id, device_id FROM movement m"
        f" WHERE tag_epc = '{tag(n)}' AND corrects IS NULL AND NOT EXISTS (SELECT FROM movement c WHERE c.corrects = m.movement_id)"
        " ORDER BY occurred_at, kind, device_id"
    )


def position(bench: Bench, n: int) -> tuple[Any, ...]:
    (row,) = bench.rows(
        "SELECT goods_id, zone_id, warehouse_id, device_id, antenna, entered_at, last_seen_at, previous_zone_id, rssi_dbm, pending FROM goods_position"
        f" WHERE tag_epc = '{tag(n)}'"
    )
    return row


def test_a_late_read_is_told_by_a_correction_that_the_trace_shows(bench: Bench) -> None:
    bench.put(reads("R-BAY-1", 2, read(1, ant=2), at=T0 + 60 * S))
    bench.put(reads("R-BAY-1", 1, read(1, ant=1)))
    assert position(bench, 1)[1] == f"{YARD}/bay-2"
    assert [row[:4] for row in upheld(bench, 1)] == [
        ("APPEARED", T0, None, f"{YARD}/bay-1"),
        ("ZONE_CHANGE", T0 + 60 * S, f"{YARD}/bay-1", f"{YARD}/bay-2"),
    ]
    with bench.pool.connection() as conn:
        items = [i for i in trace(conn, "demo", "G-1", T0 + timedelta(hours=1))["items"] if i["kind"] == "movement"]
    (correction,) = (i["facts"] for i in items if i["facts"]["kind"] == "CORRECTION")
    wrong = next(i for i in items if i["subject_id"] == str(correction["corrects"]))
    assert wrong["facts"]["kind"] == "APPEARED"
    assert wrong["occurred_at"] == T0 + 60 * S
    assert correction["evidence"]["reason"] == "late_read"
    assert correction["evidence"]["shown_by"]["device_id"] == "R-BAY-1"
    assert [m["kind"] for m in correction["evidence"]["instead"]] == ["APPEARED", "ZONE_CHANGE"]


def test_a_late_exit_does_not_overwrite_a_newer_entry(bench: Bench) -> None:
    bench.put(reads("R-BAY-1", 1, read(1)))
    bench.put(reads("R-GATE-1", 5, read(1, ant=1, at=T0 + 400 * S), read(1, ant=2, at=T0 + 401 * S)))  # inside the gate again
    bench.put(reads("R-GATE-1", 3, *(read(1, ant=a, at=T0 + (300 + a) * S) for a in (1, 2, 3, 4))))  # how it went out before, late
    assert position(bench, 1)[1] == f"{YARD}/gate-inner"
    kinds = [row[0] for row in upheld(bench, 1)]
    assert [k for k in kinds if k.startswith("GATE")] == ["GATE_OUT", "GATE_IN"]
    assert bench.rows(
        "SELECT a.occurred_at < b.occurred_at FROM movement a, movement b WHERE a.kind = 'GATE_OUT' AND b.kind = 'GATE_IN'"
    ) == [(True,)]


def test_a_passage_that_late_reads_disprove_is_taken_back(bench: Bench) -> None:
    inner, outer = read(1, ant=1, at=T0), [read(1, ant=3, at=T0 + 9 * 60 * S), read(1, ant=4, at=T0 + (9 * 60 + 1) * S)]
    bench.put(reads("R-GATE-1", 1, inner))
    bench.put(reads("R-GATE-1", 9, *outer))
    assert bench.one("SELECT count(*) FROM movement WHERE kind = 'GATE_OUT'") == 1
    # it had been out before: at the outer side, long enough apart from the inner one
    bench.put(reads("R-GATE-1", 2, read(1, ant=3, at=T0 + 60 * S), read(1, ant=4, at=T0 + 61 * S)))
    outs = [row[:2] for row in upheld(bench, 1) if row[0] == "GATE_OUT"]
    assert len(outs) == 1


def test_a_stray_read_of_the_neighbour_does_not_move_the_goods(bench: Bench) -> None:
    bench.put(reads("R-BAY-1", 1, read(1)))
    bench.put(reads("R-BAY-1", 2, read(1, ant=2, rssi=-78.0), at=T0 + 400 * S))
    assert position(bench, 1)[1] == f"{YARD}/bay-1"
    assert position(bench, 1)[6] == T0 + 400 * S  # it was seen, though
    assert [row[0] for row in upheld(bench, 1)] == ["APPEARED"]
    bench.put(reads("R-BAY-1", 3, read(1, ant=2, rssi=-78.0), at=T0 + 402 * S))
    bench.put(reads("R-BAY-1", 4, read(1, ant=2, rssi=-77.0), at=T0 + 404 * S))
    assert [row[:2] for row in upheld(bench, 1)] == [("APPEARED", T0), ("ZONE_CHANGE", T0 + 400 * S)]
    assert bench.one("SELECT evidence->>'reason' FROM movement WHERE kind = 'ZONE_CHANGE'") == "repeated"
    assert position(bench, 1)[5] == T0 + 400 * S


def test_policies_are_data_and_smoothing_can_be_switched_off_per_class(bench: Bench) -> None:
    with bench.pool.connection() as conn:
        conn.execute("INSERT INTO read_policy (device_class, smoothing_s) VALUES ('rfid', 0)")
        conn.execute("INSERT INTO read_policy (device_id, smoothing_s) VALUES ('R-METAL-1', 3600)")
    bench.registry.mark_stale()
    for i in range(10):
        bench.put(reads("R-BAY-1", i, read(1), at=T0 + i * S), reads("R-METAL-1", i, read(2), at=T0 + i * 60 * S))
    counts = dict(bench.rows("SELECT device_id, count(*) FROM observation GROUP BY 1"))
    assert counts == {"R-BAY-1": 10, "R-METAL-1": 1}
    assert bench.rows("SELECT tag_epc, reads, absorbed FROM goods_position ORDER BY 1") == [(tag(1), 10, 0), (tag(2), 10, 9)]
    assert assert_conserved(bench.pool) == {"received": 20, "stored": 11, "repeated": 0, "absorbed": 9, "refused": 0}


def test_an_antenna_counts_for_the_zone_in_which_it_listened_then(bench: Bench) -> None:
    with bench.pool.connection() as conn:
        moved_at = T0 + 100 * S
        conn.execute("UPDATE antenna_zone SET valid_to = %s WHERE device_id = 'R-BAY-1' AND antenna = 1", (moved_at,))
        conn.execute("INSERT INTO antenna_zone VALUES ('R-BAY-1', 1, %s, %s, NULL)", (f"{YARD}/bay-2", moved_at))
    bench.registry.mark_stale()
    bench.put(reads("R-BAY-1", 2, read(1), at=T0 + 200 * S))
    bench.put(reads("R-BAY-1", 1, read(1)))  # late, from before the antenna was moved
    assert [row[3] for row in upheld(bench, 1)] == [f"{YARD}/bay-1", f"{YARD}/bay-2"]


EXAMPLES_MAX = 200
STEPS = st.lists(
    st.tuples(st.sampled_from(PLACES), st.sampled_from([-50.0, -58.0, -66.0, -74.0]), st.sampled_from([0, 1, 2, 4, 11, 70, 400])),
    min_size=2,
    max_size=12,
)


def test_any_order_of_arrival_ends_in_the_same_state_and_movements(pool: Pool) -> None:
    examples = itertools.count(1)
    with pool.connection() as conn:
        register_world(conn, goods=2 * EXAMPLES_MAX)
    bench = Bench(pool, smoothing_s=0)

    @settings(max_examples=60, phases=(Phase.generate,), derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        n = 2 * next(examples)
        at, events = T0, []
        for (device, antenna), rssi, gap in data.draw(STEPS):
            at += gap * S
            events.append((device, antenna, rssi, at, next(SEQ)))
        for event in sorted(events, key=lambda e: (e[3], e[0], e[1], str(e[4]))):
            bench.put(_one(n, event))
        shuffled = data.draw(st.permutations(events))
        while shuffled:
            size = data.draw(st.integers(1, len(shuffled)))
            bench.put(*(_one(n + 1, event) for event in shuffled[:size]))
            shuffled = shuffled[size:]
        assert position(bench, n + 1)[1:] == position(bench, n)[1:]
        assert _places(upheld(bench, n + 1)) == _places(upheld(bench, n))
        assert _passages(upheld(bench, n + 1)) == _passages(upheld(bench, n))
        assert bench.one(f"SELECT count(*) FROM observation WHERE tag_epc = '{tag(n)}'") == bench.one(
            f"SELECT count(*) FROM observation WHERE tag_epc = '{tag(n + 1)}'"
        )

    holds()
    assert_conserved(pool)


def _one(n: int, event: tuple[str, int, float, datetime, int]) -> tuple[str, bytes]:
    device, antenna, rssi, at, seq = event
    return reads(device, seq, read(n, ant=antenna, rssi=rssi), at=at)


def _places(movements: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [m for m in movements if not m[0].startswith("GATE")]


def _passages(movements: list[tuple[Any, ...]]) -> list[str]:
    """Which way, in order; the time of a passage may be told from fewer reads."""
    return [m[0] for m in movements if m[0].startswith("GATE")]


def test_two_sites_at_one_time_are_told_when_the_one_in_between_comes_late(bench: Bench) -> None:
    for i in range(5):
        bench.put(reads("R-BAY-1", i, read(1), at=T0 + i * 60 * S))  # absorbed after the first
    bench.put(reads("R-METAL-1", 1, read(1), at=T0 + 150 * S))
    assert [(r[0], r[1]) for r in upheld(bench, 1)] == [("APPEARED", T0), ("SITE_CHANGE", T0 + 150 * S), ("SITE_CHANGE", T0 + 240 * S)]
    assert position(bench, 1)[2] == YARD
    assert bench.rows(
        "SELECT evidence->>'from_warehouse_id', evidence->>'to_warehouse_id' FROM movement WHERE kind = 'SITE_CHANGE' ORDER BY occurred_at"
    ) == [
        (YARD, METAL),
        (METAL, YARD),
    ]


def test_messages_swapped_between_workers_leave_no_gap_and_real_gaps_are_intervals(bench: Bench) -> None:
    def message(seq: int) -> tuple[str, bytes]:
        return reads("R-BAY-1", seq, read(seq % 20 + 1), at=T0 + seq * S)

    bench.put(*(message(n) for n in (2, 4, 6, 8, 9)))
    assert bench.one("SELECT gaps FROM device_state") == 3
    bench.put(*(message(n) for n in (1, 3, 5)))  # the other worker was slower
    assert bench.one("SELECT gaps FROM device_state") == 1
    assert bench.rows("SELECT kind, from_at, until_at, seq_from, seq_to, missed FROM missed_reads WHERE filled_at IS NULL") == [
        ("SEQ_GAP", T0 + 6 * S, T0 + 8 * S, 7, 7, 1)
    ]
    bench.put(message(7), message(7))
    assert bench.rows("SELECT gaps, last_seq, jsonb_array_length(seq_spans->0) FROM device_state") == [(0, 9, 1)]
    assert bench.one("SELECT count(*) FROM missed_reads WHERE filled_at IS NULL") == 0
    bench.put(reads("R-BAY-1", 1, read(1), at=T0 + 300 * S))
    assert bench.rows("SELECT kind, from_at, until_at FROM missed_reads WHERE filled_at IS NULL") == [
        ("SEQ_RESET", T0 + 9 * S, T0 + 300 * S)
    ]


def test_runs_of_signs_of_life_are_kept_and_late_messages_close_them(bench: Bench) -> None:
    bench.now = T0 + timedelta(hours=4)
    for minutes in (0, 10, 60, 70, 180, 185):
        bench.put(reads("R-BAY-1", minutes, read(1), at=T0 + timedelta(minutes=minutes)))
    hour = timedelta(hours=1)
    assert bench.rows("SELECT from_at, until_at FROM device_heard ORDER BY 1") == [(T0, T0 + hour / 6), (T0 + hour, T0 + hour * 7 / 6)]
    assert bench.rows("SELECT heard_from, heard_until FROM device_state") == [(T0 + 3 * hour, T0 + hour * 37 / 12)]
    bench.put(*(reads("R-BAY-1", 200 + m, read(1), at=T0 + timedelta(minutes=m)) for m in range(75, 180, 10)))  # it had buffered them
    assert bench.rows("SELECT from_at, until_at FROM device_heard") == [(T0, T0 + hour / 6)]
    assert bench.rows("SELECT heard_from, heard_until FROM device_state") == [(T0 + hour, T0 + hour * 37 / 12)]


def test_unset_and_future_clocks_get_our_time_and_a_flag_and_teach_nothing(bench: Bench) -> None:
    for seq, at in enumerate((T0.replace(year=1970), T0.replace(year=2000, month=1, day=1), bench.now + timedelta(seconds=301)), 1):
        bench.put(reads("R-BAY-1", seq, read(seq), at=at))
    assert bench.rows("SELECT observed_at, flags FROM observation ORDER BY event_key") == [
        (bench.now, ["clock_unset"]),
        (bench.now, ["clock_unset"]),
        (bench.now, ["future_time"]),
    ]
    bench.put(reads("R-BAY-1", 4, read(4), at=bench.now + timedelta(seconds=299)))
    assert bench.rows("SELECT clock_offset_ms, clock_samples_ms FROM device_state") == [(-299_000, [-299_000])]


def crossings(bench: Bench) -> list[tuple[Any, ...]]:
    """Fence crossings that were not taken back."""
    return bench.rows(
        "SELECT kind, occurred_at, evidence->>'warehouse_id', evidence->>'reason' FROM movement m WHERE kind LIKE 'FENCE%'"
        " AND NOT EXISTS (SELECT FROM movement c WHERE c.corrects = m.movement_id) ORDER BY occurred_at, kind DESC"
    )


def test_a_jump_is_flagged_and_moves_nothing(bench: Bench) -> None:
    for i, lon in enumerate((121.405, 121.406, 123.4, 121.407)):
        bench.put(fix(i, lon, 31.305, T0 + i * 60 * S))
    assert bench.rows("SELECT flags FROM position ORDER BY observed_at") == [([],), ([],), (["jump"],), ([],)]
    assert crossings(bench) == []
    assert bench.rows("SELECT lon, warehouse_id FROM vehicle_position") == [(121.407, YARD)]


def test_late_fixes_take_back_a_crossing_that_was_none(bench: Bench) -> None:
    bench.put(fix(1, 121.405, 31.305, T0))
    bench.put(fix(3, 121.45, 31.305, T0 + 200 * S), fix(9, 121.45, 31.305, T0 + 500 * S))
    assert crossings(bench) == [("FENCE_EXIT", T0 + 500 * S, YARD, "two_fixes_outside")]
    bench.put(fix(4, 121.405, 31.305, T0 + 300 * S), fix(5, 121.405, 31.305, T0 + 400 * S))  # it was inside meanwhile
    bench.put(fix(10, 121.45, 31.305, T0 + 600 * S))
    assert crossings(bench) == [("FENCE_EXIT", T0 + 600 * S, YARD, "two_fixes_outside")]
    assert bench.rows("SELECT evidence->>'reason', corrects IS NOT NULL FROM movement WHERE kind = 'CORRECTION'") == [("late_fix", True)]
    assert bench.rows("SELECT warehouse_id FROM vehicle_position") == [(None,)]


def test_fixes_in_any_order_of_arrival_tell_the_same_way(pool: Pool) -> None:
    with pool.connection() as conn:
        register_world(conn)
        conn.execute(
            "INSERT INTO device (device_id, tenant_id, site, class, format, name, registered_at)"
            " SELECT 'T-' || n, 'demo', 'fleet', 'gps', 'native', 'truck', %s FROM generate_series(1, 400) n",
            (T0,),
        )
    bench = Bench(pool)
    trucks = itertools.count(1)
    steps = st.lists(
        st.tuples(st.sampled_from([121.405, 121.4103, 121.414, 121.45, 124.0]), st.sampled_from([60, 120])), min_size=2, max_size=10
    )

    def put(truck: str, *found: tuple[int, float, datetime]) -> None:
        where = f"v1/demo/fleet/gps/{truck}/position"
        bench.put(*((where, fix(seq, lon, 31.305, at)[1]) for seq, lon, at in found))

    def told(truck: str) -> tuple[Any, ...]:
        return (
            bench.rows(
                f"SELECT kind, occurred_at, evidence->>'warehouse_id' FROM movement m WHERE device_id = '{truck}' AND kind LIKE 'FENCE%'"
                " AND NOT EXISTS (SELECT FROM movement c WHERE c.corrects = m.movement_id) ORDER BY occurred_at, kind DESC"
            ),
            bench.rows(f"SELECT warehouse_id FROM vehicle_position WHERE device_id = '{truck}'"),
        )

    @settings(max_examples=60, phases=(Phase.generate,), derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        ordered, mixed = f"T-{next(trucks)}", f"T-{next(trucks)}"
        at, events = T0, []
        for seq, (lon, gap) in enumerate(data.draw(steps)):
            at += gap * S
            events.append((seq, lon, at))
        for event in events:
            put(ordered, event)
        rest = data.draw(st.permutations(events))
        while rest:
            size = data.draw(st.integers(1, len(rest)))
            put(mixed, *rest[:size])
            rest = rest[size:]
        assert told(mixed) == told(ordered)

    holds()


def test_a_zone_is_not_observable_while_its_reader_was_away(bench: Bench) -> None:
    bench.now = T0 + timedelta(hours=13)
    hour = timedelta(hours=1)
    for i in range(49):  # every quarter of an hour, away from hour 4 to hour 8
        if not 16 < i < 32:
            bench.put(reads("R-BAY-1", i, read(1), at=T0 + i * hour / 4))
        bench.put(reads("R-GATE-1", i, read(9, ant=1), at=T0 + i * hour / 4))
    with bench.pool.connection() as conn:
        found = zone_observability(conn, f"{YARD}/bay-1", T0, T0 + 12 * hour)
        nobody = zone_observability(conn, f"{METAL}/bay-2", T0, T0 + hour)
    assert [(g.from_at - T0, g.until_at - T0, g.reason) for g in found.blind] == [(hour * 17 / 4, 8 * hour, Blind.READER_OUTAGE)]
    assert [g.reason for g in nobody.blind] == [Blind.NO_READER]
    assert not_seen(T0, found) is NotSeen.NOT_OBSERVABLE


def test_two_changes_of_one_instant_are_told_once_however_late_more_comes(bench: Bench) -> None:
    numbers = range(1, 20)
    instants = {n: T0 + (7 * n % 19 + 1) * 10 * S for n in numbers}  # many in one batch, not in order of time
    bench.put(*(reads("R-METAL-1", n, read(n, ant=0), at=T0) for n in numbers))
    bench.put(*(reads("R-METAL-1", 100 + n, read(n, ant=0), at=T0 + 300 * S) for n in numbers))
    for later, number in ((0, 200), (1, 400), (2, 600)):
        pairs = [(n, device, ant) for n in numbers for device, ant in (("R-BAY-1", 9), ("R-GATE-1", 4))]
        bench.put(*(reads(device, number + n, read(n, ant=ant), at=instants[n] + later * S) for n, device, ant in pairs))
    told = (
        "SELECT tag_epc, occurred_at, kind, from_zone_id, to_zone_id, count(*) FROM movement WHERE corrects IS NULL GROUP BY 1, 2, 3, 4, 5"
    )
    found = bench.rows(told)
    assert len(found) >= 3 * len(numbers)
    assert [row for row in found if row[5] != 1] == []
