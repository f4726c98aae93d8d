"""What officers do with alerts: two persons, versions, history."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from collateral_world import NOW, TENANT
from risk_world import RiskWorld, all_heard, build_risk_world

from collateral.clock import FixedClock
from collateral.errors import NotFound, RejectedInput, SamePersonRefused, WrongState
from db.pool import Pool
from risk import alerts
from risk.fast_lane import FastLane


@pytest.fixture
def world(pool: Pool) -> RiskWorld:
    return build_risk_world(pool)


@pytest.fixture
def p1(world: RiskWorld) -> str:
    goods = world.coils(1, 1)
    world.pledged(goods)
    world.movement("GATE_OUT", goods[0], NOW)
    FastLane(world.pool, FixedClock(NOW)).drain()
    return str(world.alerts("R01")[0]["alert_id"])


def test_closing_a_p1_takes_two_persons_and_leaves_its_history(world: RiskWorld, p1: str) -> None:
    act = alerts.acknowledge(world.pool, TENANT, p1, "chen", 1, NOW, comment="on my way")
    assert (act.status, act.owner, act.version) == ("ACK", "chen", 2)
    alerts.assign(world.pool, TENANT, p1, "chen", 2, NOW, owner="wang")
    alerts.comment(world.pool, TENANT, p1, "wang", NOW, text="the guard says it is a test")
    alerts.set_status(world.pool, TENANT, p1, "wang", 3, NOW, status="EXPLAINED")
    first = alerts.close(world.pool, TENANT, p1, "wang", 4, NOW, reason="gate test")
    assert (first.status, first.needs_second_person) == ("EXPLAINED", True)
    with pytest.raises(SamePersonRefused):
        alerts.close(world.pool, TENANT, p1, "wang", None, NOW, reason="gate test")
    done = alerts.close(world.pool, TENANT, p1, "li", None, NOW + timedelta(hours=1), reason="gate test, confirmed")
    assert (done.status, done.needs_second_person) == ("CLOSED", False)
    row = world.alerts("R01")[0]
    assert (row["closing_user"], row["second_closing_user"], row["closing_reason"]) == ("wang", "li", "gate test, confirmed")
    assert world.events(p1) == ["OPENED", "ACKNOWLEDGED", "ASSIGNED", "COMMENTED", "STATUS", "STATUS", "CLOSED"]
    with pytest.raises(WrongState):
        alerts.close(world.pool, TENANT, p1, "li", None, NOW, reason="again")


def test_a_stale_version_another_tenant_and_an_empty_reason_are_refused(world: RiskWorld, p1: str) -> None:
    alerts.acknowledge(world.pool, TENANT, p1, "chen", 1, NOW)
    with pytest.raises(WrongState, match="version 2"):
        alerts.assign(world.pool, TENANT, p1, "li", 1, NOW, owner="li")
    with pytest.raises(WrongState, match="not open"):
        alerts.acknowledge(world.pool, TENANT, p1, "li", None, NOW)
    with pytest.raises(NotFound):
        alerts.acknowledge(world.pool, "another", p1, "chen", None, NOW)
    with pytest.raises(RejectedInput):
        alerts.close(world.pool, TENANT, p1, "chen", None, NOW, reason="  ")
    with pytest.raises(RejectedInput):
        alerts.set_status(world.pool, TENANT, p1, "chen", None, NOW, status="CLOSED")


def test_the_store_itself_refuses_one_person_closing_a_p1(world: RiskWorld, p1: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="alert_closed_by_two"):
        world.execute(
            "UPDATE alert SET status = 'CLOSED', closed_at = now(), closing_reason = 'x', closing_user = 'a', second_closing_user = 'a' WHERE alert_id = %s",
            p1,
        )


def test_refreshing_an_alert_does_not_take_the_officers_version_away(world: RiskWorld) -> None:
    never = world.coils(5, 1, seen_at=None)
    world.pledged(never, at=NOW - timedelta(days=2))
    all_heard(world, NOW)
    world.check(NOW)
    world.check(NOW + timedelta(minutes=5))
    row = world.alerts("R04")[0]
    assert (row["version"], row["last_found_at"]) == (1, NOW + timedelta(minutes=5))
