"""Alerts under late, repeated and corrected facts, and under new evidence while people work on them."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from collateral_world import NOW, TENANT
from risk_world import RiskWorld, build_risk_world

from collateral.clock import FixedClock
from db.pool import Pool
from risk import alert_store, alerts, job_store
from risk.alerts import reconcile_in
from risk.evaluate import RuleResult
from risk.fast_lane import FastLane
from risk.jobs import run_mark
from risk.rule import Finding, Severity, Subject, SubjectKind
from risk.rules import RULES

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BACK = {"from_zone_id": "WH-SH-01/gate-out", "to_zone_id": "WH-SH-01/gate-in"}
R04 = next(r for r in RULES if r.code == "R04")
R02 = next(r for r in RULES if r.code == "R02")
R16 = next(r for r in RULES if r.code == "R16")


@pytest.fixture
def world(pool: Pool) -> RiskWorld:
    return build_risk_world(pool)


@pytest.fixture
def unit(world: RiskWorld) -> str:
    goods = world.coils(1, 1)
    world.pledged(goods)
    return goods[0]


def drained(world: RiskWorld, at: datetime = NOW + 6 * HOUR) -> None:
    FastLane(world.pool, FixedClock(at)).drain()


def only(world: RiskWorld, rule: str = "R01") -> dict[str, Any]:
    rows = world.alerts(rule)
    assert len(rows) == 1
    return rows[0]


def told(world: RiskWorld, alert_id: str, kind: str) -> list[dict[str, Any]]:
    with world.pool.connection() as conn:
        found = conn.execute("SELECT detail FROM alert_event WHERE alert_id = %s AND kind = %s ORDER BY event_id", (alert_id, kind))
        return [row[0] for row in found]


def find(
    world: RiskWorld, rule: Any, at: datetime, goods_id: str, severity: Severity, *, previous: datetime | None = None, **other: Any
) -> None:
    """One finding of a rule about a unit, as a run of that instant brings it."""
    pledge_id = world.scalar("SELECT pledge_id FROM pledge_item WHERE goods_id = %s", goods_id)
    made = Finding(
        subject=Subject(tenant_id=TENANT, kind=SubjectKind.GOODS, id=goods_id), severity=severity, occurred_at=at, summary="s", summary_zh="s",
        evidence=other, facility_id="F-1", pledge_id=pledge_id,
    )  # fmt: skip
    with world.pool.connection() as conn, conn.transaction():
        reconcile_in(conn, [RuleResult(rule=rule, findings=(made,))], now=at, previous_run_at=previous, whole=False)


def correct(world: RiskWorld, movement_id: int, at: datetime) -> None:
    """A person takes a movement back."""
    world.execute(
        "INSERT INTO movement (occurred_at, received_at, kind, device_id, corrects, evidence)"
        " SELECT occurred_at, %s, 'CORRECTION', device_id, movement_id, '{\"reason\": \"wrong tag\"}' FROM movement WHERE movement_id = %s",
        at, movement_id,
    )  # fmt: skip


# ---------------------------------------------------------------- late, repeated, corrected


def test_a_late_return_from_before_a_newer_exit_does_not_clear_that_exit(world: RiskWorld, unit: str) -> None:
    world.movement("GATE_OUT", unit, NOW)
    drained(world)
    world.movement("GATE_OUT", unit, NOW + HOUR)
    drained(world)
    world.movement("GATE_IN", unit, NOW + 5 * MINUTE, **BACK)  # arrives last, happened between the two
    drained(world)
    row = only(world)
    assert row["status"] == "OPEN"
    assert len(row["event_keys"]) == 2
    assert row["explained_keys"] == row["event_keys"][:1]
    assert told(world, row["alert_id"], "REFRESHED")[-1]["left"] == row["event_keys"][1:]
    world.movement("GATE_IN", unit, NOW + HOUR + 5 * MINUTE, **BACK)
    drained(world)
    assert only(world)["status"] == "RESOLVED"


def test_an_exit_and_a_late_return_of_an_older_one_in_one_batch_are_both_counted(world: RiskWorld, unit: str) -> None:
    world.movement("GATE_OUT", unit, NOW)
    drained(world)
    world.movement("GATE_OUT", unit, NOW + HOUR)
    world.movement("GATE_IN", unit, NOW + 5 * MINUTE, **BACK)
    drained(world)
    row = only(world)
    assert (row["status"], row["explained_keys"]) == ("OPEN", row["event_keys"][:1])
    world.movement("GATE_IN", unit, NOW + HOUR + MINUTE, **BACK)
    drained(world)
    assert only(world)["status"] == "RESOLVED"


def test_judging_everything_again_leaves_the_alerts_as_they_are(world: RiskWorld, unit: str) -> None:
    for after in (timedelta(0), HOUR):
        world.movement("GATE_OUT", unit, NOW + after)
        drained(world)
    world.movement("GATE_IN", unit, NOW + 5 * MINUTE, **BACK)
    drained(world)
    before = only(world)
    world.execute("UPDATE fast_lane_cursor SET movement_xid = '0', refusal_xid = '0'")
    drained(world)
    after_ = only(world)
    assert {k: v for k, v in after_.items() if k != "last_found_at"} == {k: v for k, v in before.items() if k != "last_found_at"}
    assert world.events(before["alert_id"]) == ["OPENED", "REFRESHED", "REFRESHED"]


def test_a_return_to_another_site_explains_nothing(world: RiskWorld, unit: str) -> None:
    world.movement("GATE_OUT", unit, NOW)
    drained(world)
    world.movement("GATE_IN", unit, NOW + 5 * MINUTE, device_id="rd-far", from_zone_id=None, to_zone_id="WH-SH-02/bay-1")
    drained(world)
    assert only(world)["status"] == "OPEN"
    world.execute("UPDATE alert SET status = 'RESOLVED', resolved_at = %s, event_keys = '{}'", NOW)
    world.execute("UPDATE fast_lane_cursor SET movement_xid = '0', refusal_xid = '0'")
    drained(world)
    assert world.open("R01") == [unit]  # judged with the return in sight


def test_a_late_older_exit_joins_the_alert_and_leaves_the_newer_evidence(world: RiskWorld, unit: str) -> None:
    newer = world.movement("GATE_OUT", unit, NOW + HOUR)
    drained(world)
    older = world.movement("GATE_OUT", unit, NOW)
    drained(world)
    row = only(world)
    assert row["evidence"]["movement_id"] == newer
    joined = told(world, row["alert_id"], "REFRESHED")[-1]
    assert (joined["event_key"], joined["evidence"]["movement_id"]) == (f"movement:{older}", older)


@pytest.mark.parametrize("aboard", [True, False])
def test_a_lorry_back_inside_its_fence_explains_the_exit_of_what_is_still_aboard(world: RiskWorld, unit: str, aboard: bool) -> None:
    lorry = {"device_id": "trk-1", "vehicle_plate": "沪A12345", "from_zone_id": None, "to_zone_id": None}
    world.movement("FENCE_EXIT", None, NOW, evidence={"warehouse_id": "WH-SH-01", "goods": [unit]}, **lorry)
    drained(world)
    assert world.open("R01") == [unit]
    world.movement("FENCE_ENTER", None, NOW + 5 * MINUTE, evidence={"warehouse_id": "WH-SH-01", "goods": [unit] if aboard else []}, **lorry)
    drained(world)
    assert world.open("R01") == ([] if aboard else [unit])
    world.execute("UPDATE alert SET status = 'RESOLVED', resolved_at = %s, event_keys = '{}', explained_keys = '{}'", NOW)
    world.execute("UPDATE fast_lane_cursor SET movement_xid = '0', refusal_xid = '0'")
    drained(world)
    assert world.open("R01") == ([] if aboard else [unit])


def test_a_correction_clears_the_alert_of_the_movement_that_it_takes_back(world: RiskWorld) -> None:
    goods = world.coils(1, 3)
    world.pledged(goods)
    away = {"device_id": "rd-far", "from_zone_id": "WH-SH-01/bay-1", "to_zone_id": "WH-SH-02/bay-1"}
    exit_ = world.movement("GATE_OUT", goods[0], NOW)
    clone = world.movement("SITE_CHANGE", goods[1], NOW + 10 * MINUTE, from_seen_at=NOW + 8 * MINUTE, **away)
    lorry = world.movement(
        "FENCE_EXIT", None, NOW, device_id="trk-1", vehicle_plate="沪A12345", from_zone_id=None, to_zone_id=None,
        evidence={"warehouse_id": "WH-SH-01", "goods": goods[2:]},
    )  # fmt: skip
    drained(world)
    assert (world.open("R01"), world.open("R03")) == ([goods[0], goods[2]], [goods[1]])
    for movement_id in (exit_, clone, lorry):
        correct(world, movement_id, NOW + HOUR)
    drained(world)
    assert (world.open("R01"), world.open("R03")) == ([], [])
    alert_id = next(a["alert_id"] for a in world.alerts("R01") if a["subject_id"] == goods[0])
    assert told(world, alert_id, "RESOLVED") == [
        {"reason": "the movement was corrected", "movement_id": exit_ + 3, "corrects": exit_, "occurred_at": NOW.isoformat(),
         "why": {"reason": "wrong tag"}}
    ]  # fmt: skip


def test_the_exit_stands_again_when_the_return_that_explained_it_is_corrected(world: RiskWorld, unit: str) -> None:
    world.movement("GATE_OUT", unit, NOW)
    drained(world)
    back = world.movement("GATE_IN", unit, NOW + 5 * MINUTE, **BACK)
    drained(world)
    assert world.open("R01") == []
    correct(world, back, NOW + HOUR)
    drained(world)
    row = only(world)
    assert (row["status"], row["explained_keys"], row["version"]) == ("OPEN", [], 3)
    assert world.events(row["alert_id"]) == ["OPENED", "RESOLVED", "REOPENED"]


# ---------------------------------------------------------------- new evidence while people work


def test_a_second_exit_that_joins_moves_the_version_and_ends_a_closing_that_waits(world: RiskWorld, unit: str) -> None:
    world.movement("GATE_OUT", unit, NOW)
    drained(world)
    alert_id = only(world)["alert_id"]
    first = alerts.close(world.pool, TENANT, alert_id, "wang", 1, NOW, reason="gate test")
    assert first.needs_second_person
    world.movement("GATE_OUT", unit, NOW + HOUR)
    drained(world)
    row = only(world)
    assert (row["closing_user"], row["closing_reason"], row["version"]) == (None, None, first.version + 1)
    assert told(world, alert_id, "STATUS")[-1] == {"closing": "cancelled by new evidence", "first": "wang", "first_reason": "gate test"}
    again = alerts.close(world.pool, TENANT, alert_id, "li", None, NOW, reason="gate test")
    assert (again.status, again.needs_second_person) == ("OPEN", True)  # the second person became the first


def test_the_same_finding_again_moves_neither_the_version_nor_a_closing_that_waits(world: RiskWorld, unit: str) -> None:
    find(world, R04, NOW, unit, Severity.P1)
    alert_id = only(world, "R04")["alert_id"]
    first = alerts.close(world.pool, TENANT, alert_id, "wang", 1, NOW, reason="on its way")
    find(world, R04, NOW + HOUR, unit, Severity.P1)
    row = only(world, "R04")
    assert (row["closing_user"], row["version"], row["last_found_at"]) == ("wang", first.version, NOW + HOUR)


@pytest.mark.parametrize("how", ["worse", "noted", "legs"])
def test_worse_evidence_a_higher_severity_and_a_second_leg_end_a_closing_that_waits(world: RiskWorld, unit: str, how: str) -> None:
    find(world, R02, NOW, unit, Severity.P2, vanished_together=0)
    alert_id = only(world, "R02")["alert_id"]
    first = alerts.close(world.pool, TENANT, alert_id, "wang", 1, NOW, reason="shadowed by a stack")
    if how == "legs":
        find(world, R16, NOW + HOUR, unit, Severity.P2)
    else:
        find(world, R02, NOW + HOUR, unit, Severity.P1 if how == "worse" else Severity.P2, vanished_together=2)
    row = only(world, "R02")
    assert (row["closing_user"], row["version"], row["severity"]) == (None, first.version + 1, "P2" if how == "noted" else "P1")
    assert told(world, alert_id, "STATUS")[-1]["closing"] == "cancelled by new evidence"


def test_a_person_who_closes_while_a_run_reconciles_waits_for_it(world: RiskWorld, unit: str) -> None:
    find(world, R04, NOW, unit, Severity.P1)
    alert_id = only(world, "R04")["alert_id"]
    closing = threading.Thread(target=alerts.close, args=(world.pool, TENANT, alert_id, "wang", None, NOW), kwargs={"reason": "seen"})
    with world.pool.connection() as conn, conn.transaction():
        alert_store.lock(conn)
        closing.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7251001 AND NOT granted"
        for _ in range(10_000):
            if conn.execute(waiting).fetchone() == (1,):
                break
        else:
            pytest.fail("the closing went on beside the reconciliation")
    closing.join()
    assert only(world, "R04")["closing_user"] == "wang"


# ---------------------------------------------------------------- episodes, outcomes, marks


def resolve(world: RiskWorld, rule: Any, at: datetime) -> None:
    with world.pool.connection() as conn, conn.transaction():
        reconcile_in(conn, [RuleResult(rule=rule)], now=at, whole=True)


def test_a_reopened_episode_has_its_own_clock_and_legs_and_keeps_its_past_in_the_history(world: RiskWorld, unit: str) -> None:
    find(world, R02, NOW, unit, Severity.P2)
    find(world, R16, NOW, unit, Severity.P2)
    row = only(world, "R02")
    assert (row["severity"], row["composite_legs"]) == ("P1", ["L", "T"])
    for rule in (R02, R16):
        resolve(world, rule, NOW + HOUR)
    world.execute("UPDATE alert SET opened_at = opened_at - interval '80 hours' WHERE rule_code = 'R16'")  # that leg is long over
    at = NOW + 20 * HOUR
    find(world, R02, at, unit, Severity.P2)
    again = only(world, "R02")
    assert (again["alert_id"], again["episode"], again["status"]) == (row["alert_id"], 1, "OPEN")
    assert (again["severity"], again["composite_legs"], again["opened_at"], again["sla_due_at"]) == ("P2", [], at, at + 4 * HOUR)
    was = told(world, row["alert_id"], "REOPENED")[-1]["was"]
    assert (was["opened_at"], was["composite_legs"], was["severity"], was["status"]) == (NOW.isoformat(), ["L", "T"], "P1", "RESOLVED")


def test_a_reopened_alert_beside_another_leg_is_raised_again(world: RiskWorld, unit: str) -> None:
    find(world, R02, NOW, unit, Severity.P2)
    find(world, R16, NOW, unit, Severity.P2)
    resolve(world, R02, NOW + HOUR)
    find(world, R02, NOW + 2 * HOUR, unit, Severity.P2)
    row = only(world, "R02")
    assert (row["severity"], row["composite_legs"]) == ("P1", ["L", "T"])
    assert row["sla_due_at"] == NOW + 2 * HOUR + 15 * MINUTE


@pytest.mark.parametrize("outcome", ["FALSE_ALARM", "EXPLAINED", "CONFIRMED"])
def test_what_the_work_has_shown_outlives_the_closing_and_counts(world: RiskWorld, unit: str, outcome: str) -> None:
    find(world, R16, NOW, unit, Severity.P2)
    alert_id = only(world, "R16")["alert_id"]
    alerts.set_status(world.pool, TENANT, alert_id, "wang", None, NOW, status=outcome)
    alerts.close(world.pool, TENANT, alert_id, "wang", None, NOW, reason="paper found")
    alerts.close(world.pool, TENANT, alert_id, "li", None, NOW, reason="paper seen")
    row = only(world, "R16")
    assert (row["status"], row["outcome"], row["closing_reason"]) == ("CLOSED", outcome, "paper seen")
    assert told(world, alert_id, "CLOSED") == [{"reason": "paper seen", "first": "wang", "first_reason": "paper found", "outcome": outcome}]
    find(world, R02, NOW + HOUR, unit, Severity.P2)
    assert only(world, "R02")["composite_legs"] == (["L", "T"] if outcome == "CONFIRMED" else [])


@pytest.mark.parametrize("how", ["reopened", "raised", "composite"])
def test_an_alert_that_becomes_a_p1_again_makes_a_mark_of_its_facility_due(world: RiskWorld, unit: str, how: str) -> None:
    find(world, R02, NOW, unit, Severity.P1 if how == "reopened" else Severity.P2)
    if how == "reopened":
        resolve(world, R02, NOW + MINUTE)
    run_mark(world.pool, NOW + HOUR, "MANUAL")
    assert job_store.marks_due(world.pool, NOW + HOUR, timedelta(0)) == {}
    at = NOW + 2 * HOUR
    if how == "composite":
        find(world, R16, at, unit, Severity.P2)
    else:
        find(world, R02, at, unit, Severity.P1)
    assert only(world, "R02")["severity"] == "P1"
    assert job_store.marks_due(world.pool, at, timedelta(0)) == {"ELIGIBILITY": ["F-1"]}
    run_mark(world.pool, at, "ELIGIBILITY", facility_ids=["F-1"])
    assert job_store.marks_due(world.pool, at + MINUTE, timedelta(0)) == {}


def test_a_mark_is_due_when_a_long_run_writes_after_a_mark_that_was_younger_than_its_as_of(world: RiskWorld, unit: str) -> None:
    run_mark(world.pool, NOW + MINUTE, "MANUAL")
    made = Finding(
        subject=Subject(tenant_id=TENANT, kind=SubjectKind.GOODS, id=unit), severity=Severity.P1, occurred_at=NOW, summary="s", summary_zh="s",
        evidence={}, facility_id="F-1",
    )  # fmt: skip
    with world.pool.connection() as conn, conn.transaction():
        reconcile_in(conn, [RuleResult(rule=R04, findings=(made,))], now=NOW, previous_run_at=None, whole=True, written_at=NOW + 2 * MINUTE)
    assert job_store.marks_due(world.pool, NOW + 3 * MINUTE, timedelta(seconds=2)) == {"ELIGIBILITY": ["F-1"]}
